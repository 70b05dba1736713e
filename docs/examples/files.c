/* SPDX-License-Identifier: MIT */
/* Guide: files. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <weft/weft.h>

/* ---- Open, write, close ---- */

struct keep_log {
    WEFT_FRAME;
    const char *path;
    weft_file *file;
};

static WEFT_ASYNC(keep_log)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->file, weft_file_open(self->path, O_WRONLY | O_CREAT | O_APPEND, 0666));
    WEFT_AWAIT(weft_file_write(self->file, "started\n", 8));
    WEFT_AWAIT(weft_gather(weft_file_write(self->file, "one\n", 4),
                           weft_file_write(self->file, "two\n", 4), weft_file_fsync(self->file)));
    WEFT_AWAIT(weft_file_close(self->file));

    WEFT_FINALLY;
    weft_file_unref(self->file);
    WEFT_END;
}

/* ---- Line by line ---- */

struct print_lines {
    WEFT_FRAME;
    const char *path;
    weft_file *file;
    weft_lines *lines;
    const weft_bytes *line; /* borrowed until the next one */
};

static WEFT_ASYNC(print_lines)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->file, weft_file_open(self->path, O_RDONLY, 0));
    self->lines = weft_lines_new(self->file, &(struct weft_lines_options){.limit = 1000});
    if (!self->lines)
        WEFT_FAIL(-errno);
    for (;;) {
        WEFT_AWAIT_INTO(self->line, weft_lines_next(self->lines));
        if (!self->line)
            break;
        printf("  %zu: %s\n", self->line->len, self->line->data);
    }

    WEFT_FINALLY;
    weft_lines_free(self->lines);
    weft_file_unref(self->file);
    WEFT_END;
}

/* ---- Whole files ---- */

struct change_settings {
    WEFT_FRAME;
    const char *path;
    weft_bytes *old;
};

static WEFT_ASYNC(change_settings)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_path_write_atomic(self->path, "colour=red\n", 11, 0666));
    WEFT_AWAIT_INTO(self->old, weft_path_read_all(self->path, 4096));
    printf("  it was: %s", self->old->data);
    WEFT_AWAIT(weft_path_write_atomic(self->path, "colour=blue\n", 12, 0666));

    WEFT_FINALLY;
    weft_bytes_free(self->old);
    WEFT_END;
}

/* ---- A folder ---- */

struct measure_folder {
    WEFT_FRAME;
    const char *path;
    weft_dir *dir;
    const struct weft_dir_entry *entry; /* borrowed until the next one */
    struct stat *status;
    char name[512];
    int64_t total;
    int files;
};

static WEFT_ASYNC(measure_folder)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->dir, weft_dir_open(self->path));
    for (;;) {
        WEFT_AWAIT_INTO(self->entry, weft_dir_next(self->dir));
        if (!self->entry)
            break;
        if (self->entry->type != WEFT_FILE_REGULAR)
            continue;
        snprintf(self->name, sizeof(self->name), "%s/%s", self->path, self->entry->name);
        WEFT_AWAIT_INTO(self->status, weft_path_stat(self->name));
        self->total += self->status->st_size;
        self->files++;
        weft_stat_free(self->status);
        self->status = NULL;
    }
    printf("  %d files, %lld bytes\n", self->files, (long long)self->total);

    WEFT_FINALLY;
    weft_stat_free(self->status);
    weft_dir_free(self->dir);
    WEFT_END;
}

/* ---- Failures ---- */

struct fail_twice {
    WEFT_FRAME;
    weft_file *full;
    int status;
};

static WEFT_ASYNC(fail_twice)
{
    WEFT_BEGIN;
    WEFT_CATCH(self->status, weft_path_read_all("/no/such/file", 0));
    printf("  %s\n", WEFT_CAUGHT_MESSAGE);
    WEFT_AWAIT_INTO(self->full, weft_file_open("/dev/full", O_WRONLY, 0));
    WEFT_CATCH(self->status, weft_file_write(self->full, "too much", 8));
    printf("  %s\n", WEFT_CAUGHT_MESSAGE);

    WEFT_FINALLY;
    weft_file_unref(self->full);
    WEFT_END;
}

/* ---- All of it, in a folder of its own ---- */

struct files {
    WEFT_FRAME;
    char folder[64], logs[128], log[128], settings[128], copy[128];
    int64_t copied;
};

static WEFT_ASYNC(files)
{
    WEFT_BEGIN;
    snprintf(self->folder, sizeof(self->folder), "/tmp/weft-files-%ld", (long)getpid());
    snprintf(self->logs, sizeof(self->logs), "%s/log", self->folder);
    snprintf(self->log, sizeof(self->log), "%s/log/today", self->folder);
    snprintf(self->settings, sizeof(self->settings), "%s/settings", self->folder);
    snprintf(self->copy, sizeof(self->copy), "%s/copy", self->folder);
    WEFT_AWAIT(weft_path_mkdir_all(self->logs, 0777));

    printf("a log:\n");
    WEFT_AWAIT(weft_call(keep_log, .path = self->log));
    WEFT_AWAIT(weft_call(print_lines, .path = self->log));
    printf("settings:\n");
    WEFT_AWAIT(weft_call(change_settings, .path = self->settings));
    WEFT_AWAIT_INTO(self->copied, weft_path_copy(self->settings, self->copy, NULL));
    printf("  copied %lld bytes\n", (long long)self->copied);
    printf("a folder:\n");
    WEFT_AWAIT(weft_call(measure_folder, .path = self->folder));
    printf("failures:\n");
    WEFT_AWAIT(weft_call(fail_twice));

    WEFT_AWAIT(weft_path_unlink(self->copy));
    WEFT_AWAIT(weft_path_unlink(self->settings));
    WEFT_AWAIT(weft_path_unlink(self->log));
    WEFT_AWAIT(weft_path_rmdir(self->logs));
    WEFT_AWAIT(weft_path_rmdir(self->folder));
    WEFT_END;
}

int main(void)
{
    return weft_run(files);
}

/* SPDX-License-Identifier: MIT */
/*
 * What calls for files cost: the system call alone, and by weft, awaited one after another; and what
 * the disk adds. Medians of rounds, in a file under the folder that is given.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <weft/weft.h>

enum { ROUNDS = 200, BLOCK = 4096, LINES = 200000 };

static char path[4096], block[BLOCK];
static double rounds[ROUNDS];

static double now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static void must(int64_t status, const char *what)
{
    if (status >= 0)
        return;
    fprintf(stderr, "file_costs: %s: %s\n", what, weft_strerror((int)status));
    exit(1);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(void)
{
    qsort(rounds, ROUNDS, sizeof(rounds[0]), compare);
    return rounds[ROUNDS / 2];
}

/* ---- System calls on this thread ---- */

static int64_t read_here(int fd)
{
    return pread(fd, block, BLOCK, 0);
}

static int64_t write_here(int fd)
{
    return pwrite(fd, block, BLOCK, 0);
}

static int64_t write_and_sync_here(int fd)
{
    return pwrite(fd, block, BLOCK, 0) < 0 ? -1 : fdatasync(fd);
}

static double here(int64_t (*call)(int fd))
{
    int fd = open(path, O_RDWR);
    must(fd < 0 ? -errno : 0, path);
    for (int i = 0; i < ROUNDS; i++) {
        double start = now_us();
        must(call(fd) < 0 ? -errno : 0, "a system call");
        rounds[i] = now_us() - start;
    }
    close(fd);
    return median();
}

/* ---- By weft ---- */

static weft_file *file;

static weft_future *read_block(void)
{
    return weft_file_pread(file, block, BLOCK, 0);
}

static weft_future *write_block(void)
{
    return weft_file_pwrite(file, block, BLOCK, 0);
}

static weft_future *write_and_sync(void)
{
    return weft_gather(write_block(), weft_file_fdatasync(file));
}

static weft_future *replace(void)
{
    char name[4200];
    snprintf(name, sizeof(name), "%s.replaced", path);
    return weft_path_write_atomic(name, block, BLOCK, 0600);
}

struct measure {
    WEFT_FRAME;
    weft_future *(*start)(void);
    double began;
    int i;
};

static WEFT_ASYNC(measure)
{
    WEFT_BEGIN;
    for (; self->i < ROUNDS; self->i++) {
        self->began = now_us();
        WEFT_AWAIT(self->start());
        rounds[self->i] = now_us() - self->began;
    }
    WEFT_RETURN(median());
    WEFT_END;
}

struct read_lines {
    WEFT_FRAME;
    weft_lines *lines;
    const weft_bytes *line;
    double began;
    int count;
};

static WEFT_ASYNC(read_lines)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_file_seek(file, 0, SEEK_SET));
    self->lines = weft_lines_new(file, NULL);
    self->began = now_us();
    for (;;) {
        WEFT_AWAIT_INTO(self->line, weft_lines_next(self->lines));
        if (!self->line)
            break;
        self->count++;
    }
    WEFT_RETURN((now_us() - self->began) / self->count);
    WEFT_FINALLY;
    weft_lines_free(self->lines);
    WEFT_END;
}

/* ---- The table ---- */

struct bench {
    WEFT_FRAME;
    double read, write, sync, replace, line;
};

static WEFT_ASYNC(bench)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(file, weft_file_open(path, O_RDWR, 0));
    WEFT_AWAIT_INTO(self->read, weft_call(measure, .start = read_block));
    WEFT_AWAIT_INTO(self->write, weft_call(measure, .start = write_block));
    WEFT_AWAIT_INTO(self->sync, weft_call(measure, .start = write_and_sync));
    WEFT_AWAIT_INTO(self->replace, weft_call(measure, .start = replace));
    WEFT_AWAIT_INTO(self->line, weft_call(read_lines));
    printf("%-34s %9s %9s\n", "us, median", "the call", "by weft");
    printf("%-34s %9.1f %9.1f\n", "read 4 KiB, in the page cache", here(read_here), self->read);
    printf("%-34s %9.1f %9.1f\n", "write 4 KiB, to the page cache", here(write_here), self->write);
    printf("%-34s %9.1f %9.1f\n", "write 4 KiB and fdatasync", here(write_and_sync_here),
           self->sync);
    printf("%-34s %9s %9.1f\n", "write_atomic of 4 KiB", "", self->replace);
    printf("%-34s %9s %9.3f\n", "a line of 80 bytes", "", self->line);
    WEFT_FINALLY;
    weft_file_unref(file);
    WEFT_END;
}

static void make_file(const char *folder)
{
    snprintf(path, sizeof(path), "%s/weft-file-costs-%ld", folder, (long)getpid());
    FILE *out = fopen(path, "w");
    must(out ? 0 : -errno, path);
    for (int i = 0; i < LINES; i++)
        fprintf(out, "%079d\n", i);
    must(fclose(out) ? -errno : 0, path);
}

int main(int argc, char **argv)
{
    char name[4200];
    make_file(argc > 1 ? argv[1] : ".");
    int status = weft_run(bench);
    snprintf(name, sizeof(name), "%s.replaced", path);
    unlink(name);
    unlink(path);
    return status;
}

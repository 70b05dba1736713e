/* SPDX-License-Identifier: MIT */
/* weft's calls for files, awaited one after another; and lines, read one by one. */
#include <weft/weft.h>

#include "files.h"

static weft_file *file;

static weft_future *read_block(void)
{
    return weft_file_pread(file, files.block, FILES_BLOCK, 0);
}

static weft_future *write_block(void)
{
    return weft_file_pwrite(file, files.block, FILES_BLOCK, 0);
}

static weft_future *replace(void)
{
    return weft_path_write_atomic(files.other, files.block, FILES_BLOCK, 0600);
}

struct write_and_sync {
    WEFT_FRAME;
};

static WEFT_ASYNC(write_and_sync)
{
    WEFT_BEGIN;
    WEFT_AWAIT(write_block());
    WEFT_AWAIT(weft_file_fdatasync(file));
    WEFT_END;
}

static weft_future *write_then_sync(void)
{
    return weft_call(write_and_sync);
}

struct measure {
    WEFT_FRAME;
    const char *metric;
    weft_future *(*start)(void);
    int done;
};

static WEFT_ASYNC(measure)
{
    WEFT_BEGIN;
    for (; self->done < files.rounds; self->done++) {
        files_begin();
        WEFT_AWAIT(self->start());
        files_end();
    }
    files_tell(self->metric);
    WEFT_END;
}

struct read_lines {
    WEFT_FRAME;
    weft_lines *lines;
    const weft_bytes *line;
    uint64_t began;
    int count;
};

static WEFT_ASYNC(read_lines)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_file_seek(file, 0, SEEK_SET));
    self->lines = weft_lines_new(file, NULL);
    self->began = now_ns();
    for (;;) {
        WEFT_AWAIT_INTO(self->line, weft_lines_next(self->lines));
        if (!self->line)
            break;
        self->count++;
    }
    emit(files.workload, files.peer, "line", (double)(now_ns() - self->began) / 1e3 / self->count,
         "us");
    WEFT_FINALLY;
    weft_lines_free(self->lines);
    WEFT_END;
}

struct bench {
    WEFT_FRAME;
};

static WEFT_ASYNC(bench)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(file, weft_file_open(files.path, O_RDWR, 0));
    WEFT_AWAIT(weft_call(measure, .metric = "read", .start = read_block));
    WEFT_AWAIT(weft_call(measure, .metric = "write", .start = write_block));
    WEFT_AWAIT(weft_call(measure, .metric = "write_sync", .start = write_then_sync));
    WEFT_AWAIT(weft_call(measure, .metric = "replace", .start = replace));
    WEFT_AWAIT(weft_call(read_lines));
    WEFT_FINALLY;
    weft_file_unref(file);
    WEFT_END;
}

int main(int argc, char **argv)
{
    files_args(argc, argv);
    return weft_run(bench);
}

/* SPDX-License-Identifier: MIT */
/* libuv's calls for files, which run on its threads. It has none that replaces a file. */
#include <uv.h>

#include "files.h"

static uv_file fd;
static uv_fs_t request;
static uv_buf_t block;
static int failed;

static void on_done(uv_fs_t *done)
{
    failed |= done->result < 0;
}

static void on_written(uv_fs_t *written)
{
    failed |= written->result < 0;
    uv_fs_req_cleanup(written);
    failed |= uv_fs_fdatasync(uv_default_loop(), &request, fd, on_done) < 0;
}

static int read_block(void)
{
    return uv_fs_read(uv_default_loop(), &request, fd, &block, 1, 0, on_done);
}

static int write_block(void)
{
    return uv_fs_write(uv_default_loop(), &request, fd, &block, 1, 0, on_done);
}

static int write_and_sync(void)
{
    return uv_fs_write(uv_default_loop(), &request, fd, &block, 1, 0, on_written);
}

static void measure(const char *metric, int (*start)(void))
{
    for (int i = 0; i < files.rounds; i++) {
        files_begin();
        failed |= start() < 0;
        uv_run(uv_default_loop(), UV_RUN_DEFAULT);
        files_end();
        uv_fs_req_cleanup(&request);
        if (failed)
            die(metric);
    }
    files_tell(metric);
}

int main(int argc, char **argv)
{
    files_args(argc, argv);
    fd = uv_fs_open(NULL, &request, files.path, O_RDWR, 0, NULL);
    uv_fs_req_cleanup(&request);
    if (fd < 0)
        die(files.path);
    block = uv_buf_init(files.block, FILES_BLOCK);
    measure("read", read_block);
    measure("write", write_block);
    measure("write_sync", write_and_sync);
    uv_fs_close(NULL, &request, fd, NULL);
    return 0;
}

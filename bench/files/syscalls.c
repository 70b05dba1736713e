/* SPDX-License-Identifier: MIT */
/* The system calls themselves, on the thread that wants them. */
#include "files.h"

static int fd;

static int read_block(void)
{
    return pread(fd, files.block, FILES_BLOCK, 0) == FILES_BLOCK ? 0 : -1;
}

static int write_block(void)
{
    return pwrite(fd, files.block, FILES_BLOCK, 0) == FILES_BLOCK ? 0 : -1;
}

static int write_and_sync(void)
{
    return write_block() == 0 ? fdatasync(fd) : -1;
}

/* A new file beside the old one, on the disk before it takes the old one's name. */
static int replace(void)
{
    char temporary[sizeof(files.other) + 8];
    snprintf(temporary, sizeof(temporary), "%s.new", files.other);
    int out = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (out < 0 || write(out, files.block, FILES_BLOCK) != FILES_BLOCK || fsync(out) < 0)
        return -1;
    close(out);
    return rename(temporary, files.other);
}

static void measure(const char *metric, int (*call)(void))
{
    for (int i = 0; i < files.rounds; i++) {
        files_begin();
        if (call() < 0)
            die(metric);
        files_end();
    }
    files_tell(metric);
}

int main(int argc, char **argv)
{
    files_args(argc, argv);
    fd = open(files.path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        die(files.path);
    measure("read", read_block);
    measure("write", write_block);
    measure("write_sync", write_and_sync);
    measure("replace", replace);
    close(fd);
    return 0;
}

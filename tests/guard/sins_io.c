/* SPDX-License-Identifier: MIT */
/* Sockets, pipes and files. */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/guard/sins.h"
#include "tests/guard/stage.h"

static char bytes[64];
static volatile size_t one =
    1; /* the compiler does not know it: a checked call with _FORTIFY_SOURCE */
static int connected = -1;

/* ---- What the other thread does ---- */

static void feed_pipe(void)
{
    sin_result = write(stage.pipe[1], "a", 1);
}

static void feed_pair(void)
{
    sin_result = write(stage.pair[1], "a", 1);
}

static void drain_full(void)
{
    stage_drain(stage.full[0]);
}

static void drain_full_pair(void)
{
    stage_drain(stage.full_pair[0]);
}

static void hang_up(void)
{
    close(connected);
}

static void connect_to_listener(void)
{
    connected = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sin_result = connect(connected, (struct sockaddr *)stage.at, sizeof(*stage.at));
}

/* ---- Connecting ---- */

static void commit_connect(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    SIN_OF(connect(fd, (struct sockaddr *)stage.at, sizeof(*stage.at)));
    close(accept(stage.listener, NULL, NULL));
    close(fd);
}

static void commit_accept(void)
{
    stage_when_blocked(connect_to_listener);
    SIN_OF(accept(stage.listener, NULL, NULL));
    close((int)sin_result);
    stage_do(hang_up);
}

static void commit_accept4(void)
{
    stage_when_blocked(connect_to_listener);
    SIN_OF(accept4(stage.listener, NULL, NULL, SOCK_CLOEXEC));
    close((int)sin_result);
    stage_do(hang_up);
}

/* ---- Reading ---- */

static void commit_read(void)
{
    stage_when_blocked(feed_pipe);
    SIN_OF(read(stage.pipe[0], bytes, one));
}

static void commit_readv(void)
{
    struct iovec piece = {bytes, 1};
    stage_when_blocked(feed_pipe);
    SIN_OF(readv(stage.pipe[0], &piece, 1));
}

static void commit_recv(void)
{
    stage_when_blocked(feed_pair);
    SIN_OF(recv(stage.pair[0], bytes, one, 0));
}

static void commit_recvfrom(void)
{
    stage_when_blocked(feed_pair);
    SIN_OF(recvfrom(stage.pair[0], bytes, one, 0, NULL, NULL));
}

static void commit_recvmsg(void)
{
    struct iovec piece = {bytes, 1};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
    stage_when_blocked(feed_pair);
    SIN_OF(recvmsg(stage.pair[0], &message, 0));
}

static void commit_recvmmsg(void)
{
    struct iovec piece = {bytes, 1};
    struct mmsghdr message = {.msg_hdr = {.msg_iov = &piece, .msg_iovlen = 1}};
    stage_when_blocked(feed_pair);
    SIN_OF(recvmmsg(stage.pair[0], &message, 1, 0, NULL));
}

/* ---- Writing ---- */

static void commit_write(void)
{
    stage_fill(stage.full[1]);
    stage_when_blocked(drain_full);
    SIN_OF(write(stage.full[1], bytes, one));
}

static void commit_writev(void)
{
    struct iovec piece = {bytes, 1};
    stage_fill(stage.full[1]);
    stage_when_blocked(drain_full);
    SIN_OF(writev(stage.full[1], &piece, 1));
}

static void commit_send(void)
{
    stage_fill(stage.full_pair[1]);
    stage_when_blocked(drain_full_pair);
    SIN_OF(send(stage.full_pair[1], bytes, one, 0));
}

static void commit_sendto(void)
{
    stage_fill(stage.full_pair[1]);
    stage_when_blocked(drain_full_pair);
    SIN_OF(sendto(stage.full_pair[1], bytes, one, 0, NULL, 0));
}

static void commit_sendmsg(void)
{
    struct iovec piece = {bytes, 1};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
    stage_fill(stage.full_pair[1]);
    stage_when_blocked(drain_full_pair);
    SIN_OF(sendmsg(stage.full_pair[1], &message, 0));
}

static void commit_sendmmsg(void)
{
    struct iovec piece = {bytes, 1};
    struct mmsghdr message = {.msg_hdr = {.msg_iov = &piece, .msg_iovlen = 1}};
    stage_fill(stage.full_pair[1]);
    stage_when_blocked(drain_full_pair);
    SIN_OF(sendmmsg(stage.full_pair[1], &message, 1, 0));
}

static void commit_sendfile(void)
{
    off_t from = 0;
    stage_fill(stage.full_pair[1]);
    stage_when_blocked(drain_full_pair);
    SIN_OF(sendfile(stage.full_pair[1], stage.file, &from, 1));
}

static void commit_splice(void)
{
    stage_when_blocked(feed_pipe);
    SIN_OF(splice(stage.pipe[0], NULL, stage.full_pair[1], NULL, 1, 0));
    stage_drain(stage.full_pair[0]);
}

/* ---- To the disk ---- */

static void commit_fsync(void)
{
    SIN_OF(fsync(stage.file));
}

static void commit_fdatasync(void)
{
    SIN_OF(fdatasync(stage.file));
}

static void commit_msync(void)
{
    SIN_OF(msync(stage.mapped, 4096, MS_SYNC));
}

/* ---- Files that are far away (WEFT_GUARD_REMOTE says so), or slow ---- */

static void commit_open(void)
{
    SIN_OF(open(stage.path, O_RDONLY | O_CLOEXEC));
    close((int)sin_result);
}

static void commit_openat(void)
{
    SIN_OF(openat(AT_FDCWD, stage.path, O_RDONLY | O_CLOEXEC));
    close((int)sin_result);
}

static void commit_stat(void)
{
    struct stat status;
    SIN_OF(stat(stage.path, &status));
}

static void commit_fstat(void)
{
    struct stat status;
    SIN_OF(fstat(stage.file, &status));
}

static void commit_pread_of_a_file(void)
{
    SIN_OF(pread(stage.file, bytes, one, 0));
}

static void commit_read_of_a_file(void)
{
    SIN_OF(read(stage.file, bytes, one));
}

static void commit_pwrite_to_a_file(void)
{
    SIN_OF(pwrite(stage.file, bytes, one, 0));
}

static void commit_fopen(void)
{
    FILE *stream;
    SIN(stream = fopen(stage.path, "re"));
    if (stream)
        fclose(stream);
}

/* What was done there is gone; where it was is not. */
static void commit_unlink(void)
{
    char path[] = "/tmp/weft-guard-gone-XXXXXX";
    close(mkostemp(path, O_CLOEXEC));
    SIN_OF(unlink(path));
}

static void commit_unlinkat(void)
{
    char path[] = "/tmp/weft-guard-gone-XXXXXX";
    int folder = open("/tmp", O_PATH | O_CLOEXEC);
    close(mkostemp(path, O_CLOEXEC));
    SIN_OF(unlinkat(folder, strrchr(path, '/') + 1, 0));
    close(folder);
}

static void commit_fstatat(void)
{
    struct stat status;
    int folder = open("/tmp", O_PATH | O_CLOEXEC);
    SIN_OF(fstatat(folder, strrchr(stage.path, '/') + 1, &status, 0));
    close(folder);
}

static void commit_open_of_nothing(void)
{
    SIN_OF(open("/tmp/weft-guard-is-not-there", O_RDONLY | O_CLOEXEC));
}

static void commit_statx(void)
{
    struct statx status;
    SIN_OF(statx(AT_FDCWD, stage.path, 0, STATX_SIZE, &status));
}

static void commit_access(void)
{
    SIN_OF(access(stage.path, R_OK));
}

static void commit_ftruncate(void)
{
    SIN_OF(ftruncate(stage.file, 4096));
}

static void commit_opendir(void)
{
    DIR *folder;
    SIN(folder = opendir("/tmp"));
    if (folder)
        closedir(folder);
}

static void commit_readdir(void)
{
    DIR *folder = opendir("/tmp");
    SIN(sin_result = readdir(folder) != NULL);
    closedir(folder);
}

static void commit_realpath(void)
{
    char path[PATH_MAX];
    SIN(sin_result = realpath(stage.path, path) != NULL);
}

static void commit_sync_file_range(void)
{
    SIN_OF(sync_file_range(stage.file, 0, 4096, SYNC_FILE_RANGE_WAIT_BEFORE));
}

static void commit_rename(void)
{
    SIN_OF(rename(stage.path, stage.path));
}

static void commit_slow_read(void)
{
    SIN_OF(read(stage.big, stage.big_buffer, 64u << 20));
}

const struct sin io_sins[] = {
    {"connect", "to 127.0.0.1:", commit_connect},
    {"accept", "at 127.0.0.1:", commit_accept},
    {"accept4", "at 127.0.0.1:", commit_accept4},
    {"read", "pipe:", commit_read},
    {"readv", "pipe:", commit_readv},
    {"recv", "socket:", commit_recv},
    {"recvfrom", "socket:", commit_recvfrom},
    {"recvmsg", "socket:", commit_recvmsg},
    {"recvmmsg", "socket:", commit_recvmmsg},
    {"write", "pipe:", commit_write},
    {"writev", "pipe:", commit_writev},
    {"send", "socket:", commit_send},
    {"sendto", "socket:", commit_sendto},
    {"sendmsg", "socket:", commit_sendmsg},
    {"sendmmsg", "socket:", commit_sendmmsg},
    {"sendfile", "socket:", commit_sendfile},
    {"splice", "pipe:", commit_splice},
    {"fsync", "/tmp/weft-guard-", commit_fsync},
    {"fdatasync", "/tmp/weft-guard-", commit_fdatasync},
    {"msync", "4096 bytes", commit_msync},
    {"open", "on another machine", commit_open},
    {"openat", "on another machine", commit_openat},
    {"stat", "on another machine", commit_stat},
    {"fstat", "on another machine", commit_fstat},
    {"pread", "on another machine", commit_pread_of_a_file},
    {"read", "on another machine", commit_read_of_a_file},
    {"pwrite", "on another machine", commit_pwrite_to_a_file},
    {"fopen", "on another machine", commit_fopen},
    {"rename", "on another machine", commit_rename},
    {"read", "/tmp/weft-guard-", commit_slow_read},
    {"unlink", "on another machine", commit_unlink},
    {"unlinkat", "on another machine", commit_unlinkat},
    {"fstatat", "on another machine", commit_fstatat},
    {"open", "is-not-there\", on another machine", commit_open_of_nothing},
    {"statx", "on another machine", commit_statx},
    {"access", "on another machine", commit_access},
    {"ftruncate", "on another machine", commit_ftruncate},
    {"opendir", "on another machine", commit_opendir},
    {"readdir", "on another machine", commit_readdir},
    {"realpath", "on another machine", commit_realpath},
    {"sync_file_range", "/tmp/weft-guard-", commit_sync_file_range},
    {NULL, NULL, NULL},
};

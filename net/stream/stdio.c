/* SPDX-License-Identifier: MIT */
/*
 * Streams in one direction over descriptors that come from outside.
 *
 *     pipe, FIFO, terminal  one of the caller's: made non-blocking
 *                           stdin and its like: opened anew by way of /proc, since O_NONBLOCK belongs
 *                           to the open file, which other processes share
 *     socket                never blocks, whatever its mode: MSG_DONTWAIT
 *     all else              by jobs (net/stream/file.c); so is what cannot be opened anew
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <weft/stdio.h>

#include "core/sys.h"
#include "core/thread.h"
#include "net/net.h"
#include "net/stream/file.h"

/* How it is read and written. */
enum way { BY_EVENTS, AS_SOCKET, BY_JOBS };

static bool can_be_watched(int fd)
{
    struct epoll_event event = {.events = EPOLLIN};
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    bool can = epoll >= 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0;
    if (epoll >= 0)
        close(epoll);
    return can;
}

/* The way, or why it cannot be used in this direction. */
static int find_way(int fd, bool writes)
{
    struct stat file;
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fstat(fd, &file) < 0)
        return -errno;
    if (S_ISDIR(file.st_mode))
        return -EISDIR;
    if ((flags & O_ACCMODE) == (writes ? O_RDONLY : O_WRONLY))
        return -EBADF;
    if (S_ISSOCK(file.st_mode))
        return AS_SOCKET;
    return S_ISREG(file.st_mode) || !can_be_watched(fd) ? BY_JOBS : BY_EVENTS;
}

static int open_by(enum way way, struct weft__net *net, int fd, bool writes, weft_stream **ret)
{
    if (way == BY_JOBS)
        return weft__stream_open_file(net, fd, writes, ret);
    return weft__stream_open_one_way(net, fd, way == AS_SOCKET ? 0 : WEFT__STREAM_PIPE, writes,
                                     ret);
}

/* ---- Descriptors of the caller's ---- */

static int set_flags(int fd, bool nonblocking)
{
    int flags = fcntl(fd, F_GETFL);
    if (nonblocking && fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return -errno;
    return fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ? -errno : 0;
}

static int open_given(int fd, bool writes, weft_stream **ret)
{
    int status = 0;
    struct weft__net *net = weft__net_get(weft__here(), &status);
    int way = net ? find_way(fd, writes) : status;
    if (way >= 0)
        status = set_flags(fd, way == BY_EVENTS);
    if (way < 0 || status < 0)
        return way < 0 ? way : status;
    return open_by((enum way)way, net, fd, writes, ret);
}

static weft_stream *result(int status, weft_stream *const *stream)
{
    if (status < 0)
        errno = -status;
    return status < 0 ? NULL : *stream;
}

weft_stream *weft_open_pipe_reader(int fd)
{
    weft_stream *stream = NULL;
    return result(open_given(fd, false, &stream), &stream);
}

weft_stream *weft_open_pipe_writer(int fd)
{
    weft_stream *stream = NULL;
    return result(open_given(fd, true, &stream), &stream);
}

/* ---- What the process was started with ---- */

/* The same file, opened anew: with a mode of its own. */
static int open_anew(int fd, bool writes)
{
    char path[32];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    int flags = (writes ? O_WRONLY : O_RDONLY) | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
    return weft__sys.open(path, flags, 0);
}

static int open_copy(struct weft__net *net, int from, bool writes, weft_stream **ret)
{
    int way = find_way(from, writes);
    if (way < 0)
        return way;
    int fd = way == BY_EVENTS ? open_anew(from, writes) : -1;
    if (fd < 0) {
        way = way == BY_EVENTS ? BY_JOBS : way;
        fd = fcntl(from, F_DUPFD_CLOEXEC, 0);
    }
    int status = fd < 0 ? -errno : open_by((enum way)way, net, fd, writes, ret);
    if (status < 0 && fd >= 0)
        close(fd);
    return status;
}

static weft_stream *open_standard(int fd, bool writes)
{
    int status = 0;
    weft_stream *stream = NULL;
    struct weft__net *net = weft__net_get(weft__here(), &status);
    if (net)
        status = open_copy(net, fd, writes, &stream);
    return result(status, &stream);
}

weft_stream *weft_open_stdin(void)
{
    return open_standard(STDIN_FILENO, false);
}

weft_stream *weft_open_stdout(void)
{
    return open_standard(STDOUT_FILENO, true);
}

weft_stream *weft_open_stderr(void)
{
    return open_standard(STDERR_FILENO, true);
}

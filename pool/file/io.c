/* SPDX-License-Identifier: MIT */
/*
 * Reading and writing on a worker: short counts, EINTR, and what was done before a failure.
 *
 * The kernel may do less than it was asked for: at the end of a file, on a full disk, at a signal,
 * and never more than 2 GiB at once. A write goes on until all is written or something fails; a read
 * of a regular file until its end. A pipe or a terminal gives what it has: to wait for more could
 * take for ever.
 *
 * The first byte may take as long. So what is no regular file is polled before, together with the
 * job's own descriptor, and a cancel is heard there: nothing was read, or written, then. A write goes in
 * pieces that a pipe takes whole when it is ready. (If somebody else is quicker, the call blocks after
 * all.)
 */
#include "pool/file/call.h"

#include <limits.h>
#include <poll.h>
#include <weft/error.h>

#include "core/sys.h"
#include "core/text.h"
#include "pool/file/handle.h"

static ssize_t transfer(const struct weft__io *io, const struct iovec *pieces, int count)
{
    off_t at = (off_t)(io->offset + (int64_t)io->done);
    if (io->offset < 0)
        return io->writes ? weft__sys.writev(io->fd, pieces, count)
                          : weft__sys.readv(io->fd, pieces, count);
    return io->writes ? weft__sys.pwritev(io->fd, pieces, count, at)
                      : weft__sys.preadv(io->fd, pieces, count, at);
}

/* 0, or ECANCELED; what poll() has against it the call will say itself. */
static int wait_ready(const struct weft__io *io)
{
    short events = io->writes ? POLLOUT : POLLIN;
    struct pollfd look = {.fd = io->fd, .events = events};
    if (poll(&look, 1, 0) > 0)
        return 0;
    weft_job_blocking_begin(); /* who is at the other end may need a thread */
    int status = weft_job_poll(io->fd, events, WEFT_FOREVER);
    weft_job_blocking_end();
    return status == -ECANCELED ? ECANCELED : 0;
}

/* One that a pipe takes without waiting. */
static ssize_t transfer_piece(const struct weft__io *io, const struct iovec *pieces, int count)
{
    struct iovec piece = *pieces;
    if (!io->may_wait || !io->writes)
        return transfer(io, pieces, count);
    if (piece.iov_len > PIPE_BUF)
        piece.iov_len = PIPE_BUF;
    return transfer(io, &piece, 1);
}

/* Take `done` bytes off the front; and pieces that are empty. */
static void use_up(struct iovec **pieces, unsigned *count, size_t done)
{
    while (*count && (*pieces)->iov_len <= done) {
        done -= (*pieces)->iov_len;
        ++*pieces;
        --*count;
    }
    if (done) {
        (*pieces)->iov_base = (char *)(*pieces)->iov_base + done;
        (*pieces)->iov_len -= done;
    }
}

bool weft__io_may_wait(int fd)
{
    struct stat status;
    return fstat(fd, &status) == 0 && !S_ISREG(status.st_mode);
}

int weft__io_run(struct weft__io *io, struct iovec *pieces, unsigned count)
{
    use_up(&pieces, &count, 0);
    while (count) {
        if (io->may_wait && wait_ready(io) != 0)
            return ECANCELED;
        ssize_t done = transfer_piece(io, pieces, count < IOV_MAX ? (int)count : IOV_MAX);
        if (done < 0 && weft__file_again())
            continue;
        if (done < 0)
            return errno == EINTR ? ECANCELED : errno;
        if (done == 0)
            return io->writes ? EIO : 0;
        io->done += (size_t)done;
        if (!io->whole)
            return 0;
        use_up(&pieces, &count, (size_t)done);
    }
    return 0;
}

int weft__io_write_all(int fd, const void *data, size_t size, size_t *ret_done)
{
    struct weft__io io = {.fd = fd, .writes = true, .whole = true, .offset = -1};
    int error = 0;
    while (!error && io.done < size) {
        size_t left = size - io.done;
        struct iovec piece = {.iov_base = (char *)data + io.done,
                              .iov_len = left < WEFT__FILE_PIECE ? left : WEFT__FILE_PIECE};
        error = weft__file_cancelled() ? ECANCELED : weft__io_run(&io, &piece, 1);
    }
    *ret_done = io.done;
    return error;
}

weft_result weft__io_error(const char *what, const char *path, int error, size_t done, size_t size,
                           const char *verb)
{
    if (!done)
        return weft__file_error(what, path, error);
    return weft_errf(-error, "%s %s: %s (%zu of %zu bytes were %s)", what, path,
                     weft_strerror(-error), done, size, verb);
}

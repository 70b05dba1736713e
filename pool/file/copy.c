/* SPDX-License-Identifier: MIT */
/*
 * Copying a file: by the kernel where it can (which may share blocks and copy nothing), else by
 * reading and writing. In pieces, with a look between two whether to go on.
 *
 * copy_file_range() is not for all pairs of files: other file systems (EXDEV, EINVAL), old kernels
 * (ENOSYS), what is no regular file, /proc (it says 0, as if at the end). So the first piece decides:
 * unless it copied something, all is done by hand; and a 0 later is checked by a read.
 *
 * Failure modes: a failure or a cancel removes the copy if this made the file. One that was there
 * before has lost its content by then, and is left as it is: weft_path_write_atomic() is for what
 * must not be lost.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>
#include <weft/file.h>

#include "core/memory.h"
#include "core/sys.h"
#include "core/thread.h"
#include "pool/file/call.h"
#include "pool/file/handle.h"

enum { BY_HAND = 128 << 10 };

/* [worker] */
struct copying {
    int from, to;
    bool by_hand;
    char *buffer;  /* of BY_HAND bytes; NULL: not needed yet */
    uint64_t done; /* bytes */
};

/* How many bytes, 0 at the end; or -errno. */
static ssize_t copy_by_hand(struct copying *now)
{
    size_t written;
    if (!now->buffer && !(now->buffer = weft__malloc(BY_HAND)))
        return -ENOMEM;
    struct iovec piece = {now->buffer, BY_HAND};
    struct weft__io io = {.fd = now->from, .may_wait = weft__io_may_wait(now->from), .offset = -1};
    int error = weft__io_run(&io, &piece, 1);
    if (!error)
        error = weft__io_write_all(now->to, now->buffer, io.done, &written);
    return error ? -error : (ssize_t)io.done;
}

static bool is_for_hands(int error)
{
    return error == EXDEV || error == EINVAL || error == ENOSYS || error == EOPNOTSUPP ||
           error == EPERM || error == EBADF || error == EISDIR || error == ETXTBSY;
}

static ssize_t copy_piece(struct copying *now)
{
    if (now->by_hand)
        return copy_by_hand(now);
    ssize_t done;
    do
        done = weft__sys.copy_file_range(now->from, now->to, WEFT__FILE_PIECE);
    while (done < 0 && weft__file_again());
    if (done > 0)
        return done;
    if (done < 0 && !is_for_hands(errno))
        return -errno;
    now->by_hand = true;
    return copy_by_hand(now);
}

/* 0 or an errno. */
static int copy_all(struct copying *now, bool reports)
{
    for (;;) {
        ssize_t done = weft__file_cancelled() ? -ECANCELED : copy_piece(now);
        if (done <= 0)
            return (int)-done;
        now->done += (uint64_t)done;
        int status = reports ? weft_job_progress(weft_value_u64(now->done), NULL) : 0;
        if (status < 0)
            return -status;
    }
}

/* ---- The two files ---- */

/* -errno, or the descriptor; `*ret_made`: it was not there before. */
static int open_target(const struct weft__path_call *call, mode_t mode, bool *ret_made)
{
    const char *to = weft__path_second(call);
    int fd = weft__path_open(to, O_WRONLY | O_CREAT | O_EXCL, mode);
    *ret_made = fd >= 0;
    if (fd != -EEXIST || call->flags == WEFT_COPY_REFUSE)
        return fd;
    return weft__path_open(to, O_WRONLY, 0);
}

static bool is_same(const struct stat *a, int fd)
{
    struct stat b;
    return weft__sys.fstat(fd, &b) == 0 && a->st_dev == b.st_dev && a->st_ino == b.st_ino;
}

/* As cp does: what is there keeps its mode. */
static int empty_target(const struct stat *source, int fd)
{
    struct stat status;
    if (is_same(source, fd))
        return EINVAL;
    if (weft__sys.fstat(fd, &status) < 0)
        return errno;
    return S_ISREG(status.st_mode) && weft__sys.ftruncate(fd, 0) < 0 ? errno : 0;
}

static int copy_into(struct copying *now, const struct stat *source, bool made, bool reports)
{
    int error = made ? 0 : empty_target(source, now->to);
    if (!error)
        error = copy_all(now, reports);
    weft__free(now->buffer);
    if (weft__sys.close(now->to) < 0 && !error && errno != EINTR)
        error = errno;
    return error;
}

static weft_result fail(const struct weft__path_call *call, int error)
{
    return weft_errf(-error, "copy %s to %s: %s", call->text, weft__path_second(call),
                     weft_strerror(-error));
}

static weft_result copy_from(const struct weft__path_call *call, int from)
{
    struct stat source;
    struct copying now = {.from = from};
    bool made = false;
    if (weft__sys.fstat(from, &source) < 0)
        return fail(call, errno);
    if (S_ISDIR(source.st_mode))
        return fail(call, EISDIR);
    now.to = open_target(call, source.st_mode & 0777, &made);
    if (now.to < 0)
        return fail(call, -now.to);
    int error = copy_into(&now, &source, made, call->size > 0);
    if (!error)
        return weft_ok(now.done);
    if (made)
        weft__sys.unlinkat(AT_FDCWD, weft__path_second(call), 0);
    return fail(call, error);
}

static weft_result run(void *args)
{
    const struct weft__path_call *call = args;
    int from = weft__path_open(call->text, O_RDONLY, 0);
    if (from < 0)
        return fail(call, -from);
    weft_result result = copy_from(call, from);
    weft__sys.close(from);
    return result;
}

static bool are_valid(const struct weft_copy_options *options)
{
    return (options->size == 0 || options->size == sizeof(*options)) &&
           (options->existing == WEFT_COPY_REPLACE || options->existing == WEFT_COPY_REFUSE);
}

weft_future *weft_path_copy(const char *from, const char *to,
                            const struct weft_copy_options *options)
{
    static const struct weft_copy_options defaults = {0};
    options = options ? options : &defaults;
    if (weft__here() && !are_valid(options))
        return weft_future_failed(-EINVAL, "%s: bad options", __func__);
    struct weft__path_call call = {
        .what = "copy", .flags = (int)options->existing, .size = options->progress};
    struct weft_job_options job = weft__file_options_in_pieces();
    job.progress = options->progress;
    return weft__path_submit(&job, __func__, run, &call, to ? from : NULL, to);
}

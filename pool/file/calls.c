/* SPDX-License-Identifier: MIT */
/*
 * What can be done with an open file: for each operation its kind, the call on the worker, and the
 * public function. Which runs when is for pool/file/line.c to say.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/memory.h"
#include "core/sys.h"
#include "pool/file/call.h"
#include "pool/file/file.h"

/* ---- Reading and writing ---- */

static weft_result transfer(struct weft__file_call *call, bool writes)
{
    struct weft__io io = {.fd = call->handle->fd,
                          .writes = writes,
                          .whole = writes || call->handle->is_regular,
                          .may_wait = !call->handle->is_regular && call->number < 0,
                          .offset = call->number};
    size_t size = 0;
    for (unsigned i = 0; i < call->count; i++)
        size += call->pieces[i].iov_len;
    int error = weft__io_run(&io, call->pieces, call->count);
    if (error)
        return weft__io_error(call->what, call->handle->path, error, io.done, size,
                              writes ? "written" : "read");
    return weft_ok(io.done);
}

static weft_result run_read(void *call)
{
    return transfer(call, false);
}

static weft_result run_write(void *call)
{
    return transfer(call, true);
}

static const struct weft__file_kind read_kind = {"weft_file_read", "read", WEFT__FILE_AT_POSITION,
                                                 run_read, false};
static const struct weft__file_kind write_kind = {"weft_file_write", "write",
                                                  WEFT__FILE_AT_POSITION, run_write, false};
static const struct weft__file_kind pread_kind = {"weft_file_pread", "read", WEFT__FILE_ANYWHERE,
                                                  run_read, false};
static const struct weft__file_kind pwrite_kind = {"weft_file_pwrite", "write", WEFT__FILE_ANYWHERE,
                                                   run_write, false};

/* The kernel would refuse them too, but by then the lengths were added up. */
static bool are_sane(const struct iovec *pieces, int count)
{
    size_t left = INT64_MAX;
    if (count < 0 || count > WEFT__FILE_PIECES || (count && !pieces))
        return false;
    for (int i = 0; i < count; i++) {
        if (pieces[i].iov_len > left || (pieces[i].iov_len && !pieces[i].iov_base))
            return false;
        left -= pieces[i].iov_len;
    }
    return true;
}

static weft_future *start_io(weft_file *file, const char *function,
                             const struct weft__file_kind *kind, const struct iovec *pieces,
                             int count, int64_t offset)
{
    bool at_offset = kind->order == WEFT__FILE_ANYWHERE;
    struct weft__file_call call = {.count = (unsigned)count, .number = at_offset ? offset : -1};
    weft_future *refused = weft__file_refuse(file, function, kind->what);
    if (refused)
        return refused;
    if (!are_sane(pieces, count) || offset < 0)
        return weft_future_failed(-EINVAL, "%s: bad argument", function);
    return weft__file_start(file, function, kind, &call, pieces);
}

weft_future *weft__file_read_piece(weft_file *file, void *buffer, size_t size)
{
    struct iovec piece = {buffer, size};
    return start_io(file, "weft_lines_next", &read_kind, &piece, 1, 0);
}

weft_future *weft_file_read(weft_file *file, void *buffer, size_t size)
{
    struct iovec piece = {buffer, size};
    return start_io(file, __func__, &read_kind, &piece, 1, 0);
}

weft_future *weft_file_write(weft_file *file, const void *data, size_t size)
{
    struct iovec piece = {(void *)data, size};
    return start_io(file, __func__, &write_kind, &piece, 1, 0);
}

weft_future *weft_file_readv(weft_file *file, const struct iovec *pieces, int count)
{
    return start_io(file, __func__, &read_kind, pieces, count, 0);
}

weft_future *weft_file_writev(weft_file *file, const struct iovec *pieces, int count)
{
    return start_io(file, __func__, &write_kind, pieces, count, 0);
}

weft_future *weft_file_pread(weft_file *file, void *buffer, size_t size, int64_t offset)
{
    struct iovec piece = {buffer, size};
    return start_io(file, __func__, &pread_kind, &piece, 1, offset);
}

weft_future *weft_file_pwrite(weft_file *file, const void *data, size_t size, int64_t offset)
{
    struct iovec piece = {(void *)data, size};
    return start_io(file, __func__, &pwrite_kind, &piece, 1, offset);
}

weft_future *weft_file_preadv(weft_file *file, const struct iovec *pieces, int count,
                              int64_t offset)
{
    return start_io(file, __func__, &pread_kind, pieces, count, offset);
}

weft_future *weft_file_pwritev(weft_file *file, const struct iovec *pieces, int count,
                               int64_t offset)
{
    return start_io(file, __func__, &pwrite_kind, pieces, count, offset);
}

/* ---- The rest ---- */

static weft_result end_with(const struct weft__file_call *call, int64_t value)
{
    return value < 0 ? weft__file_error(call->what, call->handle->path, errno) : weft_ok(value);
}

static weft_result run_seek(void *args)
{
    const struct weft__file_call *call = args;
    return end_with(call, lseek(call->handle->fd, (off_t)call->number, call->flags));
}

/* fsync() is not made again at EINTR: what failed once is not known to be written later either. */
static weft_result run_fsync(void *args)
{
    const struct weft__file_call *call = args;
    return end_with(call, weft__sys.fsync(call->handle->fd));
}

static weft_result run_fdatasync(void *args)
{
    const struct weft__file_call *call = args;
    return end_with(call, weft__sys.fdatasync(call->handle->fd));
}

static weft_result run_truncate(void *args)
{
    const struct weft__file_call *call = args;
    int status;
    do
        status = weft__sys.ftruncate(call->handle->fd, (off_t)call->number);
    while (status < 0 && weft__file_again());
    return end_with(call, status);
}

static weft_result run_stat(void *args)
{
    const struct weft__file_call *call = args;
    struct stat *status = weft__malloc(sizeof(*status));
    if (!status)
        return weft_err(-ENOMEM);
    if (weft__sys.fstat(call->handle->fd, status) == 0)
        return weft_ok(status, weft__free);
    weft_result failure = end_with(call, -1);
    weft__free(status);
    return failure;
}

static const struct weft__file_kind seek_kind = {"weft_file_seek", "seek", WEFT__FILE_AT_POSITION,
                                                 run_seek, false};
static const struct weft__file_kind fsync_kind = {"weft_file_fsync", "fsync", WEFT__FILE_BARRIER,
                                                  run_fsync, false};
static const struct weft__file_kind fdatasync_kind = {"weft_file_fdatasync", "fdatasync",
                                                      WEFT__FILE_BARRIER, run_fdatasync, false};
static const struct weft__file_kind truncate_kind = {"weft_file_truncate", "truncate",
                                                     WEFT__FILE_BARRIER, run_truncate, false};
static const struct weft__file_kind stat_kind = {"weft_file_stat", "stat", WEFT__FILE_ANYWHERE,
                                                 run_stat, false};

weft_future *weft_file_seek(weft_file *file, int64_t offset, int whence)
{
    struct weft__file_call call = {.number = offset, .flags = whence};
    return weft__file_start(file, __func__, &seek_kind, &call, NULL);
}

weft_future *weft_file_fsync(weft_file *file)
{
    return weft__file_start(file, __func__, &fsync_kind, &(struct weft__file_call){0}, NULL);
}

weft_future *weft_file_fdatasync(weft_file *file)
{
    return weft__file_start(file, __func__, &fdatasync_kind, &(struct weft__file_call){0}, NULL);
}

weft_future *weft_file_truncate(weft_file *file, int64_t length)
{
    return weft__file_start(file, __func__, &truncate_kind,
                            &(struct weft__file_call){.number = length}, NULL);
}

weft_future *weft_file_stat(weft_file *file)
{
    return weft__file_start(file, __func__, &stat_kind, &(struct weft__file_call){0}, NULL);
}

void weft_stat_free(struct stat *status)
{
    weft__free(status);
}

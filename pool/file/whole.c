/* SPDX-License-Identifier: MIT */
/*
 * Whole files: read, and written over. One job each, which opens, works in pieces, and closes.
 *
 * A cancel is seen between two pieces. How long a file is says nothing for sure (it may grow, it may
 * be one of /proc, which are 0 bytes long): what was told is where the buffer begins, and the end is
 * where a read says so.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>
#include <weft/file.h>

#include "core/bytes.h"
#include "core/sys.h"
#include "core/thread.h"
#include "pool/file/call.h"
#include "pool/file/handle.h"

enum { DEFAULT_LIMIT = 16 << 20, FIRST_ROOM = 16 << 10 };

/* ---- Reading ---- */

/* One byte more than the file has, so that its end is met without growing. */
static size_t first_room(int fd, size_t limit)
{
    struct stat status;
    size_t room = FIRST_ROOM;
    if (weft__sys.fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_size > 0)
        room = (uint64_t)status.st_size < SIZE_MAX ? (size_t)status.st_size + 1 : SIZE_MAX;
    return room > limit && limit < SIZE_MAX ? limit + 1 : room;
}

/* Twice the room, but no more than it takes to see that the limit is exceeded. */
static weft_bytes *grow(weft_bytes *bytes, size_t *room, size_t limit)
{
    size_t more = *room <= SIZE_MAX / 2 ? *room * 2 : SIZE_MAX;
    if (more > limit)
        more = limit < SIZE_MAX ? limit + 1 : limit;
    weft_bytes *grown = weft__bytes_resize(bytes, more);
    if (grown)
        *room = more;
    return grown;
}

/* 0 or an errno; `*bytes` is the caller's in any case. */
static int read_to_end(int fd, weft_bytes **bytes, size_t room, size_t limit)
{
    bool may_wait = weft__io_may_wait(fd);
    for (;;) {
        weft_bytes *now = *bytes;
        if (now->len > limit)
            return EFBIG;
        if (now->len == room && !(now = grow(now, &room, limit)))
            return ENOMEM;
        *bytes = now;
        size_t left = room - now->len;
        struct iovec piece = {now->data + now->len,
                              left < WEFT__FILE_PIECE ? left : WEFT__FILE_PIECE};
        struct weft__io io = {.fd = fd, .may_wait = may_wait, .offset = -1};
        int error = weft__file_cancelled() ? ECANCELED : weft__io_run(&io, &piece, 1);
        if (error || io.done == 0)
            return error;
        now->len += io.done;
    }
}

static weft_result read_open(const struct weft__path_call *call, int fd)
{
    size_t room = first_room(fd, call->size);
    weft_bytes *bytes = weft__bytes_resize(NULL, room);
    if (!bytes)
        return weft_err(-ENOMEM);
    int error = read_to_end(fd, &bytes, room, call->size);
    if (!error) {
        bytes->data[bytes->len] = 0;
        return weft_ok(bytes, weft__bytes_destroy);
    }
    weft_bytes_free(bytes);
    if (error == EFBIG)
        return weft_errf(-EFBIG, "%s %s: more than %zu bytes", call->what, call->text, call->size);
    return weft__file_error(call->what, call->text, error);
}

static weft_result run_read(void *args)
{
    const struct weft__path_call *call = args;
    int fd = weft__path_open(call->text, O_RDONLY, 0);
    if (fd < 0)
        return weft__file_error("open", call->text, -fd);
    weft_result result = read_open(call, fd);
    weft__sys.close(fd);
    return result;
}

weft_future *weft_path_read_all(const char *path, size_t limit)
{
    struct weft__path_call call = {.what = "read", .size = limit ? limit : DEFAULT_LIMIT};
    struct weft_job_options options = weft__file_options_in_pieces();
    return weft__path_submit(&options, __func__, run_read, &call, path, NULL);
}

/* ---- Writing ---- */

static weft_result run_write(void *args)
{
    const struct weft__path_call *call = args;
    size_t done;
    int fd = weft__path_open(call->text, O_WRONLY | O_CREAT | O_TRUNC, call->mode);
    if (fd < 0)
        return weft__file_error("open", call->text, -fd);
    int error = weft__io_write_all(fd, call->data, call->size, &done);
    if (weft__sys.close(fd) < 0 && !error && errno != EINTR)
        error = errno;
    if (error)
        return weft__io_error(call->what, call->text, error, done, call->size, "written");
    return weft_ok(done);
}

weft_future *weft_path_write_all(const char *path, const void *data, size_t size, mode_t mode)
{
    struct weft__path_call call = {.what = "write", .data = data, .size = size, .mode = mode};
    struct weft_job_options options = weft__file_options_in_pieces();
    if (!data && size && weft__here())
        return weft_future_failed(-EINVAL, "%s: no data", __func__);
    return weft__path_submit(&options, __func__, run_write, &call, path, NULL);
}

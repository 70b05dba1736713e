/* SPDX-License-Identifier: MIT */
/*
 * Handles: a descriptor is closed when nobody uses it, and not before.
 *
 * A file has one reference; each of its jobs has one from its submission until its function has
 * returned, or until it is known that it will not run (weft_job_options.release). So a descriptor
 * cannot be closed, and its number given to another file, while a call on a worker uses it: not by a
 * cancel, not by a close, not by the end of the loop.
 */
#include "pool/file/handle.h"

#include <errno.h>
#include <string.h>
#include <weft/error.h>

#include "core/memory.h"
#include "core/sys.h"

struct weft__handle *weft__handle_new(int fd, bool is_regular, const char *path)
{
    size_t size = strlen(path) + 1;
    struct weft__handle *handle = weft__malloc(sizeof(*handle) + size);
    if (!handle)
        return NULL;
    atomic_init(&handle->refs, 1);
    handle->fd = fd;
    handle->is_regular = is_regular;
    memcpy(handle->path, path, size);
    return handle;
}

struct weft__handle *weft__handle_ref(struct weft__handle *handle)
{
    atomic_fetch_add_explicit(&handle->refs, 1, memory_order_relaxed);
    return handle;
}

/* Linux has given up the descriptor also when close() fails, with EINTR too: never again. */
int weft__handle_close(struct weft__handle *handle)
{
    int fd = handle->fd;
    handle->fd = -1;
    if (fd < 0 || weft__sys.close(fd) == 0 || errno == EINTR)
        return 0;
    return -errno;
}

void weft__handle_unref(struct weft__handle *handle)
{
    if (!handle || atomic_fetch_sub_explicit(&handle->refs, 1, memory_order_acq_rel) > 1)
        return;
    weft__handle_close(handle);
    weft__free(handle);
}

weft_result weft__file_error(const char *what, const char *path, int error)
{
    return weft_errf(-error, "%s %s: %s", what, path, weft_strerror(-error));
}

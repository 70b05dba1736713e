/* SPDX-License-Identifier: MIT */
/* A descriptor that a file and its jobs share. See pool/file/handle.c. */
#ifndef WEFT_POOL_FILE_HANDLE_H
#define WEFT_POOL_FILE_HANDLE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <weft/value.h>

struct weft__handle {
    atomic_uint refs; /* [atomic] acquire and release: who drops the last one sees all uses */
    int fd;           /* [const] until the job that closes it, when no other uses it; then -1 */
    bool is_regular; /* [const] a file in the narrow sense, whose reads are short at its end only */
    char path[];     /* [const] for messages */
};

/** Takes over the descriptor, unless it fails; NULL: out of memory. Thread: any. */
struct weft__handle *weft__handle_new(int fd, bool is_regular, const char *path);

/** Thread: any. */
struct weft__handle *weft__handle_ref(struct weft__handle *handle);

/** The last one closes what is open. NULL is nothing. Thread: any. */
void weft__handle_unref(struct weft__handle *handle);

/** Close it now; nobody else uses it. 0 or an error. Thread: any. */
int weft__handle_close(struct weft__handle *handle);

/** The failure `error`, an errno: "open /x/y: No such file or directory". Thread: any. */
weft_result weft__file_error(const char *what, const char *path, int error);

#endif

/* SPDX-License-Identifier: MIT */
/**
 * Bytes that were read, from a stream or from a file.
 */
#ifndef WEFT_BYTES_H
#define WEFT_BYTES_H

#include <stddef.h>
#include <weft/macros.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Bytes that were read. A NUL follows the last byte and is not counted. It is one block of memory,
 * so that `free` is its destructor too (unless weft_set_allocator() was called).
 */
typedef struct weft_bytes {
    size_t len;
    char *data; /* in the same block */
} weft_bytes;

/**
 * Free what a read returned. NULL is nothing.
 *
 * Thread:    any.
 * Ownership: consumes `bytes`.
 * Errors:    none.
 * Since:     0.1
 */
WEFT_PUBLIC void weft_bytes_free(weft_bytes *bytes);

#ifdef __cplusplus
}
#endif

#endif

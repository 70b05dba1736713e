/* SPDX-License-Identifier: MIT */
/**
 * Memory: where weft gets it from. Process-wide, and the only process-wide setting there is.
 */
#ifndef WEFT_MEMORY_H
#define WEFT_MEMORY_H

#include <stddef.h>
#include <weft/macros.h>

#ifdef __cplusplus
extern "C" {
#endif

struct weft_allocator {
    void *(*malloc)(size_t size);
    void *(*realloc)(void *ptr, size_t size);
    void (*free)(void *ptr);
};

/**
 * Use other functions than malloc(), realloc() and free() for all that weft allocates from now on.
 *
 * Strings and blocks that weft hands to the caller with "free it" in the documentation come from it
 * too. The functions must be thread-safe and keep the alignment of malloc().
 *
 * Thread:    any, but before any other call of weft, and while none is under way.
 * Ownership: the struct is copied; NULL restores the functions of the C library.
 * Errors:    -EINVAL when one of the three is NULL.
 * Since:     0.1
 */
WEFT_PUBLIC int weft_set_allocator(const struct weft_allocator *allocator);

#ifdef __cplusplus
}
#endif

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Memory: one door to the allocator, so that a test can make any allocation fail.
 *
 * The table is written before anything else of weft runs and only read afterwards, hence needs no
 * lock.
 */
#include "core/memory.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <weft/memory.h>

static const struct weft_allocator libc_allocator = {malloc, realloc, free};
static struct weft_allocator allocator = {malloc, realloc, free}; /* [const] once weft is in use */

int weft_set_allocator(const struct weft_allocator *chosen)
{
    if (!chosen)
        chosen = &libc_allocator;
    if (!chosen->malloc || !chosen->realloc || !chosen->free)
        return -EINVAL;
    allocator = *chosen;
    return 0;
}

void *weft__malloc(size_t size)
{
    return allocator.malloc(size);
}

void *weft__calloc(size_t count, size_t size)
{
    if (size && count > SIZE_MAX / size)
        return NULL;
    void *ptr = allocator.malloc(count * size);
    return ptr ? memset(ptr, 0, count * size) : NULL;
}

void *weft__realloc(void *ptr, size_t size)
{
    return allocator.realloc(ptr, size);
}

void weft__free(void *ptr)
{
    allocator.free(ptr);
}

char *weft__strdup(const char *text)
{
    if (!text)
        return NULL;
    size_t size = strlen(text) + 1;
    char *copy = weft__malloc(size);
    return copy ? memcpy(copy, text, size) : NULL;
}

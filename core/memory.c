/* SPDX-License-Identifier: MIT */
/*
 * Memory: one door to the allocator, so that a test can make any allocation fail.
 *
 * The table is written before anything else of weft runs and only read afterwards, hence needs no
 * lock.
 */
#include "core/memory.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <weft/memory.h>

#include "core/slab.h"

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

bool weft__has_users_allocator(void)
{
    return allocator.malloc != malloc;
}

/* ---- Failing on demand ---- */

static atomic_size_t countdown; /* allocations until the one that fails; 0: none does */
static atomic_bool failed;

bool weft__memory_is_watched(void)
{
    return atomic_load_explicit(&countdown, memory_order_relaxed) > 0;
}

void weft__memory_fail(size_t n)
{
    atomic_store(&failed, false);
    atomic_store(&countdown, n);
}

bool weft__memory_failed(void)
{
    return atomic_load(&failed);
}

static bool fails(void)
{
    size_t left = atomic_load_explicit(&countdown, memory_order_relaxed);
    while (left && !atomic_compare_exchange_weak(&countdown, &left, left - 1))
        ;
    if (left == 1)
        atomic_store(&failed, true);
    return left == 1;
}

/* ---- Allocating ---- */

void *weft__malloc(size_t size)
{
    return fails() ? NULL : allocator.malloc(size);
}

/* So much comes from the kernel, which has zeroed it: what is never used is not touched. */
enum { LARGE = 64 * 1024 };

void *weft__calloc(size_t count, size_t size)
{
    if (size && count > SIZE_MAX / size)
        return NULL;
    if (count * size >= LARGE && !weft__has_users_allocator())
        return fails() ? NULL : calloc(count, size);
    void *ptr = weft__malloc(count * size);
    return ptr ? memset(ptr, 0, count * size) : NULL;
}

void *weft__realloc(void *ptr, size_t size)
{
    return fails() ? NULL : allocator.realloc(ptr, size);
}

/* [this thread] where weft__free() puts blocks; NULL: it frees them */
static _Thread_local struct weft__blocks *deferred __attribute__((tls_model("initial-exec")));

/* Without memory for the list a block is never freed: that is safe, and all that can be done. */
static void defer(struct weft__blocks *blocks, void *ptr)
{
    if (blocks->count == blocks->capacity) {
        size_t capacity = blocks->capacity ? blocks->capacity * 2 : 64;
        void **list = allocator.realloc(blocks->list, capacity * sizeof(*list));
        if (!list)
            return;
        blocks->list = list;
        blocks->capacity = capacity;
    }
    blocks->list[blocks->count++] = ptr;
}

void weft__defer_frees(struct weft__blocks *blocks)
{
    deferred = blocks;
}

void weft__blocks_free(struct weft__blocks *blocks)
{
    for (size_t i = 0; i < blocks->count; i++)
        allocator.free(blocks->list[i]);
    allocator.free(blocks->list);
    weft__slabs_free(blocks->slabs);
    *blocks = (struct weft__blocks){0};
}

void weft__free(void *ptr)
{
    if (!deferred)
        allocator.free(ptr);
    else if (ptr)
        defer(deferred, ptr);
}

char *weft__strdup(const char *text)
{
    if (!text)
        return NULL;
    size_t size = strlen(text) + 1;
    char *copy = weft__malloc(size);
    return copy ? memcpy(copy, text, size) : NULL;
}

/* SPDX-License-Identifier: MIT */
#include "tests/support/heap.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <weft/memory.h>

static atomic_size_t live;
static atomic_size_t countdown; /* to the allocation that fails; 0: none does */
static atomic_bool failed;

static bool fails(void)
{
    size_t left = atomic_load(&countdown);
    while (left && !atomic_compare_exchange_weak(&countdown, &left, left - 1))
        ;
    if (left == 1)
        atomic_store(&failed, true);
    return left == 1;
}

static void *counted_malloc(size_t size)
{
    void *ptr = fails() ? NULL : malloc(size);
    if (ptr)
        atomic_fetch_add(&live, 1);
    return ptr;
}

static void *counted_realloc(void *old, size_t size)
{
    void *ptr = fails() ? NULL : realloc(old, size);
    if (ptr && !old)
        atomic_fetch_add(&live, 1);
    return ptr;
}

static void counted_free(void *ptr)
{
    if (ptr)
        atomic_fetch_sub(&live, 1);
    free(ptr);
}

void weft_test_heap_install(void)
{
    static const struct weft_allocator counted = {counted_malloc, counted_realloc, counted_free};
    weft_set_allocator(&counted);
}

size_t weft_test_heap_live(void)
{
    return atomic_load(&live);
}

void weft_test_heap_fail_at(size_t n)
{
    atomic_store(&failed, false);
    atomic_store(&countdown, n);
}

int weft_test_heap_failed(void)
{
    return atomic_load(&failed);
}

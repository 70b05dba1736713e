/* SPDX-License-Identifier: MIT */
/* Memory by the allocator that weft_set_allocator() chose. */
#ifndef WEFT_CORE_MEMORY_H
#define WEFT_CORE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

void *weft__malloc(size_t size);
void *weft__calloc(size_t count, size_t size); /* zeroed; NULL also when count × size overflows */
void *weft__realloc(void *ptr, size_t size);
void weft__free(void *ptr);
char *weft__strdup(const char *text); /* NULL stays NULL */

/** True if weft_set_allocator() chose another one than the C library's. */
bool weft__has_users_allocator(void);

struct weft__slab;

/** Let the n-th allocation from now on, counting from 1, fail, once; 0: none. Thread: any. */
void weft__memory_fail(size_t n);

/** True once that has happened. Thread: any. */
bool weft__memory_failed(void);

/** True while an allocation is to fail: then every object is allocated by itself. Thread: any. */
bool weft__memory_is_watched(void);

/** Blocks whose time to be freed has not come. */
struct weft__blocks {
    void **list;
    size_t count, capacity;
    struct weft__slab *slabs; /* and slabs, by weft__slabs_fini() */
};

/** From now on weft__free() on this thread only adds to `blocks`; NULL: it frees again. */
void weft__defer_frees(struct weft__blocks *blocks);

/** Free them all. */
void weft__blocks_free(struct weft__blocks *blocks);

#endif

/* SPDX-License-Identifier: MIT */
/* Memory for the many small objects of one loop, its futures and coroutines. See core/slab.c. */
#ifndef WEFT_CORE_SLAB_H
#define WEFT_CORE_SLAB_H

#include <stdbool.h>
#include <stddef.h>

enum {
    WEFT__SLAB_SIZE = 65536,
    WEFT__SLAB_STEP = 16,      /* the sizes of blocks are multiples of it */
    WEFT__SLAB_LARGEST = 1024, /* the largest block */
    WEFT__SLAB_CLASSES = WEFT__SLAB_LARGEST / WEFT__SLAB_STEP
};

struct weft__slab;

/** All [loop]. */
struct weft__slabs {
    bool on;                        /* [const] else there are none */
    bool deferred;                  /* blocks stay as they are when they are freed */
    size_t count;                   /* of all */
    struct weft__slab *all, *empty; /* `empty` is kept for the next one that is needed */
    struct weft__slab *with_room[WEFT__SLAB_CLASSES];
};

/**
 * None yet. There never will be with an allocator of the user's, nor in a build for a sanitizer:
 * there each block is to be seen by itself.
 */
void weft__slabs_init(struct weft__slabs *slabs);

/** A block that begins 8 bytes before a multiple of 16; NULL: too large, off, or out of memory. */
void *weft__slab_alloc(struct weft__slabs *slabs, size_t size);

/** Free a block. Thread: loop, also when that is gone. */
void weft__slab_free(void *block);

/** From now on freed blocks stay as they are, until weft__slabs_free(). */
void weft__slabs_defer(struct weft__slabs *slabs);

/**
 * The loop ends. A slab in which some block is not freed goes with its last one. Returns all slabs if
 * their blocks were to stay, else NULL.
 */
struct weft__slab *weft__slabs_fini(struct weft__slabs *slabs);

/** Give back what weft__slabs_fini() returned. Thread: any. */
void weft__slabs_free(struct weft__slab *all);

/** mmap(), or what a test puts in its place; NULL: out of memory. */
extern void *(*weft__slab_map)(size_t size);

#endif

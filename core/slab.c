/* SPDX-License-Identifier: MIT */
/*
 * Slabs: 64 KiB each, at a multiple of that, cut into blocks of one size. A block has no header: its
 * address leads to the slab's. Only the loop's thread comes here, so nothing is locked.
 *
 *     with room --full--> in no list --a block is freed--> with room --empty--> given back, or kept
 *
 * Blocks come from the list of those that were freed, the last one first since it is in the cache,
 * and else from the part of the slab that was never used, so that its pages are touched one by one; or
 * all at once when there are many slabs already.
 *
 * An empty slab goes back to the kernel, but for the last one with room of its size, and one more
 * that is kept for the next need of any size: a task that comes and goes must not map one each time.
 *
 * When a loop is freed while a job still runs, the job may use its callers' memory. Then no block
 * is freed any more, and the slabs last until the mailbox goes (see core/shutdown.c).
 */
#include "core/slab.h"

#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>

#include "core/annotations.h"
#include "core/memory.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
    __has_feature(memory_sanitizer)
#define FOR_A_SANITIZER true
#endif
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define FOR_A_SANITIZER true
#endif
#ifndef FOR_A_SANITIZER
#define FOR_A_SANITIZER false
#endif

enum { MANY = 16 }; /* slabs, from which on the next one will be needed as a whole */

struct block {
    struct block *next; /* in the slab's list of freed ones */
};

struct weft__slab {
    struct weft__slabs *owner;             /* NULL: the loop is gone */
    struct weft__slab *next_all, **at_all; /* in owner->all */
    struct weft__slab *next, **at;         /* in owner->with_room; at NULL: in none */
    struct block *freed;
    uint32_t used;  /* blocks that are not free */
    uint32_t fresh; /* where the part begins that was never used */
    uint32_t size;  /* of a block */
};

/* Blocks begin 8 bytes before a multiple of 16, and so do the sizes' sums. */
enum { FIRST = (sizeof(struct weft__slab) + 8 + 15) / 16 * 16 - 8 };

static void *map(size_t size)
{
    void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return at == MAP_FAILED ? NULL : at;
}

void *(*weft__slab_map)(size_t size) = map;

/* The kernel puts one below the other, so that only the first is not where it should be. */
static struct weft__slab *map_slab(void)
{
    char *at = weft__slab_map(WEFT__SLAB_SIZE);
    size_t over = (uintptr_t)at % WEFT__SLAB_SIZE;
    if (!at || over == 0)
        return (struct weft__slab *)(void *)at;
    munmap(at, WEFT__SLAB_SIZE);
    at = weft__slab_map((size_t)WEFT__SLAB_SIZE * 2);
    if (!at)
        return NULL;
    size_t before = (WEFT__SLAB_SIZE - (uintptr_t)at % WEFT__SLAB_SIZE) % WEFT__SLAB_SIZE;
    if (before)
        munmap(at, before);
    munmap(at + before + WEFT__SLAB_SIZE, WEFT__SLAB_SIZE - before);
    return (struct weft__slab *)(void *)(at + before);
}

/* One fault for all of its pages. Where that cannot be had, each is touched when it is used. */
static void touch_pages(struct weft__slab *slab)
{
#ifdef MADV_POPULATE_WRITE
    int error = errno;
    (void)madvise(slab, WEFT__SLAB_SIZE, MADV_POPULATE_WRITE);
    errno = error;
#else
    (void)slab;
#endif
}

static void unmap_slab(struct weft__slab *slab)
{
    munmap(slab, WEFT__SLAB_SIZE);
}

/* ---- Slabs with room ---- */

static struct weft__slab **list_of(const struct weft__slab *slab)
{
    return &slab->owner->with_room[slab->size / WEFT__SLAB_STEP - 1];
}

WEFT_APART static void link_slab(struct weft__slab *slab)
{
    struct weft__slab **list = list_of(slab);
    slab->next = *list;
    slab->at = list;
    if (slab->next)
        slab->next->at = &slab->next;
    *list = slab;
}

WEFT_APART static void unlink_slab(struct weft__slab *slab)
{
    *slab->at = slab->next;
    if (slab->next)
        slab->next->at = slab->at;
    slab->at = NULL;
}

static bool is_full(const struct weft__slab *slab)
{
    return !slab->freed && slab->fresh + slab->size > WEFT__SLAB_SIZE;
}

/* ---- All slabs ---- */

static struct weft__slab *new_slab(struct weft__slabs *slabs)
{
    struct weft__slab *slab = slabs->empty;
    if (slab) {
        slabs->empty = NULL;
        return slab;
    }
    slab = map_slab();
    if (!slab)
        return NULL;
    if (slabs->count >= MANY)
        touch_pages(slab);
    slab->owner = slabs;
    slab->next_all = slabs->all;
    slab->at_all = &slabs->all;
    if (slab->next_all)
        slab->next_all->at_all = &slab->next_all;
    slabs->all = slab;
    slabs->count++;
    return slab;
}

static void drop_slab(struct weft__slab *slab)
{
    *slab->at_all = slab->next_all;
    if (slab->next_all)
        slab->next_all->at_all = slab->at_all;
    slab->owner->count--;
    unmap_slab(slab);
}

static struct weft__slab *add_slab(struct weft__slabs *slabs, size_t size)
{
    struct weft__slab *slab = new_slab(slabs);
    if (!slab)
        return NULL;
    slab->freed = NULL;
    slab->used = 0;
    slab->fresh = FIRST;
    slab->size = (uint32_t)size;
    link_slab(slab);
    return slab;
}

/* The only one with room stays: a task that comes and goes alone costs nothing here. */
WEFT_APART static void slab_is_empty(struct weft__slab *slab)
{
    bool first = slab->at == list_of(slab);
    if (first && !slab->next)
        return;
    unlink_slab(slab);
    if (slab->owner->empty)
        drop_slab(slab);
    else
        slab->owner->empty = slab;
}

/* ---- Blocks ---- */

/* From the part that was never used; NULL: there is none, nor a new slab. */
WEFT_APART static void *fresh_block(struct weft__slabs *slabs, struct weft__slab *slab,
                                    size_t index)
{
    if (!slab && (!slabs->on || !(slab = add_slab(slabs, (index + 1) * WEFT__SLAB_STEP))))
        return NULL;
    char *block = (char *)slab + slab->fresh;
    slab->fresh += slab->size;
    slab->used++;
    if (is_full(slab))
        unlink_slab(slab);
    return block;
}

void *weft__slab_alloc(struct weft__slabs *slabs, size_t size)
{
    size_t index = (size + WEFT__SLAB_STEP - 1) / WEFT__SLAB_STEP - 1;
    if (index >= WEFT__SLAB_CLASSES || weft__memory_is_watched())
        return NULL;
    struct weft__slab *slab = slabs->with_room[index];
    if (!slab || !slab->freed)
        return fresh_block(slabs, slab, index);
    struct block *block = slab->freed;
    slab->freed = block->next;
    slab->used++;
    if (is_full(slab))
        unlink_slab(slab);
    return block;
}

/* The loop is gone, or its blocks are to stay. */
WEFT_APART static void free_late(struct weft__slab *slab)
{
    if (slab->owner)
        return;
    slab->used--;
    if (slab->used == 0)
        unmap_slab(slab);
}

void weft__slab_free(void *ptr)
{
    struct block *block = ptr;
    struct weft__slab *slab = (void *)((char *)ptr - (uintptr_t)ptr % WEFT__SLAB_SIZE);
    if (!slab->owner || slab->owner->deferred) {
        free_late(slab);
        return;
    }
    slab->used--;
    block->next = slab->freed;
    slab->freed = block;
    if (!slab->at)
        link_slab(slab);
    if (slab->used == 0)
        slab_is_empty(slab);
}

/* ---- The loop's end ---- */

void weft__slabs_init(struct weft__slabs *slabs)
{
    *slabs = (struct weft__slabs){.on = !FOR_A_SANITIZER && !weft__has_users_allocator()};
}

void weft__slabs_defer(struct weft__slabs *slabs)
{
    slabs->deferred = true;
}

void weft__slabs_free(struct weft__slab *all)
{
    while (all) {
        struct weft__slab *slab = all;
        all = slab->next_all;
        unmap_slab(slab);
    }
}

struct weft__slab *weft__slabs_fini(struct weft__slabs *slabs)
{
    static struct weft__slabs kept = {.deferred = true};
    struct weft__slab *next;
    for (struct weft__slab *slab = slabs->all; slab; slab = next) {
        next = slab->next_all;
        slab->owner = slabs->deferred ? &kept : NULL;
        if (slab->used == 0 && !slabs->deferred)
            unmap_slab(slab);
    }
    return slabs->deferred ? slabs->all : NULL;
}

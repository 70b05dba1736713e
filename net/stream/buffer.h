/* SPDX-License-Identifier: MIT */
/*
 * A byte queue in one piece: bytes are appended at the end and taken from the front.
 *
 * An empty buffer holds no memory. Its sizes double, up to what is asked for; the smallest ones come
 * from a cache (one per loop), so that a stream that goes from idle to busy and back for every
 * request does not allocate, and gets the memory that was used last, which is warm. What is left is moved to the front when that makes
 * room and costs no more than was taken before, else when it is moved to more memory: appending and
 * taking are O(1) a byte on average.
 */
#ifndef WEFT_NET_BUFFER_H
#define WEFT_NET_BUFFER_H

#include <stddef.h>

enum {
    WEFT__BUFFER_BASE = 16 * 1024, /* smallest size of memory */
    WEFT__BUFFER_CACHED = 3,       /* so many sizes are cached: 16, 32 and 64 KiB */
    WEFT__BUFFER_LARGEST = WEFT__BUFFER_BASE << (WEFT__BUFFER_CACHED - 1),
    WEFT__BUFFER_KEPT = 1 << 20 /* how much a cache keeps of each */
};

/** Memory that was given back, by size. All [loop]. */
typedef struct weft__buffer_cache {
    struct {
        void *first; /* each begins with the address of the next */
        size_t kept; /* bytes */
    } sizes[WEFT__BUFFER_CACHED];
} weft__buffer_cache;

/** All [loop]. Zeroed: empty. */
typedef struct weft__buffer {
    char *memory;
    size_t capacity;
    size_t start, end; /* what is in it: memory[start … end) */
} weft__buffer;

static inline size_t weft__buffer_len(const weft__buffer *buffer)
{
    return buffer->end - buffer->start;
}

static inline char *weft__buffer_data(const weft__buffer *buffer)
{
    return buffer->memory ? buffer->memory + buffer->start : NULL;
}

/** Room behind the end, without doing anything. */
static inline size_t weft__buffer_room(const weft__buffer *buffer)
{
    return buffer->capacity - buffer->end;
}

/** Make room for `len` more bytes at memory + end. 0 or -ENOMEM: then nothing has changed. */
int weft__buffer_reserve(weft__buffer *buffer, weft__buffer_cache *cache, size_t len);

/** `len` bytes were put into the room. */
static inline void weft__buffer_added(weft__buffer *buffer, size_t len)
{
    buffer->end += len;
}

/** Copy `len` bytes to the end. 0 or -ENOMEM: then nothing has changed. */
int weft__buffer_append(weft__buffer *buffer, weft__buffer_cache *cache, const void *data,
                        size_t len);

/** Drop `len` bytes from the front. Memory goes back when none are left. */
void weft__buffer_consume(weft__buffer *buffer, weft__buffer_cache *cache, size_t len);

/** Give the memory back if there is nothing in it. */
void weft__buffer_trim(weft__buffer *buffer, weft__buffer_cache *cache);

/** Drop everything. */
void weft__buffer_fini(weft__buffer *buffer, weft__buffer_cache *cache);

void weft__buffer_cache_fini(weft__buffer_cache *cache);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The byte queue; net/stream/buffer.h says how it grows.
 */
#include "net/stream/buffer.h"

#include "core/memory.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

/* Which of the cached sizes it is; WEFT__BUFFER_CACHED: none. */
static unsigned size_class(size_t capacity)
{
    unsigned order = 0;
    while (order < WEFT__BUFFER_CACHED && (size_t)WEFT__BUFFER_BASE << order != capacity)
        order++;
    return order;
}

static void *take(weft__buffer_cache *cache, size_t capacity)
{
    unsigned order = size_class(capacity);
    void *memory = order < WEFT__BUFFER_CACHED ? cache->sizes[order].first : NULL;
    if (!memory)
        return weft__malloc(capacity);
    memcpy(&cache->sizes[order].first, memory, sizeof(void *));
    cache->sizes[order].kept -= capacity;
    return memory;
}

static void give_back(weft__buffer_cache *cache, void *memory, size_t capacity)
{
    unsigned order = size_class(capacity);
    if (order == WEFT__BUFFER_CACHED || cache->sizes[order].kept >= WEFT__BUFFER_KEPT) {
        weft__free(memory);
        return;
    }
    memcpy(memory, &cache->sizes[order].first, sizeof(void *));
    cache->sizes[order].first = memory;
    cache->sizes[order].kept += capacity;
}

/* The next size that holds `need` bytes; 0 when there is none. */
static size_t grown_capacity(size_t capacity, size_t need)
{
    if (need > SIZE_MAX / 2)
        return 0;
    if (capacity < WEFT__BUFFER_BASE)
        capacity = WEFT__BUFFER_BASE;
    while (capacity < need)
        capacity *= 2;
    return capacity;
}

static void move_to_front(weft__buffer *buffer)
{
    memmove(buffer->memory, buffer->memory + buffer->start, weft__buffer_len(buffer));
    buffer->end -= buffer->start;
    buffer->start = 0;
}

static int grow(weft__buffer *buffer, weft__buffer_cache *cache, size_t need)
{
    size_t capacity = grown_capacity(buffer->capacity, need);
    if (!capacity)
        return -ENOMEM;
    char *memory = take(cache, capacity);
    if (!memory)
        return -ENOMEM;
    size_t len = weft__buffer_len(buffer);
    if (buffer->memory) {
        memcpy(memory, buffer->memory + buffer->start, len);
        give_back(cache, buffer->memory, buffer->capacity);
    }
    *buffer = (weft__buffer){.memory = memory, .capacity = capacity, .end = len};
    return 0;
}

int weft__buffer_reserve(weft__buffer *buffer, weft__buffer_cache *cache, size_t len)
{
    if (weft__buffer_room(buffer) >= len)
        return 0;
    size_t held = weft__buffer_len(buffer);
    if (buffer->capacity - held >= len && buffer->start >= held) {
        move_to_front(buffer);
        return 0;
    }
    if (len > SIZE_MAX - held)
        return -ENOMEM;
    return grow(buffer, cache, held + len);
}

int weft__buffer_append(weft__buffer *buffer, weft__buffer_cache *cache, const void *data,
                        size_t len)
{
    if (!len)
        return 0;
    int status = weft__buffer_reserve(buffer, cache, len);
    if (status < 0)
        return status;
    memcpy(buffer->memory + buffer->end, data, len);
    weft__buffer_added(buffer, len);
    return 0;
}

void weft__buffer_consume(weft__buffer *buffer, weft__buffer_cache *cache, size_t len)
{
    assert(len <= weft__buffer_len(buffer));
    buffer->start += len;
    weft__buffer_trim(buffer, cache);
}

void weft__buffer_trim(weft__buffer *buffer, weft__buffer_cache *cache)
{
    if (buffer->memory && buffer->start == buffer->end)
        weft__buffer_fini(buffer, cache);
}

void weft__buffer_fini(weft__buffer *buffer, weft__buffer_cache *cache)
{
    if (buffer->memory)
        give_back(cache, buffer->memory, buffer->capacity);
    *buffer = (weft__buffer){0};
}

void weft__buffer_cache_fini(weft__buffer_cache *cache)
{
    for (unsigned order = 0; order < WEFT__BUFFER_CACHED; order++)
        while (cache->sizes[order].first)
            weft__free(take(cache, (size_t)WEFT__BUFFER_BASE << order));
}

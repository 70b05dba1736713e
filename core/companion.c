/* SPDX-License-Identifier: MIT */
/*
 * Companions: the way by which weft's other libraries reach its inside.
 *
 * Functions of their own, and not the ones behind them made visible: a shared library calls what it
 * exports by way of a table that others can change, and these are called at every turn.
 */
#include "core/companion.h"

#include "core/future.h"
#include "core/memory.h"
#include "core/mutex.h"
#include "core/random.h"
#include "core/thread.h"

void *weft__companion_malloc(size_t size)
{
    return weft__malloc(size);
}

void *weft__companion_realloc(void *ptr, size_t size)
{
    return weft__realloc(ptr, size);
}

void weft__companion_free(void *ptr)
{
    weft__free(ptr);
}

uint32_t weft__companion_loop_id(void)
{
    return weft__loop_id;
}

bool weft__companion_is_elsewhere(uint32_t loop_id, const char *function)
{
    return weft__is_elsewhere(loop_id, function);
}

int weft__companion_elsewhere(void)
{
    return weft__elsewhere();
}

weft_future *weft__companion_future_elsewhere(void)
{
    return weft__future_elsewhere();
}

double weft__companion_random_fraction(void)
{
    return weft__random_fraction(weft__loop);
}

void weft__companion_lock(pthread_mutex_t *mutex)
{
    weft__lock(mutex);
}

unsigned weft__companion_generation(void)
{
    return weft__generation;
}

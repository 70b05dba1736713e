/* SPDX-License-Identifier: MIT */
/*
 * What the companion libraries (weft_sqlite, weft_http_client) use of weft's inside. They are built with it and of the
 * same version, but linked to the shared library like anybody else, and its own names are hidden.
 * These are exported for them, and for nobody else; each stands for the function of that name.
 */
#ifndef WEFT_CORE_COMPANION_H
#define WEFT_CORE_COMPANION_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <weft/future.h>
#include <weft/macros.h>

WEFT_PUBLIC void *weft__companion_malloc(size_t size);
WEFT_PUBLIC void *weft__companion_realloc(void *ptr, size_t size);
WEFT_PUBLIC void weft__companion_free(void *ptr);

/** The number of the loop that may be used on this thread; 0: none. See core/thread.h. */
WEFT_PUBLIC uint32_t weft__companion_loop_id(void);

/** True, and reported by the name of the function, if an object of this loop must not be touched
 * here. */
WEFT_PUBLIC bool weft__companion_is_elsewhere(uint32_t loop_id, const char *function);

/** Why. */
WEFT_PUBLIC int weft__companion_elsewhere(void);
WEFT_PUBLIC weft_future *weft__companion_future_elsewhere(void);

/** The next random fraction of this thread's loop: see core/random.h. */
WEFT_PUBLIC double weft__companion_random_fraction(void);

/** Take a lock that others hold for some instructions only: see core/mutex.h. */
WEFT_PUBLIC void weft__companion_lock(pthread_mutex_t *mutex);

/** Changes in a forked child. */
WEFT_PUBLIC unsigned weft__companion_generation(void);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * A mutex that Clang's thread-safety analysis knows; and locks that are taken without a report.
 *
 * Who looks for calls that block a loop's thread (core/inspect/guard.h) is not told of weft's own locks,
 * which others hold for some instructions: who has to wait for one says so meanwhile.
 */
#ifndef WEFT_CORE_MUTEX_H
#define WEFT_CORE_MUTEX_H

#include <pthread.h>

#include "core/annotations.h"

struct WEFT_CAPABILITY("mutex") weft__mutex {
    pthread_mutex_t mutex;
};

/** This thread waits for weft's own sake, for a moment, when it is not 0. */
extern _Thread_local unsigned weft__own_waits __attribute__((tls_model("initial-exec")));

/** Wait for a mutex that another thread holds. 0, or an error number. */
int weft__lock_slowly(pthread_mutex_t *mutex);

/** As pthread_mutex_lock(), of a plain mutex. */
static inline void weft__lock(pthread_mutex_t *mutex)
{
    if (__builtin_expect(pthread_mutex_trylock(mutex) != 0, 0))
        (void)weft__lock_slowly(mutex);
}

static inline void weft__mutex_lock(struct weft__mutex *mu)
    WEFT_ACQUIRE(mu) WEFT_NO_THREAD_SAFETY_ANALYSIS
{
    weft__lock(&mu->mutex);
}

static inline void weft__mutex_unlock(struct weft__mutex *mu)
    WEFT_RELEASE(mu) WEFT_NO_THREAD_SAFETY_ANALYSIS
{
    pthread_mutex_unlock(&mu->mutex);
}

#endif

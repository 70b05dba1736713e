/* SPDX-License-Identifier: MIT */
/* A mutex that Clang's thread-safety analysis knows. */
#ifndef WEFT_CORE_MUTEX_H
#define WEFT_CORE_MUTEX_H

#include <pthread.h>

#include "core/annotations.h"

struct WEFT_CAPABILITY("mutex") weft__mutex {
    pthread_mutex_t mutex;
};

static inline void weft__mutex_lock(struct weft__mutex *mu)
    WEFT_ACQUIRE(mu) WEFT_NO_THREAD_SAFETY_ANALYSIS
{
    pthread_mutex_lock(&mu->mutex);
}

static inline void weft__mutex_unlock(struct weft__mutex *mu)
    WEFT_RELEASE(mu) WEFT_NO_THREAD_SAFETY_ANALYSIS
{
    pthread_mutex_unlock(&mu->mutex);
}

#endif

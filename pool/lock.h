/* SPDX-License-Identifier: MIT */
/* A mutex that Clang's thread-safety analysis knows. */
#ifndef WEFT_POOL_LOCK_H
#define WEFT_POOL_LOCK_H

#include <pthread.h>

#include "core/annotations.h"

struct WEFT_CAPABILITY("mutex") weft__lock {
    pthread_mutex_t mutex;
};

static inline void weft__lock_take(struct weft__lock *lock)
    WEFT_ACQUIRE(lock) WEFT_NO_THREAD_SAFETY_ANALYSIS
{
    pthread_mutex_lock(&lock->mutex);
}

static inline void weft__lock_release(struct weft__lock *lock)
    WEFT_RELEASE(lock) WEFT_NO_THREAD_SAFETY_ANALYSIS
{
    pthread_mutex_unlock(&lock->mutex);
}

#endif

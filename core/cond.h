/* SPDX-License-Identifier: MIT */
/* Condition variables whose limits are kept by CLOCK_MONOTONIC, also where a loop's time is virtual. */
#ifndef WEFT_CORE_COND_H
#define WEFT_CORE_COND_H

#include <pthread.h>
#include <weft/time.h>

#include "core/mutex.h"

/** 0, or an error number. */
int weft__cond_init(pthread_cond_t *cond);

/** The real time `timeout` from now; below 0: WEFT_FOREVER. */
weft_ns weft__real_after(weft_ns timeout);

/** Give up the lock until the condition is signalled or the deadline has passed. 0, or ETIMEDOUT. */
int weft__cond_wait_until(pthread_cond_t *cond, struct weft__mutex *mu, weft_ns deadline)
    WEFT_REQUIRES(mu);

#endif

/* SPDX-License-Identifier: MIT */
#include "core/cond.h"

#include <time.h>

int weft__cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attributes;
    int error = pthread_condattr_init(&attributes);
    if (error)
        return error;
    error = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    if (!error)
        error = pthread_cond_init(cond, &attributes);
    pthread_condattr_destroy(&attributes);
    return error;
}

weft_ns weft__real_after(weft_ns timeout)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    weft_ns at = WEFT_S(now.tv_sec) + now.tv_nsec;
    return timeout < 0 || timeout > WEFT_FOREVER - at ? WEFT_FOREVER : at + timeout;
}

int weft__cond_wait_until(pthread_cond_t *cond, struct weft__mutex *mu, weft_ns deadline)
{
    if (deadline == WEFT_FOREVER)
        return pthread_cond_wait(cond, &mu->mutex);
    struct timespec until = {.tv_sec = deadline / WEFT_S(1), .tv_nsec = deadline % WEFT_S(1)};
    return pthread_cond_timedwait(cond, &mu->mutex, &until);
}

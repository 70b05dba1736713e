/* SPDX-License-Identifier: MIT */
/*
 * Virtual time for a program that was not written for it: what it prints must not depend on how
 * fast the machine is. Linked with --wrap, see weft_add_example(); the program stays as a user
 * writes it.
 *
 * Its one loop gets a virtual clock. That stands still while a job runs, but a worker that only
 * sleeps is not waited for: it sleeps on a timer of the loop.
 */
#include <semaphore.h>
#include <threads.h>
#include <weft/weft.h>

#include "core/loop.h"

weft_loop *__real_weft_loop_new(const struct weft_loop_options *options);
weft_loop *__wrap_weft_loop_new(const struct weft_loop_options *options);
int __wrap_thrd_sleep(const struct timespec *duration, struct timespec *remaining);

static weft_loop *only_loop; /* [const] once it is made */

weft_loop *__wrap_weft_loop_new(const struct weft_loop_options *options)
{
    struct weft_loop_options own = {0};
    if (options)
        own = *options;
    own.clock = WEFT_CLOCK_VIRTUAL;
    only_loop = __real_weft_loop_new(&own);
    return only_loop;
}

struct nap {
    weft_ns duration;
    sem_t over;
};

static void end_nap(void *arg)
{
    struct nap *nap = arg;
    only_loop->jobs++;
    sem_post(&nap->over);
}

static void begin_nap(void *arg)
{
    struct nap *nap = arg;
    only_loop->jobs--;
    weft_unref(weft_call_later(nap->duration, end_nap, nap));
}

int __wrap_thrd_sleep(const struct timespec *duration, struct timespec *remaining)
{
    (void)remaining;
    struct nap nap = {.duration = WEFT_S(duration->tv_sec) + duration->tv_nsec};
    sem_init(&nap.over, 0, 0);
    if (weft_post(only_loop, begin_nap, &nap) < 0)
        return -2;
    while (sem_wait(&nap.over) < 0)
        ;
    sem_destroy(&nap.over);
    return 0;
}

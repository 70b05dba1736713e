/* SPDX-License-Identifier: MIT */
/*
 * libevent: evtimer_add() and evtimer_del() on events that are there. THREADS_=1: with its locks.
 */
#include <event2/event.h>
#include <event2/event_struct.h>
#include <event2/thread.h>

#include "../common/timers.h"

static struct event *events;

static void fire(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what, (void)arg;
    timers_one_fired();
}

static void insert(long i, uint32_t ms)
{
    struct timeval time = {ms / 1000, ms % 1000 * 1000};
    evtimer_add(&events[i], &time);
}

int main(int argc, char **argv)
{
    timers_args(argc, argv);
    if (getenv("THREADS_"))
        evthread_use_pthreads();
    struct event_base *base = event_base_new();
    events = allocate((size_t)timers.count, sizeof(*events));
    for (long i = 0; i < timers.count; i++)
        evtimer_assign(&events[i], base, fire, NULL);
    timers_begin();
    for (long i = 0; i < timers.count; i++)
        insert(i, timers.ms[i]);
    timers_inserted();
    for (long i = 0; i < timers.count; i++)
        evtimer_del(&events[timers.order[i]]);
    timers_cancelled();
    for (long i = 0; i < timers.count; i++)
        insert(i, timers.soon[i]);
    timers_wait();
    return event_base_dispatch(base) < 0;
}

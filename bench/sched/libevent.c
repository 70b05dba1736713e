/* SPDX-License-Identifier: MIT */
/*
 * libevent. MODE_=active (default): an event that makes itself active (libevent does not poll for
 * I/O between such); MODE_=once: event_base_once() with a timeout of zero.
 */
#include <event2/event.h>

#include "../common/sched.h"

static struct event_base *base;
static long live, *left;
static struct event **events;
static int once;

static void step(evutil_socket_t fd, short what, void *arg);

static void schedule(long *counter)
{
    struct timeval at_once = {0, 0};
    if (once)
        event_base_once(base, -1, EV_TIMEOUT, step, counter, &at_once);
    else
        event_active(events[counter - left], EV_TIMEOUT, 0);
}

static void step(evutil_socket_t fd, short what, void *arg)
{
    long *counter = arg;
    (void)fd, (void)what;
    if (--*counter > 0) {
        schedule(counter);
    } else if (--live == 0) {
        sched_end();
        event_base_loopbreak(base);
    }
}

int main(int argc, char **argv)
{
    sched_args(argc, argv, "chain STEPS | yield TASKS YIELDS");
    once = is_set("MODE_", "once");
    base = event_base_new();
    live = sched.tasks;
    left = allocate((size_t)sched.tasks, sizeof(*left));
    events = allocate((size_t)sched.tasks, sizeof(struct event *));
    for (long i = 0; i < sched.tasks; i++) {
        left[i] = sched.of_each;
        events[i] = event_new(base, -1, EV_PERSIST, step, &left[i]);
    }
    sched_begin();
    for (long i = 0; i < sched.tasks; i++)
        schedule(&left[i]);
    event_base_loop(base, EVLOOP_NO_EXIT_ON_EMPTY);
    return 0;
}

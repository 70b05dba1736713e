/* SPDX-License-Identifier: MIT */
/*
 * Loops within loops. A base cannot be dispatched while it is: libevent prints a warning and
 * refuses. And a tick of ours runs on a base that is not dispatched at that moment, so that a task
 * which calls event_base_loop() would get it, and with it all events but no tick: it would hang.
 *
 * In the host's callbacks (attached). libevent cannot be asked whether a base is dispatched
 * (event_base_get_running_event() crashes when it is not). But its cached time stands still while
 * callbacks run, and is the real time when none does: two looks at it, some microseconds apart, tell.
 * A base with EVENT_BASE_FLAG_NO_CACHE_TIME has no such time; there libevent's warning remains.
 *
 * In our tasks (a base of our own). A guard, an event without a descriptor, is active while a tick is
 * under way, except while we poll. Whoever else runs the base then meets it first: it breaks that loop
 * and reports. Between two ticks there is none: who runs the base there waits for his own events. Only
 * who asked for the base can run it: before that there is nothing to guard, since it costs some 30 ns
 * a tick.
 *
 * A task on an attached loop that calls event_base_loop() is in a callback of the host's dispatch:
 * libevent refuses by itself.
 */
#include "core/nested.h"

#include <errno.h>
#include <event2/event.h>
#include <time.h>

#include "core/loop.h"

enum { CLOCK_MOVES_NS = 3000 }; /* libevent's time has microseconds */

static weft_ns now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return WEFT_S(time.tv_sec) + time.tv_nsec;
}

bool weft__is_in_host(const weft_loop *loop)
{
    struct timeval first, second;
    if (!loop->attached)
        return false;
    event_base_gettimeofday_cached(loop->base, &first);
    for (weft_ns end = now() + CLOCK_MOVES_NS; now() < end;)
        ;
    event_base_gettimeofday_cached(loop->base, &second);
    return first.tv_sec == second.tv_sec && first.tv_usec == second.tv_usec;
}

static void on_nested(evutil_socket_t fd, short what, void *arg)
{
    static const struct weft_error_report report = {
        .what = "event_base_loop() within a task or a callback of the loop: it was ended",
        .status = -EDEADLK,
    };
    weft_loop *loop = arg;
    (void)fd;
    (void)what;
    event_base_loopbreak(loop->base);
    weft__report(loop, &report);
    weft__guard_on(loop);
}

bool weft__guard_open(weft_loop *loop)
{
    loop->guard = event_new(loop->base, -1, 0, on_nested, loop);
    return loop->guard;
}

void weft__guard_close(weft_loop *loop)
{
    if (loop->guard)
        event_free(loop->guard);
}

void weft__guard_base(weft_loop *loop)
{
    if (!loop->guard || loop->is_guarded)
        return;
    loop->is_guarded = true;
    if (loop->in_tick && !loop->polling)
        weft__guard_on(loop);
}

void weft__guard_on(weft_loop *loop)
{
    event_active(loop->guard, EV_TIMEOUT, 1);
}

void weft__guard_off(weft_loop *loop)
{
    event_del(loop->guard);
}

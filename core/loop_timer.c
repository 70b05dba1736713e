/* SPDX-License-Identifier: MIT */
/*
 * What wakes a loop that sleeps when its next timer is due.
 *
 * Timers stand behind one descriptor (a timerfd), set only when the earliest deadline moves
 * forward: libevent's own timers are as coarse as its clock, up to 4 ms late, and making that
 * precise costs a system call for every poll. A stale setting wakes the loop once, in vain.
 */
#include <sys/timerfd.h>
#include <unistd.h>

#include "core/loop.h"

void weft__loop_set_timer(weft_loop *loop, weft_ns deadline)
{
    if (deadline >= loop->armed)
        return;
    weft_ns at = deadline > 0 ? deadline : 1;
    struct itimerspec when = {.it_value = {.tv_sec = at / WEFT_S(1), .tv_nsec = at % WEFT_S(1)}};
    timerfd_settime(loop->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
    loop->armed = deadline;
}

void weft__loop_set_next_timer(weft_loop *loop)
{
    if (loop->clock == WEFT_CLOCK_MONOTONIC)
        weft__loop_set_timer(loop, weft__timers_next(&loop->timers));
    weft__loop_set_timer(loop, loop->real_deadline);
}

void weft__loop_on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)what;
    weft_loop *loop = arg;
    if (weft__loop_is_forked(loop))
        return;
    uint64_t expirations;
    if (read(fd, &expirations, sizeof(expirations)) > 0)
        loop->armed = WEFT_FOREVER;
    weft__loop_want_tick(loop);
}

void weft__loop_rearm(weft_loop *loop)
{
    if (!loop->attached || loop->in_tick)
        return;
    weft__loop_set_next_timer(loop);
}

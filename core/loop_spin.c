/* SPDX-License-Identifier: MIT */
/*
 * The loop's spin: with nothing to run and jobs out on other threads, it looks for their mail for a
 * while before it sleeps. The rules are in core/spin.c; of the loop's own, there are these:
 *
 *   - Only a base of its own, in real time: a host decides itself when to block, and virtual time
 *     must not depend on how fast the machine is.
 *   - I/O and timers wait no longer than in a busy tick: the base is polled, without blocking, when
 *     20 µs have passed since the last time, or a timer is due. What that brings ends the spin; it
 *     was in vain then, as a sleep would have brought it as well. So does that nothing is out any more,
 *     though it leaves nothing to run (a process that was freed has ended): who drives the loop looks.
 *   - With mail the base is not polled: a fast exchange costs one poll every 20 µs. When there is some
 *     already, it is no spin.
 *
 * Pace. To look at what has come takes lines of the cache from those who send more: some 0.5 µs of theirs
 * and of the loop's. A loop that is faster than they are would do that for each single result. So with
 * many jobs out it goes on with what has come 2 µs after the last time at the earliest, with very many 4,
 * and finds more at once. One that has as much to do does not wait at all, nor one that may not spin.
 */
#include "core/loop.h"

#define TIME_PER_POLL WEFT_US(20)
#define PACE WEFT_US(2)
enum { ITEMS_PER_POLL = 256, MANY_JOBS = 64, VERY_MANY = 256 };

static bool must_poll(weft_loop *loop, weft_ns now)
{
    return now - loop->polled_at >= TIME_PER_POLL || weft__loop_skipped(loop) >= ITEMS_PER_POLL ||
           now >= weft__timers_next(&loop->timers);
}

static bool has_enough(weft_loop *loop)
{
    return loop->spin_status < 0 || loop->ready.head || !loop->jobs || loop->stop ||
           weft__loop_is_forked(loop) || loop->polled_at >= weft__timers_next(&loop->timers);
}

static enum weft__look look(void *arg, weft_ns now)
{
    weft_loop *loop = arg;
    if (must_poll(loop, now)) {
        weft__load_spun(&loop->load, loop->spin.began, now);
        loop->spin_status = weft__loop_poll(loop, EVLOOP_NONBLOCK);
        if (has_enough(loop))
            return WEFT__ENOUGH;
    }
    return weft__loop_has_mail(loop) ? WEFT__FOUND : WEFT__NOTHING;
}

bool weft__loop_spin(weft_loop *loop, int *ret_status)
{
    if (loop->stop)
        return false;
    loop->spin.began = loop->spin.ended = 0;
    loop->spin_status = 0;
    enum weft__spun spun = weft__spin(&loop->spin, loop->spin_wanted, look, loop);
    weft__load_spun(&loop->load, loop->spin.began, loop->spin.ended);
    loop->spins += spun != WEFT__SPUN_NOT;
    loop->spins_paid += spun == WEFT__SPUN_PAID;
    *ret_status = loop->spin_status;
    return spun == WEFT__SPUN_PAID || has_enough(loop);
}

void weft__loop_pace(weft_loop *loop)
{
    if (loop->jobs >= MANY_JOBS && loop->spin.cpus > 1 && loop->spin_wanted >= 0)
        loop->paced_at =
            weft__spin_until(loop->paced_at + (loop->jobs < VERY_MANY ? PACE : 2 * PACE));
}

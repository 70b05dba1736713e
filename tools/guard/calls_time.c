/* SPDX-License-Identifier: MIT */
/* Sleeping, and waiting for a signal. A sleep of 0 is none. */
#include <signal.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

#include "tools/guard/guard.h"

#define SLEEP "weft_sleep()"
#define SIGNAL "weft_signal_open()"

GUARD_WRAPS unsigned sleep(unsigned seconds)
{
    GUARD_REAL(sleep);
    if (seconds == 0 || !guard__watches())
        return real(seconds);
    struct guard__call call = guard__begin("sleep", SLEEP);
    unsigned left = real(seconds);
    guard__end(&call, "%u s", seconds);
    return left;
}

GUARD_WRAPS int usleep(useconds_t time)
{
    GUARD_REAL(usleep);
    if (time == 0 || !guard__watches())
        return real(time);
    struct guard__call call = guard__begin("usleep", SLEEP);
    int ret = real(time);
    guard__end(&call, "%u us", time);
    return ret;
}

/* No time, or none that there is: an error. */
static bool is_none(const struct timespec *time)
{
    return (time->tv_sec == 0 && time->tv_nsec == 0) || time->tv_sec < 0 || time->tv_nsec < 0 ||
           time->tv_nsec >= 1000000000;
}

static double in_ms(const struct timespec *time)
{
    return (double)time->tv_sec * 1000 + (double)time->tv_nsec / 1000000;
}

GUARD_WRAPS int nanosleep(const struct timespec *time, struct timespec *left)
{
    GUARD_REAL(nanosleep);
    if (is_none(time) || !guard__watches())
        return real(time, left);
    struct guard__call call = guard__begin("nanosleep", SLEEP);
    int ret = real(time, left);
    guard__end(&call, "%g ms", in_ms(time));
    return ret;
}

static bool is_no_sleep(clockid_t clock, int flags, const struct timespec *time)
{
    return flags & TIMER_ABSTIME ? guard__is_over(clock, time) : is_none(time);
}

GUARD_WRAPS int clock_nanosleep(clockid_t clock, int flags, const struct timespec *time,
                                struct timespec *left)
{
    GUARD_REAL(clock_nanosleep);
    if (!guard__watches() || is_no_sleep(clock, flags, time))
        return real(clock, flags, time, left);
    struct guard__call call = guard__begin("clock_nanosleep", SLEEP);
    int ret = real(clock, flags, time, left);
    guard__end(&call, "%s%g ms", flags & TIMER_ABSTIME ? "until " : "", in_ms(time));
    return ret;
}

GUARD_WRAPS int thrd_sleep(const struct timespec *time, struct timespec *left)
{
    GUARD_REAL(thrd_sleep);
    if (is_none(time) || !guard__watches())
        return real(time, left);
    struct guard__call call = guard__begin("thrd_sleep", SLEEP);
    int ret = real(time, left);
    guard__end(&call, "%g ms", in_ms(time));
    return ret;
}

/* ---- Signals ---- */

GUARD_WRAPS int pause(void)
{
    GUARD_REAL(pause);
    if (!guard__watches())
        return real();
    struct guard__call call = guard__begin("pause", SIGNAL);
    int ret = real();
    guard__end(&call, "%s", "");
    return ret;
}

GUARD_WRAPS int sigsuspend(const sigset_t *set)
{
    GUARD_REAL(sigsuspend);
    if (!guard__watches())
        return real(set);
    struct guard__call call = guard__begin("sigsuspend", SIGNAL);
    int ret = real(set);
    guard__end(&call, "%s", "");
    return ret;
}

/* One of the set is pending already. Of the process or the thread: the same that the call would take. */
static bool is_pending(const sigset_t *set)
{
    sigset_t pending, both;
    return sigpending(&pending) == 0 && sigandset(&both, &pending, set) == 0 &&
           !sigisemptyset(&both);
}

GUARD_WRAPS int sigwait(const sigset_t *set, int *ret_signal)
{
    GUARD_REAL(sigwait);
    if (!guard__watches() || is_pending(set))
        return real(set, ret_signal);
    struct guard__call call = guard__begin("sigwait", SIGNAL);
    int ret = real(set, ret_signal);
    guard__end(&call, "%s", "");
    return ret;
}

GUARD_WRAPS int sigwaitinfo(const sigset_t *set, siginfo_t *info)
{
    GUARD_REAL(sigwaitinfo);
    if (!guard__watches() || is_pending(set))
        return real(set, info);
    struct guard__call call = guard__begin("sigwaitinfo", SIGNAL);
    int ret = real(set, info);
    guard__end(&call, "%s", "");
    return ret;
}

GUARD_WRAPS int sigtimedwait(const sigset_t *set, siginfo_t *info, const struct timespec *limit)
{
    GUARD_REAL(sigtimedwait);
    if (!guard__watches() || (limit && is_none(limit)) || is_pending(set))
        return real(set, info, limit);
    struct guard__call call = guard__begin("sigtimedwait", SIGNAL);
    int ret = real(set, info, limit);
    guard__end(&call, "up to %g ms", limit ? in_ms(limit) : -1);
    return ret;
}

/* SPDX-License-Identifier: MIT */
/*
 * Waiting for descriptors. Each wait is made with a limit of 0 first: what is found so is the answer, and only
 * if there is nothing yet does it wait. The wait in which the loop itself sleeps is libevent's, and not
 * looked at.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <time.h>

#include "tools/guard/guard.h"

#define WAIT "weft_wait_readable(), weft_wait_writable(), or weft_wait() for several of these"

static bool is_zero(const struct timespec *limit)
{
    return limit && limit->tv_sec == 0 && limit->tv_nsec == 0;
}

static double in_ms(const struct timespec *limit)
{
    return (double)limit->tv_sec * 1000 + (double)limit->tv_nsec / 1000000;
}

static void end(struct guard__call *call, size_t count, const struct timespec *limit)
{
    if (limit)
        guard__end(call, "%zu descriptors, up to %g ms", count, in_ms(limit));
    else
        guard__end(call, "%zu descriptors, for ever", count);
}

static void end_ms(struct guard__call *call, size_t count, int limit)
{
    struct timespec time = {limit / 1000, (long)(limit % 1000) * 1000000};
    end(call, count, limit < 0 ? NULL : &time);
}

/* ---- poll ---- */

GUARD_WRAPS int poll(struct pollfd *fds, nfds_t count, int limit)
{
    GUARD_REAL(poll);
    if (!guard__watches() || guard__is_dispatch(fds) || limit == 0)
        return real(fds, count, limit);
    int found = real(fds, count, 0);
    if (found != 0)
        return found;
    struct guard__call call = guard__begin("poll", count ? WAIT : "weft_sleep()");
    found = real(fds, count, limit);
    end_ms(&call, count, limit);
    return found;
}

int __poll_chk(struct pollfd *fds, nfds_t count, int limit, size_t room);

GUARD_WRAPS int __poll_chk(struct pollfd *fds, nfds_t count, int limit, size_t room)
{
    GUARD_REAL(__poll_chk);
    if (!guard__watches() || guard__is_dispatch(fds) || limit == 0)
        return real(fds, count, limit, room);
    int found = real(fds, count, 0, room);
    if (found != 0)
        return found;
    struct guard__call call = guard__begin("poll", count ? WAIT : "weft_sleep()");
    found = real(fds, count, limit, room);
    end_ms(&call, count, limit);
    return found;
}

static const struct timespec at_once = {0, 0};

GUARD_WRAPS int ppoll(struct pollfd *fds, nfds_t count, const struct timespec *limit,
                      const sigset_t *mask)
{
    GUARD_REAL(ppoll);
    if (!guard__watches() || guard__is_dispatch(fds) || is_zero(limit))
        return real(fds, count, limit, mask);
    int found = real(fds, count, &at_once, mask);
    if (found != 0)
        return found;
    struct guard__call call = guard__begin("ppoll", count ? WAIT : "weft_sleep()");
    found = real(fds, count, limit, mask);
    end(&call, count, limit);
    return found;
}

int __ppoll_chk(struct pollfd *fds, nfds_t count, const struct timespec *limit,
                const sigset_t *mask, size_t room);

GUARD_WRAPS int __ppoll_chk(struct pollfd *fds, nfds_t count, const struct timespec *limit,
                            const sigset_t *mask, size_t room)
{
    GUARD_REAL(__ppoll_chk);
    if (!guard__watches() || guard__is_dispatch(fds) || is_zero(limit))
        return real(fds, count, limit, mask, room);
    int found = real(fds, count, &at_once, mask, room);
    if (found != 0)
        return found;
    struct guard__call call = guard__begin("ppoll", count ? WAIT : "weft_sleep()");
    found = real(fds, count, limit, mask, room);
    end(&call, count, limit);
    return found;
}

/* ---- select: it writes to its sets, so they are kept for the second time ---- */

struct sets {
    fd_set read, write, except;
};

/* As much of each as there is: programs may bring larger ones than fd_set. */
static size_t size_of(int count)
{
    size_t bits = 8 * sizeof(long), words = ((size_t)count + bits - 1) / bits;
    return words * sizeof(long) < sizeof(fd_set) ? words * sizeof(long) : sizeof(fd_set);
}

static void copy(fd_set *to, const fd_set *from, int count)
{
    if (to && from)
        memcpy(to, from, size_of(count));
}

static void save(struct sets *sets, int count, const fd_set *read, const fd_set *write,
                 const fd_set *except)
{
    copy(&sets->read, read, count);
    copy(&sets->write, write, count);
    copy(&sets->except, except, count);
}

static void restore(const struct sets *sets, int count, fd_set *read, fd_set *write, fd_set *except)
{
    copy(read, &sets->read, count);
    copy(write, &sets->write, count);
    copy(except, &sets->except, count);
}

static bool can_be_kept(int count)
{
    return count >= 0 && count <= FD_SETSIZE;
}

GUARD_WRAPS int select(int count, fd_set *read, fd_set *write, fd_set *except,
                       struct timeval *limit)
{
    GUARD_REAL(select);
    bool is_look = limit && limit->tv_sec == 0 && limit->tv_usec == 0;
    if (!guard__watches() || guard__is_dispatch(read) || is_look || !can_be_kept(count))
        return real(count, read, write, except, limit);
    struct sets sets;
    struct timeval now = {0, 0};
    save(&sets, count, read, write, except);
    int found = real(count, read, write, except, &now);
    if (found != 0)
        return found;
    restore(&sets, count, read, write, except);
    struct timespec told = {limit ? limit->tv_sec : 0, limit ? limit->tv_usec * 1000 : 0};
    struct guard__call call = guard__begin("select", count ? WAIT : "weft_sleep()");
    found = real(count, read, write, except, limit);
    end(&call, (size_t)count, limit ? &told : NULL);
    return found;
}

GUARD_WRAPS int pselect(int count, fd_set *read, fd_set *write, fd_set *except,
                        const struct timespec *limit, const sigset_t *mask)
{
    GUARD_REAL(pselect);
    if (!guard__watches() || guard__is_dispatch(read) || is_zero(limit) || !can_be_kept(count))
        return real(count, read, write, except, limit, mask);
    struct sets sets;
    save(&sets, count, read, write, except);
    int found = real(count, read, write, except, &at_once, mask);
    if (found != 0)
        return found;
    restore(&sets, count, read, write, except);
    struct guard__call call = guard__begin("pselect", count ? WAIT : "weft_sleep()");
    found = real(count, read, write, except, limit, mask);
    end(&call, (size_t)count, limit);
    return found;
}

/* ---- epoll: a base of libevent's has one instance ---- */

static const void *name_of(int epoll)
{
    static const char names[64];
    return &names[epoll & 63];
}

static void end_epoll(struct guard__call *call, int epoll, int limit)
{
    if (limit < 0)
        guard__end(call, "fd %d: epoll, for ever", epoll);
    else
        guard__end(call, "fd %d: epoll, up to %d ms", epoll, limit);
}

GUARD_WRAPS int epoll_wait(int epoll, struct epoll_event *events, int most, int limit)
{
    GUARD_REAL(epoll_wait);
    if (!guard__watches() || guard__is_dispatch(name_of(epoll)) || limit == 0)
        return real(epoll, events, most, limit);
    int found = real(epoll, events, most, 0);
    if (found != 0)
        return found;
    struct guard__call call = guard__begin("epoll_wait", WAIT);
    found = real(epoll, events, most, limit);
    end_epoll(&call, epoll, limit);
    return found;
}

GUARD_WRAPS int epoll_pwait(int epoll, struct epoll_event *events, int most, int limit,
                            const sigset_t *mask)
{
    GUARD_REAL(epoll_pwait);
    if (!guard__watches() || guard__is_dispatch(name_of(epoll)) || limit == 0)
        return real(epoll, events, most, limit, mask);
    int found = real(epoll, events, most, 0, mask);
    if (found != 0)
        return found;
    struct guard__call call = guard__begin("epoll_pwait", WAIT);
    found = real(epoll, events, most, limit, mask);
    end_epoll(&call, epoll, limit);
    return found;
}

GUARD_WRAPS int epoll_pwait2(int epoll, struct epoll_event *events, int most,
                             const struct timespec *limit, const sigset_t *mask)
{
    GUARD_REAL(epoll_pwait2);
    if (!guard__watches() || guard__is_dispatch(name_of(epoll)) || is_zero(limit))
        return real(epoll, events, most, limit, mask);
    int found = real(epoll, events, most, &at_once, mask);
    if (found != 0)
        return found;
    struct guard__call call = guard__begin("epoll_pwait2", WAIT);
    found = real(epoll, events, most, limit, mask);
    if (limit)
        guard__end(&call, "fd %d: epoll, up to %g ms", epoll, in_ms(limit));
    else
        end_epoll(&call, epoll, -1);
    return found;
}

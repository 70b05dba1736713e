/* SPDX-License-Identifier: MIT */
/*
 * The watchdog's view of a loop.
 *
 *     ELSEWHERE --a look--> AT SOMETHING --the same for too long--> TOLD --another--> ELSEWHERE, and told so
 *                             |      ^                                        (what is seen now is next)
 *                             +------+ another, or asleep in its poll
 *
 * In a tick, a loop is at a callback. In a poll of its own it sleeps, as a rule, and there is nothing to be said of
 * that; but a callback of the program's own events runs within the poll as well. The kernel tells them
 * apart: the thread that sleeps is in epoll_wait() on the base's descriptor, and that is the one which the loop's
 * timer is registered with. Between its polls, an attached loop is its host's.
 *
 * A report is made in this order: who it is, by looks that a last one confirms; the stack, which is confirmed in the same
 * way; names for its addresses, which may take long; how long it has lasted by now. If it went on meanwhile it is told with
 * what was confirmed, and that it is over in the next round.
 */
#include "core/inspect/lookout.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/cond.h"
#include "core/inspect/stack.h"
#include "core/inspect/watchdog.h"
#include "core/loop.h"

enum { MOST_TRIES = 10, INFO_ROOM = 1024 };

/* ---- Is it asleep? ---- */

/*
 * The file has a line "tfd: N ..." for each descriptor in the set. It is not read by stdio: who flushes all streams
 * holds the list of them, perhaps for as long as it blocks.
 */
static bool has_in_its_set(int epoll_fd, int fd)
{
    char path[64], wanted[32], text[INFO_ROOM + 1];
    size_t kept = 0;
    bool found = false;
    snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", epoll_fd);
    snprintf(wanted, sizeof(wanted), "\ntfd: %8d ", fd);
    int info = open(path, O_RDONLY | O_CLOEXEC);
    for (ssize_t got = 1; info >= 0 && !found && got > 0;) {
        got = read(info, text + kept, INFO_ROOM - kept);
        size_t len = kept + (size_t)(got > 0 ? got : 0);
        text[len] = '\0';
        found = strstr(text, wanted) != NULL;
        kept = len < sizeof(wanted) ? len : sizeof(wanted); /* it may be cut in two */
        memmove(text, text + len - kept, kept);
    }
    if (info >= 0)
        close(info);
    return found;
}

static bool is_epoll(int syscall_nr)
{
#ifdef SYS_epoll_wait
    if (syscall_nr == SYS_epoll_wait)
        return true;
#endif
#ifdef SYS_epoll_pwait2
    if (syscall_nr == SYS_epoll_pwait2)
        return true;
#endif
    return syscall_nr == SYS_epoll_pwait;
}

static bool is_asleep(struct weft__lookout *lookout, const weft_loop *loop,
                      const struct weft__thread_state *state)
{
    if (!lookout->has_epoll || state->syscall_nr == WEFT__SYSCALL_UNKNOWN)
        return state->state == 'S';
    if (!is_epoll(state->syscall_nr))
        return false;
    int fd = (int)state->args[0];
    if (lookout->epoll_fd < 0 && has_in_its_set(fd, loop->timer_fd))
        lookout->epoll_fd = fd;
    return fd == lookout->epoll_fd;
}

/* ---- Reports ---- */

static bool is_same_still(const struct weft__lookout *lookout, const weft_loop *loop)
{
    struct weft__at at;
    return weft__at_look(&at, loop) && weft__at_is_same(&at, &lookout->seen);
}

/* False: it went on. A task may be calling others all the time. */
static bool read_who(const struct weft__lookout *lookout, const weft_loop *loop,
                     struct weft__who *ret)
{
    struct weft__at at, again;
    *ret = (struct weft__who){.what = "callback"};
    for (int tries = 0; tries < MOST_TRIES; tries++) {
        struct weft__who who;
        if (!weft__at_look(&at, loop) || !weft__at_is_same(&at, &lookout->seen))
            return false;
        weft__who_read(&who, &at);
        if (!weft__at_look(&again, loop) || !weft__at_is_same(&again, &at))
            return false;
        if (again.current == at.current) {
            *ret = who;
            break;
        }
    }
    return true;
}

static bool identify(struct weft__lookout *lookout, const weft_loop *loop)
{
    struct weft__who who;
    struct weft__blocked *told = lookout->told;
    if (!read_who(lookout, loop, &who))
        return false;
    memcpy(told->task, who.task, sizeof(told->task));
    memcpy(told->function, who.function, sizeof(told->function));
    memcpy(told->spawned_at, who.spawned_at, sizeof(told->spawned_at));
    memcpy(told->awaited_at, who.awaited_at, sizeof(told->awaited_at));
    told->report.what = who.what;
    told->report.task_id = who.task_id;
    told->report.parent_id = who.parent_id;
    told->report.loop_id = loop->id;
    told->report.tid = loop->tid;
    return true;
}

static void forget(struct weft__lookout *lookout)
{
    struct weft__blocked *told = lookout->told;
    lookout->told = NULL; /* first: a forked child frees what it finds */
    weft__blocked_free(told);
}

static void tell(struct weft__lookout *lookout, enum weft_blocked_stage stage)
{
    struct weft__spell spell = weft__patience_spell(&lookout->patience);
    weft__blocked_finish(lookout->told, stage, &spell);
    weft__watchdog_tell(lookout->loop_id, lookout->told);
}

static struct weft__sight look_at_thread(const struct weft__lookout *lookout, const weft_loop *loop,
                                         const struct weft__round *round, weft_ns late,
                                         struct weft__thread_state *state)
{
    const struct weft__sight *last = lookout->is_at_something ? &lookout->patience.last : NULL;
    return weft__sight_of(loop->tid, last, round, late, state);
}

/* What it is at, with the stack. True: it is at that still, after all of this, which may have taken long. */
static bool see(struct weft__lookout *lookout, const weft_loop *loop,
                const struct weft__round *round)
{
    struct weft__stack stack;
    struct weft__thread_state then, now;
    weft__blocked_see(lookout->told, loop->tid, &then, &stack);
    if (!is_same_still(lookout, loop))
        stack.count = 0;
    weft__blocked_name(lookout->told, &stack);
    if (!is_same_still(lookout, loop))
        return true; /* there is nothing else to be seen */
    struct weft__sight sight = look_at_thread(lookout, loop, round, 0, &now);
    (void)weft__patience_is_over(&lookout->patience, &sight);
    return now.syscall_nr == then.syscall_nr;
}

static void report(struct weft__lookout *lookout, weft_loop *loop, const struct weft__round *round)
{
    bool is_first = !lookout->told;
    if (is_first && weft__watchdog_may_report(round->began, &lookout->is_left_out))
        lookout->told = weft__blocked_new(WEFT_BLOCKED_LOOP);
    if (!lookout->told)
        return;
    if (!identify(lookout, loop)) {
        if (is_first)
            forget(lookout);
        return;
    }
    if (!see(lookout, loop, round))
        (void)see(lookout, loop, round); /* names are known by now: it is quick */
    if (is_first)
        atomic_fetch_add_explicit(&loop->load.blocked, 1, memory_order_relaxed);
    tell(lookout, is_first ? WEFT_BLOCKED_FOUND : WEFT_BLOCKED_STILL);
}

/* ---- Looking ---- */

/* It is at something else now, or at nothing. */
static void is_over(struct weft__lookout *lookout)
{
    if (!lookout->is_at_something)
        return;
    lookout->is_at_something = false;
    if (lookout->told)
        tell(lookout, WEFT_BLOCKED_OVER);
    else if (weft__patience_is_excused(&lookout->patience))
        weft__watchdog_excuses();
    forget(lookout);
}

void weft__lookout_loop(weft_loop *loop, const struct weft__round *round)
{
    struct weft__lookout *lookout = loop->lookout;
    struct weft__at at;
    struct weft__thread_state state;
    if (!weft__at_look(&at, loop))
        return;
    bool is_same = lookout->is_at_something && weft__at_is_same(&at, &lookout->seen);
    if (!is_same)
        is_over(lookout);
    lookout->seen = at;
    if (!weft__at_is_same(&at, &at))
        return;
    struct weft__sight sight = look_at_thread(lookout, loop, round, round->late, &state);
    if (at.is_polling && is_asleep(lookout, loop, &state)) {
        is_over(lookout);
        return;
    }
    if (!lookout->is_at_something) {
        weft__patience_begin(&lookout->patience, lookout->limit, 0, &sight);
        lookout->is_at_something = true;
        lookout->is_left_out = false;
    } else if (weft__patience_is_over(&lookout->patience, &sight)) {
        report(lookout, loop, round);
    }
}

/* SPDX-License-Identifier: MIT */
/*
 * The loop and its tick.
 *
 * One tick:  poll libevent → queue the timers that are due → queue what the mailbox holds → run the
 * ready items as they stood. What these add runs in the next tick. While there are ready items the
 * poll does not block, and may be left out for a while: until 256 items were run or the clock,
 * looked at after 1, 2, 4, 8 … items, shows more than 50 µs. So a storm of ready tasks costs a poll
 * per 256 of them, and cannot keep I/O, timers or other threads waiting.
 *
 * Own base: run() alternates poll and tick. Attached: the host dispatches, and ticks run from
 * tick_event, a timer of 0 that is armed whenever something becomes ready outside of a tick
 * (event_active() would be served before the next poll and starve the host's I/O).
 *
 * Timers stand behind one descriptor (a timerfd), set only when the earliest deadline moves
 * forward: libevent's own timers are as coarse as its clock, up to 4 ms late, and making that
 * precise costs a system call for every poll. A stale setting wakes the loop once, in vain.
 *
 * Sleeping: the mailbox is told before a blocking poll, and may refuse; see core/mailbox.c. An
 * attached loop is "asleep" whenever no tick runs.
 *
 * Virtual time stands still while jobs run elsewhere, and else jumps to the next deadline when a
 * poll found nothing. An attached loop has real time only.
 */
#include "core/loop.h"

#include <assert.h>
#include <errno.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "core/debug.h"
#include "core/nested.h"
#include "core/sleep.h"

enum { ITEMS_PER_POLL = 256 };
#define TIME_PER_POLL WEFT_US(50)

/* ---- Time ---- */

static weft_ns monotonic_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return WEFT_S(now.tv_sec) + now.tv_nsec;
}

weft_ns weft__loop_now(const weft_loop *loop)
{
    return loop->clock == WEFT_CLOCK_VIRTUAL ? loop->virtual_now : monotonic_now();
}

weft_ns weft_now(void)
{
    weft_loop *loop = weft__here();
    return loop ? weft__loop_now(loop) : monotonic_now();
}

/* ---- Scheduling ---- */

static void want_tick(weft_loop *loop)
{
    static const struct timeval at_once = {0, 0};
    if (!loop->attached || loop->in_tick || loop->tick_pending)
        return;
    loop->tick_pending = true;
    if (event_add(loop->tick_event, &at_once) < 0) /* no memory for libevent's heap */
        event_active(loop->tick_event, EV_TIMEOUT, 0);
}

static void push(weft_loop *loop, weft__item *first, weft__item *last, enum weft__order order)
{
    if (loop->shuffle)
        weft__shuffle_in(loop->shuffle, &loop->ready, first, last, order);
    else
        weft__ready_append(&loop->ready, first, last);
    want_tick(loop);
}

void weft__schedule(weft_loop *loop, weft__item *item)
{
    push(loop, item, item, WEFT__FREE);
}

void weft__schedule_as(weft_loop *loop, weft__item *item, enum weft__order order)
{
    push(loop, item, item, order);
}

void weft__schedule_chain(weft_loop *loop, weft__item *first, weft__item *last)
{
    push(loop, first, last, WEFT__FREE);
}

/* ---- The timer's descriptor ---- */

static void set_timer(weft_loop *loop, weft_ns deadline)
{
    if (deadline >= loop->armed)
        return;
    weft_ns at = deadline > 0 ? deadline : 1;
    struct itimerspec when = {.it_value = {.tv_sec = at / WEFT_S(1), .tv_nsec = at % WEFT_S(1)}};
    timerfd_settime(loop->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
    loop->armed = deadline;
}

static void set_next_timer(weft_loop *loop)
{
    if (loop->clock == WEFT_CLOCK_MONOTONIC)
        set_timer(loop, weft__timers_next(&loop->timers));
    set_timer(loop, loop->real_deadline);
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
    want_tick(loop);
}

void weft__loop_rearm(weft_loop *loop)
{
    if (!loop->attached || loop->in_tick)
        return;
    set_next_timer(loop);
}

/* ---- The tick ---- */

void weft__loop_on_wake(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    weft_loop *loop = arg;
    if (weft__loop_is_forked(loop))
        return;
    weft__mailbox_woken(loop->mailbox);
    want_tick(loop);
}

static enum weft__order order_of_mail(const weft_loop *loop, const weft__item *item)
{
    const struct weft__part *part = loop->parts;
    while (part && part->ops->comes_in_any_order != item->run)
        part = part->next;
    return part ? WEFT__FREE : WEFT__MAIL;
}

void weft__loop_queue_mail(weft_loop *loop, weft__item *first, weft__item *last)
{
    if (first && !loop->shuffle) {
        weft__schedule_chain(loop, first, last);
        return;
    }
    for (weft__item *next; first; first = next) {
        next = first->next;
        weft__schedule_as(loop, first, order_of_mail(loop, first));
    }
}

static void collect(weft_loop *loop)
{
    if (loop->timers.count)
        weft__timers_collect(loop, loop->clock == WEFT_CLOCK_VIRTUAL ? loop->virtual_now
                                                                     : loop->polled_at);
    weft__loop_take_mail(loop);
}

unsigned weft__run_ready(weft_loop *loop)
{
    unsigned count = 0;
    weft__item *item;
    loop->batch = weft__ready_take(&loop->ready);
    while ((item = loop->batch) && !weft__loop_is_forked(loop)) {
        loop->batch = item->next;
        if (__builtin_expect(loop->debug != NULL, 0))
            weft__debug_run(loop, item);
        else
            item->run(item);
        if (loop->urgent.head) {
            *loop->urgent.tail = loop->batch;
            loop->batch = weft__ready_take(&loop->urgent);
        }
        count++;
    }
    return count;
}

static void tick(weft_loop *loop, bool polled)
{
    loop->in_tick = true;
    if (polled)
        collect(loop);
    unsigned count = weft__run_ready(loop);
    weft__loop_flush(loop);
    loop->skipped += count;
    loop->callbacks += count;
    loop->ticks++;
    loop->in_tick = false;
}

/* ---- Driving a base of one's own ---- */

static bool may_skip_poll(weft_loop *loop)
{
    if (loop->skipped >= ITEMS_PER_POLL)
        return false;
    if (loop->skipped < loop->next_check)
        return true;
    loop->next_check = loop->skipped * 2;
    return monotonic_now() - loop->polled_at < TIME_PER_POLL;
}

int weft__loop_poll(weft_loop *loop, int flags)
{
    weft__guard_polls(loop);
    int polled = event_base_loop(loop->base, EVLOOP_ONCE | EVLOOP_NO_EXIT_ON_EMPTY | flags);
    weft__guard_polled(loop);
    loop->polls++;
    loop->skipped = 0;
    loop->next_check = 1;
    loop->polled_at = monotonic_now();
    return polled < 0 ? -EIO : 0;
}

static bool can_jump(const weft_loop *loop)
{
    return loop->clock == WEFT_CLOCK_VIRTUAL && !loop->jobs &&
           weft__timers_next(&loop->timers) != WEFT_FOREVER;
}

static void jump(weft_loop *loop)
{
    weft_ns next = weft__timers_next(&loop->timers);
    if (next > loop->virtual_now)
        loop->virtual_now = next;
}

/* Jobs are out on other threads: their mail is work as what is ready is, and may be worth a spin.
 * True: do not sleep. */
static bool await_jobs(weft_loop *loop, int *ret_status)
{
    if (!loop->jobs || loop->clock == WEFT_CLOCK_VIRTUAL)
        return false;
    return (may_skip_poll(loop) && weft__loop_has_mail(loop)) || weft__loop_spin(loop, ret_status);
}

/* Nothing is ready: sleep until something is, or with a virtual clock go on to the next deadline.
 */
static int poll_idle(weft_loop *loop)
{
    int status = 0;
    if (await_jobs(loop, &status))
        return status;
    if (loop->clock == WEFT_CLOCK_VIRTUAL) {
        status = weft__loop_poll(loop, EVLOOP_NONBLOCK);
        if (status < 0 || loop->ready.head)
            return status;
    }
    set_next_timer(loop);
    bool sleep = weft__loop_may_sleep(loop) && !loop->stop;
    if (sleep && can_jump(loop))
        jump(loop);
    else
        status = weft__loop_poll(loop, sleep ? 0 : EVLOOP_NONBLOCK);
    weft__mailbox_awake(loop->mailbox);
    return status;
}

static int step_own(weft_loop *loop)
{
    bool polled = loop->clock == WEFT_CLOCK_VIRTUAL; /* its order must not depend on real time */
    int status = 0;
    if (!loop->ready.head) {
        status = poll_idle(loop);
        polled = true;
    } else if (!may_skip_poll(loop)) {
        status = weft__loop_poll(loop, EVLOOP_NONBLOCK);
        polled = true;
    }
    tick(loop, polled);
    return status;
}

/* Sleep until another thread has something for the loop. */
static int await_mail(weft_loop *loop)
{
    int status = weft__loop_poll(loop, weft__loop_may_sleep(loop) ? 0 : EVLOOP_NONBLOCK);
    weft__mailbox_awake(loop->mailbox);
    return status;
}

/* Two rounds in which nothing was run and no byte moved: nothing is left to do. */
int weft__loop_settle(weft_loop *loop)
{
    int status = 0, in_vain = 0;
    while (status == 0 && !loop->stop && in_vain < 2) {
        if (weft__loop_is_forked(loop))
            return WEFT_EFORK;
        uint64_t before = loop->callbacks + loop->io;
        bool only_jobs_are_left = in_vain && loop->jobs;
        status = only_jobs_are_left ? await_mail(loop) : weft__loop_poll(loop, EVLOOP_NONBLOCK);
        tick(loop, true);
        in_vain = loop->callbacks + loop->io == before ? in_vain + 1 : 0;
        if (in_vain && loop->jobs)
            in_vain = 1;
    }
    loop->stop = false;
    return status;
}

/* ---- On the host's base ---- */

/* Before the host may block: whatever could not wake it later must have a tick now. */
void weft__loop_hand_back(weft_loop *loop)
{
    set_next_timer(loop);
    if (!weft__loop_may_sleep(loop) || loop->ready.head)
        want_tick(loop);
}

void weft__loop_on_tick(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    weft_loop *loop = arg;
    if (weft__loop_is_forked(loop))
        return;
    loop->tick_pending = false;
    loop->polled_at = monotonic_now();
    weft__mailbox_awake(loop->mailbox);
    tick(loop, true);
    if (!weft__loop_is_forked(loop))
        weft__loop_hand_back(loop);
}

/* ---- Running ---- */

int weft__loop_step(weft_loop *loop)
{
    if (weft__loop_is_forked(loop))
        return WEFT_EFORK;
    if (!loop->attached)
        return step_own(loop);
    int flags = EVLOOP_ONCE | EVLOOP_NO_EXIT_ON_EMPTY | (loop->stop ? EVLOOP_NONBLOCK : 0);
    return event_base_loop(loop->base, flags) < 0 ? -EIO : 0;
}

int weft_loop_run(weft_loop *loop)
{
    int status;
    if (WEFT__ELSEWHERE(loop->id))
        return weft__elsewhere();
    if (weft__loop_is_busy(loop) || weft__is_in_host(loop))
        return -EDEADLK;
    loop->running = true;
    do
        status = weft__loop_step(loop);
    while (status == 0 && !loop->stop);
    loop->stop = false;
    loop->running = false;
    return status;
}

void weft_loop_stop(weft_loop *loop)
{
    if (WEFT__ELSEWHERE(loop->id))
        return;
    loop->stop = true;
}

struct stopper {
    weft__waiter waiter;
    weft_loop *loop;
    bool ran;
};

static void stop_when_done(weft__item *item)
{
    struct stopper *stopper = WEFT__CONTAINER(item, struct stopper, waiter.item);
    stopper->ran = true;
    weft_loop_stop(stopper->loop);
}

static void remove_from(weft__item **link, const weft__item *item)
{
    while (*link && *link != item)
        link = &(*link)->next;
    if (*link)
        *link = item->next;
}

/* The waiter is on the stack that is left now: it may neither wait nor be queued. */
static void stop_waiting(weft_loop *loop, weft__waiter *waiter)
{
    if (weft__is_waiting(waiter))
        weft__detach(waiter);
    else
        weft__ready_remove(&loop->ready, &waiter->item);
    if (loop->shuffle)
        weft__shuffle_forget(loop->shuffle, &loop->ready);
    remove_from(&loop->batch, &waiter->item);
}

int weft_loop_run_until(weft_loop *loop, weft_future *future)
{
    if (WEFT__ELSEWHERE(loop->id))
        return weft__elsewhere();
    if (!future)
        return -EINVAL;
    bool nested = weft__loop_is_busy(loop) || weft__is_in_host(loop);
    if (nested || weft__is_foreign(future)) {
        int status = nested ? -EDEADLK : -EXDEV;
        weft__drop(future);
        return status;
    }
    struct stopper stopper = {.waiter.item.run = stop_when_done, .loop = loop};
    weft__wait(&stopper.waiter, future);
    int status = weft_loop_run(loop);
    while (!stopper.ran && !weft__is_pending(future) && status == 0)
        status = weft_loop_run(loop); /* stopped in the very tick in which it completed */
    if (!stopper.ran)
        stop_waiting(loop, &stopper.waiter);
    if (status == WEFT_EFORK)
        return status;
    if (weft_is_done(future))
        status = weft_future_status(future);
    else if (status == 0)
        status = -EINTR;
    weft_unref(future);
    return status;
}

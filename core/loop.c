/* SPDX-License-Identifier: MIT */
/*
 * The loop and its tick.
 *
 * One tick:  poll libevent → queue the timers that are due → queue what the mailbox holds → run the
 * ready items as they stood. What these add runs in the next tick. While there are ready items the
 * poll does not block, and may be left out for a while: until 256 items were run or the clock, looked
 * at now and then, shows more than 50 µs. A tick of more than 256 items is polled in, too; what is
 * found there waits for the tick's end, so that the order is as if the poll had been behind it. So a
 * storm of ready tasks costs a poll per 256 of them, and cannot keep I/O waiting. What a poll itself
 * has brought is run first, some items and microseconds for each event: until then all that it found
 * would only be found again, and a thousand ready connections would be looked at over and over.
 *
 * Own base: run() alternates poll and tick. Attached: the host dispatches, and ticks run from
 * tick_event, a timer of 0 that is armed whenever something becomes ready outside of a tick
 * (event_active() would be served before the next poll and starve the host's I/O).
 *
 * Sleeping: the mailbox is told before a blocking poll, and may refuse; see core/mailbox.c. An
 * attached loop is "asleep" whenever no tick runs.
 *
 * Virtual time stands still while jobs run elsewhere, and else jumps to the next deadline when a
 * poll found nothing. An attached loop has real time only.
 */
#include "core/loop.h"

#include <errno.h>
#include <time.h>

#include "core/allow.h"
#include "core/context.h"
#include "core/debug.h"
#include "core/inspect/trace.h"
#include "core/nested.h"
#include "core/sleep.h"
#include "core/step.h"

enum { ITEMS_PER_POLL = 256, ITEMS_PER_EVENT = 4, ITEMS_PER_CHECK = 32 };
#define TIME_PER_POLL WEFT_US(50)
#define TIME_PER_EVENT WEFT_US(10) /* about ten times of what it costs to find one again */

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

void weft__loop_want_tick(weft_loop *loop)
{
    static const struct timeval at_once = {0, 0};
    if (!loop->attached || loop->in_tick || loop->tick_pending)
        return;
    loop->tick_pending = true;
    if (event_add(loop->tick_event, &at_once) < 0) /* no memory for libevent's heap */
        event_active(loop->tick_event, EV_TIMEOUT, 0);
}

void weft__schedule_specially(weft_loop *loop, weft__item *first, weft__item *last,
                              enum weft__order order)
{
    if (loop->watched & WEFT__WATCHED_FOR_TRACE)
        weft__trace_ready(first, last);
    if (loop->shuffle)
        weft__shuffle_in(loop->shuffle, &loop->ready, first, last, order);
    else
        weft__ready_append(&loop->ready, first, last);
    weft__loop_want_tick(loop);
}

bool weft__unschedule(weft_loop *loop, const weft__item *item)
{
    weft__item **link = weft__find_link(&loop->batch, item);
    if (*link) {
        *link = item->next;
        loop->attend = true;
        return true;
    }
    if (weft__ready_remove(&loop->found, item))
        return true;
    bool was_ready = weft__ready_remove(&loop->ready, item);
    if (loop->shuffle)
        weft__shuffle_forget(loop->shuffle, &loop->ready);
    return was_ready;
}

bool weft__is_scheduled(const weft_loop *loop, const weft__item *item)
{
    const weft__item *const lists[] = {loop->batch, loop->ready.head, loop->found.head};
    for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++)
        for (const weft__item *at = lists[i]; at; at = at->next)
            if (at == item)
                return true;
    return false;
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
    weft__loop_want_tick(loop);
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
        weft__schedule_chain(loop, first, last, WEFT__FREE);
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

/* Before the next item: false in a forked child, which runs none. */
static bool attend(weft_loop *loop)
{
    if (weft__loop_is_forked(loop))
        return false;
    loop->attend = false;
    if (loop->urgent.head) {
        *loop->urgent.tail = loop->batch;
        loop->batch = weft__ready_take(&loop->urgent);
    }
    return true;
}

/* In a child that was forked off in this tick: what is left runs first once the loop goes on. */
static void keep_rest(weft_loop *loop)
{
    weft__ready rest = {.head = loop->batch};
    rest.tail = weft__find_link(&rest.head, NULL);
    loop->batch = NULL;
    weft__ready_move(&rest, &loop->ready);
    weft__ready_move(&loop->ready, &rest);
    if (loop->shuffle)
        weft__shuffle_forget(loop->shuffle, &loop->ready);
}

/* ---- Driving a base of one's own ---- */

/* Look at the clock, or poll, when so many more items were run. */
static void look_after(weft_loop *loop, uint64_t items)
{
    loop->look_at = weft__loop_callbacks(loop) + items;
    loop->left = (int64_t)items;
}

int weft__loop_poll(weft_loop *loop, int flags)
{
    bool was_quick = !loop->brought && weft__loop_skipped(loop) >= ITEMS_PER_POLL;
    bool may_sleep = !(flags & EVLOOP_NONBLOCK), is_passing = was_quick && !may_sleep;
    if (!is_passing)
        weft__load_end(loop, may_sleep);
    loop->polling = true;
    if (__builtin_expect(loop->is_guarded, 0))
        weft__guard_off(loop);
    if (weft__trace_is_on())
        weft__trace_record(WEFT__TRACE_POLL, 0, 0, 0, NULL);
    uint64_t io = loop->io;
    int polled = event_base_loop(loop->base, EVLOOP_ONCE | EVLOOP_NO_EXIT_ON_EMPTY | flags);
    loop->polling = false;
    if (__builtin_expect(loop->is_guarded, 0) && loop->in_tick)
        weft__guard_on(loop);
    if (weft__steps_are_probed_anew(loop->watched))
        loop->watched ^= WEFT__WATCHED_FOR_PROBES;
    loop->polls++;
    loop->run_before_poll = weft__loop_callbacks(loop);
    loop->brought = loop->io - io;
    if (weft__trace_is_on())
        weft__trace_record(WEFT__TRACE_POLL_END, 0, (uint32_t)loop->brought, 0, NULL);
    look_after(loop, was_quick ? ITEMS_PER_CHECK : 1);
    loop->polled_at = monotonic_now();
    if (is_passing)
        weft__load_pass(loop, loop->polled_at);
    else
        weft__load_begin(loop, loop->polled_at);
    loop->is_polled = loop->pause = true;
    return polled < 0 ? -EIO : 0;
}

/* So much was run that it is time to look at the clock, or to poll. When to look again is reckoned from
 * the pace so far, in wary steps. */
static bool may_run_on(weft_loop *loop)
{
    uint64_t run = weft__loop_skipped(loop);
    uint64_t most = ITEMS_PER_POLL + loop->brought * ITEMS_PER_EVENT;
    weft_ns limit = TIME_PER_POLL + (weft_ns)loop->brought * TIME_PER_EVENT;
    if (run >= most)
        return false;
    weft_ns now = monotonic_now(), took = now - loop->polled_at;
    weft__load_glance(loop, now);
    if (took >= limit)
        return false;
    uint64_t next = run ? run * (took < limit / 16 ? 7 : 1) : 1;
    if (loop->brought && next > ITEMS_PER_CHECK) /* others are among them */
        next = ITEMS_PER_CHECK;
    look_after(loop, next < most - run ? next : most - run);
    return true;
}

static inline bool may_skip_poll(weft_loop *loop)
{
    return loop->left > 0 || may_run_on(loop);
}

static void swap(weft__ready *a, weft__ready *b)
{
    weft__ready kept;
    weft__ready_init(&kept);
    weft__ready_move(&kept, a);
    weft__ready_move(a, b);
    weft__ready_move(b, &kept);
}

/* In the midst of a tick. What is found comes behind all that this tick adds, as if the poll had been
 * after it. */
static void poll_within(weft_loop *loop)
{
    swap(&loop->ready, &loop->found);
    int status = weft__loop_poll(loop, EVLOOP_NONBLOCK);
    swap(&loop->ready, &loop->found);
    if (status < 0)
        loop->poll_error = status;
}

/* What runs right behind an item is a part of it; and when nothing is left to run, the tick's end will
 * look. So a message that comes alone takes no look at the clock. */
static void look_up(weft_loop *loop)
{
    if (loop->urgent.head)
        look_after(loop, 1);
    else if (!loop->batch && !loop->ready.head)
        return;
    else if (!loop->polls_around && !weft__loop_is_forked(loop) && !may_run_on(loop))
        poll_within(loop);
}

/* The tick, and the next ones as long as nothing comes between two of them. Compiled twice, so that
 * an item is not asked whether somebody looks at it. */
static inline __attribute__((always_inline)) void run_items(weft_loop *loop, bool is_watched)
{
    weft__item *next =
        weft__ready_take(&loop->ready); /* what is left of the tick, as loop->batch */
    weft_context **outer = weft__context_enter(NULL);
    loop->batch = next;
    for (;;) {
        if (__builtin_expect(loop->attend, 0)) {
            if (!attend(loop))
                break;
            next = loop->batch;
        }
        if (!next) {
            next = loop->ready.head;
            if (loop->pause || !next)
                break;
            weft__ready_init(&loop->ready);
            loop->ticks++;
        }
        weft__item *item = next;
        loop->batch = next = item->next;
        if (is_watched)
            weft__item_watched(loop, item);
        else
            item->run(item);
        if (__builtin_expect(--loop->left == 0, 0))
            look_up(loop);
    }
    if (__builtin_expect(loop->batch != NULL, 0))
        keep_rest(loop);
    weft__context_leave(outer);
}

static WEFT_APART void run_watched(weft_loop *loop)
{
    run_items(loop, true);
}

static void run_ready(weft_loop *loop)
{
    if (WEFT__HOOKED(loop->watched))
        run_watched(loop);
    else
        run_items(loop, false);
}

void weft__run_out(weft_loop *loop)
{
    look_after(loop, INT64_MAX);
    run_ready(loop);
}

static int tick(weft_loop *loop)
{
    struct weft_blocking_scope *allowed = weft__allowed;
    loop->in_tick = true;
    if (__builtin_expect(loop->is_guarded, 0))
        weft__guard_on(loop);
    loop->pause = loop->stop || loop->polls_around || loop->clock == WEFT_CLOCK_VIRTUAL ||
                  loop->phase != WEFT__OPEN;
    if (loop->is_polled) {
        loop->is_polled = false;
        collect(loop);
    }
    if (loop->left <= 0)
        look_after(loop, 1);
    run_ready(loop);
    weft__ready_move(&loop->ready, &loop->found);
    weft__loop_flush(loop);
    loop->ticks++;
    if (__builtin_expect(weft__allowed != allowed, 0))
        weft__allow_left_open(loop, allowed, NULL);
    loop->in_tick = false;
    if (__builtin_expect(loop->is_guarded, 0))
        weft__guard_off(loop);
    int status = loop->poll_error;
    loop->poll_error = 0;
    return status;
}

/* What is due now does not wait for the jobs: one of them may wait for it. */
static bool can_jump(weft_loop *loop)
{
    if (loop->clock != WEFT_CLOCK_VIRTUAL)
        return false;
    weft_ns next = weft__timers_next(&loop->timers);
    return next != WEFT_FOREVER && (!loop->jobs || next <= loop->virtual_now);
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
    bool found =
        (may_skip_poll(loop) && weft__loop_has_mail(loop)) || weft__loop_spin(loop, ret_status);
    if (found)
        weft__loop_pace(loop);
    return found;
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
        if (status < 0 || loop->ready.head || loop->brought)
            return status;
    }
    if (__builtin_expect(loop->debug != NULL, 0)) {
        weft__loop_set_timer(loop, weft__deadlock_look(loop));
        if (loop->ready.head) /* by the error handler */
            return 0;
    }
    weft__loop_set_next_timer(loop);
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
    int status = 0;
    if (loop->clock == WEFT_CLOCK_VIRTUAL) /* its order must not depend on real time */
        loop->is_polled = true;
    if (!loop->ready.head) {
        status = poll_idle(loop);
        loop->is_polled = true; /* or mail was found without one */
    } else if (!may_skip_poll(loop)) {
        status = weft__loop_poll(loop, EVLOOP_NONBLOCK);
    }
    int found = tick(loop);
    return status < 0 ? status : found;
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
        uint64_t before = weft__loop_callbacks(loop) + loop->io;
        bool only_jobs_are_left = in_vain && loop->jobs;
        status = only_jobs_are_left ? await_mail(loop) : weft__loop_poll(loop, EVLOOP_NONBLOCK);
        int found = tick(loop);
        status = status < 0 ? status : found;
        in_vain = weft__loop_callbacks(loop) + loop->io == before ? in_vain + 1 : 0;
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
    if (__builtin_expect(loop->debug != NULL, 0) && !loop->ready.head)
        weft__loop_set_timer(loop, weft__deadlock_look(loop));
    weft__loop_set_next_timer(loop);
    if (!weft__loop_may_sleep(loop) || loop->ready.head)
        weft__loop_want_tick(loop);
}

void weft__loop_on_tick(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    weft_loop *loop = arg;
    if (weft__loop_is_forked(loop))
        return;
    loop->tick_pending = false;
    if (weft__steps_are_probed_anew(loop->watched))
        loop->watched ^= WEFT__WATCHED_FOR_PROBES;
    loop->polled_at = monotonic_now();
    weft__load_begin(loop, loop->polled_at);
    weft__mailbox_awake(loop->mailbox);
    loop->is_polled = true;
    tick(loop);
    weft__load_end(loop, true);
    if (!weft__loop_is_forked(loop))
        weft__loop_hand_back(loop);
}

/* ---- Running ---- */

void weft__loop_enter(weft_loop *loop)
{
    loop->running = true;
    if (!loop->attached)
        weft__load_begin(loop, monotonic_now());
}

void weft__loop_leave(weft_loop *loop)
{
    loop->running = false;
    if (!loop->attached)
        weft__load_end(loop, true);
}

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
    weft__loop_enter(loop);
    do
        status = weft__loop_step(loop);
    while (status == 0 && !loop->stop);
    loop->stop = false;
    weft__loop_leave(loop);
    return status;
}

void weft_loop_stop(weft_loop *loop)
{
    if (WEFT__ELSEWHERE(loop->id))
        return;
    loop->stop = loop->pause = true;
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

/* The waiter is on the stack that is left now: it may neither wait nor be queued. */
static void stop_waiting(weft_loop *loop, weft__waiter *waiter)
{
    if (weft__is_waiting(waiter))
        weft__detach(waiter);
    else
        weft__unschedule(loop, &waiter->item);
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

/* SPDX-License-Identifier: MIT */
/*
 * Barrier: a line that is called as a whole when it is long enough.
 *
 *     FILLING --all have come--> DRAINING --all have gone on--> FILLING
 *     any --reset, some are inside--> RESETTING --all have gone on--> FILLING
 *     any --abort--> BROKEN --reset--> FILLING, or RESETTING while some are inside
 *
 * `inside` counts those who were let in and have not gone on yet: they wait in sync.line, or they were
 * called and their items are queued. While it drains or resets, who comes waits in `outside`; when
 * the last one has gone on, all of these are called to look again. That, and when they do it, is as in
 * asyncio, so that tasks which meet at a barrier round after round do so in the same order.
 *
 * The number of each is given when all have come, so that a cancelled one leaves no gap and no number
 * twice.
 */
#include <weft/barrier.h>

#include <errno.h>

#include "core/inspect/eye.h"
#include "core/loop.h"
#include "core/sync.h"

enum state { FILLING, DRAINING, RESETTING, BROKEN };

/* All [loop]. */
struct weft_barrier {
    struct weft__sync sync; /* first; the line is of those who are inside and not called yet */
    weft__line outside;
    enum state state;
    size_t inside;
    size_t parties; /* [const] */
};

static weft_barrier *barrier_of(const weft__turn *turn)
{
    return WEFT__CONTAINER(turn->sync, weft_barrier, sync);
}

static void call_all(weft__line *line)
{
    while (line->first)
        weft__turn_call(line->first);
}

static void leave(weft_barrier *barrier)
{
    if (--barrier->inside > 0)
        return;
    if (barrier->state != BROKEN)
        barrier->state = FILLING;
    call_all(&barrier->outside);
}

/* The last one has come, and need not wait. */
static weft_value release(weft_barrier *barrier)
{
    uint64_t number = 0;
    for (weft__turn *turn = barrier->sync.line.first; turn; turn = turn->next)
        turn->owner = number++;
    if (barrier->inside > 0)
        barrier->state = DRAINING;
    call_all(&barrier->sync.line);
    return weft_value_u64(number);
}

/* A turn that was inside, and was called: all have come, or it is broken. */
static void run_inside(weft__item *item)
{
    weft__turn *turn = WEFT__CONTAINER(item, weft__turn, item);
    weft_barrier *barrier = barrier_of(turn);
    bool is_broken = barrier->state == BROKEN || barrier->state == RESETTING;
    leave(barrier);
    if (turn->is_cancelled)
        weft__turn_give_up(turn, -ECANCELED);
    else if (barrier->sync.closed || is_broken)
        weft__turn_give_up(turn, barrier->sync.closed ? barrier->sync.closed : WEFT_EBROKEN);
    else
        weft__turn_succeed(turn, weft_value_u64(turn->owner), NULL);
}

static void enter(weft_barrier *barrier, weft__turn *turn)
{
    turn->item.run = run_inside;
    barrier->inside++;
    weft__line_add(&barrier->sync.line, turn);
}

/* A turn that was outside, and was called to look again. */
static void run_outside(weft__item *item)
{
    weft__turn *turn = WEFT__CONTAINER(item, weft__turn, item);
    weft_barrier *barrier = barrier_of(turn);
    if (turn->is_cancelled)
        weft__turn_give_up(turn, -ECANCELED);
    else if (barrier->sync.closed || barrier->state == BROKEN)
        weft__turn_give_up(turn, barrier->sync.closed ? barrier->sync.closed : WEFT_EBROKEN);
    else if (barrier->state != FILLING)
        weft__line_add(&barrier->outside, turn);
    else if (barrier->inside + 1 < barrier->parties)
        enter(barrier, turn);
    else
        weft__turn_succeed(turn, release(barrier), NULL);
}

static bool cancel(weft_future *future)
{
    weft__turn *turn = WEFT__CONTAINER(future, weft__turn, future);
    weft_barrier *barrier = barrier_of(turn);
    if (turn->line && turn->line == &barrier->sync.line)
        barrier->inside--;
    return weft__turn_cancel(future);
}

static void end(struct weft__sync *sync, int status)
{
    weft_barrier *barrier = WEFT__CONTAINER(sync, weft_barrier, sync);
    weft__line_fail(&sync->line, status);
    weft__line_fail(&barrier->outside, status);
}

static const struct weft__sync_ops barrier_ops = {.name = "barrier", .end = end};
static void explain(struct weft__eye *eye, const weft_future *at, struct weft__waiting *ret)
{
    weft__turn turn;
    weft_barrier barrier;
    if (!weft__explain_turn(eye, at, ret, &turn) ||
        !weft__eye_see(eye, &barrier, turn.sync, sizeof(barrier)))
        return;
    weft__waiting_number(ret, "inside", barrier.inside);
    weft__waiting_number(ret, "parties", barrier.parties);
}

WEFT__OPS(wait_ops) = {
    .name = "barrier", .cancel = cancel, .dispose = weft__turn_dispose, .explain = explain};
WEFT__OPS(done_ops) = {.name = "barrier"};

weft_barrier *weft_barrier_new(size_t parties)
{
    if (parties == 0) {
        errno = EINVAL;
        return NULL;
    }
    weft_barrier *barrier = weft__sync_new(&barrier_ops, sizeof(*barrier));
    if (barrier)
        barrier->parties = parties;
    return barrier;
}

void weft_barrier_free(weft_barrier *barrier)
{
    WEFT__SYNC_FREE(barrier);
}

static weft_future *wait_for_others(weft_barrier *barrier)
{
    weft__turn *turn = weft__turn_alloc(&barrier->sync, &wait_ops, run_outside, sizeof(*turn));
    if (!turn)
        return NULL;
    if (barrier->state == FILLING)
        enter(barrier, turn);
    else
        weft__line_add(&barrier->outside, turn);
    return &turn->future;
}

static weft_future *pass(weft_barrier *barrier)
{
    weft_future *future =
        weft__succeeded(&done_ops, weft_value_u64((uint64_t)barrier->parties - 1));
    if (future)
        release(barrier);
    return future;
}

weft_future *weft_barrier_wait(weft_barrier *barrier)
{
    int status = WEFT__SYNC_CHECK(barrier);
    if (status == 0 && barrier->state == BROKEN)
        status = WEFT_EBROKEN;
    if (status < 0)
        return WEFT__SYNC_REFUSE(status);
    bool is_last = barrier->state == FILLING && barrier->inside + 1 == barrier->parties;
    weft_future *future = is_last ? pass(barrier) : wait_for_others(barrier);
    return future ? future : weft__future_enomem(weft__loop);
}

static int change(weft_barrier *barrier, enum state state)
{
    barrier->state = state;
    call_all(&barrier->sync.line);
    call_all(&barrier->outside);
    return 0;
}

int weft_barrier_reset(weft_barrier *barrier)
{
    int status = WEFT__SYNC_CHECK(barrier);
    return status < 0 ? status : change(barrier, barrier->inside > 0 ? RESETTING : FILLING);
}

int weft_barrier_abort(weft_barrier *barrier)
{
    int status = WEFT__SYNC_CHECK(barrier);
    return status < 0 ? status : change(barrier, BROKEN);
}

size_t weft_barrier_parties(const weft_barrier *barrier)
{
    if (WEFT__ELSEWHERE(barrier->sync.loop_id))
        return 0;
    return barrier->parties;
}

size_t weft_barrier_waiting(const weft_barrier *barrier)
{
    if (WEFT__ELSEWHERE(barrier->sync.loop_id))
        return 0;
    return barrier->state == FILLING ? barrier->inside : 0;
}

bool weft_barrier_is_broken(const weft_barrier *barrier)
{
    if (WEFT__ELSEWHERE(barrier->sync.loop_id))
        return false;
    return barrier->state == BROKEN;
}

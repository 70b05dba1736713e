/* SPDX-License-Identifier: MIT */
/*
 * Semaphore: a number of units, and the line of those who wait for one.
 *
 * A released unit goes to the first in line, so that nobody who comes later can take it. While one who
 * was called has not run yet, all who come wait, though there may be units left: as in asyncio, that
 * one calls the next when it runs.
 *
 * Who has a unit is noted for who looks at the loop, as far as it can be known: a release says only by whom it
 * was made. If that task had none, units are signals that one task sends and another one takes, and from then
 * on nobody is named. Nothing but the picture depends on it.
 */
#include <weft/semaphore.h>

#include <errno.h>
#include <stdint.h>

#include "core/inspect/eye.h"
#include "core/loop.h"
#include "core/sync.h"

enum { HOLDERS = 8 };

struct weft_semaphore {
    struct weft__sync sync;    /* first */
    size_t value;              /* [loop] */
    size_t called;             /* [loop] turns that were called and have not run */
    size_t bound;              /* [const] */
    uint64_t holders[HOLDERS]; /* [loop] ids of tasks that have a unit; 0: free */
    size_t nameless;           /* [loop] units that somebody has who is not among these */
    bool are_signals;          /* [loop] released by who had none */
};

/* ---- Who has a unit ---- */

static uint64_t *find_holder(weft_semaphore *semaphore, uint64_t id)
{
    for (size_t i = 0; i < HOLDERS; i++)
        if (semaphore->holders[i] == id)
            return &semaphore->holders[i];
    return NULL;
}

static void note_taken(weft_semaphore *semaphore, uint64_t id)
{
    uint64_t *room = id ? find_holder(semaphore, 0) : NULL;
    if (room)
        *room = id;
    else
        semaphore->nameless++;
}

static void note_release(weft_semaphore *semaphore, uint64_t id)
{
    uint64_t *holder = id ? find_holder(semaphore, id) : NULL;
    if (holder)
        *holder = 0;
    else if (semaphore->nameless > 0)
        semaphore->nameless--;
    else
        semaphore->are_signals = true;
}

/* One that was granted, and not looked at. Whose it was is not known: those who are left have no names. */
static void note_unclaimed(weft_semaphore *semaphore)
{
    for (size_t i = 0; i < HOLDERS; i++) {
        semaphore->nameless += semaphore->holders[i] != 0;
        semaphore->holders[i] = 0;
    }
    semaphore->nameless -= semaphore->nameless > 0;
}

/* ---- Units ---- */

static void call_next(weft_semaphore *semaphore)
{
    semaphore->called++;
    weft__turn_call(semaphore->sync.line.first);
}

/* A unit that nobody has: to the first in line, or back. Back is no room for one that was granted, not
 * looked at, and released all the same. */
static void pass_on(weft_semaphore *semaphore)
{
    if (semaphore->sync.line.first)
        call_next(semaphore);
    else if (semaphore->value < semaphore->bound)
        semaphore->value++;
}

static void give_back(struct weft__sync *sync)
{
    weft_semaphore *semaphore = WEFT__CONTAINER(sync, weft_semaphore, sync);
    note_unclaimed(semaphore);
    pass_on(semaphore);
}

/* A turn that was cancelled passes its unit on, which nobody has had. */
static void run(weft__item *item)
{
    weft__turn *turn = WEFT__CONTAINER(item, weft__turn, item);
    weft_semaphore *semaphore = WEFT__CONTAINER(turn->sync, weft_semaphore, sync);
    semaphore->called--;
    if (semaphore->value > 0 && semaphore->sync.line.first) {
        semaphore->value--;
        call_next(semaphore);
    }
    bool is_cancelled = turn->is_cancelled && !semaphore->sync.closed;
    if (is_cancelled) {
        pass_on(semaphore);
        weft__turn_give_up(turn, -ECANCELED);
        return;
    }
    note_taken(semaphore, turn->owner);
    weft__turn_run_grant(item);
}

static const struct weft__sync_ops semaphore_ops = {.name = "semaphore", .give_back = give_back};
static void explain(struct weft__eye *eye, const weft_future *at, struct weft__waiting *ret)
{
    weft__turn turn;
    weft_semaphore semaphore;
    if (!weft__explain_turn(eye, at, ret, &turn) ||
        !weft__eye_see(eye, &semaphore, turn.sync, sizeof(semaphore)))
        return;
    weft__waiting_number(ret, "value", semaphore.value);
    if (semaphore.bound != SIZE_MAX)
        weft__waiting_number(ret, "bound", semaphore.bound);
    for (size_t i = 0; !semaphore.are_signals && i < HOLDERS; i++)
        weft__eye_owner(eye, semaphore.holders[i]);
}

WEFT__OPS(acquire_ops) = {.name = "semaphore",
                          .cancel = weft__turn_cancel,
                          .dispose = weft__turn_dispose,
                          .explain = explain};
WEFT__OPS(acquired_ops) = {.name = "semaphore"};

weft_semaphore *weft_semaphore_new(size_t value, size_t bound)
{
    if (bound && value > bound) {
        errno = EINVAL;
        return NULL;
    }
    weft_semaphore *semaphore = weft__sync_new(&semaphore_ops, sizeof(*semaphore));
    if (!semaphore)
        return NULL;
    semaphore->value = value;
    semaphore->bound = bound ? bound : SIZE_MAX;
    return semaphore;
}

void weft_semaphore_free(weft_semaphore *semaphore)
{
    WEFT__SYNC_FREE(semaphore);
}

weft_future *weft_semaphore_acquire(weft_semaphore *semaphore)
{
    int status = WEFT__SYNC_CHECK(semaphore);
    if (status < 0)
        return WEFT__SYNC_REFUSE(status);
    weft_future *future = NULL;
    if (semaphore->value > 0 && semaphore->called == 0) {
        future = weft__granted(&semaphore->sync, &acquired_ops);
        semaphore->value -= future != NULL;
        if (future)
            note_taken(semaphore, weft__sync_owner());
    } else {
        weft__turn *turn = weft__turn_new(&semaphore->sync, &acquire_ops, run, sizeof(*turn));
        future = turn ? &turn->future : NULL;
        if (turn)
            turn->owner = weft__sync_owner();
    }
    return future ? future : weft__future_enomem(weft__loop);
}

int weft_semaphore_release(weft_semaphore *semaphore)
{
    int status = WEFT__SYNC_CHECK(semaphore);
    if (status == 0 && semaphore->value >= semaphore->bound)
        status = -EOVERFLOW;
    if (status == 0) {
        note_release(semaphore, weft__sync_owner());
        pass_on(semaphore);
    }
    return status;
}

size_t weft_semaphore_value(const weft_semaphore *semaphore)
{
    if (WEFT__ELSEWHERE(semaphore->sync.loop_id))
        return 0;
    return semaphore->value;
}

/* SPDX-License-Identifier: MIT */
/*
 * Races: weft_race() and weft_first_success().
 *
 *     RUNNING --one wins--> WON: the others were asked to stop --the last one ends--> done as the winner
 *     RUNNING --the last one ends, and nobody won--> done, failed
 *
 * Each child's end is noted in the tick after it, in the order of completion. References to all
 * children are kept to the end: the winner's outcome is taken then, and the failures of a
 * first_success are put together from them. The group for these is allocated at the start.
 *
 * A cancel goes to all children. It is the race's own while nobody has won; a child that is done and
 * waits to be noted will win, and is not lost.
 */
#include <weft/race.h>

#include <errno.h>

#include "core/group.h"
#include "core/inspect/eye.h"
#include "core/loop.h"
#include "core/many.h"
#include "core/memory.h"

struct race {
    weft_future future; /* first; the operation keeps one reference until every child has ended */
    size_t count, left;
    struct weft__child *winner; /* NULL: nobody yet */
    weft_errors *failures;      /* first_success: room for all of them; NULL: a race */
    struct weft__child children[];
};

static struct race *race_of(const weft_future *future)
{
    return WEFT__CONTAINER(future, struct race, future);
}

static bool wins(const struct race *race, const weft_future *child)
{
    if (race->failures)
        return child->status >= 0;
    return child->status != -ECANCELED || !(race->future.flags & WEFT__CANCEL_ASKED);
}

static bool all_cancelled(const struct race *race)
{
    for (size_t i = 0; i < race->count; i++)
        if (!weft_is_cancelled(race->children[i].waiter.future))
            return false;
    return true;
}

/* Nobody won. */
static void fail(struct race *race)
{
    weft_future *first = race->children[0].waiter.future;
    if (race->future.flags & WEFT__CANCEL_ASKED)
        weft__complete_failed(&race->future, -ECANCELED, NULL);
    else if (race->count == 1 || all_cancelled(race))
        weft__complete_as(&race->future, first);
    else
        weft__complete_group(&race->future, race->failures, race->count);
}

static void child_done(weft__item *item)
{
    struct weft__child *child = weft__child_of(item);
    struct race *race = child->owner;
    weft_future *future = child->waiter.future;
    weft__observe(future);
    race->left--;
    if (!race->winner && wins(race, future)) {
        race->winner = child;
        weft__cancel_all(race->children, race->count, "lost the race");
    } else if (race->failures && future->status < 0) {
        weft__errors_add(race->failures, future);
    }
    if (race->left > 0)
        return;
    if (race->winner)
        weft__complete_as(&race->future, race->winner->waiter.future);
    else
        fail(race);
    weft_unref(&race->future);
}

static bool has_winner(const struct race *race)
{
    if (race->winner)
        return true;
    for (size_t i = 0; i < race->count; i++) {
        const weft_future *child = race->children[i].waiter.future;
        if (!weft__is_pending(child) && wins(race, child))
            return true;
    }
    return false;
}

static bool cancel(weft_future *future)
{
    struct race *race = race_of(future);
    bool won = has_winner(race);
    bool asked = weft__cancel_all(race->children, race->count, weft_message(future));
    if (won || !asked)
        return false;
    future->flags |= WEFT__CANCEL_ASKED;
    return true;
}

static void dispose(weft_future *future)
{
    struct race *race = race_of(future);
    weft__drop_all(race->children, race->count);
    weft__errors_unref(race->failures);
}

/* With a winner, it waits for the others to end. */
static void explain(struct weft__eye *eye, const weft_future *at, struct weft__waiting *ret)
{
    struct race race;
    if (!weft__eye_see(eye, &race, at, sizeof(race)))
        return;
    weft__waiting_number(ret, "count", race.count);
    weft__waiting_number(ret, "left", race.left);
    bool is_over = weft__eye_children(eye, (const char *)at + offsetof(struct race, children),
                                      race.count, sizeof(struct weft__child));
    ret->stage = race.winner ? "won, the others end" : NULL;
    ret->needs = race.winner ? WEFT__NEEDS_ALL : is_over ? WEFT__NEEDS_NOTHING : WEFT__NEEDS_ANY;
}

WEFT__OPS(race_ops) = {.name = "race", .cancel = cancel, .dispose = dispose, .explain = explain};
WEFT__OPS(first_success_ops) = {
    .name = "first_success", .cancel = cancel, .dispose = dispose, .explain = explain};

/* ---- Starting ---- */

static struct race *new_race(const struct weft__future_ops *ops, size_t count)
{
    size_t size = weft__room_for(sizeof(struct race), count, sizeof(struct weft__child));
    struct race *race = size ? weft__future_alloc(weft__loop, ops, size, 2) : NULL;
    if (!race)
        return NULL;
    race->count = race->left = count;
    if (ops == &race_ops)
        return race;
    race->failures = weft__errors_new(count);
    if (race->failures)
        return race;
    weft__future_free(&race->future);
    return NULL;
}

static weft_future *start(const struct weft__future_ops *ops, size_t count,
                          weft_future *const *futures, const char *function)
{
    weft_future *bad = weft__cannot_wait(count, futures, function);
    if (!bad && count == 0)
        bad = weft_future_failed(-EINVAL, "%s of nothing", function);
    if (bad)
        return weft__refuse_all(count, futures, bad);
    struct race *race = new_race(ops, count);
    if (!race)
        return weft__refuse_all(count, futures, weft__future_enomem(weft__loop));
    weft__wait_all(race->children, count, futures, race, child_done);
    return &race->future;
}

weft_future *weft_race_array(size_t count, weft_future *const *futures)
{
    return start(&race_ops, count, futures, "weft_race");
}

weft_future *weft_first_success_array(size_t count, weft_future *const *futures)
{
    return start(&first_success_ops, count, futures, "weft_first_success");
}

ssize_t weft_race_winner(const weft_future *future)
{
    if (future && WEFT__ELSEWHERE(future->loop_id))
        return weft__elsewhere();
    if (!future || (future->ops != &race_ops && future->ops != &first_success_ops))
        return -EINVAL;
    if (weft__is_pending(future))
        return -EINPROGRESS;
    const struct race *race = race_of(future);
    return race->winner ? race->winner - race->children : -ENOENT;
}

/* SPDX-License-Identifier: MIT */
/*
 * Patience: from looks at a thread that is at the same thing still, how long that takes, and whose fault
 * it is.
 *
 * What is charged to the thread is its own time, in which it ran or waited for something it asked for. Not
 * charged are
 *
 *   - the time between two looks, if the second was late by more than a period. Then the process was stopped, or
 *     the machine was, or there was no CPU for who looks and so perhaps for nobody. The time by which it was
 *     late is lost, and not told as part of the duration. Of several late looks in a row all but the first are charged
 *     with a period each, so that what hangs on a machine that is always late is reported too;
 *   - what is beyond two periods between two looks. Who looks was busy with another thread; this one is charged a
 *     little later;
 *   - the time for which the thread was runnable and did not run. The kernel adds that up when the thread
 *     gets its CPU. So while it waits for one (it wants to run, and was given no CPU since the last look) the
 *     time is reckoned here, in `queued`, until the kernel's number moves.
 *
 * A report is due when its own time reaches the limit, and then each time both that and the duration that was told
 * have doubled.
 */
#include "core/inspect/patience.h"

#include <string.h>

enum { MOST_AT_ONCE = 8 };
#define PER_REPORT WEFT_S(5)

static weft_ns min(weft_ns one, weft_ns other)
{
    return one < other ? one : other;
}

static weft_ns at_least_0(weft_ns time)
{
    return time > 0 ? time : 0;
}

void weft__patience_begin(struct weft__patience *patience, weft_ns limit, weft_ns already,
                          const struct weft__sight *sight)
{
    *patience = (struct weft__patience){.limit = limit,
                                        .due = limit,
                                        .first = *sight,
                                        .last = *sight,
                                        .already = already,
                                        .allowed = min(already, 2 * sight->period)};
}

static bool is_late(const struct weft__sight *sight)
{
    return sight->late > sight->period;
}

static weft_ns own(const struct weft__patience *patience)
{
    return patience->allowed - patience->excused;
}

/* `charged`: of the time since the last look. */
static void see_the_queue(struct weft__patience *patience, const struct weft__sight *sight,
                          weft_ns charged)
{
    const struct weft__sight *last = &patience->last;
    bool had_a_cpu = sight->slices != last->slices || sight->ran != last->ran;
    if (sight->waited < 0 || patience->first.waited < 0)
        return;
    if (had_a_cpu || !sight->wants_to_run)
        patience->queued = 0;
    else if (last->wants_to_run)
        patience->queued += sight->now - last->now;
    weft_ns runnable = sight->waited - patience->first.waited + patience->queued;
    patience->excused += min(runnable - patience->runnable, charged);
    patience->runnable = runnable;
}

static weft_ns seen_for(const struct weft__patience *patience)
{
    return at_least_0(patience->last.now - patience->first.now - patience->lost);
}

bool weft__patience_is_over(struct weft__patience *patience, const struct weft__sight *sight)
{
    weft_ns passed = sight->now - patience->last.now;
    weft_ns charged = min(passed, 2 * sight->period);
    if (is_late(sight)) {
        charged = is_late(&patience->last) ? sight->period : 0;
        patience->lost += min(at_least_0(passed - sight->period), sight->late);
    }
    patience->allowed += charged;
    see_the_queue(patience, sight, charged);
    patience->last = *sight;
    weft_ns lasts = patience->already + seen_for(patience);
    if (own(patience) < patience->due || lasts < patience->due_at)
        return false;
    patience->due = 2 * own(patience);
    patience->due_at = 2 * lasts;
    return true;
}

struct weft__spell weft__patience_spell(const struct weft__patience *patience)
{
    weft_ns seen = seen_for(patience);
    struct weft__spell spell = {.lasts = patience->already + seen};
    spell.on_cpu = min(at_least_0(patience->last.ran - patience->first.ran), seen);
    spell.runnable = min(at_least_0(patience->runnable), seen - spell.on_cpu);
    spell.waiting = seen - spell.on_cpu - spell.runnable;
    return spell;
}

bool weft__patience_is_excused(const struct weft__patience *patience)
{
    return seen_for(patience) + patience->lost >= patience->limit &&
           own(patience) < patience->limit;
}

bool weft__allowance_take(struct weft__allowance *allowance, weft_ns now)
{
    if (allowance->spent_until < now)
        allowance->spent_until = now;
    if (allowance->spent_until - now > (MOST_AT_ONCE - 1) * PER_REPORT)
        return false;
    allowance->spent_until += PER_REPORT;
    return true;
}

/* SPDX-License-Identifier: MIT */
/*
 * Deadlocks, in debug mode: looked for when nothing is ready and the loop is about to sleep.
 *
 * A circle, in which each waits for the next with no limit of time, is certain: nobody in it goes on unless he is
 * cancelled, and tasks that await each other not even then. It is reported whatever else the loop is doing, once. Such a look costs some microseconds for each task. So
 * a look that was without result is not repeated before 100 times as long has passed as it took; the loop is
 * woken then, if nothing else wakes it.
 *
 * That nothing can wake anybody is another matter. The loop knows its timers, its descriptors, its jobs and
 * its signals; if there are none, then only another thread could post something to it:
 *
 *     there is no thread but weft's own, and       certain, and reported at once
 *     none of these runs a job
 *     there is one                                 reported when nothing has come for a second, and in
 *                                                  other words; once for each loop
 *
 * A loop that is attached is never said to have nothing: its host may have something.
 *
 * Failure modes: no memory for the look (nothing is reported, and it is looked again later).
 */
#include "core/inspect/deadlock.h"

#include <dirent.h>
#include <errno.h>
#include <event2/event.h>
#include <time.h>

#include "core/debug.h"
#include "core/inspect/source.h"
#include "core/inspect/tree.h"
#include "core/loop.h"
#include "core/memory.h"
#include "core/signal.h"
#include "core/thread.h"

#define PATIENCE WEFT_S(1)
enum { SHARE = 100, OWN_EVENTS = 2, FEW = 8 };

static weft_ns real_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return WEFT_S(now.tv_sec) + now.tv_nsec;
}

/* ---- Is anything left that could wake it? ---- */

static bool is_idle_for_ever(weft_loop *loop)
{
    return !loop->attached && loop->jobs == 0 && weft__timers_next(&loop->timers) == WEFT_FOREVER &&
           event_base_get_num_events(loop->base, EVENT_BASE_COUNT_ADDED) <= OWN_EVENTS &&
           !weft__signals_are_heard(loop);
}

static void note_busy(void *any, const struct weft__busy *busy)
{
    (void)busy;
    *(bool *)any = true;
}

static void look_for_jobs(void *any, struct weft__source *source)
{
    if (source->ops->each_busy)
        source->ops->each_busy(source, note_busy, any);
}

/* This loop's that were abandoned, and other loops'. What runs there is the program's, and may post. */
static bool has_other_jobs(void)
{
    bool any = false;
    weft__sources_each(look_for_jobs, &any);
    return any;
}

/* This one, and those that weft has started and that are at nothing, are no others. Without /proc there might be
 * some. */
static bool has_other_threads(void)
{
    if (has_other_jobs())
        return true;

    size_t count = 0;
    DIR *folder = opendir("/proc/self/task");
    if (!folder)
        return true;
    for (const struct dirent *entry; (entry = readdir(folder));)
        count += entry->d_name[0] != '.';
    closedir(folder);
    return count > 1 + weft__own_threads();
}

/* ---- Reports ---- */

static uint64_t mix(uint64_t hash, uint64_t value)
{
    return (hash ^ value) * 1099511628211u;
}

/* Who, and at which line: the same circle again is the same number. */
static uint64_t hash_of(const struct weft__tree *tree, const struct weft__cycle *cycle)
{
    uint64_t hash = 1469598103934665603u;
    for (uint32_t i = 0; i < cycle->count; i++) {
        const struct weft__coro_seen *coro = tree->nodes[tree->members[cycle->first + i]].coro;
        hash = mix(mix(hash, coro->id), (uint64_t)coro->line);
    }
    return hash;
}

static bool is_new(struct weft__deadlocks *known, uint64_t hash)
{
    for (size_t i = 0; i < WEFT__DEADLOCKS_KEPT && i < known->count; i++)
        if (known->reported[i] == hash)
            return false;
    known->reported[known->count++ % WEFT__DEADLOCKS_KEPT] = hash;
    return true;
}

static void report(weft_loop *loop, const char *what, const struct weft__node *first,
                   struct weft__text *text)
{
    struct weft_error_report report = {
        .what = what,
        .status = -EDEADLK,
        .message = text->data,
        .task = first->is.name,
        .spawned_at = first->is.place,
        .task_id = first->coro ? first->coro->id : 0,
    };
    weft__report(loop, &report);
    weft__text_fini(text);
}

static bool report_cycles(weft_loop *loop, const struct weft__tree *tree)
{
    bool any = false;
    for (size_t i = 0; i < tree->cycle_count; i++) {
        const struct weft__cycle *cycle = &tree->cycles[i];
        struct weft__text text = {0};
        if (cycle->until != WEFT_FOREVER)
            continue;
        any = true;
        if (!is_new(&loop->debug->deadlocks, hash_of(tree, cycle)))
            continue;
        weft__tree_say_cycle(tree, cycle, &text);
        report(loop, "deadlock: tasks wait for each other in a circle",
               &tree->nodes[tree->members[cycle->first]], &text);
    }
    return any;
}

/* Nobody can go on: what each of them waits for. */
static void report_idle(weft_loop *loop, const struct weft__tree *tree, bool others)
{
    struct weft__text text = {0};
    size_t said = 0;
    for (size_t i = 0; i < tree->listed; i++) {
        const struct weft__node *task = &tree->nodes[i];
        if (!task->coro || said++ >= FEW)
            continue;
        weft__text_add(&text, "%s", said > 1 ? "; " : "");
        weft__tree_say_wait(tree, task, &text);
    }
    if (said > FEW)
        weft__text_add(&text, "; and %zu more", said - FEW);
    loop->debug->deadlocks.was_idle_reported = true;
    if (said > 0)
        report(loop,
               others
                   ? "perhaps a deadlock: every task waits, and only another thread could wake one"
                   : "deadlock: every task waits, and nothing is left that could wake one",
               &tree->nodes[0], &text);
}

/* ---- The look ---- */

/* When to report that nothing is left; WEFT_FOREVER: never, or that was done. */
static weft_ns idle_until(struct weft__deadlocks *known, bool others, weft_ns now)
{
    if (known->was_idle_reported)
        return WEFT_FOREVER;
    if (!others)
        return now;
    return known->idle_since + (known->patience ? known->patience : PATIENCE);
}

static weft_ns look(weft_loop *loop, struct weft__deadlocks *known, bool is_idle, weft_ns now)
{
    struct weft__tree tree;
    weft_ns again = WEFT_FOREVER;
    if (weft__tree_look(loop, false, NULL, &tree) == 0) {
        bool in_circles = report_cycles(loop, &tree);
        bool others = is_idle && !in_circles && has_other_threads();
        /* One that is gone may have posted before. */
        if (is_idle && !in_circles && !weft__loop_has_mail(loop))
            again = idle_until(known, others, now);
        if (again <= now) {
            report_idle(loop, &tree, others);
            again = WEFT_FOREVER;
        }
        weft__tree_fini(&tree);
    }
    weft_ns end = real_now();
    known->next_look = end + SHARE * (end - now);
    return again;
}

weft_ns weft__deadlock_look(weft_loop *loop)
{
    struct weft__deadlocks *known = &loop->debug->deadlocks;
    uint64_t callbacks = weft__loop_callbacks(loop);
    bool has_moved = !known->has_looked || callbacks != known->looked_at;
    if (!loop->tasks || loop->phase != WEFT__OPEN || loop->reporting)
        return WEFT_FOREVER;
    weft_ns now = real_now();
    bool is_idle = is_idle_for_ever(loop);
    if (!is_idle || has_moved)
        known->idle_since = is_idle ? now : 0;
    if (!is_idle && !has_moved)
        return WEFT_FOREVER;
    if (!is_idle && now < known->next_look)
        return known->next_look;
    known->has_looked = true;
    known->looked_at = callbacks;
    return look(loop, known, is_idle, now);
}

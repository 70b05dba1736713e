/* SPDX-License-Identifier: MIT */
/*
 * The watchdog's view of the jobs on a pool's threads, those of lanes with a limit. The pool knows when a job began, so
 * one that is new here is charged with what it has run already.
 *
 * A job is known by its thread and its number there. Each round marks those that it finds; what is not found any
 * more has ended. All is touched by the watchdog's thread only.
 *
 * Failure modes: no memory to note a job: it is looked for again in the next round.
 */
#include <stdio.h>
#include <string.h>

#include "core/cond.h"
#include "core/inspect/stack.h"
#include "core/inspect/watchdog.h"
#include "core/memory.h"

static struct watched {
    uint64_t pool; /* the source's serial number */
    pid_t tid;
    uint64_t serial;
    bool is_found;    /* in this round */
    bool is_left_out; /* there were too many, and it was counted */
    struct weft__patience patience;
    struct weft__blocked *told; /* owned; NULL: it was not reported */
} * jobs;
static size_t count, capacity;

struct look {
    struct weft__source *pool;
    const struct weft__round *round;
};

/* ---- The list ---- */

static bool is_same(const struct watched *job, const struct weft__source *pool,
                    const struct weft__busy *busy)
{
    return job->pool == pool->serial && job->tid == busy->tid && job->serial == busy->serial;
}

static struct watched *find(const struct weft__source *pool, const struct weft__busy *busy)
{
    for (size_t i = 0; i < count; i++)
        if (is_same(&jobs[i], pool, busy))
            return &jobs[i];
    return NULL;
}

/* NULL: out of memory. */
static struct watched *add(const struct weft__source *pool, const struct weft__busy *busy)
{
    if (count == capacity) {
        size_t wanted = capacity ? 2 * capacity : 8;
        struct watched *more = weft__realloc(jobs, wanted * sizeof(*jobs));
        if (!more)
            return NULL;
        jobs = more;
        capacity = wanted;
    }
    struct watched *job = &jobs[count++];
    *job = (struct watched){
        .pool = pool->serial, .tid = busy->tid, .serial = busy->serial, .is_found = true};
    return job;
}

/* ---- Reports ---- */

struct search {
    const struct watched *job;
    const struct weft__source *pool;
    bool is_found;
};

static void compare(void *arg, const struct weft__busy *busy)
{
    struct search *search = arg;
    search->is_found = search->is_found || is_same(search->job, search->pool, busy);
}

static bool runs_still(const struct watched *job, struct weft__source *pool)
{
    struct search search = {.job = job, .pool = pool};
    pool->ops->each_busy(pool, compare, &search);
    return search.is_found;
}

static void describe(struct weft__blocked *told, const struct weft__busy *busy)
{
    told->report.what = "job";
    told->report.loop_id = busy->loop_id;
    told->report.tid = busy->tid;
    snprintf(told->function, sizeof(told->function), "%s", busy->name);
    snprintf(told->spawned_at, sizeof(told->spawned_at), "%s", busy->started_at);
    snprintf(told->lane, sizeof(told->lane), "%s", busy->lane);
}

static void tell(struct watched *job, enum weft_blocked_stage stage)
{
    struct weft__spell spell = weft__patience_spell(&job->patience);
    weft__blocked_finish(job->told, stage, &spell);
    weft__watchdog_tell((uint32_t)job->told->report.loop_id, job->told);
}

static void report(struct watched *job, const struct look *look, const struct weft__busy *busy)
{
    struct weft__stack stack;
    struct weft__thread_state state;
    bool is_first = !job->told;
    if (is_first && weft__watchdog_may_report(look->round->began, &job->is_left_out))
        job->told = weft__blocked_new(WEFT_BLOCKED_JOB);
    if (!job->told)
        return;
    describe(job->told, busy);
    weft__blocked_see(job->told, job->tid, &state, &stack);
    if (!runs_still(job, look->pool))
        stack.count = 0;
    weft__blocked_name(job->told, &stack);
    if (runs_still(job, look->pool)) {
        struct weft__sight sight =
            weft__sight_of(job->tid, &job->patience.last, look->round, 0, &state);
        (void)weft__patience_is_over(&job->patience, &sight);
    }
    tell(job, is_first ? WEFT_BLOCKED_FOUND : WEFT_BLOCKED_STILL);
}

static void is_over(struct watched *job)
{
    if (job->told)
        tell(job, WEFT_BLOCKED_OVER);
    else if (weft__patience_is_excused(&job->patience))
        weft__watchdog_excuses();
    weft__blocked_free(job->told);
}

/* ---- Looking ---- */

static void look_at(void *arg, const struct weft__busy *busy)
{
    const struct look *look = arg;
    struct weft__thread_state state;
    struct watched *job = find(look->pool, busy);
    bool is_new = !job;
    if (job)
        job->is_found = true;
    if (!busy->slow_after || (is_new && !(job = add(look->pool, busy))))
        return;
    struct weft__sight sight = weft__sight_of(busy->tid, is_new ? NULL : &job->patience.last,
                                              look->round, look->round->late, &state);
    if (is_new)
        weft__patience_begin(&job->patience, busy->slow_after, busy->runs_for, &sight);
    else if (weft__patience_is_over(&job->patience, &sight))
        report(job, look, busy);
}

void weft__lookout_jobs(struct weft__source *pool, const struct weft__round *round)
{
    struct look look = {pool, round};
    pool->ops->each_busy(pool, look_at, &look);
}

void weft__lookout_jobs_end(void)
{
    size_t left = 0;
    for (size_t i = 0; i < count; i++) {
        if (!jobs[i].is_found)
            is_over(&jobs[i]);
        else
            jobs[left++] = jobs[i];
    }
    count = left;
    for (size_t i = 0; i < count; i++)
        jobs[i].is_found = false;
}

/* In a forked child the list may be half written. */
void weft__lookout_abandon_jobs(void)
{
    jobs = NULL;
    count = capacity = 0;
}

void weft__lookout_forget_jobs(void)
{
    for (size_t i = 0; i < count; i++)
        weft__blocked_free(jobs[i].told);
    weft__free(jobs);
    weft__lookout_abandon_jobs();
}

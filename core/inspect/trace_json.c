/* SPDX-License-Identifier: MIT */
/*
 * A trace as JSON, in Chrome's trace-event format, which Perfetto and tools/trace/viewer.html read.
 *
 * First the two ends of what begins and ends are matched, on each thread by itself. Then the records of all
 * threads are told in the order of their times, and what must be known from earlier ones is kept by what it is
 * about: a coroutine, a job, somebody who is woken (struct thing).
 *
 *     slices    steps, jobs, callbacks, polls and the user's: X events, in the order in which they begin
 *     points    submissions, ends that the loop heard of, wakeups, marks: instants; or, where no slice is
 *               around them to which an arrow could be tied, slices of a nanosecond
 *     arrows    who made a step ready -> the step; submitted -> run -> heard of; who woke -> who was woken
 *     spans     tasks with their awaits, jobs with their time in the queue: asynchronous events
 *     counters  tasks, ready items and jobs of a loop; jobs of a lane
 *
 * A trace is a cut: it begins and ends in the midst of things, and rings have lost what was oldest. What
 * has lost its beginning is left out, what has not ended goes on to the trace's end and says "unfinished". An
 * arrow is written when its second end is known, so that none has only one.
 *
 * Names are pointers to what was static when it was recorded; they are read by weft__peek(), should their
 * library have been unloaded since. Functions of callbacks are looked up as those of stacks are
 * (core/inspect/symbol.c): without debugging information they have no name.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <weft/version.h>

#include "core/inspect/trace_story.h"
#include "core/memory.h"

/* ---- Slices ---- */

/* The record that ends it; NULL: it goes on. */
static const struct weft__trace_record *end_at(const struct weft__trace_teller *teller)
{
    uint32_t match = teller->match[teller->at];
    return match == WEFT__TRACE_NOT_MATCHED ? NULL : &teller->thread->records[match];
}

/* Up to its arguments. */
static void open_slice(struct weft__trace_story *story, struct weft__trace_teller *teller,
                       const char *name, const char *category)
{
    const struct weft__trace_record *records = teller->thread->records;
    const struct weft__trace_record *begin = records + teller->at, *end = end_at(teller);
    assert(records); /* there is one to be told */
    uint64_t until = end ? end->time : (uint64_t)story->copy.now;
    weft__trace_open_event(story, "X", name, begin->time, teller->thread->tid);
    weft__json_string(story->to, "cat", category);
    weft__trace_add_duration(story, until > begin->time ? until - begin->time : 0);
    weft__json_open(story->to, "args", '{');
    if (!end)
        weft__json_bool(story->to, "unfinished", true);
    teller->depth++;
}

static void write_slice(struct weft__trace_story *story, struct weft__trace_teller *teller,
                        const char *name, const char *category)
{
    open_slice(story, teller, name, category);
    weft__trace_close_with_args(story);
}

/* A position in a coroutine, as in a dump of tasks. */
static void write_place(struct weft__trace_story *story, const char *key, uint64_t code,
                        uint32_t line)
{
    char place[WEFT__TRACE_NAME + 16];
    const char *file = weft__trace_file_of_code(story, code);
    if (line == 0)
        snprintf(place, sizeof(place), "%s, its beginning", file);
    else if (line == WEFT__TRACE_FINALLY)
        snprintf(place, sizeof(place), "%s, WEFT_FINALLY", file);
    else
        snprintf(place, sizeof(place), "%s:%u", file, (unsigned)line);
    weft__json_string(story->to, key, place);
}

/* ---- Coroutines ---- */

static void name_await(struct weft__trace_story *story, const struct weft__trace_thing *coro,
                       char text[2 * WEFT__TRACE_NAME])
{
    snprintf(text, 2 * (size_t)WEFT__TRACE_NAME, "await %s",
             weft__trace_text_at(story, coro->name));
}

static void open_task_span(struct weft__trace_story *story, struct weft__trace_thing *coro)
{
    coro->has_span = true;
    coro->span = ++story->last_span;
    weft__trace_open_span(story, "b", "task", weft__trace_name_of_code(story, coro->code),
                          coro->span, coro->born);
    weft__json_open(story->to, "args", '{');
    weft__json_uint(story->to, "task", coro->task);
    weft__trace_close_with_args(story);
}

static void close_task_span(struct weft__trace_story *story, const struct weft__trace_thing *coro,
                            struct weft__trace_moment at, bool unfinished)
{
    weft__trace_open_span(story, "e", "task", weft__trace_name_of_code(story, coro->code),
                          coro->span, at);
    weft__json_open(story->to, "args", '{');
    if (unfinished)
        weft__json_bool(story->to, "unfinished", true);
    weft__trace_close_with_args(story);
}

static void write_await(struct weft__trace_story *story, const struct weft__trace_thing *coro,
                        struct weft__trace_moment until, bool unfinished)
{
    char text[2 * WEFT__TRACE_NAME];
    name_await(story, coro, text);
    weft__trace_open_span(story, "b", "task", text, coro->span, coro->since);
    weft__json_open(story->to, "args", '{');
    write_place(story, "at", coro->code, coro->line);
    if (unfinished)
        weft__json_bool(story->to, "unfinished", true);
    weft__trace_close_with_args(story);
    weft__trace_open_span(story, "e", "task", text, coro->span, until);
    weft__trace_close_event(story);
}

/* Another one has its memory now, or none has. */
static void coro_is_gone(struct weft__trace_story *story, struct weft__trace_thing *coro,
                         struct weft__trace_moment at)
{
    if (coro->has_span)
        close_task_span(story, coro, at, false);
    struct weft__trace_moment from = coro->from;
    weft__trace_forget(coro);
    coro->from = from;
}

static void tell_step(struct weft__trace_story *story, struct weft__trace_teller *teller,
                      const struct weft__trace_record *record)
{
    const struct weft__trace_record *end = end_at(teller);
    struct weft__trace_moment at = {record->time, teller->thread->tid};
    struct weft__trace_thing *coro = weft__trace_thing_at(story, WEFT__TRACE_CORO, record->id);
    if (weft__trace_small_of(record) == 0 && coro->code)
        coro_is_gone(story, coro, at);
    if (!coro->born.time)
        coro->born = at;
    coro->code = record->name;
    coro->task = weft__trace_number_of(record);
    open_slice(story, teller, weft__trace_name_of_code(story, record->name), "step");
    weft__json_uint(story->to, "task", weft__trace_number_of(record));
    write_place(story, "from", record->name, weft__trace_small_of(record));
    if (end && weft__trace_number_of(end) == WEFT__TRACE_AWAITS)
        write_place(story, "to", record->name, weft__trace_small_of(end));
    weft__json_string(story->to, "then",
                      !end                                               ? NULL
                      : weft__trace_number_of(end) == WEFT__TRACE_ENDS   ? "ends"
                      : weft__trace_number_of(end) == WEFT__TRACE_YIELDS ? "yields"
                                                                         : "awaits");
    weft__trace_close_with_args(story);
    weft__trace_write_arrow(story, "ready", coro->from, at);
    coro->from.time = 0;
    if (coro->since.time)
        write_await(story, coro, at, false);
    coro->since.time = 0;
}

static void tell_step_end(struct weft__trace_story *story, struct weft__trace_teller *teller,
                          const struct weft__trace_record *record)
{
    struct weft__trace_moment at = {record->time, teller->thread->tid};
    struct weft__trace_thing *coro = weft__trace_thing_at(story, WEFT__TRACE_CORO, record->id);
    if (!coro->code) /* its beginning is lost */
        return;
    if (weft__trace_number_of(record) == WEFT__TRACE_ENDS)
        coro_is_gone(story, coro, at);
    if (weft__trace_number_of(record) != WEFT__TRACE_AWAITS)
        return;
    if (!coro->has_span)
        open_task_span(story, coro);
    coro->since = at;
    coro->name = record->name;
    coro->line = weft__trace_small_of(record);
}

static void tell_born(struct weft__trace_story *story, struct weft__trace_teller *teller,
                      const struct weft__trace_record *record)
{
    weft__trace_open_point(story, teller, "born", "task", record->time);
    weft__json_string(story->to, "spawned_at", weft__trace_text_at(story, record->name));
    weft__json_uint(story->to, "parent", weft__trace_number_of(record));
    weft__trace_close_with_args(story);
}

/* ---- Jobs ---- */

static void write_lane(struct weft__trace_story *story, uint32_t number, int queued, int running,
                       struct weft__trace_moment at)
{
    char name[WEFT__TRACE_NAME];
    if (number >= story->lane_room) {
        struct weft__trace_lane *lanes = weft__realloc(story->lanes, (number + 8) * sizeof(*lanes));
        if (!lanes) {
            story->no_memory = true;
            return;
        }
        memset(lanes + story->lane_room, 0, (number + 8 - story->lane_room) * sizeof(*lanes));
        story->lanes = lanes;
        story->lane_room = number + 8;
    }
    struct weft__trace_lane *lane = &story->lanes[number];
    lane->queued += queued;
    lane->running += running;
    snprintf(name, sizeof(name), "lane %s", weft__trace_interned(number));
    weft__trace_open_event(story, "C", name, at.time, at.tid);
    weft__json_open(story->to, "args", '{');
    weft__json_int(story->to, "queued", lane->queued);
    weft__json_int(story->to, "running", lane->running);
    weft__trace_close_with_args(story);
}

static void write_queue_span(struct weft__trace_story *story, struct weft__trace_thing *job,
                             const char *phase, struct weft__trace_moment at, int status)
{
    weft__trace_open_span(story, phase, "queue", weft__trace_text_at(story, job->name), job->span,
                          at);
    weft__json_open(story->to, "args", '{');
    weft__json_string(story->to, "lane", weft__trace_interned(job->lane));
    weft__trace_write_status(story, status);
    weft__trace_close_with_args(story);
}

static void tell_submit(struct weft__trace_story *story, struct weft__trace_teller *teller,
                        const struct weft__trace_record *record)
{
    struct weft__trace_moment at = {record->time, teller->thread->tid};
    struct weft__trace_thing *job = weft__trace_thing_at(story, WEFT__TRACE_JOB_THING, record->id);
    weft__trace_forget(job);
    job->from = at;
    job->name = record->name;
    job->lane = weft__trace_small_of(record);
    job->span = ++story->last_span;
    weft__trace_open_point(story, teller, "submit", "job", record->time);
    weft__json_string(story->to, "job", weft__trace_text_at(story, record->name));
    weft__json_string(story->to, "lane", weft__trace_interned(job->lane));
    weft__json_uint(story->to, "task", weft__trace_number_of(record));
    weft__trace_close_with_args(story);
    write_queue_span(story, job, "b", at, 0);
    write_lane(story, job->lane, 1, 0, at);
}

static void tell_job(struct weft__trace_story *story, struct weft__trace_teller *teller,
                     const struct weft__trace_record *record)
{
    const struct weft__trace_record *end = end_at(teller);
    struct weft__trace_moment at = {record->time, teller->thread->tid};
    struct weft__trace_thing *job = weft__trace_thing_at(story, WEFT__TRACE_JOB_THING, record->id);
    open_slice(story, teller, weft__trace_text_at(story, record->name), "job");
    weft__json_string(story->to, "lane", weft__trace_interned(weft__trace_small_of(record)));
    if (end)
        weft__trace_write_status(story, (int)weft__trace_number_of(end));
    weft__trace_close_with_args(story);
    bool was_queued = job->from.time && !job->since.time;
    if (was_queued)
        write_queue_span(story, job, "e", at, 0);
    else if (job->since.time) /* it runs on other threads, too, or has gone on */
        weft__trace_write_arrow(story, "job", job->from, job->since);
    job->lane = weft__trace_small_of(record);
    job->since = at;
    write_lane(story, job->lane, was_queued ? -1 : 0, 1, at);
}

static void tell_job_end(struct weft__trace_story *story, struct weft__trace_teller *teller,
                         const struct weft__trace_record *record)
{
    struct weft__trace_thing *job = weft__trace_thing_at(story, WEFT__TRACE_JOB_THING, record->id);
    if (job->since.time) /* else its beginning is lost */
        write_lane(story, job->lane, 0, -1,
                   (struct weft__trace_moment){record->time, teller->thread->tid});
}

static void tell_home(struct weft__trace_story *story, struct weft__trace_teller *teller,
                      const struct weft__trace_record *record)
{
    struct weft__trace_moment at = {record->time, teller->thread->tid};
    struct weft__trace_thing *job = weft__trace_thing_at(story, WEFT__TRACE_JOB_THING, record->id);
    weft__trace_open_point(story, teller, "done", "job", record->time);
    weft__json_string(story->to, "job", weft__trace_text_at(story, record->name));
    weft__trace_write_status(story, (int)weft__trace_number_of(record));
    weft__trace_close_with_args(story);
    if (job->from.time && !job->since.time) {
        write_queue_span(story, job, "e", at, (int)weft__trace_number_of(record));
        write_lane(story, job->lane, -1, 0, at);
    }
    struct weft__trace_moment first = job->from.time ? job->from : job->since;
    if (first.time) {
        uint64_t flow = ++story->last_flow;
        weft__trace_write_flow(story, "s", "job", flow, first);
        if (job->from.time && job->since.time)
            weft__trace_write_flow(story, "t", "job", flow, job->since);
        weft__trace_write_flow(story, "f", "job", flow, at);
    }
    weft__trace_forget(job);
}

/* ---- The rest ---- */

static void tell_wake(struct weft__trace_story *story, struct weft__trace_teller *teller,
                      const struct weft__trace_record *record)
{
    char name[WEFT__TRACE_NAME + 8];
    snprintf(name, sizeof(name), "wake a %s", weft__trace_text_at(story, record->name));
    weft__trace_open_point(story, teller, name, "wakeup", record->time);
    weft__trace_close_with_args(story);
    weft__trace_thing_at(story, WEFT__TRACE_SLEEPER, record->id)->from =
        (struct weft__trace_moment){record->time, teller->thread->tid};
}

static void tell_woken(struct weft__trace_story *story, struct weft__trace_teller *teller,
                       const struct weft__trace_record *record)
{
    struct weft__trace_thing *sleeper =
        weft__trace_thing_at(story, WEFT__TRACE_SLEEPER, record->id);
    weft__trace_open_point(story, teller, "woken", "wakeup", record->time);
    weft__trace_close_with_args(story);
    weft__trace_write_arrow(story, "wakeup", sleeper->from,
                            (struct weft__trace_moment){record->time, teller->thread->tid});
    sleeper->from.time = 0;
}

static void tell_ready(struct weft__trace_story *story, struct weft__trace_teller *teller,
                       const struct weft__trace_record *record)
{
    if (teller->depth) /* else there is nothing to which an arrow could be tied */
        weft__trace_thing_at(story, WEFT__TRACE_CORO, record->id)->from =
            (struct weft__trace_moment){record->time, teller->thread->tid};
}

static void tell_item(struct weft__trace_story *story, struct weft__trace_teller *teller,
                      const struct weft__trace_record *record)
{
    bool has_next = teller->at + 1 < teller->thread->count;
    bool is_home = has_next && weft__trace_kind_of(record + 1) == WEFT__TRACE_HOME;
    const struct weft__trace_function *function = weft__trace_function_at(story, record->id);
    bool is_users = function && weft__trace_small_of(record);
    open_slice(story, teller,
               is_users  ? function->name
               : is_home ? "job done"
                         : "callback",
               "callback");
    if (function)
        weft__json_string(story->to, "function", function->place);
    weft__trace_close_with_args(story);
}

static void tell_poll(struct weft__trace_story *story, struct weft__trace_teller *teller,
                      const struct weft__trace_record *record)
{
    const struct weft__trace_record *end = end_at(teller);
    (void)record;
    open_slice(story, teller, "poll", "poll");
    if (end)
        weft__json_uint(story->to, "events", weft__trace_number_of(end));
    weft__trace_close_with_args(story);
}

static void tell_counts(struct weft__trace_story *story, struct weft__trace_teller *teller,
                        const struct weft__trace_record *record)
{
    char name[32];
    snprintf(name, sizeof(name), "loop %u", (unsigned)weft__trace_number_of(record));
    weft__trace_open_event(story, "C", name, record->time, teller->thread->tid);
    weft__json_open(story->to, "args", '{');
    weft__json_uint(story->to, "tasks", record->id >> 32);
    weft__json_uint(story->to, "ready", record->id & UINT32_MAX);
    weft__json_uint(story->to, "jobs", record->name);
    weft__trace_close_with_args(story);
}

static void tell_blocked(struct weft__trace_story *story, struct weft__trace_teller *teller,
                         const struct weft__trace_record *record)
{
    weft__trace_open_event(story, "i", "blocked", record->time, teller->thread->tid);
    weft__json_string(story->to, "cat", "blocked");
    weft__json_string(story->to, "s", "p");
    weft__json_open(story->to, "args", '{');
    weft__json_uint(story->to, "thread", record->id);
    weft__json_uint(story->to, "for_ms", weft__trace_number_of(record));
    weft__json_string(story->to, "by", weft__trace_interned(weft__trace_small_of(record)));
    weft__trace_close_with_args(story);
}

static void tell_mark(struct weft__trace_story *story, struct weft__trace_teller *teller,
                      const struct weft__trace_record *record)
{
    weft__trace_open_event(story, "i", weft__trace_text_at(story, record->name), record->time,
                           teller->thread->tid);
    weft__json_string(story->to, "cat", "user");
    weft__json_string(story->to, "s", "t");
    weft__json_open(story->to, "args", '{');
    weft__json_int(story->to, "value", (int64_t)record->id);
    weft__trace_close_with_args(story);
}

static void tell_counter(struct weft__trace_story *story, struct weft__trace_teller *teller,
                         const struct weft__trace_record *record)
{
    weft__trace_open_event(story, "C", weft__trace_text_at(story, record->name), record->time,
                           teller->thread->tid);
    weft__json_open(story->to, "args", '{');
    weft__json_int(story->to, "value", (int64_t)record->id);
    weft__trace_close_with_args(story);
}

static void tell_users_slice(struct weft__trace_story *story, struct weft__trace_teller *teller,
                             const struct weft__trace_record *record)
{
    write_slice(story, teller, weft__trace_text_at(story, record->name), "user");
}

/* ---- All of it ---- */

static void tell(struct weft__trace_story *story, struct weft__trace_teller *teller)
{
    static void (*const by_kind[WEFT__TRACE_KINDS])(struct weft__trace_story * story,
                                                    struct weft__trace_teller * teller,
                                                    const struct weft__trace_record *record) = {
        [WEFT__TRACE_STEP] = tell_step,         [WEFT__TRACE_STEP_END] = tell_step_end,
        [WEFT__TRACE_BORN] = tell_born,         [WEFT__TRACE_READY] = tell_ready,
        [WEFT__TRACE_ITEM] = tell_item,         [WEFT__TRACE_POLL] = tell_poll,
        [WEFT__TRACE_COUNTS] = tell_counts,     [WEFT__TRACE_SUBMIT] = tell_submit,
        [WEFT__TRACE_JOB] = tell_job,           [WEFT__TRACE_JOB_END] = tell_job_end,
        [WEFT__TRACE_HOME] = tell_home,         [WEFT__TRACE_WAKE] = tell_wake,
        [WEFT__TRACE_WOKEN] = tell_woken,       [WEFT__TRACE_BLOCKED] = tell_blocked,
        [WEFT__TRACE_MARK] = tell_mark,         [WEFT__TRACE_COUNTER] = tell_counter,
        [WEFT__TRACE_SLICE] = tell_users_slice,
    };
    const struct weft__trace_record *record = &teller->thread->records[teller->at];
    enum weft__trace_kind kind = weft__trace_kind_of(record);
    if (weft__trace_is_end(kind))
        teller->depth -= teller->match[teller->at];
    if (kind < WEFT__TRACE_KINDS && by_kind[kind])
        by_kind[kind](story, teller, record);
    teller->at++;
}

/* The thread whose next record is the oldest; NULL: all are told. */
static struct weft__trace_teller *next_teller(struct weft__trace_story *story)
{
    struct weft__trace_teller *next = NULL;
    uint64_t time = UINT64_MAX;
    for (size_t i = 0; i < story->copy.count; i++) {
        struct weft__trace_teller *teller = &story->tellers[i];
        if (teller->at == teller->thread->count || teller->thread->records[teller->at].time >= time)
            continue;
        next = teller;
        time = teller->thread->records[teller->at].time;
    }
    return next;
}

/* What is known of it goes on when the trace ends. */
static void end_thing(struct weft__trace_story *story, struct weft__trace_thing *thing)
{
    struct weft__trace_moment at = {(uint64_t)story->copy.now, thing->from.tid};
    if (thing->has_span) {
        at.tid = thing->born.tid;
        if (thing->since.time)
            write_await(story, thing, at, true);
        close_task_span(story, thing, at, true);
    } else if (thing->span && !thing->since.time) {
        weft__trace_open_span(story, "e", "queue", weft__trace_text_at(story, thing->name),
                              thing->span, at);
        weft__json_open(story->to, "args", '{');
        weft__json_bool(story->to, "unfinished", true);
        weft__trace_close_with_args(story);
    } else if (thing->span) {
        weft__trace_write_arrow(story, "job", thing->from, thing->since);
    }
}

static void write_meta(struct weft__trace_story *story, const char *kind, pid_t tid,
                       const char *value)
{
    weft__json_open(story->to, NULL, '{');
    weft__json_string(story->to, "name", kind);
    weft__json_string(story->to, "ph", "M");
    weft__json_int(story->to, "pid", story->pid);
    weft__json_int(story->to, "tid", tid);
    weft__json_open(story->to, "args", '{');
    weft__json_string(story->to, "name", value);
    weft__trace_close_with_args(story);
}

/* The loop that the thread had; 0: none. */
static uint32_t loop_of(const struct weft__trace_thread *thread)
{
    for (size_t i = 0; i < thread->count; i++)
        if (weft__trace_kind_of(&thread->records[i]) == WEFT__TRACE_COUNTS)
            return weft__trace_number_of(&thread->records[i]);
    return 0;
}

static void write_threads(struct weft__trace_story *story)
{
    char name[WEFT__TRACE_NAME];
    write_meta(story, "process_name", story->pid, program_invocation_short_name);
    for (size_t i = 0; i < story->copy.count; i++) {
        const struct weft__trace_thread *thread = &story->copy.threads[i];
        uint32_t loop = loop_of(thread);
        if (loop)
            snprintf(name, sizeof(name), "loop %u (%s)", (unsigned)loop, thread->name);
        else
            snprintf(name, sizeof(name), "%s", thread->name);
        write_meta(story, "thread_name", thread->tid, name);
    }
}

/* What there is to say of the whole. */
static void write_rest(struct weft__trace_story *story)
{
    uint64_t lost = 0;
    for (size_t i = 0; i < story->copy.count; i++)
        lost += story->copy.threads[i].lost;
    weft__json_string(story->to, "displayTimeUnit", "ns");
    weft__json_open(story->to, "otherData", '{');
    weft__json_string(story->to, "weft", weft_version());
    weft__json_string(story->to, "clock", "CLOCK_MONOTONIC");
    weft__json_uint(story->to, "records_overwritten", lost);
    weft__json_uint(story->to, "threads_not_recorded", story->copy.unheard);
    weft__json_close(story->to, '}');
}

static void write_events(struct weft__trace_story *story)
{
    struct weft__trace_teller *teller;
    weft__json_open(story->to, "traceEvents", '[');
    write_threads(story);
    while ((teller = next_teller(story)))
        tell(story, teller);
    for (size_t i = 0; i < story->thing_room; i++)
        if (story->things[i].key)
            end_thing(story, &story->things[i]);
    weft__json_close(story->to, ']');
}

static bool prepare(struct weft__trace_story *story)
{
    story->names = weft__calloc(WEFT__TRACE_NAMES, sizeof(*story->names));
    story->tellers = weft__calloc(story->copy.count + 1, sizeof(*story->tellers));
    if (!story->names || !story->tellers || !weft__trace_read_functions(story))
        return false;
    for (size_t i = 0; i < story->copy.count; i++) {
        story->tellers[i].thread = &story->copy.threads[i];
        if (!weft__trace_match(&story->tellers[i]))
            return false;
    }
    return true;
}

static void fini(struct weft__trace_story *story)
{
    for (size_t i = 0; story->tellers && i < story->copy.count; i++)
        weft__free(story->tellers[i].match);
    weft__free(story->tellers);
    weft__free(story->names);
    weft__free(story->functions);
    weft__free(story->things);
    weft__free(story->lanes);
    weft__trace_copy_fini(&story->copy);
}

int weft__trace_write(struct weft__text *to)
{
    struct weft__trace_story *story = weft__calloc(1, sizeof(*story));
    int status = story ? weft__trace_copy(&story->copy) : -ENOMEM;
    if (status == 0) {
        story->to = to;
        story->pid = getpid();
        story->no_memory = !prepare(story);
        weft__json_open(to, NULL, '{');
        if (!story->no_memory)
            write_events(story);
        write_rest(story);
        weft__json_close(to, '}');
        status = story->no_memory ? -ENOMEM : to->status;
        fini(story);
    }
    weft__free(story);
    return status;
}

/* SPDX-License-Identifier: MIT */
/*
 * The orderly end of a loop, in phases:
 *
 *     tasks     cancel every task, tick until they have ended; tasks that were started meanwhile, and
 *               calls that outlive their task, get a round of their own
 *     parts     the pool: drop what is queued, wait for what runs while the loop still serves it, and
 *               for tasks: those which waited for a job may end now, those started meanwhile are
 *               cancelled
 *     leftover  give up what is stuck, cancel what waits for a time, for a lock and its like, or for
 *               somebody to resolve it, call what was posted
 *
 * The first two have a deadline each. What is stuck then is reported, listed and given up: a task
 * completes with WEFT_ESTUCK without running on, a job goes on alone. A deadline is kept by a timer
 * of the loop; in virtual time, which stands still while jobs run, by the real clock as well.
 *
 * A job that goes on alone may still use what its caller lent it: a field of a frame, the text of a
 * request. So from there on, if any job runs, the loop's thread frees nothing of weft's; it hands
 * the blocks to the mailbox, the one object that lasts until the loop is freed and every such job
 * has returned.
 *
 * The leftover phase has no deadline and needs none: the loop is CLOSED then, so that nothing which
 * runs can start anything new, be it a task, a call, a timer or a continuation.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "core/callback.h"
#include "core/debug.h"
#include "core/loop.h"
#include "core/memory.h"
#include "core/nested.h"
#include "core/sync.h"
#include "core/task.h"
#include "core/thread_task.h"

#define DEFAULT_TIMEOUT WEFT_S(10)

/* ---- Waiting with a deadline ---- */

static weft_ns real_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return WEFT_S(now.tv_sec) + now.tv_nsec;
}

static weft_ns real_after(weft_ns duration)
{
    weft_ns now = real_now();
    return duration > WEFT_FOREVER - now ? WEFT_FOREVER : now + duration;
}

static void pass(weft__item *item)
{
    struct weft__deadline *deadline = WEFT__CONTAINER(item, struct weft__deadline, timer.item);
    deadline->passed = true;
}

/* Without memory for the timer, the real clock alone keeps it. */
static struct weft__deadline *set_deadline(weft_loop *loop, struct weft__deadline *deadline,
                                           weft_ns timeout)
{
    if (timeout <= 0)
        timeout = DEFAULT_TIMEOUT;
    deadline->timer.item.run = pass;
    if (weft__timer_start(loop, &deadline->timer, weft__deadline_after(timeout)) < 0 ||
        loop->clock == WEFT_CLOCK_VIRTUAL)
        loop->real_deadline = real_after(timeout);
    return deadline;
}

static bool is_over(const weft_loop *loop, const struct weft__deadline *deadline)
{
    return deadline->passed ||
           (loop->real_deadline != WEFT_FOREVER && real_now() >= loop->real_deadline);
}

static void drop_deadline(weft_loop *loop, struct weft__deadline *deadline)
{
    loop->real_deadline = WEFT_FOREVER;
    weft__timer_stop(loop, &deadline->timer);
}

/* weft_loop_stop() is for runs: here it would only keep the loop from sleeping. */
static int serve(weft_loop *loop)
{
    loop->stop = false;
    return weft__loop_step(loop);
}

/* ---- What is stuck ---- */

struct collector {
    weft_loop *loop;
    size_t count;
    struct weft_stuck_list *list; /* NULL: only report */
    char *text;                   /* room for strings */
};

static size_t text_size(const struct weft_stuck *stuck)
{
    size_t size = strlen(stuck->name) + 1;
    size += stuck->spawned_at ? strlen(stuck->spawned_at) + 1 : 0;
    return size + (stuck->waits_at ? strlen(stuck->waits_at) + 1 : 0);
}

struct measure {
    size_t count, text;
};

static void measure(void *to, const struct weft_stuck *stuck)
{
    struct measure *measure = to;
    measure->count++;
    measure->text += text_size(stuck);
}

static const char *keep(struct collector *to, const char *text)
{
    if (!text)
        return NULL;
    char *copy = to->text;
    size_t size = strlen(text) + 1;
    memcpy(copy, text, size);
    to->text += size;
    return copy;
}

static void report(void *to, const struct weft_stuck *stuck)
{
    struct collector *collector = to;
    struct weft_error_report report = {
        .what = "still running after the deadline of the shutdown",
        .status = WEFT_ESTUCK,
        .message = stuck->waits_at ? stuck->waits_at : stuck->state,
        .task = stuck->name,
        .spawned_at = stuck->spawned_at,
    };
    collector->count++;
    weft__report(collector->loop, &report);
}

/* Debug mode: what there is before anything is cancelled. */
static void report_left(void *to, const struct weft_stuck *stuck)
{
    struct weft_error_report report = {
        .what = "not ended when the loop was closed",
        .status = -ECANCELED,
        .message = stuck->waits_at,
        .task = stuck->name,
        .spawned_at = stuck->spawned_at,
    };
    weft__report(to, &report);
}

static void add(void *to, const struct weft_stuck *stuck)
{
    struct collector *collector = to;
    struct weft_stuck_list *list = collector->list;
    list->stuck[list->count++] = (struct weft_stuck){
        .kind = stuck->kind,
        .name = keep(collector, stuck->name),
        .spawned_at = keep(collector, stuck->spawned_at),
        .waits_at = keep(collector, stuck->waits_at),
        .state = stuck->state,
    };
}

/* A task, or a call that has outlived its task: nobody else cancels it. */
static bool is_alone(const weft__coro *coro)
{
    return weft__identity(coro) == coro || weft_is_done(&weft__identity(coro)->future);
}

static void list_coroutines(const weft__coro *coro,
                            void (*fn)(void *to, const struct weft_stuck *stuck), void *to)
{
    for (; coro; coro = coro->next) {
        char waits_at[PATH_MAX + 16];
        int line = weft_task_await_line(&coro->future);
        if (!is_alone(coro))
            continue;
        snprintf(waits_at, sizeof(waits_at), "%s:%d", coro->code->file, line);
        struct weft_stuck stuck = {.kind = "task",
                                   .name = weft_task_name(&coro->future),
                                   .spawned_at = coro->spawned_at,
                                   .waits_at = line ? waits_at : NULL};
        fn(to, &stuck);
    }
}

static void list_stuck(weft_loop *loop, void (*fn)(void *to, const struct weft_stuck *stuck),
                       void *to)
{
    list_coroutines(loop->tasks, fn, to);
    list_coroutines(loop->calls, fn, to);
    for (struct weft__part *part = loop->parts; part; part = part->next)
        if (part->ops->list)
            part->ops->list(part, fn, to);
}

/* The list in one block: entries, then strings. */
static struct weft_stuck_list *make_list(weft_loop *loop)
{
    struct measure room = {0};
    list_stuck(loop, measure, &room);
    size_t size =
        sizeof(struct weft_stuck_list) + room.count * sizeof(struct weft_stuck) + room.text;
    struct weft_stuck_list *list = weft__calloc(1, size);
    if (!list)
        return NULL;
    list->stuck = (struct weft_stuck *)(void *)(list + 1);
    struct collector collector = {.list = list, .text = (char *)(list->stuck + room.count)};
    list_stuck(loop, add, &collector);
    return list;
}

/* ---- The phases ---- */

static size_t cancel_unseen(weft__coro *coro)
{
    size_t count = 0;
    while (coro && coro->next)
        coro = coro->next;
    for (; coro; coro = coro->prev) { /* oldest first */
        if (weft__coro_has(coro, WEFT__SEEN_BY_SHUTDOWN) || !is_alone(coro))
            continue;
        weft__coro_set(coro, WEFT__SEEN_BY_SHUTDOWN);
        weft_cancel_because(&coro->future, "the loop shuts down");
        count++;
    }
    return count;
}

static size_t cancel_round(weft_loop *loop)
{
    return cancel_unseen(loop->tasks) + cancel_unseen(loop->calls);
}

static bool any_seen(const weft__coro *coro)
{
    while (coro && !weft__coro_has(coro, WEFT__SEEN_BY_SHUTDOWN))
        coro = coro->next;
    return coro;
}

static bool any_task_seen(const weft_loop *loop)
{
    return any_seen(loop->tasks) || any_seen(loop->calls);
}

static int end_tasks(weft_loop *loop, weft_ns timeout)
{
    int status = 0;
    struct weft__deadline *deadline = set_deadline(loop, &loop->tasks_deadline, timeout);
    while (status == 0 && cancel_round(loop) > 0)
        while (status == 0 && any_task_seen(loop) && !is_over(loop, deadline))
            status = serve(loop);
    drop_deadline(loop, deadline);
    return status;
}

static bool any_part_pending(const weft_loop *loop)
{
    struct weft__part *part = loop->parts;
    while (part && (!part->ops->pending || part->ops->pending(part) == 0))
        part = part->next;
    return part;
}

static int end_parts(weft_loop *loop, weft_ns timeout)
{
    int status = 0;
    struct weft__deadline *deadline = set_deadline(loop, &loop->parts_deadline, timeout);
    for (struct weft__part *part = loop->parts; part; part = part->next)
        part->ops->settle(part);
    bool waits = any_part_pending(loop);
    while (status == 0 && waits && !is_over(loop, deadline)) {
        status = serve(loop);
        cancel_round(loop);
        waits = any_part_pending(loop) || any_task_seen(loop);
    }
    drop_deadline(loop, deadline);
    return status;
}

/* Run what is ready without ever blocking; callbacks are not called any more. */
static void run_out(weft_loop *loop)
{
    weft__loop_take_mail(loop);
    weft__callbacks_end(loop);
    while (loop->ready.head && !weft__loop_is_forked(loop))
        weft__run_out(loop);
}

static void end_leftover(weft_loop *loop)
{
    weft__item *last;
    if (any_part_pending(loop)) {
        weft__defer_frees(weft__mailbox_kept(loop->mailbox));
        weft__slabs_defer(&loop->slabs);
    }
    weft__abandon_coroutines(loop);
    run_out(loop);
    weft__timers_cancel_all(loop);
    weft__cancel_plain(loop);
    weft__syncs_end(loop);
    weft__item *posted = weft__mailbox_close(loop->mailbox, &last);
    weft__loop_queue_mail(loop, posted, last);
    run_out(loop);
}

/* Without any of these there is nothing to serve, and the end is at once. */
static bool needs_ticks(const weft_loop *loop)
{
    return loop->tasks || loop->calls || any_part_pending(loop);
}

int weft_loop_shutdown(weft_loop *loop, const struct weft_shutdown_options *options,
                       struct weft_stuck_list **ret)
{
    static const struct weft_shutdown_options defaults;
    struct collector reporter = {.loop = loop};
    if (ret)
        *ret = NULL;
    if (WEFT__ELSEWHERE(loop->id))
        return weft__elsewhere();
    if (weft__loop_is_busy(loop))
        return -EDEADLK;
    if (loop->phase == WEFT__CLOSED)
        return 0;
    if (needs_ticks(loop) && weft__is_in_host(loop))
        return -EDEADLK;
    if (!options)
        options = &defaults;
    if (options->size != 0 && options->size != sizeof(*options))
        return -EINVAL;
    if (loop->debug) {
        list_stuck(loop, report_left, loop);
        weft__list_plain(loop, weft__debug_report_left);
    }
    loop->phase = WEFT__CLOSING;
    weft__loop_enter(loop);
    int status = end_tasks(loop, options->tasks_timeout);
    int parts_status = status == WEFT_EFORK ? 0 : end_parts(loop, options->jobs_timeout);
    if (status == 0)
        status = parts_status;
    if (status == WEFT_EFORK) {
        weft__loop_leave(loop);
        return status;
    }
    list_stuck(loop, report, &reporter);
    if (reporter.count) {
        status = WEFT_ESTUCK;
        if (ret && !(*ret = make_list(loop)))
            status = -ENOMEM;
    }
    loop->phase = WEFT__CLOSED;
    end_leftover(loop);
    weft__loop_leave(loop);
    return status;
}

/* The last one first: it may stand on those before. */
static void free_parts(weft_loop *loop)
{
    loop->mail_parts = NULL;
    while (loop->parts) {
        struct weft__part **last = &loop->parts;
        while ((*last)->next)
            last = &(*last)->next;
        struct weft__part *part = *last;
        *last = NULL;
        part->ops->free(part);
    }
}

void weft_loop_free(weft_loop *loop)
{
    if (!loop || WEFT__ELSEWHERE(loop->id))
        return;
    int status = weft_loop_shutdown(loop, NULL, NULL);
    if (status == WEFT_EFORK)
        return;
    if (status == -EDEADLK) {
        struct weft_error_report report = {
            .what = weft__loop_is_busy(loop)
                        ? "a running loop cannot be freed"
                        : "a loop with tasks or jobs cannot be freed by a callback of its host",
            .status = -EDEADLK};
        weft__report(loop, &report);
        return;
    }
    weft__loop_enter(loop);
    for (struct weft__part *part = loop->parts; part; part = part->next)
        if (part->ops->give_up)
            part->ops->give_up(part);
    run_out(loop);
    free_parts(loop);
    run_out(loop);
    weft__thread_tasks_end(loop);
    weft__report_unseen(loop);
    weft__defer_frees(NULL);
    weft__loop_destroy(loop);
}

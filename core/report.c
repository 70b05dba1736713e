/* SPDX-License-Identifier: MIT */
/*
 * Reports: failures that nobody observed, and what else must not pass in silence.
 *
 * A report goes to the loop's error handler, or without one to stderr, as one line.
 *
 * A handler that fails itself would be told so for ever: it writes a log by a job, say, and the disk
 * is full. So what it causes while it runs is printed, and so is the failure of whatever it started,
 * however late that comes.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <weft/task.h>

#include "core/cancel.h"
#include "core/context.h"
#include "core/future.h"
#include "core/loop.h"
#include "core/step.h"

static void print_report(const struct weft_error_report *report)
{
    const char *meaning = weft_strerror(report->status);
    bool is_said = strcmp(report->what, meaning) == 0;
    fprintf(stderr, "weft: %s%s%s%s%s: %s%s%s (%s)%s%s\n", report->task ? report->task : "",
            report->spawned_at ? " (started at " : "", report->spawned_at ? report->spawned_at : "",
            report->spawned_at ? ")" : "", report->task ? "" : "loop", report->what,
            is_said ? "" : ": ", is_said ? "" : meaning, weft_error_name(report->status),
            report->message ? ": " : "", report->message ? report->message : "");
    if (report->seed)
        fprintf(stderr, "weft: the loop's seed is %" PRIu64 "\n", report->seed);
}

void weft__report(weft_loop *loop, const struct weft_error_report *report)
{
    struct weft_error_report full = *report;
    if (loop)
        atomic_fetch_add_explicit(&loop->load.reports, 1, memory_order_relaxed);
    full.seed = loop && loop->shuffle ? loop->shuffle->seed : 0;
    if (!loop || !loop->error_fn || loop->reporting) {
        print_report(&full);
        return;
    }
    loop->reporting = true;
    loop->watched |= WEFT__WATCHED_BY_HANDLER;
    loop->error_fn(loop, &full, loop->error_arg);
    loop->watched &= ~(unsigned)WEFT__WATCHED_BY_HANDLER;
    loop->reporting = false;
}

void weft__report_future(weft_future *future, const char *what)
{
    char buffer[512];
    struct weft_error_report report = {
        .what = what,
        .status = future->status,
        .message = future->status == -ECANCELED ? weft__cancel_text(future, buffer, sizeof(buffer))
                                                : weft_message(future),
        .task = weft_task_name(future),
        .spawned_at = weft_task_spawned_at(future),
        .context = future->ops->context ? future->ops->context(future) : weft__context(),
        .task_id = weft_task_id(future),
    };
    if (future->flags & WEFT__OF_HANDLER)
        print_report(&report);
    else
        weft__report(weft__loop, &report);
}

void weft_loop_set_error_handler(weft_loop *loop, weft_error_fn *fn, void *arg)
{
    if (WEFT__ELSEWHERE(loop->id))
        return;
    loop->error_fn = fn;
    loop->error_arg = arg;
}

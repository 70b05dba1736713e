/* SPDX-License-Identifier: MIT */
/* A report of what is blocked, as lines for people and as JSON. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/inspect/blocked.h"

#define BODY "weft__body_" /* of the function that is a coroutine's body */

static bool begins_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* ---- Text ---- */

static bool is_control(unsigned char byte, unsigned char before)
{
    return byte < ' ' || byte == 0x7f || (before == 0xc2 && byte >= 0x80 && byte < 0xa0);
}

static void add(struct weft__text *to, const char *format, ...) WEFT_PRINTF(2, 3);

/* Names may hold anything, and this is for terminals and logs: a line ends where the format says so only. */
static void add(struct weft__text *to, const char *format, ...)
{
    size_t from = to->len, len = strlen(format);
    va_list args;
    va_start(args, format);
    weft__text_vadd(to, format, args);
    va_end(args);
    size_t end = to->len - (to->len > from && len > 0 && format[len - 1] == '\n');
    for (size_t i = from; i < end; i++)
        if (is_control((unsigned char)to->data[i], i > from ? (unsigned char)to->data[i - 1] : 0))
            to->data[i] = '?';
}

static double in_ms(weft_ns time)
{
    return (double)time / (double)WEFT_MS(1);
}

static void add_time(struct weft__text *to, weft_ns time)
{
    if (time < WEFT_S(10))
        add(to, "%.0f ms", in_ms(time));
    else
        add(to, "%.1f s", in_ms(time) / 1e3);
}

/* "task 3 "main_task", spawned at a.c:9, in read_all(), last await at a.c:5" */
static void add_who(struct weft__text *to, const struct weft_blocked_report *report)
{
    if (!report->task) {
        add(to, "%s %s", strchr("ae", report->what[0]) ? "an" : "a", report->what);
        return;
    }
    add(to, "task %" PRIu64 " \"%s\"", report->task_id, report->task);
    if (report->spawned_at)
        add(to, ", spawned at %s", report->spawned_at);
    if (report->function && strcmp(report->function, report->task) != 0)
        add(to, ", in %s()", report->function);
    if (report->awaited_at)
        add(to, ", last await at %s", report->awaited_at);
    else
        add(to, ", no await yet");
}

static void add_job(struct weft__text *to, const struct weft_blocked_report *report)
{
    add(to, "job %s(), lane \"%s\"", report->function ? report->function : "?",
        report->lane ? report->lane : "?");
    if (report->spawned_at)
        add(to, ", started at %s", report->spawned_at);
}

static void add_head(struct weft__text *to, const struct weft_blocked_report *report)
{
    static const char *const loop_is[] = {"is blocked", "is still blocked", "goes on"};
    static const char *const job_is[] = {"runs for too long", "still runs", "has ended"};
    bool is_job = report->kind == WEFT_BLOCKED_JOB;
    add(to, "weft: ");
    if (is_job)
        add_job(to, report);
    else
        add(to, "loop %" PRIu64, report->loop_id);
    add(to, " %s, %s ", (is_job ? job_is : loop_is)[report->stage],
        report->stage == WEFT_BLOCKED_OVER ? "after" : "for");
    add_time(to, report->lasts);
    if (!is_job) {
        add(to, ": ");
        add_who(to, report);
    }
    add(to, "\n");
}

static void add_times(struct weft__text *to, const struct weft_blocked_report *report)
{
    add(to, "weft:   on a CPU for %.0f ms, runnable without one %.0f ms, waiting %.0f ms",
        in_ms(report->on_cpu), in_ms(report->runnable), in_ms(report->waiting));
    if (report->syscall)
        add(to, "; now in %s", report->syscall);
    add(to, "\n");
}

static void add_frame(struct weft__text *to, size_t number, const struct weft_blocked_frame *frame)
{
    add(to, "weft:   #%-2zu ", number);
    size_t prefix = begins_with(frame->function, BODY) ? strlen(BODY) : 0;
    if (frame->function[0])
        add(to, "%s", frame->function + prefix);
    else
        add(to, "%s+0x%" PRIxPTR, frame->module[0] ? frame->module : "?", frame->offset);
    if (frame->file[0])
        add(to, " at %s:%d", frame->file, frame->line);
    else if (frame->function[0])
        add(to, " in %s", frame->module);
    add(to, "%s\n", frame->is_inlined ? " (inlined)" : "");
}

/* What is below is the same in each report on a loop. */
static size_t frames_worth_telling(const struct weft_blocked_report *report)
{
    size_t count = 0;
    while (count < report->frame_count &&
           !begins_with(report->frames[count].function, "run_items") &&
           !begins_with(report->frames[count].function, "run_ready"))
        count++;
    return count;
}

/* A coroutine is two functions, one of which only calls the other. */
static bool is_told_already(const struct weft_blocked_frame *frames, size_t at)
{
    return at > 0 && begins_with(frames[at].function, "weft__resume_") &&
           begins_with(frames[at - 1].function, BODY);
}

static void add_frames(struct weft__text *to, const struct weft_blocked_report *report)
{
    size_t count = frames_worth_telling(report), left = report->frame_count - count;
    for (size_t i = 0; i < count; i++)
        if (!is_told_already(report->frames, i))
            add_frame(to, i, &report->frames[i]);
    if (left)
        add(to, "weft:   (and %zu of the loop itself)\n", left);
    if (report->is_stack_a_guess)
        add(to, "weft:   (frames may be missing or wrong)\n");
    if (report->frame_count == 0)
        add(to, "weft:   (the stack could not be read)\n");
}

void weft__blocked_text(struct weft__text *to, const struct weft_blocked_report *report)
{
    add_head(to, report);
    if (report->stage != WEFT_BLOCKED_OVER) {
        add_times(to, report);
        add_frames(to, report);
    }
    if (report->left_out)
        add(to, "weft:   (%" PRIu64 " more since the last report were left out)\n",
            report->left_out);
}

/* ---- JSON ---- */

static void json_frame(struct weft__text *to, const struct weft_blocked_frame *frame)
{
    char place[256];
    snprintf(place, sizeof(place), "%s:%d", frame->file, frame->line);
    weft__json_open(to, NULL, '{');
    weft__json_string(to, "function", frame->function);
    weft__json_string(to, "at", frame->file[0] ? place : "");
    weft__json_string(to, "module", frame->module);
    weft__json_uint(to, "offset", frame->offset);
    weft__json_bool(to, "is_inlined", frame->is_inlined);
    weft__json_close(to, '}');
}

static void json_who(struct weft__text *to, const struct weft_blocked_report *report)
{
    weft__json_string(to, "what", report->what);
    weft__json_string(to, "task", report->task);
    weft__json_uint(to, "task_id", report->task_id);
    weft__json_uint(to, "parent_id", report->parent_id);
    weft__json_string(to, "function", report->function);
    weft__json_string(to, "spawned_at", report->spawned_at);
    weft__json_string(to, "awaited_at", report->awaited_at);
    weft__json_string(to, "lane", report->lane);
}

static void json_times(struct weft__text *to, const struct weft_blocked_report *report)
{
    weft__json_int(to, "for_ns", report->lasts);
    weft__json_int(to, "on_cpu_ns", report->on_cpu);
    weft__json_int(to, "runnable_ns", report->runnable);
    weft__json_int(to, "waiting_ns", report->waiting);
}

void weft__blocked_json(struct weft__text *to, const struct weft_blocked_report *report)
{
    static const char *const stages[] = {"found", "still", "over"};
    weft__json_open(to, NULL, '{');
    weft__json_string(to, "kind", report->kind == WEFT_BLOCKED_JOB ? "job" : "loop");
    weft__json_string(to, "stage", stages[report->stage]);
    weft__json_uint(to, "serial", report->serial);
    weft__json_int(to, "told_at_ns", report->told_at);
    weft__json_uint(to, "loop", report->loop_id);
    weft__json_int(to, "tid", report->tid);
    json_who(to, report);
    json_times(to, report);
    weft__json_string(to, "syscall", report->syscall);
    weft__json_open(to, "frames", '[');
    for (size_t i = 0; i < report->frame_count; i++)
        json_frame(to, &report->frames[i]);
    weft__json_close(to, ']');
    weft__json_bool(to, "is_stack_a_guess", report->is_stack_a_guess);
    weft__json_uint(to, "left_out", report->left_out);
    weft__json_close(to, '}');
}

/* ---- For callers ---- */

static bool is_valid(const struct weft_blocked_report *report, enum weft_blocked_format format)
{
    return report && report->what && report->stage >= WEFT_BLOCKED_FOUND &&
           report->stage <= WEFT_BLOCKED_OVER && (report->frames || !report->frame_count) &&
           (format == WEFT_BLOCKED_TEXT || format == WEFT_BLOCKED_JSON);
}

int weft_blocked_write(const struct weft_blocked_report *report, enum weft_blocked_format format,
                       char *buffer, size_t size)
{
    struct weft__text text = {.most = INT_MAX - 1};
    if (!is_valid(report, format) || (size && !buffer))
        return -EINVAL;
    if (format == WEFT_BLOCKED_JSON)
        weft__blocked_json(&text, report);
    else
        weft__blocked_text(&text, report);
    int status = text.status < 0 ? text.status : (int)text.len;
    if (status >= 0 && size)
        snprintf(buffer, size, "%s", text.data);
    weft__text_fini(&text);
    return status;
}

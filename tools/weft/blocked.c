/* SPDX-License-Identifier: MIT */
/* weft blocked: what has held up a loop, or a thread of a pool, with the stack. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tools/weft/commands.h"
#include "tools/weft/text.h"

static void show_time(const json_t *report)
{
    char text[32], lasts[32];
    time_t at = (time_t)(number_of(report, "told_at_ns") / 1000000000);
    struct tm local;
    localtime_r(&at, &local);
    strftime(text, sizeof(text), "%H:%M:%S", &local);
    text_duration(lasts, sizeof(lasts), number_of(report, "for_ns"));
    bool is_over = strcmp(text_of(report, "stage"), "over") == 0;
    bool is_job = strcmp(text_of(report, "kind"), "job") == 0;
    text_line(text, is_over ? PLAIN : RED, " %s %s for %s (thread %" PRId64 ")",
              is_job ? "a job" : "a loop", is_over ? "was held up" : "is held up", lasts,
              number_of(report, "tid"));
}

static void show_line(const char *what, const char *text)
{
    if (*text)
        text_line("", PLAIN, "  %-10s %s", what, text);
}

static void show_who(const json_t *report)
{
    char line[TEXT_ROOM];
    const char *task = text_of(report, "task"), *function = text_of(report, "function"),
               *spawned = text_of(report, "spawned_at"), *awaited = text_of(report, "awaited_at");
    snprintf(line, sizeof(line), "%s%s%s%s%s", text_of(report, "what"), *task ? " of " : "", task,
             *function && strcmp(function, task) != 0 ? ", in " : "",
             *function && strcmp(function, task) != 0 ? function : "");
    show_line("by", line);
    if (*awaited)
        show_line("from", text_place(awaited));
    if (*spawned)
        show_line("started at", text_place(spawned));
    show_line("lane", text_of(report, "lane"));
    show_line("in", text_of(report, "syscall"));
}

static void show_times(const json_t *report)
{
    char cpu[32], runnable[32], waiting[32], line[128];
    text_duration(cpu, sizeof(cpu), number_of(report, "on_cpu_ns"));
    text_duration(runnable, sizeof(runnable), number_of(report, "runnable_ns"));
    text_duration(waiting, sizeof(waiting), number_of(report, "waiting_ns"));
    snprintf(line, sizeof(line), "%s on a CPU, %s without one, %s waiting", cpu, runnable, waiting);
    show_line("time", line);
}

/* ---- The stack, without what is the same in each ---- */

static const char body[] = "weft__body_", resume[] = "weft__resume_";

static bool begins_with(const json_t *frame, const char *start)
{
    return strncmp(text_of(frame, "function"), start, strlen(start)) == 0;
}

static void show_frame(const json_t *frame, size_t number)
{
    char line[2 * TEXT_ROOM], what[24];
    const char *function = text_of(frame, "function"), *at = text_of(frame, "at");
    snprintf(what, sizeof(what), "#%zu", number);
    if (*function)
        snprintf(line, sizeof(line), "%s%s%s%s",
                 function + (begins_with(frame, body) ? strlen(body) : 0), *at ? " at " : " in ",
                 *at ? text_place(at) : text_of(frame, "module"),
                 is_true(frame, "is_inlined") ? ", inlined" : "");
    else
        snprintf(line, sizeof(line), "%s+0x%" PRIx64, text_of(frame, "module"),
                 (uint64_t)number_of(frame, "offset"));
    show_line(what, line);
}

/* A coroutine is two functions, one of which only calls the other. */
static bool is_shown_already(const json_t *frames, size_t at)
{
    return at > 0 && begins_with(json_array_get(frames, at), resume) &&
           begins_with(json_array_get(frames, at - 1), body);
}

static void show_frames(const json_t *frames)
{
    size_t count = json_array_size(frames), i = 0;
    for (; i < count; i++) {
        const json_t *frame = json_array_get(frames, i);
        if (begins_with(frame, "run_items") || begins_with(frame, "run_ready"))
            break;
        if (!is_shown_already(frames, i))
            show_frame(frame, i);
    }
    if (i < count)
        printf("  (and %zu of the loop itself)\n", count - i);
}

static void show_one(const json_t *report)
{
    show_time(report);
    show_who(report);
    show_times(report);
    show_frames(json_object_get(report, "frames"));
    if (is_true(report, "is_stack_a_guess"))
        show_line("", "(the stack is a guess)");
    if (number_of(report, "left_out") > 0)
        printf("  (%" PRId64 " more were not reported before)\n", number_of(report, "left_out"));
}

void show_blocked(const json_t *answer)
{
    size_t i;
    json_t *report;
    json_array_foreach(json_object_get(answer, "blocked"), i, report) show_one(report);
    if (i == 0)
        puts("nothing was held up, or no watchdog looks (WEFT_WATCHDOG=100 for 100 ms)");
}

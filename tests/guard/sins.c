/* SPDX-License-Identifier: MIT */
/*
 * Deliberate sins, one for each entry of the list of calls that libweftguard looks for, each committed in
 * a step of a task. All must be caught: the call, its argument, the line, the task, what to use instead.
 *
 * sins [CALL]: this one only.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <weft/guard.h>
#include <weft/task.h>

#include "tests/guard/sins.h"
#include "tests/guard/stage.h"

volatile int sin_line, sin_count;
_Thread_local volatile long sin_result;

static int wrong;

static void complain(const struct sin *sin, const char *what, const char *text)
{
    fprintf(stderr, "%s (%s): %s: %s\n", sin->call, sin->argument, what, text);
    wrong++;
}

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), rest = strlen(end);
    return length >= rest && strcmp(text + length - rest, end) == 0;
}

static void check(const struct sin *sin, const struct weft_guard_report *report)
{
    char line[32];
    snprintf(line, sizeof(line), ".c:%d", sin_line);
    if (strcmp(report->call, sin->call) != 0)
        complain(sin, "another call was reported", report->call);
    if (!strstr(report->argument, sin->argument))
        complain(sin, "the argument", report->argument);
    if (getenv("SINS_HAVE_LINES")
            ? !ends_with(report->place, line) || !strstr(report->place, "sins")
            : !strstr(report->place, "sins"))
        complain(sin, line, report->place);
    if (getenv("SINS_HAVE_LINES") && strncmp(report->function, "commit_", 7) != 0 &&
        strncmp(report->function, "p", 1) != 0)
        complain(sin, "the function", report->function);
    if (strcmp(report->task, "sinner") != 0 || report->task_id != 1)
        complain(sin, "the task", report->task);
    if (!strstr(report->spawned_at, "sins.c:") || !strstr(report->awaited_at, "sins.c:"))
        complain(sin, "its places", report->spawned_at);
    if (!strstr(report->instead, "weft_") || report->took <= 0)
        complain(sin, "what to use instead", report->instead);
}

/* The first report is the sin's; what it did before and after is none. */
static void commit(const struct sin *sin)
{
    struct weft_guard_report report;
    weft_guard_watch *watch = weft_guard_watch_begin(WEFT_GUARD_STEPS);
    int before = sin_count;
    size_t found = 0;
    sin->commit();
    stage_when_blocked(NULL);
    if (sin_count == before)
        complain(sin, "it was not committed", "");
    for (size_t i = 0; weft_guard_watch_get(watch, i, &report); i++) {
        if (strcmp(report.call, sin->call) == 0 && strstr(report.argument, sin->argument)) {
            found++;
            check(sin, &report);
        }
    }
    if (!found)
        complain(sin, "not caught", "");
    weft_guard_watch_end(watch);
}

struct sinner {
    WEFT_FRAME;
    const char *only;
    const struct sin *at;
    size_t list;
    int committed;
};

static const struct sin *const lists[] = {time_sins, io_sins, thread_sins, process_sins,
                                          stdio_sins};

static WEFT_ASYNC(sinner)
{
    WEFT_BEGIN;
    WEFT_YIELD;
    for (self->list = 0; self->list < sizeof(lists) / sizeof(lists[0]); self->list++) {
        for (self->at = lists[self->list]; self->at->call; self->at++) {
            if (self->only && strcmp(self->only, self->at->call) != 0)
                continue;
            commit(self->at);
            self->committed++;
            WEFT_YIELD;
        }
    }
    fprintf(stderr, "%d sins, %d wrong\n", self->committed, wrong);
    WEFT_RETURN(wrong > 0 || self->committed == 0);
    WEFT_END;
}

/* The file system of the files is taken for one on another machine. */
static void pretend_to_be_far(char **argv)
{
    struct statfs system;
    char magic[32];
    if (getenv("WEFT_GUARD_REMOTE") || statfs("/tmp", &system) != 0)
        return;
    snprintf(magic, sizeof(magic), "%lx", (unsigned long)system.f_type);
    setenv("WEFT_GUARD_REMOTE", magic, 1);
    execv("/proc/self/exe", argv);
}

int main(int argc, char **argv)
{
    pretend_to_be_far(argv);
    stage_open();
    int status = weft_run(sinner, .only = argc > 1 ? argv[1] : NULL);
    stage_close();
    return status;
}

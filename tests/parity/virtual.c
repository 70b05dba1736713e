/* SPDX-License-Identifier: MIT */
#include "virtual.h"

#include <stdarg.h>
#include <stdlib.h>

weft_loop *virtual_loop_new(void)
{
    weft_loop *loop = weft_loop_new(&(struct weft_loop_options){.clock = WEFT_CLOCK_VIRTUAL});
    if (!loop) {
        perror("weft_loop_new");
        exit(1);
    }
    return loop;
}

int virtual_run_until(weft_future *main)
{
    weft_loop *loop = weft_loop_current();
    int status = weft_loop_run_until(loop, weft_ref(main));
    if (status < 0)
        fprintf(stderr, "%s: %s\n", weft_task_name(main), outcome(main));
    weft_unref(main);
    weft_loop_free(loop);
    return status < 0;
}

void say(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    printf("[%g] ", (double)weft_now() / (double)WEFT_S(1));
    vprintf(format, args);
    puts("");
    va_end(args);
    fflush(stdout);
}

static void say_text(void *text)
{
    say("%s", (const char *)text);
}

static void say_text_then(weft_future *future, void *text)
{
    (void)future;
    say_text(text);
}

void say_soon(const char *text)
{
    weft_unref(weft_call_soon(say_text, (void *)text));
}

void say_later(int seconds, const char *text)
{
    weft_unref(weft_call_later(WEFT_S(seconds), say_text, (void *)text));
}

void say_when_done(weft_future *future, const char *text)
{
    if (weft_then(weft_ref(future), say_text_then, (void *)text) < 0)
        exit(1);
}

static void say_report(weft_loop *loop, const struct weft_error_report *report, void *arg)
{
    (void)loop;
    (void)arg;
    say("reported: %s", report->message ? report->message : weft_strerror(report->status));
}

void say_reports(void)
{
    weft_loop_set_error_handler(weft_loop_current(), say_report, NULL);
}

const char *truth(bool what)
{
    return what ? "True" : "False";
}

const char *outcome(weft_future *future)
{
    static char texts[4][200];
    static unsigned calls;
    char *text = texts[calls++ % 4];
    int status = weft_future_status(future);
    const char *value = weft_future_value(future).ptr;
    const char *message = weft_message(future);
    if (status == -EINPROGRESS)
        return "pending";
    if (status == -ECANCELED)
        return "cancelled";
    if (status == -ETIMEDOUT)
        return "failed: timed out";
    snprintf(text, sizeof(texts[0]), status < 0 ? "failed: %s" : "returned %s",
             status < 0 ? (message ? message : weft_strerror(status))
                        : (value ? value : "nothing"));
    return text;
}

WEFT_ASYNC(work)
{
    WEFT_BEGIN;
    say("%s begins", self->name);
    WEFT_CATCH(self->status, weft_sleep(WEFT_S(self->seconds)));
    if (self->status < 0) {
        say("%s is cancelled", self->name);
        WEFT_FAIL(self->status);
    }
    if (self->error)
        WEFT_FAIL(-EIO, "%s", self->error);
    say("%s ends", self->name);
    WEFT_RETURN(self->name);
    WEFT_END;
}

WEFT_ASYNC(tidy)
{
    WEFT_BEGIN;
    say("%s begins", self->name);
    WEFT_CATCH(self->status, weft_sleep(WEFT_S(self->seconds)));
    if (self->status < 0) {
        say("%s cleans up", self->name);
        WEFT_AWAIT(weft_sleep(WEFT_S(self->cleanup)));
        say("%s has cleaned up", self->name);
        WEFT_FAIL(self->status);
    }
    say("%s ends", self->name);
    WEFT_END;
}

WEFT_ASYNC(stubborn)
{
    WEFT_BEGIN;
    say("%s begins", self->name);
    WEFT_CATCH(self->status, weft_sleep(WEFT_S(self->seconds)));
    if (self->status == 0)
        say("%s ends", self->name);
    else
        say("%s swallows a cancel", self->name);
    WEFT_RETURN(self->name);
    WEFT_END;
}

WEFT_ASYNC(steps)
{
    WEFT_BEGIN;
    for (self->step = 1; self->step <= self->count; self->step++) {
        say("%s %d", self->name, self->step);
        WEFT_YIELD;
    }
    WEFT_END;
}

WEFT_ASYNC(awaits)
{
    WEFT_BEGIN;
    WEFT_AWAIT(self->future);
    WEFT_END;
}

WEFT_ASYNC(count_ticks)
{
    WEFT_BEGIN;
    for (; !weft_is_done(self->task); self->ticks++)
        WEFT_YIELD;
    say("%s: %s after %d ticks", self->what, outcome(self->task), self->ticks);
    weft_unref(self->task);
    WEFT_END;
}

/* SPDX-License-Identifier: MIT */
/* Guides: testing, and never block the loop: what libweftguard is asked. */
#define _DEFAULT_SOURCE 1
#include <stdio.h>
#include <unistd.h>
#include <weft/guard.h>
#include <weft/weft.h>

/* ---- What is tested: a handler in which somebody left a sleep ---- */

static volatile int handled;

static void reply(void)
{
    usleep(1000);
    handled++;
}

struct handler {
    WEFT_FRAME;
};

static WEFT_ASYNC(handler)
{
    WEFT_BEGIN;
    reply();
    WEFT_END;
}

static void test_that_it_is_caught(weft_loop *loop)
{
    struct weft_guard_report report;
    weft_guard_watch *watch = weft_guard_watch_begin(WEFT_GUARD_STEPS);
    int status = weft_loop_run_until(loop, weft_spawn(handler));
    if (status == 0 && weft_guard_watch_get(watch, 0, &report))
        printf("%s(%s) blocked the task %s: use %s\n", report.call, report.argument, report.task,
               report.instead);
    weft_guard_watch_end(watch);
}

/* ---- What must not block ---- */

static int parse(const char *text)
{
    int number = 0;
    while (*text >= '0' && *text <= '9')
        number = 10 * number + (*text++ - '0');
    return number;
}

static void test_that_it_does_not_block(void)
{
    WEFT_GUARD_MUST_NOT_BLOCK(WEFT_GUARD_EVERYTHING) {
        printf("parsed: %d\n", parse("42"));
    }
    WEFT_GUARD_MUST_CATCH(WEFT_GUARD_EVERYTHING, "usleep") {
        reply();
    }
}

/* ---- What may ---- */

struct starts {
    WEFT_FRAME;
};

static WEFT_ASYNC(starts)
{
    WEFT_BEGIN;
    WEFT_ALLOW_BLOCKING("the configuration is read once, before anybody connects") {
        reply();
    }
    WEFT_END;
}

int main(void)
{
    weft_loop *loop = weft_loop_new(NULL);
    if (!loop)
        return 1;
    test_that_it_is_caught(loop);
    test_that_it_does_not_block();
    if (weft_loop_run_until(loop, weft_spawn(starts)) < 0)
        return 1;
    printf("reported: %d, allowed: %d\n", (int)weft_guard_reported(), (int)weft_guard_allowed());
    weft_loop_free(loop);
    return 0;
}

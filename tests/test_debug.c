/* SPDX-License-Identifier: MIT */
/* Debug mode. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <weft/weft.h>

#include "core/debug.h"
#include "core/loop.h"
#include "tests/support/heap.h"
#include "tests/support/loop.h"
#include "tests/support/trace.h"

TestSuite(debug, .init = weft_test_loop_begin, .timeout = 30);

/* Every report, a line each. */
static char log_text[8192];

static void note(weft_loop *loop, const struct weft_error_report *report, void *arg)
{
    (void)loop;
    (void)arg;
    size_t used = strlen(log_text);
    snprintf(log_text + used, sizeof(log_text) - used, "%s|%s|%s|%s|%s\n",
             report->task ? report->task : "-", report->what, weft_error_name(report->status),
             report->spawned_at ? report->spawned_at : "-",
             report->message ? report->message : "-");
}

static void begin(struct weft_loop_options options)
{
    weft_loop_free(test_loop);
    options.clock = WEFT_CLOCK_VIRTUAL;
    test_loop = weft_loop_new(&options);
    cr_assert_not_null(test_loop);
    weft_loop_set_error_handler(test_loop, note, NULL);
    log_text[0] = 0;
}

static int lines(void)
{
    int count = 0;
    for (const char *at = log_text; (at = strchr(at, '\n')); at++)
        count++;
    return count;
}

/* ---- Slow steps ---- */

struct works {
    WEFT_FRAME;
};

static WEFT_ASYNC(works)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_sleep(1));
    WEFT_YIELD;
    WEFT_FINALLY;
    WEFT_AWAIT(weft_sleep(1));
    WEFT_END;
}

static const char *line_of(int n)
{
    static char text[512];
    const char *at = log_text;
    while (n-- > 0)
        at = strchr(at, '\n') + 1;
    snprintf(text, sizeof(text), "%.*s", (int)strcspn(at, "\n"), at);
    return text;
}

/* With a limit of a nanosecond every step is slow, and no test needs to wait. */
Test(debug, slow_steps_are_named_with_task_place_and_duration)
{
    begin((struct weft_loop_options){.debug = true, .slow_step = 1});
    weft_future *task = weft_spawn(works);
    char spawned_at[300];
    snprintf(spawned_at, sizeof(spawned_at), "|%s|", weft_task_spawned_at(task));
    cr_assert_eq(weft_test_run(task), 0);
    int steps = 0;
    for (int i = 0; i < lines(); i++) {
        const char *line = line_of(i);
        if (strncmp(line, "works|a slow step", 17) != 0)
            continue;
        cr_assert_not_null(strstr(line, "|ETIME|"), "%s", line);
        cr_assert_not_null(strstr(line, spawned_at), "%s", line);
        cr_assert_not_null(strstr(line, " ms, from "), "%s", line);
        cr_assert_not_null(strstr(line, "test_debug.c"), "%s", line);
        if (steps == 0)
            cr_assert_not_null(strstr(line, "from its beginning in "), "%s", line);
        else
            cr_assert_not_null(strstr(line, "from the await at "), "%s", line);
        steps++;
    }
    cr_assert_eq(steps, 4, "%s", log_text);
    begin((struct weft_loop_options){0});
    weft_test_loop_end();
}

Test(debug, a_slow_callback_is_reported)
{
    begin((struct weft_loop_options){.debug = true, .slow_step = 1});
    weft_unref(weft_call_soon(weft_test_mark_call, (void *)"c"));
    weft_test_ticks(1);
    cr_assert_not_null(strstr(log_text, "-|a slow callback"), "%s", log_text);
    begin((struct weft_loop_options){0});
    weft_test_loop_end();
}

struct spins {
    WEFT_FRAME;
};

static WEFT_ASYNC(spins)
{
    WEFT_BEGIN;
    volatile int turns = 0;
    while (turns < 3000000)
        turns++;
    WEFT_END;
}

struct calls {
    WEFT_FRAME;
};

static WEFT_ASYNC(calls)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_call(spins));
    WEFT_END;
}

static double real_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* What is charged twice would add up to more than the time that passed. */
Test(debug, a_step_is_charged_with_its_own_time_only)
{
    begin((struct weft_loop_options){.debug = true, .slow_step = 1});
    double began = real_ms(), charged = 0;
    cr_assert_eq(weft_test_run(weft_spawn(calls)), 0);
    double passed = real_ms() - began;
    for (int i = 0; i < lines(); i++) {
        const char *message = strrchr(line_of(i), '|') + 1;
        charged += strtod(message, NULL) - 0.05; /* it is rounded */
    }
    cr_assert_not_null(strstr(log_text, "spins|a slow step"), "%s", log_text);
    cr_assert_leq(charged, passed);
    begin((struct weft_loop_options){0});
    weft_test_loop_end();
}

Test(debug, steps_that_are_not_slow_are_not_reported)
{
    begin((struct weft_loop_options){.debug = true, .slow_step = WEFT_S(1000)});
    cr_assert_eq(weft_test_run(weft_spawn(works)), 0);
    cr_assert_eq(lines(), 0, "%s", log_text);
    weft_test_loop_end();
}

Test(debug, the_limit_is_a_tenth_of_a_second_unless_told_otherwise)
{
    begin((struct weft_loop_options){.debug = true});
    cr_assert_eq(test_loop->debug->slow_step, WEFT_MS(100));
    weft_test_loop_end();
}

/* ---- What is left ---- */

struct waits {
    WEFT_FRAME;
    weft_future *on;
};

static WEFT_ASYNC(waits)
{
    WEFT_BEGIN;
    WEFT_AWAIT(self->on);
    WEFT_END;
}

static void ignore(weft_future *future, void *arg)
{
    (void)future;
    (void)arg;
}

Test(debug, tasks_and_futures_left_at_close_are_listed_with_where_they_wait)
{
    begin((struct weft_loop_options){.debug = true, .slow_step = WEFT_S(1000)});
    weft_future *awaited = weft_future_new(), *followed = weft_future_new(),
                *alone = weft_future_new();
    weft_unref(weft_spawn(waits, .on = weft_ref(awaited)));
    cr_assert_eq(weft_then(weft_ref(followed), ignore, NULL), 0);
    weft_test_ticks(2);
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    cr_assert_eq(lines(), 4, "%s", log_text);
    cr_assert_not_null(strstr(log_text, "waits|not ended when the loop was closed|ECANCELED|"));
    cr_assert_not_null(strstr(log_text, "|nobody waits for it\n"), "%s", log_text);
    cr_assert_not_null(strstr(log_text, "|a callback or an operation waits for it\n"));
    cr_assert_not_null(strstr(log_text, "|waits waits for it at "), "%s", log_text);
    weft_unref(awaited);
    weft_unref(followed);
    weft_unref(alone);
    weft_test_loop_end();
}

Test(debug, without_it_nothing_of_the_kind_is_reported)
{
    begin((struct weft_loop_options){.slow_step = 1});
    weft_future *alone = weft_future_new();
    weft_unref(weft_spawn(waits, .on = weft_ref(alone)));
    weft_test_ticks(2);
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    cr_assert_eq(lines(), 0, "%s", log_text);
    weft_unref(alone);
    weft_test_loop_end();
}

static weft_future *to_be_dropped;

static void drop_it(weft_loop *loop, const struct weft_error_report *report, void *arg)
{
    (void)loop;
    (void)report;
    (void)arg;
    if (to_be_dropped)
        cr_assert_eq(weft_future_resolve(to_be_dropped, weft_value_i64(0), NULL), 0);
    weft_unref(to_be_dropped);
    to_be_dropped = NULL;
}

Test(debug, a_handler_may_complete_what_it_is_told_of)
{
    begin((struct weft_loop_options){.debug = true, .slow_step = WEFT_S(1000)});
    weft_future *other = weft_future_new();
    to_be_dropped = weft_future_new(); /* the newest is the first to be listed */
    weft_loop_set_error_handler(test_loop, drop_it, NULL);
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    cr_assert_null(to_be_dropped);
    weft_unref(other);
    weft_test_loop_end();
}

/* ---- Switching it on ---- */

static bool is_on_with(const char *value)
{
    if (value)
        setenv("WEFT_DEBUG", value, 1);
    else
        unsetenv("WEFT_DEBUG");
    begin((struct weft_loop_options){0});
    return test_loop->debug;
}

Test(debug, the_environment_switches_it_on)
{
    cr_assert(is_on_with("1"));
    cr_assert(is_on_with("yes"));
    cr_assert_not(is_on_with("0"));
    cr_assert_not(is_on_with(""));
    cr_assert_not(is_on_with(NULL));
    weft_test_loop_end();
}

Test(debug, needs_memory)
{
    struct weft_loop_options options = {.debug = true};
    weft_loop_free(test_loop);
    for (size_t n = 1;; n++) {
        weft_test_heap_fail_at(n);
        test_loop = weft_loop_new(&options);
        weft_test_heap_fail_at(0);
        if (test_loop)
            break;
    }
    weft_test_loop_end();
}

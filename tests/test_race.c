/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <weft/weft.h>

#include "tests/support/loop.h"
#include "tests/support/trace.h"

TestSuite(race, .init = weft_test_loop_begin, .timeout = 20);
TestSuite(first_success, .init = weft_test_loop_begin, .timeout = 20);

static size_t destroyed;

static void destroy(void *ptr)
{
    destroyed++;
    free(ptr);
}

/* Works; cancelled it cleans up, and ends as told. */
struct runner {
    WEFT_FRAME;
    int ms, cleanup_ms;
    int fail;         /* with this at the end */
    int answer;       /* a cancel with this failure; 1: with a value */
    const char *text; /* the value */
    int status;
};

static WEFT_ASYNC(runner)
{
    WEFT_BEGIN;
    weft_test_mark("r");
    WEFT_CATCH(self->status, weft_sleep(WEFT_MS(self->ms)));
    if (self->status < 0 && self->status != -ECANCELED)
        WEFT_FAIL(self->status);
    if (self->status < 0) {
        weft_test_mark("c");
        WEFT_AWAIT(weft_sleep(WEFT_MS(self->cleanup_ms)));
        weft_test_mark("C");
        if (self->answer <= 0)
            WEFT_FAIL(self->answer ? self->answer : -ECANCELED);
    }
    if (self->fail)
        WEFT_FAIL(self->fail, "%s", self->text);
    WEFT_RETURN(strdup(self->text ? self->text : ""), destroy);
    WEFT_END;
}

static int end_of(weft_future *future)
{
    return weft_test_run(weft_ref(future));
}

/* How the race ends; it is consumed. */
static void is_won(weft_future *race, const char *text, ssize_t winner)
{
    cr_assert_eq(end_of(race), 0);
    cr_assert_str_eq(weft_future_value(race).ptr, text);
    cr_assert_eq(weft_race_winner(race), winner);
    weft_unref(race);
}

static void is_lost(weft_future *race, int status, const char *message, ssize_t winner)
{
    cr_assert_eq(end_of(race), status);
    if (message)
        cr_assert_str_eq(weft_message(race), message);
    else
        cr_assert_null(weft_message(race), "%s", weft_message(race));
    cr_assert_eq(weft_race_winner(race), winner);
    weft_unref(race);
}

/* ---- Race ---- */

Test(race, the_first_to_complete_wins)
{
    is_won(weft_race(weft_spawn(runner, .ms = 20, .text = "a"),
                     weft_spawn(runner, .ms = 10, .text = "b")),
           "b", 1);
    cr_assert_eq(weft_now(), WEFT_MS(10));
    weft_test_loop_end();
    cr_assert_eq(destroyed, 1);
}

Test(race, the_losers_are_cancelled_and_awaited)
{
    weft_future *loser = weft_spawn(runner, .ms = 1000, .cleanup_ms = 30);
    is_won(weft_race(weft_ref(loser), weft_spawn(runner, .ms = 10, .text = "b")), "b", 1);
    cr_assert_eq(weft_now(), WEFT_MS(40));
    cr_assert(weft_is_cancelled(loser));
    cr_assert_str_eq(weft_message(loser), "lost the race");
    cr_assert_str_eq(test_trace, "rrcC");
    weft_unref(loser);
    weft_test_loop_end();
}

Test(race, a_failure_wins_too)
{
    is_lost(weft_race(weft_spawn(runner, .ms = 10, .fail = -EIO, .text = "no"),
                      weft_spawn(runner, .ms = 20)),
            -EIO, "no", 0);
    weft_test_loop_end();
}

Test(race, a_cancelled_child_wins_as_cancelled)
{
    weft_future *child = weft_spawn(runner, .ms = 20);
    weft_future *race = weft_race(weft_spawn(runner, .ms = 20), weft_ref(child));
    weft_test_ticks(1);
    cr_assert(weft_cancel(child));
    is_lost(race, -ECANCELED, NULL, 1);
    weft_unref(child);
    weft_test_loop_end();
}

Test(race, done_in_the_same_tick_the_first_of_the_arguments_wins)
{
    is_won(weft_race(weft_spawn(runner, .ms = 10, .text = "a"),
                     weft_spawn(runner, .ms = 10, .text = "b")),
           "a", 0);
    weft_test_loop_end();
    cr_assert_eq(destroyed, 2);
}

Test(race, of_what_is_done_completes_in_a_later_tick)
{
    weft_future *done = weft_future_new();
    cr_assert_eq(weft_future_resolve(done, weft_value_i64(5), NULL), 0);
    weft_future *race = weft_race(weft_sleep(WEFT_S(1)), done);
    cr_assert_not(weft_is_done(race));
    cr_assert_eq(weft_race_winner(race), -EINPROGRESS);
    cr_assert_eq(end_of(race), 0);
    cr_assert_eq(weft_future_value(race).i64, 5);
    cr_assert_eq(weft_now(), 0);
    weft_unref(race);
    weft_test_loop_end();
}

Test(race, the_losers_failures_and_values_count_as_observed)
{
    is_won(weft_race(weft_spawn(runner, .ms = 10, .text = "a"),
                     weft_spawn(runner, .ms = 20, .answer = -EIO),
                     weft_spawn(runner, .ms = 20, .answer = 1)),
           "a", 0);
    cr_assert_eq(test_reports.count, 0);
    cr_assert_eq(destroyed, 2);
    weft_test_loop_end();
}

Test(race, takes_the_same_future_twice)
{
    weft_future *child = weft_spawn(runner, .ms = 20, .text = "a");
    is_won(weft_race(weft_ref(child), child), "a", 0);
    weft_test_loop_end();
}

Test(race, cancelled_cancels_all_and_waits_for_all)
{
    weft_future *race = weft_race(weft_spawn(runner, .ms = 1000, .cleanup_ms = 10),
                                  weft_spawn(runner, .ms = 1000, .cleanup_ms = 30));
    weft_test_ticks(1);
    cr_assert(weft_cancel_because(race, "go"));
    is_lost(race, -ECANCELED, "go", -ENOENT);
    cr_assert_eq(weft_now(), WEFT_MS(30));
    weft_test_loop_end();
}

Test(race, cancelled_is_won_by_a_child_that_answers_with_a_value)
{
    weft_future *race =
        weft_race(weft_spawn(runner, .ms = 1000),
                  weft_spawn(runner, .ms = 1000, .cleanup_ms = 9, .answer = 1, .text = "b"));
    weft_test_ticks(1);
    cr_assert(weft_cancel(race));
    is_won(race, "b", 1);
    weft_test_loop_end();
}

struct awaits {
    WEFT_FRAME;
    weft_future *race; /* consumed */
    int value, status;
};

static WEFT_ASYNC(awaits)
{
    WEFT_BEGIN;
    WEFT_CATCH_INTO(self->status, self->value, self->race);
    weft_test_mark(self->status == 0 ? "v" : "x");
    WEFT_CATCH(self->status, weft_sleep(WEFT_S(1)));
    weft_test_mark(self->status == 0 ? "s" : "X");
    WEFT_RETURN(self->value);
    WEFT_END;
}

Test(race, that_is_won_is_not_lost_to_a_cancel_of_the_task)
{
    weft_future *future = weft_future_new();
    weft_future *task =
        weft_spawn(awaits, .race = weft_race(weft_ref(future), weft_sleep(WEFT_S(5))));
    weft_test_ticks(1);
    cr_assert_eq(weft_future_resolve(future, weft_value_i64(7), NULL), 0);
    cr_assert(weft_cancel(task));
    cr_assert_eq(end_of(task), 0);
    cr_assert_eq(weft_future_value(task).i64, 7);
    cr_assert_str_eq(test_trace, "vX");
    weft_unref(task);
    weft_unref(future);
    weft_test_loop_end();
}

struct deaf {
    WEFT_FRAME;
    int status, cancels;
};

static WEFT_ASYNC(deaf)
{
    WEFT_BEGIN;
    while (self->cancels < 2) {
        WEFT_CATCH(self->status, weft_sleep(WEFT_S(100)));
        self->cancels += self->status < 0;
    }
    WEFT_END;
}

Test(race, cancelled_while_it_waits_for_a_loser_asks_that_once_more)
{
    weft_future *task =
        weft_spawn(awaits, .race = weft_race(weft_sleep(WEFT_MS(10)), weft_spawn(deaf)));
    cr_assert_eq(weft_test_run(weft_sleep(WEFT_MS(20))), 0);
    cr_assert(weft_cancel(task));
    cr_assert_eq(weft_test_run(task), 0);
    cr_assert_str_eq(test_trace, "vX");
    cr_assert_eq(weft_now(), WEFT_MS(20));
    weft_test_loop_end();
}

Test(race, refuses_nothing_and_null)
{
    cr_assert_eq(weft_test_run(weft_race_array(0, NULL)), -EINVAL);
    cr_assert_eq(weft_test_run(weft_race(weft_sleep(1), NULL)), -EINVAL);
    cr_assert_eq(weft_race_winner(NULL), -EINVAL);
    weft_future *other = weft_sleep(1);
    cr_assert_eq(weft_race_winner(other), -EINVAL);
    weft_unref(other);
    weft_test_loop_end();
}

Test(race, under_way_at_the_shutdown_ends)
{
    weft_future *race = weft_race(weft_spawn(runner, .ms = 1000), weft_future_new());
    weft_test_ticks(1);
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    is_lost(race, -ECANCELED, "the loop shuts down", 0);
    weft_test_loop_end();
}

static int scene(void)
{
    return weft_test_run(weft_race(weft_spawn(runner, .ms = 10, .text = "a"),
                                   weft_spawn(runner, .ms = 20, .text = "b")));
}

Test(race, survives_every_lack_of_memory)
{
    weft_test_every_lack_of_memory(scene);
    weft_test_loop_end();
}

/* ---- First success ---- */

Test(first_success, failures_do_not_count)
{
    is_won(weft_first_success(weft_spawn(runner, .ms = 10, .fail = -EIO, .text = "no"),
                              weft_spawn(runner, .ms = 30, .text = "b"),
                              weft_spawn(runner, .ms = 20, .text = "c")),
           "c", 2);
    cr_assert_eq(weft_now(), WEFT_MS(20));
    cr_assert_eq(test_reports.count, 0);
    weft_test_loop_end();
}

Test(first_success, the_losers_are_cancelled_and_awaited)
{
    is_won(weft_first_success(weft_spawn(runner, .ms = 10, .text = "a"),
                              weft_spawn(runner, .ms = 20, .cleanup_ms = 30)),
           "a", 0);
    cr_assert_eq(weft_now(), WEFT_MS(40));
    cr_assert_str_eq(test_trace, "rrcC");
    weft_test_loop_end();
}

Test(first_success, when_all_fail_the_error_names_all)
{
    weft_future *race =
        weft_first_success(weft_spawn(runner, .ms = 20, .fail = -EIO, .text = "b"),
                           weft_spawn(runner, .ms = 10, .fail = -EPIPE, .text = "a"));
    cr_assert_eq(end_of(race), WEFT_EGROUP);
    const weft_errors *errors = weft_future_errors(race);
    cr_assert_eq(weft_errors_count(errors), 2);
    cr_assert_eq(weft_errors_status(errors, 0), -EPIPE);
    cr_assert_str_eq(weft_errors_message(errors, 1), "b");
    cr_assert_not_null(strstr(weft_message(race), "2 of 2 failed: "), "%s", weft_message(race));
    cr_assert_not_null(strstr(weft_message(race), "EPIPE: a; "), "%s", weft_message(race));
    cr_assert_eq(weft_race_winner(race), -ENOENT);
    weft_unref(race);
    cr_assert_eq(test_reports.count, 0);
    weft_test_loop_end();
}

Test(first_success, of_one_fails_as_that_one)
{
    is_lost(weft_first_success(weft_spawn(runner, .fail = -EIO, .text = "no")), -EIO, "no",
            -ENOENT);
    weft_test_loop_end();
}

Test(first_success, when_all_are_cancelled_is_cancelled)
{
    weft_future *a = weft_future_new(), *b = weft_future_new();
    weft_future *race = weft_first_success(weft_ref(a), weft_ref(b));
    cr_assert(weft_cancel(a));
    cr_assert(weft_cancel(b));
    is_lost(race, -ECANCELED, NULL, -ENOENT);
    weft_unref(a);
    weft_unref(b);
    weft_test_loop_end();
}

Test(first_success, one_that_is_cancelled_counts_as_failed)
{
    weft_future *a = weft_future_new();
    weft_future *race =
        weft_first_success(weft_ref(a), weft_spawn(runner, .fail = -EIO, .text = "no"));
    cr_assert(weft_cancel(a));
    cr_assert_eq(end_of(race), WEFT_EGROUP);
    cr_assert(weft_errors_has(weft_future_errors(race), -ECANCELED));
    cr_assert(weft_errors_has(weft_future_errors(race), -EIO));
    weft_unref(a);
    weft_unref(race);
    weft_test_loop_end();
}

Test(first_success, cancelled_cancels_all_and_waits_for_all)
{
    weft_future *race = weft_first_success(weft_spawn(runner, .ms = 1000, .cleanup_ms = 10),
                                           weft_spawn(runner, .ms = 1000, .answer = -EIO));
    weft_test_ticks(1);
    cr_assert(weft_cancel_because(race, "go"));
    is_lost(race, -ECANCELED, "go", -ENOENT);
    cr_assert_eq(weft_now(), WEFT_MS(10));
    weft_test_loop_end();
}

Test(first_success, that_is_won_is_not_lost_to_a_cancel_of_the_task)
{
    weft_future *future = weft_future_new();
    weft_future *task =
        weft_spawn(awaits, .race = weft_first_success(weft_ref(future), weft_sleep(WEFT_S(5))));
    weft_test_ticks(1);
    cr_assert_eq(weft_future_resolve(future, weft_value_i64(7), NULL), 0);
    cr_assert(weft_cancel(task));
    cr_assert_eq(weft_test_run(task), 0);
    cr_assert_str_eq(test_trace, "vX");
    weft_unref(future);
    weft_test_loop_end();
}

Test(first_success, refuses_nothing_and_null)
{
    cr_assert_eq(weft_test_run(weft_first_success_array(0, NULL)), -EINVAL);
    cr_assert_eq(weft_test_run(weft_first_success(NULL)), -EINVAL);
    weft_test_loop_end();
}

static int all_fail(void)
{
    int status = weft_test_run(weft_first_success(weft_spawn(runner, .fail = -EIO, .text = "a"),
                                                  weft_spawn(runner, .fail = -EIO, .text = "b")));
    return status == WEFT_EGROUP ? 0 : status;
}

Test(first_success, survives_every_lack_of_memory)
{
    weft_test_every_lack_of_memory(all_fail);
    weft_test_loop_end();
}

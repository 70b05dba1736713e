/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <weft/weft.h>

#include "core/loop.h"
#include "core/random.h"
#include "tests/support/loop.h"
#include "tests/support/trace.h"

TestSuite(retry, .init = weft_test_loop_begin, .timeout = 20);

/* ---- Attempts ---- */

enum { MAX_ATTEMPTS = 64 };

static struct {
    size_t failures;    /* so many attempts fail, then one succeeds */
    int status;         /* with this */
    int ms, cleanup_ms; /* how long one takes */
    size_t made;
    weft_ns at[MAX_ATTEMPTS]; /* when each was made */
} plan;

struct attempt {
    WEFT_FRAME;
    size_t number;
    int status;
};

static WEFT_ASYNC(attempt)
{
    WEFT_BEGIN;
    WEFT_CATCH(self->status, weft_sleep(WEFT_MS(plan.ms)));
    if (self->status == -ECANCELED)
        WEFT_AWAIT(weft_sleep(WEFT_MS(plan.cleanup_ms)));
    if (self->status < 0)
        WEFT_FAIL(self->status);
    if (self->number < plan.failures)
        WEFT_FAIL(plan.status ? plan.status : -EIO, "attempt %zu", self->number);
    WEFT_RETURN(strdup("done"), free);
    WEFT_END;
}

static weft_future *make(size_t number, void *arg)
{
    (void)arg;
    cr_assert_eq(number, plan.made);
    plan.at[plan.made++] = weft_now();
    return weft_spawn(attempt, .number = number);
}

static int end_of(weft_future *future)
{
    return weft_test_run(weft_ref(future));
}

/* Without jitter. */
static const struct weft_retry_options exact = {.attempts = 5, .jitter = WEFT_RETRY_NONE};

Test(retry, succeeds_at_once_without_a_delay)
{
    weft_future *retry = weft_retry(NULL, make, NULL);
    cr_assert_eq(plan.made, 0);
    cr_assert_eq(end_of(retry), 0);
    cr_assert_str_eq(weft_future_value(retry).ptr, "done");
    cr_assert_eq(plan.made, 1);
    cr_assert_eq(weft_now(), 0);
    weft_unref(retry);
    weft_test_loop_end();
}

Test(retry, tries_again_after_delays_that_grow)
{
    plan.failures = 4;
    cr_assert_eq(weft_test_run(weft_retry(&exact, make, NULL)), 0);
    static const int at[] = {0, 100, 300, 700, 1500};
    for (size_t i = 0; i < 5; i++)
        cr_assert_eq(plan.at[i], WEFT_MS(at[i]));
    cr_assert_eq(test_reports.count, 0);
    weft_test_loop_end();
}

Test(retry, fails_as_the_last_attempt_did)
{
    plan.failures = 9;
    weft_future *retry = weft_retry(&exact, make, NULL);
    cr_assert_eq(end_of(retry), -EIO);
    cr_assert_str_eq(weft_message(retry), "attempt 4");
    cr_assert_eq(plan.made, 5);
    weft_unref(retry);
    weft_test_loop_end();
}

Test(retry, makes_three_attempts_unless_told_otherwise)
{
    plan.failures = 9;
    cr_assert_eq(weft_test_run(weft_retry(NULL, make, NULL)), -EIO);
    cr_assert_eq(plan.made, 3);
    weft_test_loop_end();
}

Test(retry, for_ever_goes_on_until_it_succeeds)
{
    const struct weft_retry_options options = {.attempts = WEFT_RETRY_FOREVER};
    plan.failures = 50;
    cr_assert_eq(weft_test_run(weft_retry(&options, make, NULL)), 0);
    cr_assert_eq(plan.made, 51);
    weft_test_loop_end();
}

Test(retry, no_delay_is_longer_than_the_longest)
{
    const struct weft_retry_options options = {.attempts = 6,
                                               .first_delay = WEFT_S(1),
                                               .max_delay = WEFT_S(5),
                                               .multiplier = 3,
                                               .jitter = WEFT_RETRY_NONE};
    plan.failures = 5;
    cr_assert_eq(weft_test_run(weft_retry(&options, make, NULL)), 0);
    static const int at[] = {0, 1, 4, 9, 14, 19};
    for (size_t i = 0; i < 6; i++)
        cr_assert_eq(plan.at[i], WEFT_S(at[i]));
    weft_test_loop_end();
}

Test(retry, without_delay_tries_again_at_the_next_tick)
{
    const struct weft_retry_options options = {.attempts = 4, .first_delay = WEFT_RETRY_NONE};
    plan.failures = 3;
    cr_assert_eq(weft_test_run(weft_retry(&options, make, NULL)), 0);
    cr_assert_eq(plan.made, 4);
    cr_assert_eq(weft_now(), 0);
    weft_test_loop_end();
}

Test(retry, an_endless_delay_does_not_overflow)
{
    const struct weft_retry_options options = {
        .attempts = 4, .first_delay = WEFT_FOREVER, .max_delay = WEFT_FOREVER, .multiplier = 1e300};
    plan.failures = 1;
    weft_future *retry = weft_retry(&options, make, NULL);
    weft_test_ticks(5);
    cr_assert_eq(plan.made, 1);
    cr_assert(weft_cancel(retry));
    cr_assert_eq(weft_test_run(retry), -ECANCELED);
    weft_test_loop_end();
}

/* ---- Jitter ---- */

Test(retry, jitter_leaves_out_a_part_of_each_delay_and_is_the_same_in_each_run)
{
    weft_ns first_run[3];
    for (int run = 0; run < 2; run++) {
        weft_ns start = weft_now();
        plan.failures = 9;
        plan.made = 0;
        test_loop->random = 42;
        cr_assert_eq(weft_test_run(weft_retry(NULL, make, NULL)), -EIO);
        for (size_t i = 1; i < 3; i++) {
            weft_ns full = i == 1 ? WEFT_MS(100) : WEFT_MS(200);
            weft_ns delay = plan.at[i] - plan.at[i - 1];
            cr_assert(delay > full / 2 && delay < full, "%ld", (long)delay);
            if (run == 0)
                first_run[i] = plan.at[i] - start;
            cr_assert_eq(plan.at[i] - start, first_run[i]);
        }
    }
    weft_test_loop_end();
}

Test(retry, chances_differ_from_one_to_the_next_and_stay_below_one)
{
    double last = -1, sum = 0;
    for (int i = 0; i < 1000; i++) {
        double now = weft__random_fraction(test_loop);
        cr_assert(now >= 0 && now < 1 && now != last);
        sum += last = now;
    }
    cr_assert(sum > 400 && sum < 600, "%f", sum);
    weft_test_loop_end();
}

Test(retry, chances_differ_between_loops_on_the_real_clock)
{
    weft_test_loop_end();
    uint64_t numbers[2];
    for (int i = 0; i < 2; i++) {
        weft_test_loop_begin_real();
        numbers[i] = weft__random(test_loop);
        weft_test_loop_end();
    }
    cr_assert_neq(numbers[0], numbers[1]);
}

Test(retry, chances_come_from_the_loops_seed)
{
    weft_test_loop_end();
    uint64_t numbers[3];
    for (int i = 0; i < 3; i++) {
        const struct weft_loop_options options = {.seed = i < 2 ? 1 : 2};
        weft_loop *loop = weft_loop_new(&options);
        cr_assert_not_null(loop);
        numbers[i] = weft__random(loop);
        weft_loop_free(loop);
    }
    cr_assert_eq(numbers[0], numbers[1]);
    cr_assert_neq(numbers[0], numbers[2]);
}

/* ---- Worth another? ---- */

static bool not_worth(int status, size_t attempt, void *arg)
{
    cr_assert_eq(status, -EPIPE);
    return attempt < *(size_t *)arg;
}

Test(retry, asks_whether_a_failure_is_worth_another_attempt)
{
    struct weft_retry_options options = {.attempts = 9, .should_retry = not_worth};
    size_t worth = 2;
    plan.failures = 9;
    plan.status = -EPIPE;
    cr_assert_eq(weft_test_run(weft_retry(&options, make, &worth)), -EPIPE);
    cr_assert_eq(plan.made, 3);
    weft_test_loop_end();
}

Test(retry, does_not_retry_what_was_cancelled)
{
    plan.failures = 9;
    plan.status = -ECANCELED;
    cr_assert_eq(weft_test_run(weft_retry(&exact, make, NULL)), -ECANCELED);
    cr_assert_eq(plan.made, 1);
    weft_test_loop_end();
}

/* ---- Cancel ---- */

Test(retry, cancelled_before_the_first_attempt_makes_none)
{
    weft_future *retry = weft_retry(NULL, make, NULL);
    cr_assert(weft_cancel(retry));
    cr_assert_eq(weft_test_run(retry), -ECANCELED);
    weft_test_ticks(3);
    cr_assert_eq(plan.made, 0);
    weft_test_loop_end();
}

Test(retry, cancelled_during_a_delay_ends_at_once)
{
    plan.failures = 9;
    weft_future *retry = weft_retry(&exact, make, NULL);
    cr_assert_eq(weft_test_run(weft_sleep(WEFT_MS(50))), 0);
    cr_assert(weft_cancel_because(retry, "go"));
    cr_assert(weft_is_cancelled(retry));
    cr_assert_str_eq(weft_message(retry), "go");
    cr_assert_eq(weft_test_run(retry), -ECANCELED);
    cr_assert_eq(weft_test_run(weft_sleep(WEFT_S(9))), 0);
    cr_assert_eq(plan.made, 1);
    weft_test_loop_end();
}

Test(retry, cancelled_during_an_attempt_cancels_and_awaits_that)
{
    plan.ms = 1000;
    plan.cleanup_ms = 30;
    weft_future *retry = weft_retry(&exact, make, NULL);
    cr_assert_eq(weft_test_run(weft_sleep(WEFT_MS(50))), 0);
    cr_assert(weft_cancel(retry));
    cr_assert_eq(weft_test_run(retry), -ECANCELED);
    cr_assert_eq(weft_now(), WEFT_MS(80));
    cr_assert_eq(plan.made, 1);
    weft_test_loop_end();
}

static weft_future *given(size_t number, void *futures)
{
    plan.made++;
    return weft_ref(((weft_future **)futures)[number]);
}

struct awaits {
    WEFT_FRAME;
    weft_future *retry; /* consumed */
    int status;
};

static WEFT_ASYNC(awaits)
{
    WEFT_BEGIN;
    WEFT_CATCH(self->status, self->retry);
    weft_test_mark(self->status == 0 ? "v" : self->status == -EIO ? "f" : "x");
    WEFT_CATCH(self->status, weft_sleep(WEFT_S(1)));
    weft_test_mark(self->status == 0 ? "s" : "X");
    WEFT_END;
}

static void is_not_lost(int status, const char *trace)
{
    weft_future *future = weft_future_new();
    weft_future *task = weft_spawn(awaits, .retry = weft_retry(&exact, given, &future));
    weft_test_ticks(2);
    if (status < 0)
        cr_assert_eq(weft_future_fail(future, status, NULL), 0);
    else
        cr_assert_eq(weft_future_resolve(future, weft_value_i64(0), NULL), 0);
    cr_assert(weft_cancel(task));
    cr_assert_eq(weft_test_run(task), 0);
    cr_assert_str_eq(test_trace, trace);
    cr_assert_eq(plan.made, 1);
    weft_unref(future);
}

Test(retry, whose_attempt_is_done_is_not_lost_to_a_cancel_of_the_task)
{
    is_not_lost(0, "vX");
    weft_test_loop_end();
}

Test(retry, whose_attempt_has_failed_makes_no_other_after_a_cancel)
{
    is_not_lost(-EIO, "fX");
    weft_test_loop_end();
}

static weft_future *the_retry;

static weft_future *cancels_it(size_t number, void *arg)
{
    cr_assert(weft_cancel(the_retry));
    return make(number, arg);
}

static bool cancels_it_then(int status, size_t attempt, void *arg)
{
    (void)status;
    (void)attempt;
    (void)arg;
    cr_assert(weft_cancel(the_retry));
    return true;
}

Test(retry, cancelled_by_its_own_functions_makes_no_other_attempt)
{
    const struct weft_retry_options options = {.should_retry = cancels_it_then};
    plan.failures = 9;
    plan.ms = 10;
    the_retry = weft_retry(NULL, cancels_it, NULL);
    cr_assert_eq(weft_test_run(the_retry), -ECANCELED);
    cr_assert_eq(plan.made, 1);
    plan.made = 0;
    the_retry = weft_retry(&options, make, NULL);
    cr_assert_eq(weft_test_run(the_retry), -EIO);
    cr_assert_eq(plan.made, 1);
    weft_test_loop_end();
}

static weft_future *nothing(size_t number, void *arg)
{
    (void)number;
    (void)arg;
    return NULL;
}

Test(retry, under_way_at_the_shutdown_ends)
{
    plan.failures = 9;
    weft_future *waits = weft_retry(&exact, make, NULL);
    weft_test_ticks(6);
    weft_future *queued = weft_retry(&exact, nothing, NULL);
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    cr_assert_eq(weft_future_status(waits), -ECANCELED);
    cr_assert(weft_is_done(queued));
    cr_assert_lt(weft_future_status(queued), 0);
    weft_unref(waits);
    weft_unref(queued);
    waits = weft_retry(&exact, make, NULL);
    cr_assert_eq(weft_future_status(waits), -ESHUTDOWN);
    weft_unref(waits);
    weft_test_loop_end();
}

static bool always(int status, size_t number, void *arg)
{
    (void)status;
    (void)number;
    (void)arg;
    return true;
}

static weft_future *make_endless(size_t number, void *arg)
{
    (void)arg;
    plan.made = number + 1;
    return weft_future_new();
}

Test(retry, whose_attempt_ends_with_the_loop_makes_no_other)
{
    struct weft_retry_options options = exact;
    options.should_retry = always;
    weft_future *retry = weft_retry(&options, make_endless, NULL);
    weft_test_ticks(2);
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    cr_assert(weft_is_done(retry));
    cr_assert_eq(weft_future_status(retry), -ECANCELED);
    cr_assert_eq(plan.made, 1);
    weft_unref(retry);
    weft_test_loop_end();
}

/* ---- Misuse, memory ---- */

static void is_refused(const struct weft_retry_options *options)
{
    cr_assert_eq(weft_test_run(weft_retry(options, make, NULL)), -EINVAL);
}

Test(retry, refuses_what_is_out_of_range)
{
    cr_assert_eq(weft_test_run(weft_retry(NULL, NULL, NULL)), -EINVAL);
    is_refused(&(struct weft_retry_options){.size = 1});
    is_refused(&(struct weft_retry_options){.max_delay = -1});
    is_refused(&(struct weft_retry_options){.multiplier = 0.5});
    is_refused(&(struct weft_retry_options){.multiplier = NAN});
    is_refused(&(struct weft_retry_options){.jitter = 1.5});
    is_refused(&(struct weft_retry_options){.jitter = NAN});
    cr_assert_eq(plan.made, 0);
    weft_test_loop_end();
}

Test(retry, a_function_that_makes_nothing_fails)
{
    cr_assert_eq(weft_test_run(weft_retry(NULL, nothing, NULL)), -EINVAL);
    weft_test_loop_end();
}

static int scene(void)
{
    const struct weft_retry_options options = {.attempts = 3};
    plan.failures = 1;
    plan.made = 0;
    return weft_test_run(weft_retry(&options, make, NULL));
}

static weft_future *fails_at_first(size_t number, void *arg)
{
    (void)arg;
    weft_future *future = weft_future_new();
    if (number == 0)
        weft_future_fail(future, -EIO, NULL);
    else
        weft_future_resolve(future, weft_value_i64(1), NULL);
    return future;
}

static int first_timer(void)
{
    return weft_test_run(weft_retry(&exact, fails_at_first, NULL));
}

Test(retry, survives_the_lack_of_memory_for_its_own_timer)
{
    weft_test_every_lack_of_memory(first_timer);
    weft_test_loop_end();
}

static int once(void)
{
    const struct weft_retry_options options = {.attempts = 1};
    plan.failures = plan.made = 0;
    return weft_test_run(weft_retry(&options, make, NULL));
}

Test(retry, survives_every_lack_of_memory)
{
    weft_test_every_lack_of_memory(scene);
    weft_test_every_lack_of_memory(once);
    weft_test_loop_end();
}

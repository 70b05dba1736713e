/* SPDX-License-Identifier: MIT */
/* <weft/testing.h> */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <weft/testing.h>
#include <weft/weft.h>

#include "tests/support/gate.h"
#include "tests/support/loop.h"
#include "tests/support/trace.h"

TestSuite(testing, .init = weft_test_loop_begin, .timeout = 30);

/* ---- Time ---- */

struct naps {
    WEFT_FRAME;
    int times;
    int i;
};

static WEFT_ASYNC(naps)
{
    WEFT_BEGIN;
    for (self->i = 0; self->i < self->times; self->i++) {
        WEFT_AWAIT(weft_sleep(WEFT_S(1)));
        weft_test_mark(".");
    }
    WEFT_END;
}

Test(testing, run_until_blocked_runs_what_is_ready_and_leaves_the_time)
{
    weft_future *task = weft_spawn(naps, .times = 3);
    weft_unref(weft_call_soon(weft_test_mark_call, (void *)"s"));
    cr_assert_eq(weft_testing_run_until_blocked(test_loop), 0);
    cr_assert_str_eq(test_trace, "s");
    cr_assert_eq(weft_now(), 0);
    cr_assert_gt(weft_task_await_line(task), 0);
    weft_unref(task);
    weft_test_loop_end();
}

Test(testing, advance_fires_what_is_due_each_at_its_time)
{
    weft_future *task = weft_spawn(naps, .times = 3);
    cr_assert_eq(weft_testing_advance(test_loop, WEFT_MS(2500)), 0);
    cr_assert_str_eq(test_trace, "..");
    cr_assert_eq(weft_now(), WEFT_MS(2500));
    cr_assert_eq(weft_testing_advance(test_loop, 0), 0);
    cr_assert_eq(weft_testing_advance(test_loop, WEFT_MS(500)), 0);
    cr_assert_str_eq(test_trace, "...");
    cr_assert_eq(weft_future_status(task), 0);
    weft_unref(task);
    weft_test_loop_end();
}

Test(testing, advance_without_timers_only_moves_the_clock)
{
    cr_assert_eq(weft_testing_advance(test_loop, WEFT_S(60)), 0);
    cr_assert_eq(weft_now(), WEFT_S(60));
    weft_test_loop_end();
}

static void stop(void *loop)
{
    weft_loop_stop(loop);
}

Test(testing, advance_that_is_stopped_goes_on_and_never_back)
{
    weft_unref(weft_call_later(WEFT_S(1), stop, test_loop));
    weft_unref(weft_call_later(WEFT_S(1), weft_test_mark_call, (void *)"a"));
    cr_assert_eq(weft_testing_advance(test_loop, WEFT_S(2)), 0);
    cr_assert_eq(weft_now(), WEFT_S(2));
    cr_assert_eq(weft_testing_run_until_blocked(test_loop), 0);
    cr_assert_str_eq(test_trace, "a");
    weft_test_loop_end();
}

struct drives {
    WEFT_FRAME;
};

static WEFT_ASYNC(drives)
{
    WEFT_BEGIN;
    if (weft_testing_run_until_blocked(test_loop) == -EDEADLK &&
        weft_testing_advance(test_loop, 1) == -EDEADLK)
        WEFT_RETURN(1);
    WEFT_END;
}

Test(testing, what_drives_the_loop_is_refused_inside_of_it_and_with_a_real_clock)
{
    weft_future *task = weft_spawn(drives);
    cr_assert_eq(weft_test_run(weft_ref(task)), 0);
    cr_assert_eq(weft_future_value(task).i64, 1);
    weft_unref(task);
    cr_assert_eq(weft_testing_advance(test_loop, -1), -EINVAL);
    weft_test_loop_end();
    weft_test_loop_begin_real();
    cr_assert_eq(weft_testing_run_until_blocked(test_loop), -EINVAL);
    cr_assert_eq(weft_testing_advance(test_loop, 1), -EINVAL);
    weft_test_loop_end();
}

static void *open_gate(void *gate)
{
    gate_wait_entered(gate);
    gate_open(gate);
    return NULL;
}

Test(testing, run_until_blocked_waits_for_jobs_on_other_threads)
{
    struct gate gate;
    pthread_t thread;
    gate_init(&gate);
    weft_future *job = weft_to_thread_fn(NULL, gate_pass, &gate);
    cr_assert_eq(pthread_create(&thread, NULL, open_gate, &gate), 0);
    cr_assert_eq(weft_testing_run_until_blocked(test_loop), 0);
    cr_assert_eq(weft_future_status(job), 0);
    cr_assert_eq(pthread_join(thread, NULL), 0);
    weft_unref(job);
    weft_test_loop_end();
}

/* ---- The seed ---- */

static void has_seed(uint64_t asked, uint64_t expected)
{
    weft_loop_free(test_loop);
    test_loop = weft_testing_loop_new(asked);
    cr_assert_eq(weft_testing_seed(test_loop), expected);
    cr_assert_eq(weft_now(), 0);
}

Test(testing, the_seed_is_the_one_asked_for_or_the_environments)
{
    has_seed(0, 0);
    has_seed(7, 7);
    setenv("WEFT_SEED", "4711", 1);
    has_seed(0, 4711);
    has_seed(7, 7);
    weft_test_loop_end();
}

/* ---- Pools ---- */

struct adds {
    int a, b;
};

static WEFT_BLOCKING(adds)
{
    weft_test_mark("j");
    return weft_ok(self->a + self->b);
}

static weft_pool *use_pool(enum weft_testing_pool how)
{
    weft_pool *pool = weft_testing_pool_new(how);
    cr_assert_not_null(pool);
    cr_assert_eq(weft_loop_set_pool(test_loop, pool), 0);
    return pool;
}

Test(testing, a_job_of_an_inline_pool_runs_at_the_next_tick_on_this_thread)
{
    weft_pool *pool = use_pool(WEFT_TESTING_INLINE);
    weft_future *job = weft_to_thread(adds, .a = 1, .b = 2);
    cr_assert_str_eq(test_trace, "");
    cr_assert_eq(weft_test_run(weft_ref(job)), 0);
    cr_assert_str_eq(test_trace, "j");
    cr_assert_eq(weft_future_value(job).i64, 3);
    struct weft_pool_stats stats;
    weft_pool_get_stats(pool, &stats);
    cr_assert_eq(stats.threads, 0);
    weft_unref(job);
    weft_pool_unref(pool);
    weft_test_loop_end();
}

Test(testing, a_job_that_is_cancelled_before_its_tick_never_runs)
{
    weft_pool *pool = use_pool(WEFT_TESTING_INLINE);
    weft_future *job = weft_to_thread(adds, .a = 1);
    cr_assert(weft_cancel(job));
    cr_assert_eq(weft_loop_set_pool(test_loop, NULL), 0);
    weft_pool_unref(pool);
    cr_assert_eq(weft_test_run(job), -ECANCELED);
    weft_test_ticks(3);
    cr_assert_str_eq(test_trace, "");
    weft_test_loop_end();
}

Test(testing, jobs_of_a_stepped_pool_run_when_they_are_told_to)
{
    weft_pool *pool = use_pool(WEFT_TESTING_STEPPED);
    weft_future *jobs[3];
    for (int i = 0; i < 3; i++)
        jobs[i] = weft_to_thread(adds, .a = i);
    cr_assert_eq(weft_testing_run_until_blocked(test_loop), 0);
    cr_assert_str_eq(test_trace, "");
    cr_assert_eq(weft_testing_pool_step(pool, 2), 2);
    cr_assert_str_eq(test_trace, "jj");
    cr_assert_not(weft_is_done(jobs[0]));
    cr_assert_eq(weft_testing_run_until_blocked(test_loop), 0);
    cr_assert(weft_is_done(jobs[0]) && weft_is_done(jobs[1]) && !weft_is_done(jobs[2]));
    cr_assert_eq(weft_testing_pool_step(pool, 2), 1);
    for (int i = 0; i < 3; i++)
        cr_assert_eq(weft_test_run(jobs[i]), 0);
    weft_pool_unref(pool);
    weft_test_loop_end();
}

Test(testing, a_job_that_waits_to_be_stepped_does_not_hold_up_the_time)
{
    weft_pool *pool = use_pool(WEFT_TESTING_STEPPED);
    weft_future *limited = weft_wait_for(weft_to_thread(adds, .a = 1), WEFT_S(5));
    cr_assert_eq(weft_test_run(limited), -ETIMEDOUT);
    cr_assert_eq(weft_now(), WEFT_S(5));
    cr_assert_eq(weft_testing_pool_step(pool, 1), 0);
    weft_pool_unref(pool);
    weft_test_loop_end();
}

static weft_result look_around(void *arg)
{
    weft_future *future = weft_sleep(1);
    int status = weft_future_status(future);
    weft_unref(future);
    bool no_loop = !weft_loop_current() && status == WEFT_ENOLOOP;
    return weft_ok((weft_post(test_loop, weft_test_mark_call, arg) == 0 && no_loop) ? 1 : 0);
}

Test(testing, a_job_on_the_loops_thread_has_no_loop_as_on_a_worker)
{
    weft_pool *pool = use_pool(WEFT_TESTING_INLINE);
    weft_future *job = weft_to_thread_fn(NULL, look_around, (void *)"p");
    cr_assert_eq(weft_test_run(weft_ref(job)), 0);
    cr_assert_eq(weft_future_value(job).i64, 1);
    cr_assert_eq(weft_loop_current(), test_loop);
    cr_assert_str_eq(test_trace, "p");
    weft_unref(job);
    weft_pool_unref(pool);
    weft_test_loop_end();
}

Test(testing, a_loop_that_ends_drops_the_jobs_that_nobody_stepped)
{
    weft_pool *pool = use_pool(WEFT_TESTING_STEPPED);
    weft_future *job = weft_to_thread(adds, .a = 1);
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    cr_assert_eq(weft_future_status(job), -ECANCELED);
    weft_unref(job);
    cr_assert_eq(weft_testing_pool_step(pool, 9), 0);
    weft_pool_unref(pool);
    weft_test_loop_end();
}

Test(testing, pools_with_threads_are_not_stepped_and_others_do_not_exist)
{
    weft_pool *pool = weft_pool_new(NULL);
    cr_assert_eq(weft_testing_pool_step(pool, 1), 0);
    weft_pool_unref(pool);
    errno = 0;
    cr_assert_null(weft_testing_pool_new((enum weft_testing_pool)99));
    cr_assert_eq(errno, EINVAL);
    weft_test_loop_end();
}

/* ---- Failures ---- */

Test(testing, the_nth_allocation_fails_once)
{
    weft_testing_fail_allocation(2);
    weft_future *first = weft_future_new(), *second = weft_future_new();
    weft_future *third = weft_future_new();
    cr_assert_eq(weft_future_status(first), -EINPROGRESS);
    cr_assert_eq(weft_future_status(second), -ENOMEM);
    cr_assert_eq(weft_future_status(third), -EINPROGRESS);
    cr_assert(weft_testing_allocation_failed());
    weft_unref(first);
    weft_unref(second);
    weft_unref(third);
    weft_testing_fail_allocation(1);
    weft_testing_fail_allocation(0);
    weft_unref(weft_future_new());
    cr_assert_not(weft_testing_allocation_failed());
    weft_test_loop_end();
}

Test(testing, a_call_of_the_system_fails_by_its_name)
{
    weft_stream *a, *b;
    cr_assert_eq(weft_testing_fail_call("socketpair", 1, EMFILE), 0);
    cr_assert_not(weft_testing_call_failed("socketpair"));
    cr_assert_eq(weft_testing_stream_pair(&a, &b), -EMFILE);
    cr_assert_null(a);
    cr_assert_null(b);
    cr_assert(weft_testing_call_failed("socketpair"));
    cr_assert_eq(weft_testing_stream_pair(&a, &b), 0);
    cr_assert_eq(weft_testing_fail_call("sendmsg", 2, ECONNRESET), 0);
    cr_assert_eq(weft_write(a, "x", 1), 0);
    cr_assert_eq(weft_write(a, "y", 1), -ECONNRESET);
    weft_stream_free(a);
    weft_stream_free(b);
    weft_test_loop_end();
}

Test(testing, a_call_that_returns_its_error_fails_too)
{
    weft_pool *pool = weft_pool_new(&(struct weft_pool_options){.max_threads = 1});
    cr_assert_eq(weft_loop_set_pool(test_loop, pool), 0);
    cr_assert_eq(weft_testing_fail_call("pthread_create", 1, EAGAIN), 0);
    cr_assert_eq(weft_test_run(weft_to_thread(adds, .a = 1)), -EAGAIN);
    cr_assert_eq(weft_test_run(weft_to_thread(adds, .a = 1)), 0);
    weft_pool_unref(pool);
    weft_test_loop_end();
}

Test(testing, names_that_do_not_exist_are_refused)
{
    cr_assert_eq(weft_testing_fail_call("accept5", 1, EIO), -ENOENT);
    cr_assert_eq(weft_testing_fail_call(NULL, 1, EIO), -ENOENT);
    cr_assert_not(weft_testing_call_failed("accept5"));
    cr_assert_not(weft_testing_call_failed(NULL));
    weft_test_loop_end();
}

Test(testing, a_loop_is_not_made_when_one_of_its_calls_fails)
{
    static const char *const calls[] = {"timerfd_create",
#ifdef WEFT_WAKEUP_EVENTFD
                                        "eventfd"
#else
                                        "pipe2"
#endif
    };
    weft_loop_free(test_loop);
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        cr_assert_eq(weft_testing_fail_call(calls[i], 1, ENFILE), 0);
        cr_assert_null(weft_testing_loop_new(0));
        cr_assert_eq(errno, ENFILE);
    }
    test_loop = weft_testing_loop_new(0);
    weft_test_loop_end();
}

/* ---- Streams ---- */

struct echoes {
    WEFT_FRAME;
    weft_stream *stream;
    char byte;
};

static WEFT_ASYNC(echoes)
{
    int status;
    WEFT_BEGIN;
    for (;;) {
        WEFT_CATCH(status, weft_read_exactly(self->stream, &self->byte, 1));
        if (status < 0)
            break;
        weft_write(self->stream, &self->byte, 1);
    }
    WEFT_FINALLY;
    weft_stream_free(self->stream);
    WEFT_END;
}

Test(testing, a_pair_of_streams_carries_bytes_both_ways_while_the_time_stands_still)
{
    weft_stream *a, *b;
    char answer[3] = "";
    cr_assert_eq(weft_testing_stream_pair(&a, &b), 0);
    weft_future *echo = weft_spawn(echoes, .stream = b);
    cr_assert_eq(weft_write(a, "hi", 2), 0);
    weft_future *read = weft_read_exactly(a, answer, 2);
    cr_assert_eq(weft_testing_run_until_blocked(test_loop), 0);
    cr_assert_eq(weft_future_status(read), 0);
    cr_assert_str_eq(answer, "hi");
    cr_assert_eq(weft_now(), 0);
    weft_unref(read);
    weft_stream_free(a);
    cr_assert_eq(weft_testing_run_until_blocked(test_loop), 0);
    cr_assert(weft_is_done(echo));
    weft_unref(echo);
    weft_test_loop_end();
}

enum { MUCH = 3000000 };

struct sends {
    WEFT_FRAME;
    weft_stream *stream;
    int left;
};

static WEFT_ASYNC(sends)
{
    static const char bytes[1000];
    WEFT_BEGIN;
    for (self->left = MUCH; self->left > 0; self->left -= 1000) {
        if (weft_write(self->stream, bytes, 1000) < 0)
            WEFT_FAIL(-EIO);
        WEFT_AWAIT(weft_drain(self->stream));
    }
    WEFT_END;
}

Test(testing, run_until_blocked_moves_all_bytes_that_can_move)
{
    weft_stream *a, *b;
    char *much = malloc(MUCH);
    cr_assert_eq(weft_testing_stream_pair(&a, &b), 0);
    weft_future *sent = weft_spawn(sends, .stream = a);
    weft_future *got = weft_read_exactly(b, much, MUCH);
    cr_assert_eq(weft_testing_run_until_blocked(test_loop), 0);
    cr_assert_eq(weft_future_status(sent), 0);
    cr_assert_eq(weft_future_status(got), 0);
    weft_unref(sent);
    weft_unref(got);
    weft_stream_free(a);
    weft_stream_free(b);
    free(much);
    weft_test_loop_end();
}

static int make_pair(void)
{
    weft_stream *a, *b;
    int status = weft_testing_stream_pair(&a, &b);
    weft_stream_free(a);
    weft_stream_free(b);
    return status;
}

Test(testing, a_pair_of_streams_survives_every_lack_of_memory)
{
    weft_test_every_lack_of_memory(make_pair);
    weft_test_loop_end();
    weft_stream *a, *b;
    cr_assert_eq(weft_testing_stream_pair(&a, &b), WEFT_ENOLOOP);
}

/* SPDX-License-Identifier: MIT */
/*
 * Offloading as a coroutine sees it. Time is virtual: it stands still while jobs run.
 */
#include <criterion/criterion.h>

#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft/pool.h>
#include <weft/weft.h>

#include "tests/support/gate.h"
#include "tests/support/heap.h"
#include "tests/support/loop.h"
#include "tests/support/trace.h"

TestSuite(to_thread, .init = weft_test_loop_begin, .timeout = 30);

/* ---- Blocking functions ---- */

struct add {
    int a, b;
};

static WEFT_BLOCKING(add)
{
    return weft_ok(self->a + self->b);
}

struct ran_on {
    pthread_t *thread;
};

static WEFT_BLOCKING(ran_on)
{
    *self->thread = pthread_self();
    return weft_ok(0);
}

struct fail {
    int status;
};

static WEFT_BLOCKING(fail)
{
    return weft_errf(self->status, "status %d", self->status);
}

/* Its first member is a struct: {0} must do for that as well. */
struct nothing {
    struct add unused;
};

static WEFT_BLOCKING(nothing)
{
    return weft_ok(11);
}

static atomic_int destroyed;

static void destroy(void *ptr)
{
    free(ptr);
    atomic_fetch_add(&destroyed, 1);
}

struct copy_text {
    const char *text;
};

static WEFT_BLOCKING(copy_text)
{
    return weft_ok(strdup(self->text), destroy);
}

/* ---- What comes back ---- */

struct adder {
    WEFT_FRAME;
    int sum;
};

static WEFT_ASYNC(adder)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->sum, weft_to_thread(add, .a = 2, .b = 3));
    WEFT_RETURN(self->sum);
    WEFT_END;
}

static int64_t number_of(weft_future *future)
{
    weft_ref(future);
    cr_assert_eq(weft_test_run(future), 0);
    int64_t number = weft_future_value(future).i64;
    weft_unref(future);
    return number;
}

Test(to_thread, gives_the_function_its_arguments_and_the_caller_its_value)
{
    cr_assert_eq(number_of(weft_spawn(adder)), 5);
    weft_test_loop_end();
}

Test(to_thread, needs_no_arguments)
{
    cr_assert_eq(number_of(weft_to_thread(nothing)), 11);
    weft_test_loop_end();
}

Test(to_thread, runs_on_another_thread)
{
    pthread_t thread = pthread_self();
    cr_assert_eq(weft_test_run(weft_to_thread(ran_on, .thread = &thread)), 0);
    cr_assert_not(pthread_equal(thread, pthread_self()));
    weft_test_loop_end();
}

static weft_result return_nine(void *unused)
{
    (void)unused;
    return weft_ok(9);
}

/* The options given, taken by each way to start a job. */
static void expect_all(const struct weft_job_options *options, int first, int second)
{
    cr_assert_eq(number_of(weft_offload(options, add, .a = 2, .b = 2)), first);
    cr_assert_eq(number_of(weft_offload_fn(options, return_nine, NULL)), second);
}

Test(to_thread, runs_in_the_lane_that_is_named)
{
    weft_pool *pool = weft_pool_new(NULL), *other = weft_pool_new(NULL);
    cr_assert_eq(weft_loop_set_pool(test_loop, pool), 0);
    weft_lane *lane = weft_pool_lane(pool, "default"), *foreign = weft_pool_lane(other, "default");
    cr_assert_eq(number_of(weft_to_thread_in(lane, add, .a = 1, .b = 2)), 3);
    cr_assert_eq(number_of(weft_to_thread_in(NULL, nothing)), 11);
    expect_all(&(struct weft_job_options){.lane = lane}, 4, 9);
    cr_assert_eq(weft_test_run(weft_to_thread_in(foreign, nothing)), -EINVAL);
    weft_pool_unref(pool);
    weft_pool_unref(other);
    weft_test_loop_end();
}

Test(to_thread, takes_options_of_this_version_only)
{
    struct weft_job_options options = {.size = sizeof(options)};
    expect_all(&options, 4, 9);
    options.size++;
    cr_assert_eq(weft_test_run(weft_offload(&options, nothing)), -EINVAL);
    cr_assert_eq(weft_test_run(weft_offload_fn(&options, return_nine, NULL)), -EINVAL);
    weft_test_loop_end();
}

Test(to_thread, runs_a_function_that_exists_already)
{
    struct gate gate;
    gate_init(&gate);
    gate_open(&gate);
    cr_assert_eq(number_of(weft_to_thread_fn(NULL, gate_pass, &gate)), 7);
    weft_test_loop_end();
}

static void note_thread(weft_future *future, void *arg)
{
    (void)future;
    *(pthread_t *)arg = pthread_self();
}

Test(to_thread, continues_on_the_loops_thread_and_never_inside_the_call)
{
    struct gate gate;
    pthread_t thread = 0;
    gate_init(&gate);
    gate_open(&gate);
    weft_future *job = weft_to_thread_fn(NULL, gate_pass, &gate);
    gate_wait_entered(&gate);
    cr_assert_not(weft_is_done(job));
    cr_assert_eq(weft_then(weft_ref(job), note_thread, &thread), 0);
    cr_assert_eq(weft_test_run(job), 0);
    cr_assert_eq(weft_test_run(weft_sleep(0)), 0);
    cr_assert(pthread_equal(thread, pthread_self()));
    weft_test_loop_end();
}

struct failing {
    WEFT_FRAME;
    int unused;
};

static WEFT_ASYNC(failing)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_to_thread(fail, .status = -EIO));
    WEFT_END;
}

Test(to_thread, fails_with_the_functions_error_and_message)
{
    weft_future *task = weft_spawn(failing);
    cr_assert_eq(weft_test_run(weft_ref(task)), -EIO);
    cr_assert_str_eq(weft_message(task), "status -5");
    weft_unref(task);
    weft_test_loop_end();
}

Test(to_thread, reports_a_failure_that_nobody_observed_by_name_and_place)
{
    char place[256];
    snprintf(place, sizeof(place), "%s:%d", __FILE__, __LINE__ + 1);
    weft_unref(weft_to_thread(fail, .status = -EIO));
    while (!test_reports.count)
        cr_assert_eq(weft_test_run(weft_to_thread(add)), 0);
    cr_assert_eq(test_reports.count, 1);
    cr_assert_eq(test_reports.status, -EIO);
    cr_assert_str_eq(test_reports.task, "fail");
    cr_assert_str_eq(test_reports.spawned_at, place);
    cr_assert_str_eq(test_reports.message, "status -5");
    weft_test_loop_end();
}

Test(to_thread, destroys_a_value_that_nobody_took)
{
    cr_assert_eq(weft_test_run(weft_to_thread(copy_text, .text = "abc")), 0);
    cr_assert_eq(atomic_load(&destroyed), 1);
    weft_test_loop_end();
}

Test(to_thread, hands_a_value_with_its_destructor_to_who_takes_it)
{
    weft_value value;
    weft_future *job = weft_to_thread(copy_text, .text = "abc");
    cr_assert_eq(weft_test_run(weft_ref(job)), 0);
    cr_assert_eq(weft_future_take(job, &value), 0);
    weft_unref(job);
    cr_assert_str_eq(value.ptr, "abc");
    cr_assert_eq(atomic_load(&destroyed), 0);
    destroy(value.ptr);
    weft_test_loop_end();
}

Test(to_thread, goes_on_when_the_reference_is_dropped)
{
    struct gate gate;
    gate_init(&gate);
    weft_unref(weft_to_thread_fn(NULL, gate_pass, &gate));
    gate_wait_entered(&gate);
    gate_open(&gate);
    weft_test_loop_end();
}

/* ---- What does not start ---- */

Test(to_thread, fails_without_a_loop)
{
    weft_test_loop_end();
    weft_future *job = weft_to_thread(add, .a = 1);
    cr_assert_eq(weft_future_status(job), WEFT_ENOLOOP);
    weft_unref(job);
}

Test(to_thread, fails_without_a_function)
{
    weft_result (*none)(void *) = NULL;
    cr_assert_eq(weft_test_run(weft_to_thread_fn(NULL, none, NULL)), -EINVAL);
    weft_test_loop_end();
}

Test(to_thread, refuses_jobs_once_the_loop_was_shut_down)
{
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    weft_future *first = weft_to_thread(add);
    cr_assert_eq(weft_future_status(first), -ESHUTDOWN);
    weft_unref(first);
    weft_test_loop_end();
}

Test(to_thread, fails_cleanly_at_each_allocation_that_fails)
{
    size_t nth = 0;
    do {
        weft_test_heap_fail_at(++nth);
        weft_future *job = weft_to_thread(add, .a = 1, .b = 2);
        int status = weft_test_run(job);
        cr_assert(status == 0 || status == -ENOMEM, "status %d", status);
    } while (weft_test_heap_failed());
    cr_assert_gt(nth, 2);
    weft_test_heap_fail_at(0);
    weft_test_loop_end();
}

static int start_each_way(void)
{
    weft_future *jobs[] = {weft_to_thread_in(NULL, add, .a = 1), weft_offload(NULL, add, .a = 1),
                           weft_offload_fn(NULL, return_nine, NULL)};
    int worst = 0;
    for (size_t i = 0; i < 3; i++) {
        int status = weft_test_run(jobs[i]);
        worst = status < worst ? status : worst;
    }
    return worst;
}

Test(to_thread, survives_the_failure_of_any_allocation_whichever_way_it_is_started)
{
    weft_test_every_lack_of_memory(start_each_way);
    weft_test_loop_end();
}

static atomic_int calls_into_heap;

static void *counting_malloc(size_t size)
{
    atomic_fetch_add(&calls_into_heap, 1);
    return malloc(size);
}

Test(to_thread, costs_one_allocation_a_job)
{
    weft_test_loop_end();
    weft_set_allocator(&(struct weft_allocator){counting_malloc, realloc, free});
    weft_loop *loop = weft_loop_new(NULL);
    weft_loop_run_until(loop, weft_to_thread(add));
    int before = atomic_load(&calls_into_heap);
    for (int i = 0; i < 10; i++)
        weft_loop_run_until(loop, weft_to_thread(add, .a = i));
    cr_assert_eq(atomic_load(&calls_into_heap) - before, 10);
    weft_loop_free(loop);
}

/* ---- Cancelling ---- */

struct waiter {
    WEFT_FRAME;
    struct gate *gate;
    int64_t number;
    int status;
    unsigned cancelling;
};

static WEFT_ASYNC(waiter)
{
    WEFT_BEGIN;
    WEFT_CATCH_INTO(self->status, self->number, weft_to_thread_fn(NULL, gate_pass, self->gate));
    if (self->status < 0)
        WEFT_FAIL(self->status);
    WEFT_RETURN(self->number * 10 + weft_cancelling(weft_current_task()));
    WEFT_END;
}

Test(to_thread, waits_for_a_running_job_that_is_cancelled_and_keeps_its_result)
{
    struct gate gate;
    gate_init(&gate);
    weft_future *task = weft_spawn(waiter, .gate = &gate);
    cr_assert_eq(weft_test_run(weft_sleep(0)), 0);
    gate_wait_entered(&gate);
    cr_assert(weft_cancel(task));
    cr_assert_eq(weft_test_run(weft_sleep(0)), 0);
    cr_assert_not(weft_is_done(task));
    gate_open(&gate);
    cr_assert_eq(number_of(task), 71);
    weft_test_loop_end();
}

static void use_pool(unsigned max_threads, size_t max_queued)
{
    struct weft_pool_options options = {.max_threads = max_threads, .max_queued = max_queued};
    weft_pool *pool = weft_pool_new(&options);
    cr_assert_eq(weft_loop_set_pool(test_loop, pool), 0);
    weft_pool_unref(pool);
}

Test(to_thread, never_runs_a_queued_job_that_is_cancelled)
{
    struct gate gate, never;
    gate_init(&gate);
    gate_init(&never);
    use_pool(1, 0);
    weft_future *running = weft_to_thread_fn(NULL, gate_pass, &gate);
    weft_future *task = weft_spawn(waiter, .gate = &never);
    gate_wait_entered(&gate);
    cr_assert_eq(weft_test_run(weft_sleep(0)), 0);
    cr_assert(weft_cancel(task));
    cr_assert_eq(weft_test_run(task), -ECANCELED);
    gate_open(&gate);
    cr_assert_eq(weft_test_run(running), 0);
    cr_assert_eq(weft_test_run(weft_to_thread(add)), 0);
    cr_assert_eq(sem_trywait(&never.entered), -1);
    weft_test_loop_end();
}

Test(to_thread, tells_why_a_queued_job_was_cancelled)
{
    struct gate gate;
    gate_init(&gate);
    use_pool(1, 0);
    weft_future *running = weft_to_thread_fn(NULL, gate_pass, &gate);
    weft_future *queued = weft_to_thread(add);
    cr_assert(weft_cancel_because(queued, "not needed"));
    cr_assert(weft_is_cancelled(queued));
    cr_assert_str_eq(weft_message(queued), "not needed");
    cr_assert_not(weft_cancel(queued));
    weft_unref(queued);
    gate_open(&gate);
    cr_assert_eq(weft_test_run(running), 0);
    weft_test_loop_end();
}

Test(to_thread, removes_cancelled_jobs_from_anywhere_in_the_queue)
{
    struct gate gate;
    gate_init(&gate);
    use_pool(1, 0);
    weft_future *running = weft_to_thread_fn(NULL, gate_pass, &gate);
    weft_future *jobs[5];
    for (int i = 0; i < 5; i++)
        jobs[i] = weft_to_thread(add, .a = i);
    gate_wait_entered(&gate);
    weft_cancel(jobs[2]);
    weft_cancel(jobs[0]);
    weft_cancel(jobs[4]);
    gate_open(&gate);
    cr_assert_eq(number_of(jobs[1]), 1);
    cr_assert_eq(number_of(jobs[3]), 3);
    for (int i = 0; i < 5; i += 2)
        cr_assert_eq(weft_test_run(jobs[i]), -ECANCELED);
    cr_assert_eq(weft_test_run(running), 0);
    weft_test_loop_end();
}

Test(to_thread, delivers_a_result_that_was_ready_before_the_cancel)
{
    struct gate gate;
    gate_init(&gate);
    gate_open(&gate);
    weft_future *job = weft_to_thread_fn(NULL, gate_pass, &gate);
    gate_wait_entered(&gate);
    weft_cancel(job);
    cr_assert_eq(number_of(job), 7);
    weft_test_loop_end();
}

/* ---- Bounds ---- */

Test(to_thread, fails_at_once_when_the_lane_is_full)
{
    struct gate gate;
    gate_init(&gate);
    use_pool(1, 2);
    weft_future *running = weft_to_thread_fn(NULL, gate_pass, &gate);
    gate_wait_entered(&gate);
    weft_future *first = weft_to_thread(add, .a = 1);
    weft_future *second = weft_to_thread(add, .a = 2);
    weft_future *third = weft_to_thread(add, .a = 3);
    cr_assert_eq(weft_future_status(third), -EAGAIN);
    weft_unref(third);
    weft_cancel(first);
    weft_future *fourth = weft_to_thread(add, .a = 4);
    gate_open(&gate);
    cr_assert_eq(number_of(second), 2);
    cr_assert_eq(number_of(fourth), 4);
    cr_assert_eq(weft_test_run(running), 0);
    weft_unref(first);
    weft_test_loop_end();
}

static void post_back(void *arg)
{
    sem_post(arg);
}

struct go_back_and_forth {
    weft_loop *loop;
    int rounds;
};

static WEFT_BLOCKING(go_back_and_forth)
{
    sem_t seen;
    sem_init(&seen, 0, 0);
    for (int i = 0; i < self->rounds; i++) {
        if (weft_post(self->loop, post_back, &seen) < 0)
            return weft_err(-EPIPE);
        sem_wait(&seen);
    }
    return weft_ok(self->rounds);
}

Test(to_thread, lets_virtual_time_stand_still_while_a_job_runs)
{
    weft_future *hour = weft_sleep(WEFT_S(3600));
    weft_future *job = weft_to_thread(go_back_and_forth, .loop = test_loop, .rounds = 50);
    cr_assert_eq(number_of(job), 50);
    cr_assert_eq(weft_now(), 0);
    cr_assert_not(weft_is_done(hour));
    cr_assert_eq(weft_test_run(hour), 0);
    cr_assert_eq(weft_now(), WEFT_S(3600));
    weft_test_loop_end();
}

static void open_gate(void *gate)
{
    gate_open(gate);
}

Test(to_thread, lets_what_is_due_go_on_though_virtual_time_stands_still)
{
    struct gate gate;
    gate_init(&gate);
    weft_future *job = weft_to_thread_fn(NULL, gate_pass, &gate);
    weft_unref(weft_call_later(0, open_gate, &gate));
    cr_assert_eq(number_of(job), 7);
    cr_assert_eq(weft_now(), 0);
    weft_test_loop_end();
}

static void break_base(weft_future *future, void *base)
{
    (void)future;
    event_base_loopbreak(base);
}

Test(to_thread, wakes_the_hosts_loop_when_attached)
{
    weft_test_loop_end();
    struct event_base *base = event_base_new();
    weft_loop *loop = weft_loop_attach(base);
    weft_future *job = weft_to_thread(add, .a = 3, .b = 4);
    cr_assert_eq(weft_then(weft_ref(job), break_base, base), 0);
    cr_assert_eq(event_base_loop(base, EVLOOP_NO_EXIT_ON_EMPTY), 0);
    cr_assert_eq(weft_future_value(job).i64, 7);
    weft_unref(job);
    weft_loop_free(loop);
    event_base_free(base);
}

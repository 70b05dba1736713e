/* SPDX-License-Identifier: MIT */
/* Tasks that other threads start and wait for. */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <weft/weft.h>

#include "tests/support/beside.h"
#include "tests/support/loop.h"
#include "tests/support/pool.h"
#include "tests/support/trace.h"

TestSuite(thread_task, .init = weft_test_loop_begin_real, .timeout = 20);

#define LONG WEFT_S(1000)

static atomic_int destroyed;

static void destroy(void *ptr)
{
    atomic_fetch_add(&destroyed, 1);
    free(ptr);
}

/* Adds on the loop's thread. */
struct add {
    WEFT_FRAME;
    int a, b;
    pthread_t thread;
};

static WEFT_ASYNC(add)
{
    WEFT_BEGIN;
    self->thread = pthread_self();
    WEFT_YIELD;
    if (!pthread_equal(self->thread, pthread_self()) || weft_loop_current() != test_loop)
        WEFT_FAIL(-EIO);
    WEFT_RETURN(self->a + self->b);
    WEFT_END;
}

/* Sleeps for long; cancelled, it says so and, if it is told to, waits for `on`. */
struct sleeps {
    WEFT_FRAME;
    sem_t *entered;
    weft_event *on; /* borrowed */
    bool swallows;
    int status;
};

static WEFT_ASYNC(sleeps)
{
    WEFT_BEGIN;
    sem_post(self->entered);
    WEFT_CATCH(self->status, weft_sleep(LONG));
    if (self->on)
        WEFT_AWAIT(weft_event_wait(self->on));
    weft_test_mark("ended ");
    if (self->swallows)
        WEFT_RETURN(7);
    WEFT_FAIL(self->status);
    WEFT_END;
}

struct returns_text {
    WEFT_FRAME;
    int unused;
};

static WEFT_ASYNC(returns_text)
{
    WEFT_BEGIN;
    WEFT_RETURN(strdup("text"), destroy);
    WEFT_END;
}

struct fails {
    WEFT_FRAME;
    int status;
};

static WEFT_ASYNC(fails)
{
    WEFT_BEGIN;
    WEFT_FAIL(self->status, "it broke: %d", self->status);
    WEFT_END;
}

static int status_of(weft_thread_task *task)
{
    return weft_thread_task_wait(task, WEFT_FOREVER, NULL, NULL);
}

/* ---- Success and failure ---- */

static void add_some(void *arg)
{
    (void)arg;
    weft_value sum = weft_value_i64(0);
    weft_destructor *destructor = free;
    weft_thread_task *task = weft_spawn_from_thread(test_loop, add, .a = 40, .b = 2);
    cr_assert_not_null(task);
    cr_assert_eq(weft_thread_task_wait(task, WEFT_FOREVER, &sum, &destructor), 0);
    cr_assert_eq(sum.i64, 42);
    cr_assert_null(destructor);
    cr_assert(weft_thread_task_is_done(task));
    cr_assert_null(weft_thread_task_message(task));
    weft_thread_task_unref(task);
}

Test(thread_task, runs_on_the_loops_thread_and_gives_its_value_to_the_one_that_waits)
{
    weft_test_beside(add_some, NULL);
    weft_test_loop_end();
}

static void see_failure(void *arg)
{
    (void)arg;
    weft_value value = weft_value_i64(5);
    weft_thread_task *task = weft_spawn_from_thread(test_loop, fails, .status = -EIO);
    cr_assert_eq(weft_thread_task_wait(task, WEFT_FOREVER, &value, NULL), -EIO);
    cr_assert_eq(value.i64, 5);
    cr_assert_str_eq(weft_thread_task_message(task), "it broke: -5");
    weft_thread_task_unref(task);
}

Test(thread_task, failure_comes_with_its_message_and_is_reported_to_nobody_else)
{
    for (int i = 0; i < 20; i++)
        weft_test_beside(see_failure, NULL);
    weft_test_loop_end();
    cr_assert_eq(test_reports.count, 0);
}

static void start_in_order(void *arg)
{
    static const char *const letters[] = {"a", "b", "c"};
    weft_thread_task *tasks[3];
    (void)arg;
    for (int i = 0; i < 3; i++)
        tasks[i] = weft_spawn_from_thread(test_loop, add, .a = letters[i][0], .b = 0);
    for (int i = 0; i < 3; i++) {
        weft_value value;
        cr_assert_eq(weft_thread_task_wait(tasks[i], WEFT_FOREVER, &value, NULL), 0);
        cr_assert_eq(value.i64, letters[i][0]);
        weft_thread_task_unref(tasks[i]);
    }
}

Test(thread_task, several_of_a_thread_are_each_their_own)
{
    weft_test_beside(start_in_order, NULL);
    weft_test_loop_end();
}

static WEFT_CONTEXT_KEY(request_number, int, NULL);

struct reads_context {
    WEFT_FRAME;
    int unused;
};

static WEFT_ASYNC(reads_context)
{
    WEFT_BEGIN;
    WEFT_RETURN(weft_context_get(request_number));
    WEFT_END;
}

static weft_result spawn_in_context(void *arg)
{
    weft_loop *loop = arg;
    weft_value value = weft_value_i64(0);
    if (weft_context_set(request_number, 17) < 0)
        return weft_err(-ENOMEM);
    weft_thread_task *task = weft_spawn_from_thread(loop, reads_context);
    if (weft_context_set(request_number, 18) < 0)
        return weft_err(-ENOMEM);
    int status = weft_thread_task_wait(task, WEFT_FOREVER, &value, NULL);
    weft_thread_task_unref(task);
    return status < 0 ? weft_err(status) : weft_ok(value.i64);
}

Test(thread_task, context_is_a_snapshot_of_the_callers)
{
    weft_future *job = weft_to_thread_fn(NULL, spawn_in_context, test_loop);
    cr_assert_eq(weft_test_run(weft_ref(job)), 0);
    cr_assert_eq(weft_future_value(job).i64, 17);
    weft_unref(job);
    weft_test_loop_end();
}

/* ---- Values ---- */

static void take_twice(void *arg)
{
    (void)arg;
    weft_value value = weft_value_i64(0), again = weft_value_i64(3);
    weft_destructor *destructor = NULL;
    weft_thread_task *task = weft_spawn_from_thread(test_loop, returns_text);
    cr_assert_eq(status_of(task), 0);
    cr_assert_eq(weft_thread_task_wait(task, WEFT_FOREVER, &value, &destructor), 0);
    cr_assert_str_eq(value.ptr, "text");
    cr_assert_eq(destructor, destroy);
    cr_assert_eq(weft_thread_task_wait(task, WEFT_FOREVER, &again, NULL), -EALREADY);
    cr_assert_eq(again.i64, 3);
    cr_assert_eq(status_of(task), 0);
    weft_thread_task_unref(task);
    cr_assert_eq(destroyed, 0);
    destructor(value.ptr);
}

Test(thread_task, value_with_a_destructor_goes_to_one_taker)
{
    weft_test_beside(take_twice, NULL);
    cr_assert_eq(destroyed, 1);
    weft_test_loop_end();
}

static void take_none(void *arg)
{
    (void)arg;
    weft_thread_task *task = weft_spawn_from_thread(test_loop, returns_text);
    cr_assert_eq(status_of(task), 0);
    cr_assert_eq(destroyed, 0);
    weft_thread_task_unref(task);
    cr_assert_eq(destroyed, 1);
}

Test(thread_task, value_that_nobody_took_is_destroyed_with_the_last_reference)
{
    weft_test_beside(take_none, NULL);
    weft_test_loop_end();
}

Test(thread_task, value_of_a_task_whose_handle_was_dropped_is_destroyed_on_the_loop)
{
    weft_thread_task_unref(weft_spawn_from_thread(test_loop, returns_text));
    weft_test_take_mail();
    cr_assert_eq(destroyed, 1);
    weft_test_loop_end();
}

/* ---- Waiting ---- */

static void lose_patience(void *arg)
{
    (void)arg;
    sem_t entered;
    sem_init(&entered, 0, 0);
    weft_value value = weft_value_i64(3);
    weft_thread_task *task =
        weft_spawn_from_thread(test_loop, sleeps, .entered = &entered, .swallows = true);
    sem_wait(&entered);
    cr_assert_eq(weft_thread_task_wait(task, 0, &value, NULL), -ETIMEDOUT);
    cr_assert_eq(weft_thread_task_wait(task, 1, &value, NULL), -ETIMEDOUT);
    cr_assert_not(weft_thread_task_is_done(task));
    cr_assert_eq(value.i64, 3);
    cr_assert_eq(weft_thread_task_cancel_and_wait(task, -1), 0);
    cr_assert_eq(weft_thread_task_wait(task, 0, &value, NULL), 0);
    cr_assert_eq(value.i64, 7);
    weft_thread_task_unref(task);
    sem_destroy(&entered);
}

Test(thread_task, wait_that_timed_out_changes_nothing_and_can_be_made_again)
{
    weft_test_beside(lose_patience, NULL);
    weft_test_loop_end();
}

Test(thread_task, wait_on_the_loops_own_thread_is_refused_unless_the_task_is_done)
{
    weft_value value = weft_value_i64(0);
    weft_thread_task *task = weft_spawn_from_thread(test_loop, add, .a = 1, .b = 2);
    cr_assert_eq(weft_thread_task_wait(task, WEFT_FOREVER, &value, NULL), -EDEADLK);
    cr_assert_eq(weft_thread_task_wait(task, 0, &value, NULL), -EDEADLK);
    weft_test_take_mail();
    cr_assert(weft_thread_task_is_done(task));
    cr_assert_eq(weft_thread_task_wait(task, WEFT_FOREVER, &value, NULL), 0);
    cr_assert_eq(value.i64, 3);
    cr_assert_eq(weft_thread_task_cancel_and_wait(task, WEFT_FOREVER), 0);
    weft_thread_task_unref(task);
    task = weft_spawn_from_thread(test_loop, add, .a = 1, .b = 2);
    cr_assert_eq(weft_thread_task_cancel_and_wait(task, WEFT_FOREVER), -EDEADLK);
    weft_test_take_mail();
    cr_assert_eq(status_of(task), -ECANCELED);
    weft_thread_task_unref(task);
    weft_test_loop_end();
}

struct waiter {
    pthread_t thread;
    weft_thread_task *task; /* a reference */
    int status;
};

static void *wait_for_it(void *arg)
{
    struct waiter *waiter = arg;
    waiter->status = status_of(waiter->task);
    weft_thread_task_unref(waiter->task);
    return NULL;
}

static void wait_together(void *arg)
{
    enum { COUNT = 4 };
    struct waiter waiters[COUNT];
    (void)arg;
    weft_thread_task *task = weft_spawn_from_thread(test_loop, fails, .status = -EIO);
    for (int i = 0; i < COUNT; i++) {
        waiters[i].task = weft_thread_task_ref(task);
        cr_assert_eq(pthread_create(&waiters[i].thread, NULL, wait_for_it, &waiters[i]), 0);
    }
    weft_thread_task_unref(task);
    for (int i = 0; i < COUNT; i++) {
        pthread_join(waiters[i].thread, NULL);
        cr_assert_eq(waiters[i].status, -EIO);
    }
}

Test(thread_task, several_threads_may_wait_for_one)
{
    weft_test_beside(wait_together, NULL);
    weft_test_loop_end();
    cr_assert_eq(test_reports.count, 0);
}

Test(thread_task, misuse_is_refused)
{
    errno = 0;
    cr_assert_null(weft_spawn_from_thread(NULL, add));
    cr_assert_eq(errno, EINVAL);
    cr_assert_eq(weft_thread_task_wait(NULL, 0, NULL, NULL), -EINVAL);
    cr_assert_eq(weft_thread_task_cancel(NULL), -EINVAL);
    cr_assert_eq(weft_thread_task_cancel_and_wait(NULL, 0), -EINVAL);
    cr_assert_not(weft_thread_task_is_done(NULL));
    cr_assert_null(weft_thread_task_message(NULL));
    weft_thread_task_unref(NULL);
    weft_test_loop_end();
}

/* ---- Cancelling ---- */

Test(thread_task, cancelled_before_it_was_started_never_runs_its_body)
{
    sem_t entered;
    sem_init(&entered, 0, 0);
    weft_thread_task *task = weft_spawn_from_thread(test_loop, sleeps, .entered = &entered);
    cr_assert_eq(weft_thread_task_cancel(task), 0);
    cr_assert_eq(weft_thread_task_cancel(task), 0);
    cr_assert_not(weft_thread_task_is_done(task));
    weft_test_take_mail();
    cr_assert_eq(status_of(task), -ECANCELED);
    cr_assert_eq(sem_trywait(&entered), -1);
    cr_assert_str_eq(weft_thread_task_message(task), "asked by a thread");
    cr_assert_eq(weft_thread_task_cancel(task), -EALREADY);
    weft_thread_task_unref(task);
    sem_destroy(&entered);
    weft_test_loop_end();
}

static weft_event *opened;

static void open_it(void *arg)
{
    (void)arg;
    weft_test_mark("opened ");
    weft_event_set(opened);
}

static void cancel_and_wait(void *arg)
{
    (void)arg;
    sem_t entered;
    sem_init(&entered, 0, 0);
    weft_thread_task *task =
        weft_spawn_from_thread(test_loop, sleeps, .entered = &entered, .on = opened);
    sem_wait(&entered);
    cr_assert_eq(weft_thread_task_cancel_and_wait(task, 0), -ETIMEDOUT);
    cr_assert_not(weft_thread_task_is_done(task));
    cr_assert_eq(weft_post(test_loop, open_it, NULL), 0);
    cr_assert_eq(status_of(task), -ECANCELED);
    weft_thread_task_unref(task);
    sem_destroy(&entered);
}

Test(thread_task, cancel_and_wait_ends_when_the_clean_up_has)
{
    opened = weft_event_new();
    weft_test_beside(cancel_and_wait, NULL);
    cr_assert_str_eq(test_trace, "opened ended ");
    weft_event_free(opened);
    weft_test_loop_end();
}

static void cancel_in_vain(void *arg)
{
    (void)arg;
    sem_t entered;
    weft_value value;
    sem_init(&entered, 0, 0);
    weft_thread_task *task =
        weft_spawn_from_thread(test_loop, sleeps, .entered = &entered, .swallows = true);
    sem_wait(&entered);
    cr_assert_eq(weft_thread_task_cancel_and_wait(task, WEFT_FOREVER), 0);
    cr_assert_eq(weft_thread_task_wait(task, 0, &value, NULL), 0);
    cr_assert_eq(value.i64, 7);
    weft_thread_task_unref(task);
    sem_destroy(&entered);
}

Test(thread_task, one_that_swallows_the_cancel_is_not_cancelled)
{
    weft_test_beside(cancel_in_vain, NULL);
    weft_test_loop_end();
}

/* Goes on sleeping the first time that it is cancelled. */
struct stubborn {
    WEFT_FRAME;
    sem_t *entered;
    int status;
};

static WEFT_ASYNC(stubborn)
{
    WEFT_BEGIN;
    sem_post(self->entered);
    WEFT_CATCH(self->status, weft_sleep(LONG));
    sem_post(self->entered);
    WEFT_AWAIT(weft_sleep(LONG));
    WEFT_END;
}

static void cancel_again(void *arg)
{
    (void)arg;
    sem_t entered;
    sem_init(&entered, 0, 0);
    weft_thread_task *task = weft_spawn_from_thread(test_loop, stubborn, .entered = &entered);
    sem_wait(&entered);
    cr_assert_eq(weft_thread_task_cancel(task), 0);
    sem_wait(&entered);
    cr_assert_not(weft_thread_task_is_done(task));
    cr_assert_eq(weft_thread_task_cancel_and_wait(task, WEFT_FOREVER), -ECANCELED);
    weft_thread_task_unref(task);
    sem_destroy(&entered);
}

Test(thread_task, one_that_goes_on_after_a_cancel_can_be_cancelled_again)
{
    weft_test_beside(cancel_again, NULL);
    weft_test_loop_end();
}

/* ---- From a worker ---- */

static weft_result add_by_the_loop(void *arg)
{
    weft_value sum = weft_value_i64(0);
    weft_thread_task *task = weft_spawn_from_thread(arg, add, .a = 20, .b = 3);
    int status = weft_thread_task_wait(task, WEFT_S(60), &sum, NULL);
    weft_thread_task_unref(task);
    return status < 0 ? weft_err(status) : weft_ok(sum.i64);
}

Test(thread_task, job_may_start_a_task_on_its_loop_and_wait_for_it)
{
    weft_future *job = weft_to_thread_fn(NULL, add_by_the_loop, test_loop);
    cr_assert_eq(weft_test_run(weft_ref(job)), 0);
    cr_assert_eq(weft_future_value(job).i64, 23);
    weft_unref(job);
    weft_test_loop_end();
}

/* Needs a worker for itself. */
struct adds_on_a_worker {
    WEFT_FRAME;
    int sum;
};

struct sum_up {
    int a, b;
};

static WEFT_BLOCKING(sum_up)
{
    return weft_ok(self->a + self->b);
}

static WEFT_ASYNC(adds_on_a_worker)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->sum, weft_to_thread(sum_up, .a = 5, .b = 6));
    WEFT_RETURN(self->sum);
    WEFT_END;
}

static weft_result add_by_the_loop_on_a_worker(void *arg)
{
    weft_value sum = weft_value_i64(0);
    weft_thread_task *task = weft_spawn_from_thread(arg, adds_on_a_worker);
    int status = weft_thread_task_wait(task, WEFT_S(60), &sum, NULL);
    weft_thread_task_unref(task);
    return status < 0 ? weft_err(status) : weft_ok(sum.i64);
}

Test(thread_task, job_that_waits_for_a_task_which_needs_a_worker_deadlocks_no_full_pool)
{
    use_pool(&(struct weft_pool_options){.max_threads = 1});
    weft_future *job = weft_to_thread_fn(NULL, add_by_the_loop_on_a_worker, test_loop);
    cr_assert_eq(weft_test_run(weft_ref(job)), 0);
    cr_assert_eq(weft_future_value(job).i64, 11);
    weft_unref(job);
    weft_test_loop_end();
}

/* ---- A job that waits, and is to stop ---- */

static weft_result wait_until_told(void *arg)
{
    sem_t *entered = arg;
    weft_thread_task *task = weft_spawn_from_thread(test_loop, sleeps, .entered = entered);
    int first = weft_thread_task_wait(task, WEFT_FOREVER, NULL, NULL);
    int again = weft_thread_task_wait(task, WEFT_FOREVER, NULL, NULL);
    bool went_on = !weft_thread_task_is_done(task);
    int ended = weft_thread_task_cancel_and_wait(task, WEFT_FOREVER);
    weft_thread_task_unref(task);
    return first == -ECANCELED && again == -ECANCELED && went_on && ended == -ECANCELED
               ? weft_err(-ECANCELED)
               : weft_ok(first);
}

Test(thread_task, wait_of_a_job_that_is_told_to_stop_ends_and_the_task_goes_on)
{
    sem_t entered;
    sem_init(&entered, 0, 0);
    weft_future *job =
        weft_offload_fn(&(struct weft_job_options){.on_cancel = WEFT_CANCEL_COOPERATIVE},
                        wait_until_told, &entered);
    while (sem_trywait(&entered) < 0)
        weft_test_ticks(1);
    cr_assert(weft_cancel(job));
    cr_assert_eq(weft_test_run(job), -ECANCELED);
    sem_destroy(&entered);
    weft_test_loop_end();
}

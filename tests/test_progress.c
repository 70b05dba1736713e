/* SPDX-License-Identifier: MIT */
/* Values that a running job sends to tasks. */
#include <criterion/criterion.h>
#include <errno.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <weft/testing.h>
#include <weft/weft.h>

#include "tests/support/beside.h"
#include "tests/support/gate.h"
#include "tests/support/loop.h"
#include "tests/support/pool.h"
#include "tests/support/trace.h"

TestSuite(progress, .init = weft_test_loop_begin, .timeout = 15);

static atomic_int destroyed;

static void destroy(void *ptr)
{
    atomic_fetch_add(&destroyed, 1);
    free(ptr);
}

static weft_value boxed(int number)
{
    int *box = malloc(sizeof(*box));
    *box = number;
    return weft_value_ptr(box);
}

/* Sends 1 … count, or boxes with these, and returns 100. */
struct sends {
    int count;
    bool boxes;
    atomic_int *sent; /* how many, so far; NULL: nobody asks */
};

static WEFT_BLOCKING(sends)
{
    for (int i = 1; i <= self->count; i++) {
        int status = self->boxes ? weft_job_progress(boxed(i), destroy)
                                 : weft_job_progress(weft_value_i64(i), NULL);
        if (status < 0)
            return weft_err(status);
        if (self->sent)
            atomic_store(self->sent, i);
    }
    return weft_ok(100);
}

/* Adds up what a job sends, with or without a pause between two. */
struct reads {
    WEFT_FRAME;
    weft_future *job; /* a reference */
    weft_ns pause;
    int status;
    int64_t next, last, sum;
};

static WEFT_ASYNC(reads)
{
    WEFT_BEGIN;
    for (;;) {
        WEFT_CATCH_INTO(self->status, self->next, weft_job_next(self->job));
        if (self->status < 0)
            break;
        if (self->next != self->last + 1)
            WEFT_FAIL(-EIO, "%d after %d", (int)self->next, (int)self->last);
        self->last = self->next;
        self->sum += self->next;
        if (self->pause)
            WEFT_AWAIT(weft_sleep(self->pause));
    }
    if (self->status != WEFT_ECLOSED)
        WEFT_FAIL(self->status);
    WEFT_AWAIT_INTO(self->next, weft_ref(self->job));
    WEFT_RETURN(self->next + self->sum);

    WEFT_FINALLY;
    weft_unref(self->job);
    WEFT_END;
}

static int64_t value_of(weft_future *future)
{
    cr_assert_eq(weft_test_run(weft_ref(future)), 0, "%s", weft_message(future));
    int64_t value = weft_future_value(future).i64;
    weft_unref(future);
    return value;
}

/* ---- In order, all, then the end ---- */

Test(progress, values_come_in_order_and_end_when_the_job_has)
{
    weft_future *job = weft_to_thread(sends, .count = 200);
    cr_assert_eq(value_of(weft_spawn(reads, .job = job)), 100 + 200 * 201 / 2);
    weft_test_loop_end();
}

Test(progress, job_waits_while_as_many_values_as_the_bound_are_unread)
{
    atomic_int sent = 0;
    weft_future *job =
        weft_offload(&(struct weft_job_options){.progress = 3}, sends, .count = 5, .sent = &sent);
    weft_pool *pool = weft_loop_pool(test_loop);
    while (stats_of(pool).blocked == 0)
        weft_test_ticks(1);
    cr_assert_eq(atomic_load(&sent), 3);
    cr_assert_eq(weft_test_run(weft_job_next(job)), 0);
    while (atomic_load(&sent) != 4 || stats_of(pool).blocked == 0)
        weft_test_ticks(1);
    cr_assert_not(weft_is_done(job));
    for (int i = 2; i <= 5; i++)
        cr_assert_eq(value_of(weft_job_next(job)), i);
    cr_assert_eq(weft_test_run(weft_job_next(job)), WEFT_ECLOSED);
    cr_assert_eq(value_of(job), 100);
    weft_test_loop_end();
}

Test(progress, stream_can_be_read_to_its_end_after_the_job_is_done)
{
    weft_future *job = weft_to_thread(sends, .count = 3);
    cr_assert_eq(weft_test_run(weft_ref(job)), 0);
    for (int i = 1; i <= 3; i++)
        cr_assert_eq(value_of(weft_job_next(job)), i);
    cr_assert_eq(weft_test_run(weft_job_next(job)), WEFT_ECLOSED);
    cr_assert_eq(weft_test_run(weft_job_next(job)), WEFT_ECLOSED);
    weft_unref(job);
    weft_test_loop_end();
}

Test(progress, of_a_job_that_sends_nothing_ends_with_it)
{
    weft_future *job = weft_to_thread(sends, .count = 0);
    cr_assert_eq(value_of(weft_spawn(reads, .job = job)), 100);
    job = weft_to_thread(sends, .count = 0);
    cr_assert_eq(weft_test_run(weft_ref(job)), 0);
    cr_assert_eq(weft_test_run(weft_job_next(job)), WEFT_ECLOSED);
    weft_unref(job);
    weft_test_loop_end();
}

Test(progress, several_who_wait_are_served_in_the_order_in_which_they_came)
{
    weft_future *job = weft_to_thread(sends, .count = 2);
    weft_future *first = weft_job_next(job), *second = weft_job_next(job);
    weft_future *third = weft_job_next(job);
    cr_assert_eq(weft_test_run(third), WEFT_ECLOSED);
    cr_assert_eq(value_of(first), 1);
    cr_assert_eq(value_of(second), 2);
    cr_assert_eq(value_of(job), 100);
    weft_test_loop_end();
}

Test(progress, virtual_time_passes_for_a_slow_reader_while_the_job_waits_for_room)
{
    weft_future *job = weft_offload(&(struct weft_job_options){.progress = 1}, sends, .count = 5);
    cr_assert_eq(value_of(weft_spawn(reads, .job = job, .pause = WEFT_S(1))), 100 + 15);
    cr_assert_geq(weft_now(), WEFT_S(5));
    weft_test_loop_end();
}

/* ---- Values nobody takes ---- */

Test(progress, values_that_nobody_reads_are_destroyed_with_the_job)
{
    weft_future *job = weft_to_thread(sends, .count = 3, .boxes = true);
    cr_assert_eq(value_of(job), 100);
    cr_assert_eq(destroyed, 3);
    weft_test_loop_end();
}

Test(progress, value_of_a_next_that_nobody_looked_at_is_the_next_one_again)
{
    weft_future *job = weft_to_thread(sends, .count = 2, .boxes = true);
    cr_assert_eq(weft_test_run(weft_ref(job)), 0);
    weft_unref(weft_job_next(job));
    weft_future *next = weft_job_next(job);
    weft_value value;
    cr_assert_eq(weft_future_take(next, &value), 0);
    cr_assert_eq(*(int *)value.ptr, 1);
    cr_assert_eq(destroyed, 0);
    free(value.ptr);
    weft_unref(next);
    weft_unref(job);
    cr_assert_eq(destroyed, 1);
    weft_test_loop_end();
}

Test(progress, value_of_a_next_that_was_dropped_goes_to_who_waits_behind_it)
{
    weft_future *job = weft_to_thread(sends, .count = 1, .boxes = true);
    weft_unref(weft_job_next(job));
    weft_unref(weft_job_next(job));
    weft_future *third = weft_job_next(job);
    weft_value value;
    cr_assert_eq(weft_test_run(weft_ref(third)), 0);
    cr_assert_eq(weft_future_take(third, &value), 0);
    cr_assert_eq(*(int *)value.ptr, 1);
    free(value.ptr);
    weft_unref(third);
    cr_assert_eq(value_of(job), 100);
    weft_test_loop_end();
}

/* ---- Cancelling ---- */

Test(progress, next_that_is_cancelled_leaves_the_job_and_its_values_alone)
{
    struct gate gate;
    gate_init(&gate);
    use_pool(&(struct weft_pool_options){.max_threads = 1});
    weft_future *before = weft_to_thread_fn(NULL, gate_pass, &gate);
    gate_wait_entered(&gate);
    weft_future *job = weft_to_thread(sends, .count = 2);
    weft_future *first = weft_job_next(job), *second = weft_job_next(job);
    cr_assert(weft_cancel(first));
    cr_assert_eq(weft_test_run(first), -ECANCELED);
    gate_open(&gate);
    cr_assert_eq(value_of(second), 1);
    cr_assert_eq(value_of(weft_job_next(job)), 2);
    cr_assert_eq(value_of(job), 100);
    cr_assert_eq(value_of(before), 7);
    weft_test_loop_end();
}

Test(progress, next_that_is_cancelled_in_the_middle_of_the_line_leaves_the_order_of_the_others)
{
    weft_pool *pool = weft_testing_pool_new(WEFT_TESTING_STEPPED);
    cr_assert_eq(weft_loop_set_pool(test_loop, pool), 0);
    weft_future *job = weft_to_thread(sends, .count = 2);
    weft_future *first = weft_job_next(job), *second = weft_job_next(job);
    weft_future *third = weft_job_next(job), *last = weft_job_next(job);
    cr_assert(weft_cancel(second));
    cr_assert(weft_cancel(last));
    cr_assert_eq(weft_testing_pool_step(pool, 1), 1);
    weft_pool_unref(pool);
    cr_assert_eq(value_of(first), 1);
    cr_assert_eq(weft_test_run(second), -ECANCELED);
    cr_assert_eq(value_of(third), 2);
    cr_assert_eq(weft_test_run(last), -ECANCELED);
    cr_assert_eq(value_of(job), 100);
    weft_test_loop_end();
}

Test(progress, cancel_of_the_job_wakes_it_where_it_waits_for_room)
{
    weft_future *job =
        weft_offload(&(struct weft_job_options){.progress = 2}, sends, .count = 5, .boxes = true);
    weft_pool *pool = weft_loop_pool(test_loop);
    while (stats_of(pool).blocked == 0)
        weft_test_ticks(1);
    cr_assert(weft_cancel(job));
    cr_assert_eq(weft_test_run(weft_ref(job)), -ECANCELED);
    cr_assert_eq(destroyed, 1);
    for (int i = 1; i <= 2; i++) { /* these had come */
        weft_future *next = weft_job_next(job);
        weft_value value;
        cr_assert_eq(weft_future_take(next, &value), 0);
        cr_assert_eq(*(int *)value.ptr, i);
        free(value.ptr);
        weft_unref(next);
    }
    cr_assert_eq(weft_test_run(weft_job_next(job)), WEFT_ECLOSED);
    weft_unref(job);
    weft_test_loop_end();
}

/* Waits at a gate, then sends. */
struct sends_late {
    struct gate *gate;
};

static WEFT_BLOCKING(sends_late)
{
    gate_pass(self->gate);
    int status = weft_job_progress(boxed(1), destroy);
    return status < 0 ? weft_err(status) : weft_ok(0);
}

Test(progress, cancel_before_the_first_value_refuses_that)
{
    struct gate gate;
    gate_init(&gate);
    weft_future *job = weft_to_thread(sends_late, .gate = &gate);
    gate_wait_entered(&gate);
    cr_assert(weft_cancel(job));
    gate_open(&gate);
    cr_assert_eq(weft_test_run(weft_ref(job)), -ECANCELED);
    cr_assert_eq(destroyed, 1);
    cr_assert_eq(weft_test_run(weft_job_next(job)), WEFT_ECLOSED);
    weft_unref(job);
    weft_test_loop_end();
}

Test(progress, of_a_queued_job_that_is_cancelled_ends)
{
    struct gate gate;
    gate_init(&gate);
    use_pool(&(struct weft_pool_options){.max_threads = 1});
    weft_future *before = weft_to_thread_fn(NULL, gate_pass, &gate);
    gate_wait_entered(&gate);
    weft_future *job = weft_to_thread(sends, .count = 2);
    weft_future *next = weft_job_next(job);
    cr_assert(weft_cancel(job));
    cr_assert_eq(weft_test_run(next), WEFT_ECLOSED);
    weft_unref(job);
    gate_open(&gate);
    cr_assert_eq(value_of(before), 7);
    weft_test_loop_end();
}

/* ---- Misuse ---- */

Test(progress, outside_of_a_job_is_refused)
{
    cr_assert_eq(weft_job_progress(boxed(1), destroy), WEFT_ENOJOB);
    cr_assert_eq(destroyed, 1);
    weft_test_loop_end();
}

Test(progress, next_of_what_is_no_job_fails)
{
    weft_future *pending = weft_future_new();
    cr_assert_eq(weft_test_run(weft_job_next(NULL)), -EINVAL);
    cr_assert_eq(weft_test_run(weft_job_next(pending)), -EINVAL);
    weft_cancel(pending);
    weft_unref(pending);
    weft_future *refused = weft_future_failed(-EAGAIN, NULL); /* a job that could not be started */
    cr_assert_eq(weft_test_run(weft_job_next(refused)), WEFT_ECLOSED);
    cr_assert_eq(weft_test_run(refused), -EAGAIN);
    weft_test_loop_end();
}

Test(progress, in_a_pool_without_threads_fails_when_it_is_full_rather_than_hang)
{
    weft_pool *pool = weft_testing_pool_new(WEFT_TESTING_INLINE);
    cr_assert_eq(weft_loop_set_pool(test_loop, pool), 0);
    weft_pool_unref(pool);
    weft_future *job =
        weft_offload(&(struct weft_job_options){.progress = 2}, sends, .count = 3, .boxes = true);
    cr_assert_eq(weft_test_run(weft_ref(job)), -EDEADLK);
    cr_assert_eq(destroyed, 1);
    weft_unref(job);
    cr_assert_eq(destroyed, 3);
    weft_test_loop_end();
}

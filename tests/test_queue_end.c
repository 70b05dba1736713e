/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <weft/testing.h>
#include <weft/weft.h>

#include "tests/support/child.h"
#include "tests/support/heap.h"
#include "tests/support/loop.h"
#include "tests/support/trace.h"

static weft_queue *queue;
static int destroyed;

static void begin_with(size_t bound, enum weft_queue_order order)
{
    queue = weft_queue_new(&(struct weft_queue_options){.bound = bound, .order = order});
    cr_assert_not_null(queue);
}

static void end(void)
{
    weft_queue_unref(queue);
    weft_test_loop_end();
}

TestSuite(queue_end, .init = weft_test_loop_begin, .timeout = 20);

static void destroy(void *ptr)
{
    free(ptr);
    destroyed++;
}

static int put(int number)
{
    return weft_queue_put_nowait(queue, weft_value_i64(number), NULL);
}

static int get(void)
{
    weft_value value = weft_value_i64(-1);
    weft_destructor *destructor = destroy;
    int status = weft_queue_get_nowait(queue, &value, &destructor);
    if (status == 0)
        cr_assert_null(destructor);
    return status < 0 ? status : (int)value.i64;
}

static weft_future *put_later(int number)
{
    return weft_queue_put(queue, weft_value_i64(number), NULL);
}

/* A value with a destructor. */
static weft_future *put_block(void)
{
    return weft_queue_put(queue, weft_value_ptr(calloc(1, 1)), destroy);
}

static int end_of(weft_future *future)
{
    return weft_test_run(weft_ref(future));
}

/* ---- What nobody takes ---- */

Test(queue_end, put_that_is_dropped_goes_on)
{
    begin_with(1, WEFT_QUEUE_FIFO);
    weft_unref(put_later(1));
    weft_unref(put_later(2));
    cr_assert_eq(get(), 1);
    weft_test_ticks(1);
    cr_assert_eq(get(), 2);
    end();
}

static void drop_a_get(enum weft_queue_order order, int first, int second, int third)
{
    begin_with(3, order);
    for (int i = 1; i <= 3; i++)
        cr_assert_eq(put(i), 0);
    weft_future *got = weft_queue_get(queue);
    cr_assert(weft_is_done(got));
    cr_assert_eq(put(order == WEFT_QUEUE_LIFO ? 0 : 4), 0);
    weft_unref(got);
    cr_assert_eq(weft_queue_size(queue), 4);
    cr_assert_eq(put(9), -EAGAIN); /* one more than its bound */
    cr_assert_eq(get(), first);
    cr_assert_eq(get(), second);
    cr_assert_eq(get(), third);
    weft_queue_unref(queue);
}

Test(queue_end, value_of_a_get_that_is_dropped_goes_back_to_the_front)
{
    drop_a_get(WEFT_QUEUE_FIFO, 1, 2, 3);
    drop_a_get(WEFT_QUEUE_PRIORITY, 1, 2, 3);
    drop_a_get(WEFT_QUEUE_LIFO, 3, 0, 2);
    begin_with(0, WEFT_QUEUE_FIFO);
    weft_unref(weft_queue_get(queue)); /* one that waits */
    weft_future *next = weft_queue_get(queue);
    cr_assert_eq(put(1), 0);
    cr_assert_eq(end_of(next), 0);
    cr_assert_eq(weft_future_value(next).i64, 1);
    weft_unref(next);
    end();
}

Test(queue_end, value_of_a_get_that_was_looked_at_does_not_go_back)
{
    begin_with(0, WEFT_QUEUE_FIFO);
    cr_assert_eq(weft_test_run(put_block()), 0);
    weft_future *got = weft_queue_get(queue);
    cr_assert_eq(weft_future_status(got), 0);
    weft_unref(got);
    cr_assert_eq(destroyed, 1);
    cr_assert(weft_queue_is_empty(queue));
    end();
}

Test(queue_end, destroys_the_value_of_a_put_that_is_cancelled_or_refused)
{
    begin_with(1, WEFT_QUEUE_FIFO);
    cr_assert_eq(weft_test_run(put_block()), 0);
    weft_future *waits = put_block();
    cr_assert(weft_cancel(waits));
    cr_assert_eq(destroyed, 1);
    cr_assert_eq(weft_test_run(waits), -ECANCELED);
    weft_future *called = put_block();
    weft_future *got = weft_queue_get(queue);
    cr_assert(weft_cancel(called));
    cr_assert_eq(weft_test_run(called), -ECANCELED);
    cr_assert_eq(destroyed, 2);
    weft_future *null = weft_queue_put(NULL, weft_value_ptr(calloc(1, 1)), destroy);
    cr_assert_eq(destroyed, 3);
    cr_assert_eq(weft_test_run(null), -EINVAL);
    cr_assert_eq(weft_queue_shutdown(queue, WEFT_QUEUE_DRAIN), 0);
    cr_assert_eq(weft_test_run(put_block()), WEFT_ECLOSED);
    cr_assert_eq(destroyed, 4);
    cr_assert_eq(weft_test_run(got), 0);
    cr_assert_eq(destroyed, 5);
    end();
}

/* ---- Join ---- */

Test(queue_end, join_waits_until_all_is_dealt_with)
{
    begin_with(0, WEFT_QUEUE_FIFO);
    cr_assert_eq(weft_test_run(weft_queue_join(queue)), 0);
    cr_assert_eq(put(1), 0);
    cr_assert_eq(put(2), 0);
    weft_future *first = weft_queue_join(queue), *second = weft_queue_join(queue);
    weft_future *gone = weft_queue_join(queue);
    cr_assert(weft_cancel(gone));
    cr_assert_eq(weft_test_run(gone), -ECANCELED);
    cr_assert_eq(get(), 1);
    cr_assert_eq(get(), 2);
    cr_assert_eq(weft_queue_task_done(queue), 0);
    weft_test_ticks(2);
    cr_assert_not(weft_is_done(first));
    cr_assert_eq(weft_queue_task_done(queue), 0);
    cr_assert_eq(put(3), 0); /* too late to hold them up */
    cr_assert_eq(weft_test_run(first), 0);
    cr_assert_eq(weft_test_run(second), 0);
    end();
}

Test(queue_end, join_that_was_woken_can_be_cancelled)
{
    begin_with(0, WEFT_QUEUE_FIFO);
    cr_assert_eq(put(1), 0);
    weft_future *join = weft_queue_join(queue);
    cr_assert_eq(weft_queue_task_done(queue), 0);
    cr_assert(weft_cancel(join));
    cr_assert_eq(weft_test_run(join), -ECANCELED);
    end();
}

Test(queue_end, task_done_beyond_the_count_is_an_error)
{
    begin_with(0, WEFT_QUEUE_FIFO);
    cr_assert_eq(weft_queue_task_done(queue), -EINVAL);
    cr_assert_eq(put(1), 0);
    cr_assert_eq(weft_queue_task_done(queue), 0);
    cr_assert_eq(weft_queue_task_done(queue), -EINVAL);
    cr_assert_eq(weft_queue_shutdown(queue, WEFT_QUEUE_IMMEDIATE), 0);
    cr_assert_eq(weft_queue_task_done(queue), -EINVAL);
    end();
}

/* ---- Shutdown ---- */

Test(queue_end, shutdown_fails_puts_and_lets_gets_drain_first)
{
    begin_with(2, WEFT_QUEUE_FIFO);
    cr_assert_eq(put(1), 0);
    cr_assert_eq(put(2), 0);
    weft_future *waits = put_later(3), *called = put_later(4);
    cr_assert_eq(get(), 1);
    cr_assert_eq(weft_queue_shutdown(queue, WEFT_QUEUE_DRAIN), 0);
    cr_assert_eq(weft_queue_shutdown(queue, WEFT_QUEUE_DRAIN), 0);
    cr_assert_eq(weft_test_run(waits), WEFT_ECLOSED);
    cr_assert_eq(weft_test_run(called), WEFT_ECLOSED);
    cr_assert_eq(put(5), WEFT_ECLOSED);
    cr_assert_eq(weft_test_run(put_later(5)), WEFT_ECLOSED);
    weft_future *got = weft_queue_get(queue);
    cr_assert_eq(end_of(got), 0);
    cr_assert_eq(weft_future_value(got).i64, 2);
    weft_unref(got);
    cr_assert_eq(weft_test_run(weft_queue_get(queue)), WEFT_ECLOSED);
    cr_assert_eq(get(), WEFT_ECLOSED);
    end();
}

Test(queue_end, shutdown_fails_those_who_wait_to_get_but_for_the_one_that_was_woken)
{
    begin_with(0, WEFT_QUEUE_FIFO);
    weft_future *called = weft_queue_get(queue), *waits = weft_queue_get(queue);
    cr_assert_eq(put(1), 0);
    cr_assert_eq(weft_queue_shutdown(queue, WEFT_QUEUE_DRAIN), 0);
    cr_assert_eq(weft_test_run(called), 0);
    cr_assert_eq(weft_test_run(waits), WEFT_ECLOSED);
    end();
}

Test(queue_end, immediate_shutdown_destroys_what_is_in_it_and_ends_joins)
{
    begin_with(0, WEFT_QUEUE_FIFO);
    weft_future *called = weft_queue_get(queue);
    cr_assert_eq(weft_test_run(put_block()), 0);
    weft_future *late = weft_queue_get(queue);
    weft_unref(put_block());
    weft_unref(put_block());
    weft_future *join = weft_queue_join(queue);
    cr_assert_eq(weft_test_run(called), 0);
    cr_assert_eq(destroyed, 1);
    weft_test_ticks(1);
    cr_assert_eq(weft_queue_task_done(queue), 0);
    cr_assert_eq(weft_queue_shutdown(queue, WEFT_QUEUE_IMMEDIATE), 0);
    cr_assert_eq(destroyed, 2); /* `late` has the other */
    weft_unref(late);
    cr_assert_eq(destroyed, 3);
    cr_assert_eq(weft_test_run(join), 0);
    cr_assert_eq(weft_test_run(weft_queue_get(queue)), WEFT_ECLOSED);
    end();
}

Test(queue_end, immediate_shutdown_takes_back_what_a_getter_was_woken_for)
{
    begin_with(0, WEFT_QUEUE_FIFO);
    weft_future *called = weft_queue_get(queue);
    cr_assert_eq(put(1), 0);
    cr_assert_eq(weft_queue_shutdown(queue, WEFT_QUEUE_IMMEDIATE), 0);
    cr_assert_eq(weft_test_run(called), WEFT_ECLOSED);
    cr_assert_eq(weft_test_run(weft_queue_join(queue)), 0);
    end();
}

/* ---- The end ---- */

Test(queue_end, whose_last_reference_goes_fails_those_who_wait)
{
    begin_with(1, WEFT_QUEUE_FIFO);
    weft_queue *same = weft_queue_ref(queue);
    weft_future *got = weft_queue_get(queue), *join = weft_queue_join(queue);
    cr_assert_eq(weft_test_run(put_block()), 0);
    weft_future *join_later = weft_queue_join(queue);
    weft_future *first = put_block(), *second = put_block();
    weft_queue_unref(queue);
    cr_assert_eq(end_of(got), 0);
    weft_test_ticks(2);
    weft_queue_unref(same);
    cr_assert_eq(weft_test_run(first), 0);
    cr_assert_eq(weft_test_run(second), WEFT_ECLOSED);
    cr_assert_eq(weft_test_run(join), 0);
    cr_assert_eq(weft_test_run(join_later), WEFT_ECLOSED);
    cr_assert_eq(destroyed, 2);
    weft_unref(got);
    cr_assert_eq(destroyed, 3);
    weft_queue_unref(NULL);
    weft_test_loop_end();
}

Test(queue_end, waiters_are_cancelled_when_the_loop_ends_and_the_queue_outlives_it)
{
    weft_value value;
    begin_with(1, WEFT_QUEUE_FIFO);
    cr_assert_eq(weft_test_run(put_block()), 0);
    weft_future *waits = put_block();
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    cr_assert(weft_is_cancelled(waits));
    weft_unref(waits);
    cr_assert_eq(destroyed, 2);
    cr_assert_eq(weft_test_run(weft_queue_get(queue)), -ESHUTDOWN);
    cr_assert_null(weft_queue_new(NULL));
    weft_loop_free(test_loop);
    cr_assert_eq(weft_queue_get_blocking(queue, 0, &value, NULL), WEFT_ECLOSED);
    cr_assert_eq(put(1), WEFT_ECLOSED);
    cr_assert_eq(get(), WEFT_ECLOSED);
    weft_queue_unref(queue);
    cr_assert_eq(weft_test_heap_live(), 0);
}

static weft_future *other;

static void cancel_other(weft_loop *loop, const struct weft_error_report *report, void *arg)
{
    (void)loop;
    (void)report;
    (void)arg;
    if (other)
        weft_cancel(other);
}

Test(queue_end, handler_of_its_end_may_cancel_those_who_wait)
{
    begin_with(1, WEFT_QUEUE_FIFO);
    weft_loop_set_error_handler(test_loop, cancel_other, NULL);
    weft_unref(weft_queue_get(queue));
    other = weft_queue_get(queue);
    weft_queue_unref(queue);
    cr_assert(weft_is_cancelled(other));
    weft_unref(other);
    weft_test_loop_end();
}

/* ---- Misuse, memory ---- */

Test(queue_end, refuses_null_and_unknown_options)
{
    weft_value value;
    cr_assert_null(weft_queue_new(&(struct weft_queue_options){.size = 1}));
    cr_assert_eq(errno, EINVAL);
    cr_assert_null(weft_queue_new(&(struct weft_queue_options){.order = 9}));
    cr_assert_eq(errno, EINVAL);
    cr_assert_eq(weft_test_run(weft_queue_get(NULL)), -EINVAL);
    cr_assert_eq(weft_test_run(weft_queue_join(NULL)), -EINVAL);
    cr_assert_eq(weft_queue_put_nowait(NULL, weft_value_i64(1), NULL), -EINVAL);
    cr_assert_eq(weft_queue_get_nowait(NULL, &value, NULL), -EINVAL);
    cr_assert_eq(weft_queue_put_blocking(NULL, weft_value_i64(1), NULL, 0), -EINVAL);
    cr_assert_eq(weft_queue_get_blocking(NULL, 0, &value, NULL), -EINVAL);
    cr_assert_eq(weft_queue_task_done(NULL), -EINVAL);
    cr_assert_eq(weft_queue_shutdown(NULL, WEFT_QUEUE_DRAIN), -EINVAL);
    begin_with(1, WEFT_QUEUE_FIFO);
    cr_assert_eq(weft_queue_shutdown(queue, (enum weft_queue_shutdown)5), -EINVAL);
    cr_assert_eq(weft_queue_get_nowait(queue, NULL, NULL), -EINVAL);
    cr_assert_eq(weft_queue_get_blocking(queue, 0, NULL, NULL), -EINVAL);
    end();
}

static int pass_on(void)
{
    queue = weft_queue_new(&(struct weft_queue_options){.bound = 1});
    if (!queue)
        return -errno;
    weft_future *first = put_block(), *second = put_block();
    weft_future *got = weft_queue_get(queue);
    int status = weft_future_status(first);
    if (status == 0)
        status = weft_is_done(got) ? weft_future_status(got) : 0;
    if (status == 0)
        status = weft_test_run(weft_ref(second));
    weft_unref(first);
    weft_unref(second);
    weft_unref(got);
    weft_queue_unref(queue);
    return status;
}

Test(queue_end, survives_every_lack_of_memory)
{
    weft_test_every_lack_of_memory(pass_on);
    weft_test_loop_end();
}

Test(queue_end, put_without_memory_leaves_the_value_where_it_should_be)
{
    begin_with(0, WEFT_QUEUE_FIFO);
    weft_test_heap_fail_at(1); /* for the store */
    cr_assert_eq(put(1), -ENOMEM);
    weft_test_heap_fail_at(2);
    cr_assert_eq(weft_test_run(put_block()), -ENOMEM);
    cr_assert_eq(destroyed, 1);
    cr_assert(weft_queue_is_empty(queue));
    weft_test_heap_fail_at(0);
    end();
}

Test(queue_end, value_that_cannot_go_back_for_lack_of_memory_is_destroyed)
{
    begin_with(16, WEFT_QUEUE_FIFO);
    for (int i = 0; i < 16; i++)
        cr_assert_eq(weft_test_run(put_block()), 0);
    weft_future *got = weft_queue_get(queue);
    weft_unref(put_block());
    weft_test_heap_fail_at(1);
    weft_unref(got);
    cr_assert_eq(destroyed, 1);
    weft_test_heap_fail_at(0);
    end();
}

/* ---- In a forked child ---- */

static void use_in_child(void *arg)
{
    weft_value value;
    (void)arg;
    CHILD_EXPECT(weft_queue_put_nowait(queue, weft_value_i64(1), NULL) == WEFT_EFORK);
    CHILD_EXPECT(weft_queue_get_nowait(queue, &value, NULL) == WEFT_EFORK);
    CHILD_EXPECT(weft_queue_put_blocking(queue, weft_value_i64(1), NULL, -1) == WEFT_EFORK);
    CHILD_EXPECT(weft_queue_get_blocking(queue, -1, &value, NULL) == WEFT_EFORK);
    CHILD_EXPECT(weft_queue_task_done(queue) == WEFT_EFORK);
    CHILD_EXPECT(weft_queue_shutdown(queue, WEFT_QUEUE_DRAIN) == WEFT_EFORK);
    CHILD_EXPECT(weft_queue_size(queue) == 0);
    weft_queue_unref(weft_queue_ref(queue));
    CHILD_EXPECT(weft_after_fork_child(test_loop) == 0);
    CHILD_EXPECT(weft_queue_size(queue) == 1);
    CHILD_EXPECT(weft_queue_get_nowait(queue, &value, NULL) == 0);
    CHILD_EXPECT(value.i64 == 7);
}

Test(queue_end, every_call_fails_in_a_forked_child_until_the_loop_goes_on)
{
    weft_value value;
    queue = weft_queue_new(NULL);
    cr_assert_eq(weft_queue_put_nowait(queue, weft_value_i64(7), NULL), 0);
    weft_test_in_child(use_in_child, NULL);
    cr_assert_eq(weft_queue_get_nowait(queue, &value, NULL), 0);
    cr_assert_eq(value.i64, 7);
    weft_queue_unref(queue);
    weft_test_loop_end();
}

/* ---- In a job on the loop's own thread ---- */

static weft_result get_in_job(void *arg)
{
    weft_value value;
    return weft_ok(weft_queue_get_blocking(arg, -1, &value, NULL));
}

Test(queue_end, blocking_call_in_a_job_of_an_inline_pool_is_a_deadlock)
{
    weft_pool *pool = weft_testing_pool_new(WEFT_TESTING_INLINE);
    cr_assert_eq(weft_loop_set_pool(test_loop, pool), 0);
    queue = weft_queue_new(NULL);
    weft_future *job = weft_to_thread_fn(NULL, get_in_job, queue);
    cr_assert_eq(weft_test_run(weft_ref(job)), 0);
    cr_assert_eq(weft_future_value(job).i64, -EDEADLK);
    weft_unref(job);
    weft_queue_unref(queue);
    weft_pool_unref(pool);
    weft_test_loop_end();
}

/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <weft/weft.h>

#include "core/queue.h"
#include "tests/support/heap.h"
#include "tests/support/loop.h"
#include "tests/support/trace.h"

static weft_queue *queue;

static void begin_with(size_t bound)
{
    queue = weft_queue_new(&(struct weft_queue_options){.bound = bound});
    cr_assert_not_null(queue);
}

static void end(void)
{
    weft_queue_unref(queue);
    weft_test_loop_end();
}

TestSuite(queue_threads, .init = weft_test_loop_begin_real, .timeout = 60);

struct caller {
    pthread_t thread;
    weft_queue *queue; /* a reference */
    int64_t value;
    weft_ns timeout;
    int status;
};

static void *put_one(void *arg)
{
    struct caller *caller = arg;
    caller->status = weft_queue_put_blocking(caller->queue, weft_value_i64(caller->value), NULL,
                                             caller->timeout);
    weft_queue_unref(caller->queue);
    return NULL;
}

static void *get_one(void *arg)
{
    struct caller *caller = arg;
    weft_value value = weft_value_i64(-1);
    caller->status = weft_queue_get_blocking(caller->queue, caller->timeout, &value, NULL);
    caller->value = value.i64;
    weft_queue_unref(caller->queue);
    return NULL;
}

static void start(struct caller *caller, void *(*fn)(void *))
{
    caller->queue = weft_queue_ref(queue);
    cr_assert_eq(pthread_create(&caller->thread, NULL, fn, caller), 0);
}

static int end_of(struct caller *caller)
{
    cr_assert_eq(pthread_join(caller->thread, NULL), 0);
    return caller->status;
}

static size_t count_waiting(const struct weft__parties *line)
{
    size_t count = 0;
    weft__mutex_lock(&queue->mu);
    for (const struct weft__party *party = line->first; party; party = party->next)
        count++;
    weft__mutex_unlock(&queue->mu);
    return count;
}

static void wait_until_waiting(const struct weft__parties *line, size_t count)
{
    while (count_waiting(line) < count)
        sched_yield();
}

static int get_now(void)
{
    weft_value value;
    int status = weft_queue_get_nowait(queue, &value, NULL);
    return status < 0 ? status : (int)value.i64;
}

static int put_now(int number)
{
    return weft_queue_put_nowait(queue, weft_value_i64(number), NULL);
}

Test(queue_threads, blocked_getter_gets_what_a_task_puts)
{
    struct caller first = {.timeout = -1}, second = {.timeout = WEFT_FOREVER};
    begin_with(1);
    start(&first, get_one);
    wait_until_waiting(&queue->getters, 1);
    start(&second, get_one);
    wait_until_waiting(&queue->getters, 2);
    cr_assert_eq(weft_test_run(weft_queue_put(queue, weft_value_i64(1), NULL)), 0);
    cr_assert_eq(weft_test_run(weft_queue_put(queue, weft_value_i64(2), NULL)), 0);
    cr_assert_eq(end_of(&first), 0);
    cr_assert_eq(end_of(&second), 0);
    cr_assert_eq(first.value, 1);
    cr_assert_eq(second.value, 2);
    end();
}

Test(queue_threads, blocked_putter_goes_on_when_a_task_gets)
{
    struct caller first = {.value = 2, .timeout = -1}, second = {.value = 3, .timeout = -1};
    begin_with(1);
    cr_assert_eq(put_now(1), 0);
    start(&first, put_one);
    wait_until_waiting(&queue->putters, 1);
    start(&second, put_one);
    wait_until_waiting(&queue->putters, 2);
    for (int i = 1; i <= 3; i++) {
        weft_future *got = weft_queue_get(queue);
        cr_assert_eq(weft_test_run(weft_ref(got)), 0);
        cr_assert_eq(weft_future_value(got).i64, i);
        weft_unref(got);
    }
    cr_assert_eq(end_of(&first), 0);
    cr_assert_eq(end_of(&second), 0);
    end();
}

Test(queue_threads, threads_and_tasks_are_served_in_the_order_in_which_they_came)
{
    struct caller thread = {.timeout = -1}, last = {.timeout = -1};
    begin_with(0);
    weft_future *first = weft_queue_get(queue);
    start(&thread, get_one);
    wait_until_waiting(&queue->getters, 2);
    weft_future *third = weft_queue_get(queue);
    start(&last, get_one);
    wait_until_waiting(&queue->getters, 4);
    cr_assert_eq(put_now(1), 0);
    cr_assert_eq(put_now(2), 0);
    cr_assert_eq(end_of(&thread), 0);
    cr_assert_eq(weft_test_run(first), 0);
    cr_assert_eq(count_waiting(&queue->getters), 2);
    cr_assert_eq(put_now(3), 0);
    cr_assert_eq(put_now(4), 0);
    cr_assert_eq(end_of(&last), 0);
    cr_assert_eq(weft_test_run(third), 0);
    cr_assert(weft_queue_is_empty(queue));
    end();
}

Test(queue_threads, thread_wakes_a_loop_that_sleeps)
{
    struct caller putter = {.value = 5, .timeout = -1}, getter = {.timeout = -1};
    begin_with(1);
    weft_future *got = weft_queue_get(queue);
    start(&putter, put_one);
    cr_assert_eq(weft_test_run(weft_ref(got)), 0);
    cr_assert_eq(weft_future_value(got).i64, 5);
    weft_unref(got);
    cr_assert_eq(end_of(&putter), 0);
    cr_assert_eq(put_now(6), 0);
    weft_future *put = weft_queue_put(queue, weft_value_i64(7), NULL);
    start(&getter, get_one);
    cr_assert_eq(weft_test_run(put), 0);
    cr_assert_eq(end_of(&getter), 0);
    cr_assert_eq(getter.value, 6);
    end();
}

Test(queue_threads, thread_cannot_take_what_a_task_was_woken_for)
{
    struct caller thread = {.timeout = 0};
    begin_with(1);
    weft_future *got = weft_queue_get(queue);
    cr_assert_eq(put_now(1), 0);
    start(&thread, get_one);
    cr_assert_eq(end_of(&thread), -ETIMEDOUT);
    cr_assert_eq(weft_test_run(weft_ref(got)), 0);
    cr_assert_eq(weft_future_value(got).i64, 1);
    weft_unref(got);
    cr_assert_eq(put_now(2), 0);
    weft_future *waits = weft_queue_put(queue, weft_value_i64(3), NULL);
    cr_assert_eq(get_now(), 2);
    start(&thread, put_one);
    cr_assert_eq(end_of(&thread), -ETIMEDOUT);
    cr_assert_eq(weft_test_run(waits), 0);
    end();
}

Test(queue_threads, task_that_a_thread_woke_and_that_is_cancelled_passes_the_wake_on)
{
    struct caller thread = {.value = 1, .timeout = -1};
    begin_with(1);
    weft_future *victim = weft_queue_get(queue), *next = weft_queue_get(queue);
    start(&thread, put_one);
    cr_assert_eq(end_of(&thread), 0);
    cr_assert(weft_cancel(victim));
    cr_assert_eq(weft_test_run(victim), -ECANCELED);
    cr_assert_eq(weft_test_run(weft_ref(next)), 0);
    cr_assert_eq(weft_future_value(next).i64, 1);
    weft_unref(next);
    end();
}

static void *deal_with_one(void *arg)
{
    struct caller *caller = arg;
    caller->status = weft_queue_task_done(caller->queue);
    weft_queue_unref(caller->queue);
    return NULL;
}

Test(queue_threads, join_ends_when_a_thread_has_dealt_with_the_last)
{
    struct caller thread = {.timeout = -1};
    begin_with(1);
    cr_assert_eq(put_now(1), 0);
    weft_future *join = weft_queue_join(queue), *gone = weft_queue_join(queue);
    start(&thread, deal_with_one);
    cr_assert_eq(end_of(&thread), 0);
    cr_assert(weft_cancel(gone));
    cr_assert_eq(weft_test_run(gone), -ECANCELED);
    cr_assert_eq(weft_test_run(join), 0);
    end();
}

/* ---- Limits of time, misuse ---- */

static weft_ns real_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return WEFT_S(now.tv_sec) + now.tv_nsec;
}

Test(queue_threads, blocking_calls_time_out)
{
    struct caller getter = {.timeout = WEFT_MS(5)};
    struct caller putter = {.value = 1, .timeout = WEFT_MS(5)};
    begin_with(1);
    weft_ns began = real_now();
    start(&getter, get_one);
    cr_assert_eq(end_of(&getter), -ETIMEDOUT);
    cr_assert_geq(real_now() - began, WEFT_MS(5));
    cr_assert_eq(put_now(0), 0);
    began = real_now();
    start(&putter, put_one);
    cr_assert_eq(end_of(&putter), -ETIMEDOUT);
    cr_assert_geq(real_now() - began, WEFT_MS(5));
    cr_assert_eq(count_waiting(&queue->getters), 0);
    cr_assert_eq(get_now(), 0);
    cr_assert_eq(get_now(), -EAGAIN);
    end();
}

Test(queue_threads, blocking_calls_on_the_loops_thread_are_a_deadlock)
{
    weft_value value;
    begin_with(1);
    cr_assert_eq(weft_queue_put_blocking(queue, weft_value_i64(1), NULL, -1), -EDEADLK);
    cr_assert_eq(weft_queue_get_blocking(queue, -1, &value, NULL), -EDEADLK);
    end();
}

static void *use_as_a_task(void *arg)
{
    struct caller *caller = arg;
    weft_future *future = weft_queue_get(caller->queue);
    caller->status = weft_future_status(future);
    weft_unref(future);
    weft_queue_unref(caller->queue);
    return NULL;
}

Test(queue_threads, calls_for_tasks_are_refused_on_other_threads)
{
    struct caller thread = {.timeout = 0};
    begin_with(1);
    start(&thread, use_as_a_task);
    cr_assert_eq(end_of(&thread), WEFT_ETHREAD);
    weft_test_ticks(1);
    cr_assert_eq(test_reports.count, 1);
    end();
}

/* ---- Shutdown, the end ---- */

Test(queue_threads, shutdown_ends_those_who_block)
{
    struct caller getters[2] = {{.timeout = -1}, {.timeout = WEFT_S(1000)}};
    struct caller putters[2] = {{.timeout = -1}, {.timeout = WEFT_S(1000)}};
    begin_with(1);
    for (int i = 0; i < 2; i++)
        start(&getters[i], get_one);
    wait_until_waiting(&queue->getters, 2);
    cr_assert_eq(weft_queue_shutdown(queue, WEFT_QUEUE_DRAIN), 0);
    for (int i = 0; i < 2; i++)
        cr_assert_eq(end_of(&getters[i]), WEFT_ECLOSED);
    weft_queue_unref(queue);
    begin_with(1);
    cr_assert_eq(put_now(1), 0);
    for (int i = 0; i < 2; i++)
        start(&putters[i], put_one);
    wait_until_waiting(&queue->putters, 2);
    cr_assert_eq(weft_queue_shutdown(queue, WEFT_QUEUE_IMMEDIATE), 0);
    for (int i = 0; i < 2; i++)
        cr_assert_eq(end_of(&putters[i]), WEFT_ECLOSED);
    struct caller late = {.timeout = -1};
    start(&late, put_one);
    cr_assert_eq(end_of(&late), WEFT_ECLOSED);
    end();
}

Test(queue_threads, thread_drains_a_queue_that_was_shut_down)
{
    struct caller getter = {.timeout = -1};
    begin_with(2);
    cr_assert_eq(put_now(4), 0);
    cr_assert_eq(weft_queue_shutdown(queue, WEFT_QUEUE_DRAIN), 0);
    start(&getter, get_one);
    cr_assert_eq(end_of(&getter), 0);
    cr_assert_eq(getter.value, 4);
    start(&getter, get_one);
    cr_assert_eq(end_of(&getter), WEFT_ECLOSED);
    end();
}

Test(queue_threads, queue_outlives_its_loop_and_those_who_block_are_told)
{
    struct caller getter = {.timeout = -1};
    begin_with(1);
    start(&getter, get_one);
    wait_until_waiting(&queue->getters, 1);
    weft_queue *same = queue;
    weft_loop_free(test_loop);
    cr_assert_eq(end_of(&getter), WEFT_ECLOSED);
    getter.queue = same; /* the last reference goes on a thread, long after the loop */
    cr_assert_eq(pthread_create(&getter.thread, NULL, get_one, &getter), 0);
    cr_assert_eq(end_of(&getter), WEFT_ECLOSED);
    cr_assert_eq(weft_test_heap_live(), 0);
}

static void *drop(void *arg)
{
    weft_queue_unref(arg);
    return NULL;
}

Test(queue_threads, last_reference_that_goes_on_a_thread_ends_those_who_wait)
{
    pthread_t thread;
    begin_with(1);
    weft_future *got = weft_queue_get(queue);
    cr_assert_eq(pthread_create(&thread, NULL, drop, queue), 0);
    cr_assert_eq(weft_test_run(got), WEFT_ECLOSED);
    cr_assert_eq(pthread_join(thread, NULL), 0);
    weft_test_loop_end();
}

Test(queue_threads, last_reference_that_goes_while_the_loop_ends_leaves_nothing)
{
    for (int i = 0; i < 50; i++) {
        pthread_t thread;
        begin_with(1);
        weft_unref(weft_queue_put(queue, weft_value_ptr(malloc(1)), free));
        weft_future *waits = weft_queue_put(queue, weft_value_ptr(malloc(1)), free);
        cr_assert_eq(pthread_create(&thread, NULL, drop, queue), 0);
        cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
        cr_assert(weft_is_done(waits));
        cr_assert_lt(weft_future_status(waits), 0);
        weft_unref(waits);
        cr_assert_eq(pthread_join(thread, NULL), 0);
        weft_loop_free(test_loop);
        test_loop = weft_loop_new(NULL);
    }
    weft_test_loop_end();
}

/* ---- No wakeup is lost ---- */

enum { ROUNDS = 3000 };

static weft_queue *go; /* a number for each thread and round: how long to dawdle */

/* In each round, at a moment of its own, one value. */
static void *answer(void *arg)
{
    (void)arg;
    for (int i = 0; i < ROUNDS; i++) {
        weft_value dawdle;
        cr_assert_eq(weft_queue_get_blocking(go, -1, &dawdle, NULL), 0);
        for (volatile int64_t spin = 0; spin < dawdle.i64; spin = spin + 1)
            ;
        cr_assert_eq(weft_queue_put_blocking(queue, weft_value_i64(i), NULL, -1), 0);
    }
    return NULL;
}

struct rounds {
    WEFT_FRAME;
    int round;
    unsigned random;
    weft_future *both;
};

/* Nothing but the wakeup tells the loop of either value: it touches the queue only to wait. */
static WEFT_ASYNC(rounds)
{
    WEFT_BEGIN;
    for (; self->round < ROUNDS; self->round++) {
        self->both = weft_gather(weft_queue_get(queue), weft_queue_get(queue));
        for (int i = 0; i < 2; i++) {
            self->random = self->random * 1664525 + 1013904223;
            cr_assert_eq(weft_queue_put_nowait(go, weft_value_i64(self->random >> 15), NULL), 0);
        }
        WEFT_AWAIT(self->both);
    }
    WEFT_END;
}

Test(queue_threads, loses_no_wakeup_when_two_threads_serve_a_loop_that_sleeps)
{
    pthread_t threads[2];
    begin_with(0);
    go = weft_queue_new(NULL);
    for (int i = 0; i < 2; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, answer, NULL), 0);
    cr_assert_eq(weft_test_run(weft_spawn(rounds)), 0);
    for (int i = 0; i < 2; i++)
        cr_assert_eq(pthread_join(threads[i], NULL), 0);
    weft_queue_unref(go);
    end();
}

/* ---- Everybody at once ---- */

enum { PER_PRODUCER = 3000, PRODUCERS = 4, CONSUMERS = 4 };

static atomic_int producers_left;
static atomic_llong got_count, got_sum;

static int64_t item(int producer, int number)
{
    return (int64_t)producer << 32 | number;
}

/* What a consumer has seen of each producer: the numbers of one only go up. */
struct seen {
    int last[PRODUCERS];
};

static void see(struct seen *seen, int64_t value)
{
    int producer = (int)(value >> 32), number = (int)(value & 0xffffffff);
    cr_assert_gt(number, seen->last[producer]);
    seen->last[producer] = number;
    atomic_fetch_add(&got_count, 1);
    atomic_fetch_add(&got_sum, value);
}

static void producer_has_ended(void)
{
    if (atomic_fetch_sub(&producers_left, 1) == 1)
        cr_assert_eq(weft_queue_shutdown(queue, WEFT_QUEUE_DRAIN), 0);
}

static weft_ns short_limit(int number)
{
    return number % 3 ? WEFT_FOREVER : WEFT_US(number % 50);
}

static void *produce(void *arg)
{
    int producer = *(int *)arg;
    for (int i = 1; i <= PER_PRODUCER; i++) {
        int status;
        do
            status = weft_queue_put_blocking(queue, weft_value_i64(item(producer, i)), NULL,
                                             short_limit(i));
        while (status == -ETIMEDOUT);
        cr_assert_eq(status, 0);
    }
    producer_has_ended();
    return NULL;
}

static void *consume(void *arg)
{
    struct seen seen = {{0}};
    (void)arg;
    for (int i = 0;; i++) {
        weft_value value;
        int status = weft_queue_get_blocking(queue, short_limit(i), &value, NULL);
        if (status == WEFT_ECLOSED)
            return NULL;
        if (status == 0)
            see(&seen, value.i64);
        else
            cr_assert_eq(status, -ETIMEDOUT);
    }
}

struct producing {
    WEFT_FRAME;
    int producer, number, status;
};

static WEFT_ASYNC(producing)
{
    WEFT_BEGIN;
    for (self->number = 1; self->number <= PER_PRODUCER;) {
        WEFT_CATCH(
            self->status,
            weft_wait_for(
                weft_queue_put(queue, weft_value_i64(item(self->producer, self->number)), NULL),
                short_limit(self->number)));
        cr_assert(self->status == 0 || self->status == -ETIMEDOUT);
        self->number += self->status == 0;
    }
    producer_has_ended();
    WEFT_END;
}

struct consuming {
    WEFT_FRAME;
    struct seen seen;
    int64_t value;
    int status, round;
};

static WEFT_ASYNC(consuming)
{
    WEFT_BEGIN;
    for (;; self->round++) {
        WEFT_CATCH_INTO(self->status, self->value,
                        weft_wait_for(weft_queue_get(queue), short_limit(self->round)));
        if (self->status == WEFT_ECLOSED)
            WEFT_RETURN(0);
        if (self->status == 0)
            see(&self->seen, self->value);
        else
            cr_assert_eq(self->status, -ETIMEDOUT);
    }
    WEFT_END;
}

/* Half of them are threads, half of them tasks. */
static void produce_and_consume(size_t bound)
{
    pthread_t producers[PRODUCERS / 2], consumers[CONSUMERS / 2];
    weft_future *tasks[PRODUCERS / 2 + CONSUMERS / 2];
    int numbers[PRODUCERS];
    long long sum = 0;
    begin_with(bound);
    atomic_store(&producers_left, PRODUCERS);
    for (int i = 0; i < PRODUCERS / 2; i++) {
        numbers[i] = i;
        cr_assert_eq(pthread_create(&producers[i], NULL, produce, &numbers[i]), 0);
        tasks[i] = weft_spawn(producing, .producer = PRODUCERS / 2 + i);
    }
    for (int i = 0; i < CONSUMERS / 2; i++) {
        cr_assert_eq(pthread_create(&consumers[i], NULL, consume, NULL), 0);
        tasks[PRODUCERS / 2 + i] = weft_spawn(consuming);
    }
    cr_assert_eq(weft_test_run(weft_gather_array(PRODUCERS / 2 + CONSUMERS / 2, tasks, 0)), 0);
    for (int i = 0; i < PRODUCERS / 2; i++)
        cr_assert_eq(pthread_join(producers[i], NULL), 0);
    for (int i = 0; i < CONSUMERS / 2; i++)
        cr_assert_eq(pthread_join(consumers[i], NULL), 0);
    for (int p = 0; p < PRODUCERS; p++)
        for (int i = 1; i <= PER_PRODUCER; i++)
            sum += item(p, i);
    cr_assert_eq(atomic_load(&got_count), PRODUCERS * PER_PRODUCER);
    cr_assert_eq(atomic_load(&got_sum), sum);
    end();
}

Test(queue_threads, loses_and_doubles_nothing_with_room_for_one)
{
    produce_and_consume(1);
}

Test(queue_threads, loses_and_doubles_nothing_with_room_for_three)
{
    produce_and_consume(3);
}

Test(queue_threads, loses_and_doubles_nothing_without_a_bound)
{
    produce_and_consume(WEFT_UNBOUNDED);
}

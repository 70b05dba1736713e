/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <weft/weft.h>

#include "tests/support/heap.h"
#include "tests/support/loop.h"
#include "tests/support/trace.h"

static weft_queue *queue;

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

TestSuite(queue, .init = weft_test_loop_begin, .timeout = 20);

static int put(int number)
{
    return weft_queue_put_nowait(queue, weft_value_i64(number), NULL);
}

static int get(void)
{
    weft_value value = weft_value_i64(-1);
    weft_destructor *destructor = free;
    int status = weft_queue_get_nowait(queue, &value, &destructor);
    if (status == 0)
        cr_assert_null(destructor);
    return status < 0 ? status : (int)value.i64;
}

static weft_future *put_later(int number)
{
    return weft_queue_put(queue, weft_value_i64(number), NULL);
}

static int end_of(weft_future *future)
{
    return weft_test_run(weft_ref(future));
}

/* ---- Producers and consumers ---- */

static void mark_item(const char *prefix, int item)
{
    weft_test_mark(prefix);
    weft_test_mark((const char[]){(char)(item >> 8), (char)('0' + (item & 255)), '\0'});
}

struct producer {
    WEFT_FRAME;
    int name, count, made;
};

static WEFT_ASYNC(producer)
{
    WEFT_BEGIN;
    for (; self->made < self->count; self->made++) {
        WEFT_AWAIT(put_later(self->name << 8 | self->made));
        mark_item("+", self->name << 8 | self->made);
    }
    WEFT_END;
}

struct consumer {
    WEFT_FRAME;
    const char *name;
    int item;
};

static WEFT_ASYNC(consumer)
{
    WEFT_BEGIN;
    for (;;) {
        WEFT_AWAIT_INTO(self->item, weft_queue_get(queue));
        mark_item(self->name, self->item);
        cr_assert_eq(weft_queue_task_done(queue), 0);
    }
    WEFT_END;
}

static void produce_and_consume(size_t bound, const char *producers, const char *consumers)
{
    weft_future *tasks[8];
    int count = 0;
    begin_with(bound, WEFT_QUEUE_FIFO);
    test_trace[0] = '\0';
    for (const char *c = consumers; *c; c++)
        tasks[count++] = weft_spawn(consumer, .name = *c == 'x' ? "x" : "y");
    int first = count;
    for (const char *p = producers; *p; p++)
        tasks[count++] = weft_spawn(producer, .name = *p, .count = 4);
    for (int i = first; i < count; i++)
        cr_assert_eq(weft_test_run(tasks[i]), 0);
    cr_assert_eq(weft_test_run(weft_queue_join(queue)), 0);
    for (int i = 0; i < first; i++) {
        cr_assert(weft_cancel(tasks[i]));
        cr_assert_eq(weft_test_run(tasks[i]), -ECANCELED);
    }
    weft_queue_unref(queue);
}

/* What the same programs print in Python. */
Test(queue, producers_and_consumers_take_turns_as_in_asyncio)
{
    produce_and_consume(1, "a", "x");
    cr_assert_str_eq(test_trace, "+a0xa0+a1xa1+a2xa2+a3xa3");
    produce_and_consume(2, "a", "x");
    cr_assert_str_eq(test_trace, "+a0+a1xa0xa1+a2+a3xa2xa3");
    produce_and_consume(3, "a", "xy");
    cr_assert_str_eq(test_trace, "+a0+a1+a2xa0xa1xa2+a3xa3");
    produce_and_consume(2, "ab", "x");
    cr_expect_str_eq(test_trace, "+a0+a1xa0xa1+a2+a3xa2xa3+b0+b1xb0xb1+b2+b3xb2xb3");
    produce_and_consume(1, "ab", "xy");
    cr_expect_str_eq(test_trace, "+a0xa0+a1ya1+b0xb0+a2ya2+b1xb1+a3ya3+b2xb2+b3yb3");
    weft_test_loop_end();
}

/* ---- Order ---- */

Test(queue, gives_the_oldest_first)
{
    begin_with(0, WEFT_QUEUE_FIFO);
    for (int i = 0; i < 40; i++)
        cr_assert_eq(put(i), 0);
    for (int i = 0; i < 40; i++) {
        cr_assert_eq(get(), i);
        cr_assert_eq(put(40 + i), 0);
    }
    cr_assert_eq(get(), 40);
    end();
}

Test(queue, of_lifo_gives_the_newest_first)
{
    begin_with(0, WEFT_QUEUE_LIFO);
    for (int i = 0; i < 20; i++)
        cr_assert_eq(put(i), 0);
    for (int i = 19; i >= 0; i--)
        cr_assert_eq(get(), i);
    end();
}

Test(queue, of_priorities_gives_the_smallest_first)
{
    begin_with(0, WEFT_QUEUE_PRIORITY);
    for (int i = 0; i < 101; i++)
        cr_assert_eq(put(i * 37 % 101), 0);
    for (int i = 0; i < 101; i++)
        cr_assert_eq(get(), i);
    end();
}

static int64_t tens(weft_value value)
{
    return value.i64 / 10;
}

Test(queue, gives_the_oldest_of_equal_priorities_first)
{
    queue = weft_queue_new(
        &(struct weft_queue_options){.order = WEFT_QUEUE_PRIORITY, .priority = tens});
    const int numbers[] = {25, 13, 21, 19, 10, 5};
    const int sorted[] = {5, 13, 19, 10, 25, 21};
    for (int i = 0; i < 6; i++)
        cr_assert_eq(put(numbers[i]), 0);
    for (int i = 0; i < 6; i++)
        cr_assert_eq(get(), sorted[i]);
    end();
}

static void put_three_while_one_waits(enum weft_queue_order order, const char *expected)
{
    begin_with(0, order);
    test_trace[0] = '\0';
    weft_future *task = weft_spawn(consumer, .name = "");
    weft_test_ticks(1);
    cr_assert_eq(put('.' << 8 | 3), 0);
    cr_assert_eq(put('.' << 8 | 1), 0);
    cr_assert_eq(put('.' << 8 | 2), 0);
    cr_assert_eq(weft_queue_size(queue), 3); /* the getter has not run */
    weft_test_ticks(1);
    cr_assert_str_eq(test_trace, expected);
    cr_assert(weft_cancel(task));
    cr_assert_eq(weft_test_run(task), -ECANCELED);
    weft_queue_unref(queue);
}

Test(queue, getter_takes_what_is_next_when_it_runs_as_in_asyncio)
{
    put_three_while_one_waits(WEFT_QUEUE_FIFO, ".3.1.2");
    put_three_while_one_waits(WEFT_QUEUE_PRIORITY, ".1.2.3");
    put_three_while_one_waits(WEFT_QUEUE_LIFO, ".2.1.3");
    weft_test_loop_end();
}

Test(queue, getter_that_was_woken_and_finds_the_value_taken_waits_again_as_in_asyncio)
{
    begin_with(0, WEFT_QUEUE_FIFO);
    weft_future *waits = weft_queue_get(queue), *next = weft_queue_get(queue);
    cr_assert_eq(put(1), 0);
    cr_assert_eq(get(), 1);
    weft_test_ticks(1);
    cr_assert_not(weft_is_done(waits));
    cr_assert_eq(put(2), 0); /* for the other one, who is the first in line now */
    cr_assert_eq(put(3), 0);
    cr_assert_eq(end_of(waits), 0);
    cr_assert_eq(weft_future_value(next).i64, 2);
    cr_assert_eq(weft_future_value(waits).i64, 3);
    cr_assert_eq(weft_test_run(next), 0);
    weft_unref(waits);
    end();
}

Test(queue, putter_that_was_woken_and_finds_the_room_taken_waits_again_as_in_asyncio)
{
    begin_with(1, WEFT_QUEUE_FIFO);
    cr_assert_eq(put(1), 0);
    weft_future *waits = put_later(2);
    cr_assert_eq(get(), 1);
    cr_assert_eq(put(3), 0);
    cr_assert_eq(put(4), -EAGAIN);
    weft_test_ticks(1);
    cr_assert_not(weft_is_done(waits));
    cr_assert_eq(get(), 3);
    cr_assert_eq(weft_test_run(waits), 0);
    cr_assert_eq(get(), 2);
    end();
}

/* ---- The bound ---- */

Test(queue, has_a_bound_unless_told_otherwise)
{
    queue = weft_queue_new(NULL);
    for (int i = 0; i < 1024; i++)
        cr_assert_eq(put(i), 0);
    cr_assert(weft_queue_is_full(queue));
    cr_assert_eq(put(0), -EAGAIN);
    weft_queue_unref(queue);
    begin_with(WEFT_UNBOUNDED, WEFT_QUEUE_FIFO);
    for (int i = 0; i < 3000; i++)
        cr_assert_eq(put(i), 0);
    cr_assert_not(weft_queue_is_full(queue));
    cr_assert_eq(weft_queue_size(queue), 3000);
    end();
}

/* ---- Cancelling ---- */

static void cancel_getter(int which)
{
    weft_future *gets[3];
    begin_with(0, WEFT_QUEUE_FIFO);
    for (int i = 0; i < 3; i++)
        gets[i] = weft_queue_get(queue);
    cr_assert(weft_cancel(gets[which]));
    cr_assert_eq(put(1), 0);
    cr_assert_eq(put(2), 0);
    for (int i = 0, value = 1; i < 3; i++) {
        cr_assert_eq(end_of(gets[i]), i == which ? -ECANCELED : 0);
        if (i != which)
            cr_assert_eq(weft_future_value(gets[i]).i64, value++);
        weft_unref(gets[i]);
    }
    end();
}

Test(queue, first_getter_that_is_cancelled_leaves_the_line)
{
    cancel_getter(0);
}

Test(queue, getter_in_the_middle_that_is_cancelled_leaves_the_line)
{
    cancel_getter(1);
}

Test(queue, last_getter_that_is_cancelled_leaves_the_line)
{
    cancel_getter(2);
}

static void cancel_putter(int which)
{
    weft_future *puts[3];
    begin_with(1, WEFT_QUEUE_FIFO);
    cr_assert_eq(put(9), 0);
    for (int i = 0; i < 3; i++)
        puts[i] = put_later(i);
    cr_assert(weft_cancel(puts[which]));
    cr_assert_eq(get(), 9);
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(weft_test_run(puts[i]), i == which ? -ECANCELED : 0);
        if (i != which)
            cr_assert_eq(get(), i);
    }
    cr_assert_eq(get(), -EAGAIN);
    end();
}

Test(queue, first_putter_that_is_cancelled_leaves_the_line)
{
    cancel_putter(0);
}

Test(queue, putter_in_the_middle_that_is_cancelled_leaves_the_line)
{
    cancel_putter(1);
}

Test(queue, last_putter_that_is_cancelled_leaves_the_line)
{
    cancel_putter(2);
}

Test(queue, getter_that_was_woken_and_then_cancelled_passes_the_wake_on)
{
    begin_with(0, WEFT_QUEUE_FIFO);
    weft_future *victim = weft_queue_get(queue), *next = weft_queue_get(queue);
    cr_assert_eq(put(1), 0);
    cr_assert(weft_cancel(victim));
    cr_assert_eq(weft_test_run(victim), -ECANCELED);
    cr_assert_eq(end_of(next), 0);
    cr_assert_eq(weft_future_value(next).i64, 1);
    weft_unref(next);
    victim = weft_queue_get(queue);
    cr_assert_eq(put(2), 0);
    cr_assert(weft_cancel(victim));
    cr_assert_eq(get(), 2); /* nobody else waits: it is for anybody */
    cr_assert_eq(weft_test_run(victim), -ECANCELED);
    end();
}

Test(queue, putter_that_was_woken_and_then_cancelled_passes_the_wake_on)
{
    begin_with(1, WEFT_QUEUE_FIFO);
    cr_assert_eq(put(1), 0);
    weft_future *victim = put_later(2), *next = put_later(3);
    cr_assert_eq(get(), 1);
    cr_assert(weft_cancel(victim));
    cr_assert_eq(weft_test_run(victim), -ECANCELED);
    cr_assert_eq(weft_test_run(next), 0);
    cr_assert_eq(get(), 3);
    end();
}

struct taker {
    WEFT_FRAME;
    weft_ns limit;
    int value, status;
};

static WEFT_ASYNC(taker)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->value, weft_wait_for(weft_queue_get(queue), self->limit));
    WEFT_CATCH(self->status, weft_sleep(WEFT_S(1)));
    cr_assert_eq(self->status, -ECANCELED);
    WEFT_RETURN(self->value);
    WEFT_END;
}

Test(queue, value_that_was_got_is_not_lost_to_a_cancel_before_the_next_step)
{
    begin_with(0, WEFT_QUEUE_FIFO);
    cr_assert_eq(put(7), 0);
    weft_future *got = weft_queue_get(queue);
    cr_assert_not(weft_cancel(got));
    cr_assert_eq(weft_test_run(got), 0);
    weft_future *task = weft_spawn(taker, .limit = WEFT_S(9));
    weft_test_ticks(1);
    cr_assert_eq(put(8), 0);
    weft_test_ticks(1); /* the get is done, the wait_for around it is not */
    cr_assert(weft_cancel(task));
    cr_assert_eq(end_of(task), 0);
    cr_assert_eq(weft_future_value(task).i64, 8);
    weft_unref(task);
    end();
}

Test(queue, wait_for_that_times_out_takes_nothing)
{
    begin_with(1, WEFT_QUEUE_FIFO);
    cr_assert_eq(weft_test_run(weft_wait_for(weft_queue_get(queue), WEFT_MS(10))), -ETIMEDOUT);
    cr_assert_eq(put(1), 0);
    cr_assert_eq(weft_test_run(weft_wait_for(put_later(2), WEFT_MS(10))), -ETIMEDOUT);
    cr_assert_eq(get(), 1);
    cr_assert_eq(get(), -EAGAIN);
    end();
}

/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <weft/weft.h>

#include "tests/support/heap.h"
#include "tests/support/loop.h"
#include "tests/support/trace.h"

static weft_broadcast *channel;
static int destroyed;

static void begin(void)
{
    weft_test_loop_begin();
    channel = weft_broadcast_new(3);
    cr_assert_not_null(channel);
}

static void end(void)
{
    weft_broadcast_free(channel);
    weft_test_loop_end();
}

TestSuite(broadcast, .init = begin, .timeout = 20);

static void destroy(void *ptr)
{
    free(ptr);
    destroyed++;
}

static void send(int number)
{
    cr_assert_eq(weft_broadcast_send(channel, weft_value_i64(number), NULL), 0);
}

static void send_block(void)
{
    cr_assert_eq(weft_broadcast_send(channel, weft_value_ptr(calloc(1, 1)), destroy), 0);
}

static int next_of(weft_receiver *receiver)
{
    weft_future *next = weft_receiver_next(receiver);
    int status = weft_test_run(weft_ref(next));
    int64_t value = weft_future_value(next).i64;
    weft_unref(next);
    return status < 0 ? status : (int)value;
}

struct listener {
    WEFT_FRAME;
    weft_receiver *receiver;
    const char *name;
    int value, status;
};

static WEFT_ASYNC(listener)
{
    WEFT_BEGIN;
    for (;;) {
        WEFT_CATCH_INTO(self->status, self->value, weft_receiver_next(self->receiver));
        weft_test_mark(self->status < 0 ? "." : self->name);
        if (self->status < 0)
            WEFT_FAIL(self->status);
        weft_test_mark((const char[]){(char)('0' + self->value), '\0'});
    }
    WEFT_END;
}

Test(broadcast, every_receiver_sees_all_in_order)
{
    weft_receiver *receivers[] = {weft_receiver_new(channel), weft_receiver_new(channel)};
    weft_future *first = weft_spawn(listener, .receiver = receivers[0], .name = "a");
    weft_future *second = weft_spawn(listener, .receiver = receivers[1], .name = "b");
    weft_test_ticks(1);
    send(1);
    send(2);
    weft_test_ticks(1);
    cr_assert_str_eq(test_trace, "a1a2b1b2");
    cr_assert_eq(weft_broadcast_close(channel), 0);
    cr_assert_eq(weft_test_run(first), WEFT_EOF);
    cr_assert_eq(weft_test_run(second), WEFT_EOF);
    weft_receiver_free(receivers[0]);
    weft_receiver_free(receivers[1]);
    end();
}

Test(broadcast, receiver_sees_what_is_sent_from_its_beginning_on)
{
    send(1);
    weft_receiver *receiver = weft_receiver_new(channel);
    send(2);
    cr_assert_eq(next_of(receiver), 2);
    weft_receiver_free(receiver);
    end();
}

Test(broadcast, slow_receiver_learns_how_many_it_missed_and_goes_on)
{
    weft_receiver *slow = weft_receiver_new(channel), *quick = weft_receiver_new(channel);
    for (int i = 1; i <= 8; i++) {
        send(i);
        cr_assert_eq(next_of(quick), i);
    }
    weft_future *missed = weft_receiver_next(slow);
    cr_assert_eq(weft_future_status(missed), -EOVERFLOW);
    cr_assert_str_eq(weft_message(missed), "5 missed");
    weft_unref(missed);
    cr_assert_eq(weft_receiver_missed(slow), 5);
    for (int i = 6; i <= 8; i++)
        cr_assert_eq(next_of(slow), i);
    cr_assert_eq(weft_receiver_missed(quick), 0);
    weft_receiver_free(slow);
    weft_receiver_free(quick);
    end();
}

Test(broadcast, closed_gives_what_is_left_and_then_its_end)
{
    weft_receiver *receiver = weft_receiver_new(channel);
    send(1);
    send(2);
    cr_assert_eq(weft_broadcast_close(channel), 0);
    cr_assert_eq(weft_broadcast_send(channel, weft_value_i64(3), NULL), WEFT_ECLOSED);
    cr_assert_eq(next_of(receiver), 1);
    cr_assert_eq(next_of(receiver), 2);
    cr_assert_eq(next_of(receiver), WEFT_EOF);
    cr_assert_eq(next_of(receiver), WEFT_EOF);
    weft_receiver_free(receiver);
    end();
}

Test(broadcast, value_lasts_while_a_receiver_looks_at_it)
{
    weft_receiver *first = weft_receiver_new(channel), *second = weft_receiver_new(channel);
    send_block();
    cr_assert_geq(next_of(first), -1 - 0x7fffffff);
    cr_assert_geq(next_of(second), -1 - 0x7fffffff);
    for (int i = 0; i < 3; i++)
        send_block();
    cr_assert_eq(destroyed, 0); /* out of the ring, but looked at */
    weft_unref(weft_receiver_next(first));
    cr_assert_eq(destroyed, 0);
    weft_unref(weft_receiver_next(second));
    cr_assert_eq(destroyed, 1);
    weft_broadcast_free(channel);
    cr_assert_eq(destroyed, 1);
    weft_receiver_free(first);
    weft_receiver_free(second);
    cr_assert_eq(destroyed, 4);
    weft_test_loop_end();
}

Test(broadcast, next_that_is_dropped_unseen_has_taken_nothing)
{
    weft_receiver *receiver = weft_receiver_new(channel);
    weft_unref(weft_receiver_next(receiver)); /* waits */
    send(1);
    send(2);
    cr_assert_eq(next_of(receiver), 1);
    weft_unref(weft_receiver_next(receiver));
    cr_assert_eq(next_of(receiver), 2);
    weft_receiver_free(receiver);
    end();
}

Test(broadcast, wait_that_is_cancelled_or_times_out_takes_nothing)
{
    weft_receiver *receiver = weft_receiver_new(channel);
    weft_future *next = weft_receiver_next(receiver);
    cr_assert(weft_cancel(next));
    cr_assert_eq(weft_test_run(next), -ECANCELED);
    next = weft_wait_for(weft_receiver_next(receiver), WEFT_MS(1));
    cr_assert_eq(weft_test_run(next), -ETIMEDOUT);
    send(1);
    cr_assert_eq(next_of(receiver), 1);
    weft_receiver_free(receiver);
    end();
}

Test(broadcast, receiver_waits_once_at_a_time)
{
    weft_receiver *receiver = weft_receiver_new(channel);
    weft_future *next = weft_receiver_next(receiver);
    cr_assert_eq(next_of(receiver), -EBUSY);
    send(1);
    cr_assert_eq(weft_test_run(next), 0);
    weft_receiver_free(receiver);
    end();
}

static weft_receiver *freed;

static void free_receiver(void *ptr)
{
    free(ptr);
    weft_receiver_free(freed);
    freed = NULL;
}

Test(broadcast, destructor_may_free_a_receiver_that_waits)
{
    weft_receiver *receiver = weft_receiver_new(channel);
    cr_assert_eq(weft_broadcast_send(channel, weft_value_ptr(calloc(1, 1)), free_receiver), 0);
    cr_assert_eq(weft_test_run(weft_receiver_next(receiver)), 0);
    freed = weft_receiver_new(channel);
    send(1);
    send(2);
    cr_assert_eq(next_of(freed), 1);
    cr_assert_eq(next_of(freed), 2);
    weft_future *waits = weft_receiver_next(freed);
    send(3); /* the block is out of the ring now */
    cr_assert_eq(weft_test_run(waits), 0);
    waits = weft_receiver_next(freed);
    cr_assert_eq(next_of(receiver), 1); /* and here it goes */
    cr_assert_null(freed);
    cr_assert_eq(weft_test_run(waits), WEFT_ECLOSED);
    weft_receiver_free(receiver);
    end();
}

Test(broadcast, that_is_freed_fails_receivers_that_wait_and_those_that_ask)
{
    weft_receiver *receiver = weft_receiver_new(channel);
    weft_future *waits = weft_receiver_next(receiver);
    send_block();
    weft_broadcast_free(channel);
    cr_assert_eq(weft_test_run(waits), 0);
    cr_assert_eq(next_of(receiver), WEFT_ECLOSED);
    weft_receiver_free(receiver);
    cr_assert_eq(destroyed, 1);
    channel = weft_broadcast_new(1);
    receiver = weft_receiver_new(channel);
    waits = weft_receiver_next(receiver);
    weft_broadcast_free(channel);
    cr_assert_eq(weft_test_run(waits), WEFT_ECLOSED);
    weft_receiver_free(receiver);
    weft_test_loop_end();
}

Test(broadcast, receivers_are_cancelled_when_the_loop_ends)
{
    weft_receiver *receiver = weft_receiver_new(channel);
    weft_future *waits = weft_receiver_next(receiver);
    send_block();
    weft_future *alone = weft_receiver_next(receiver);
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    cr_assert(weft_is_done(waits));
    cr_assert(weft_is_cancelled(alone));
    weft_unref(waits);
    weft_unref(alone);
    cr_assert_eq(weft_broadcast_send(channel, weft_value_i64(1), NULL), -ESHUTDOWN);
    cr_assert_eq(weft_broadcast_close(channel), -ESHUTDOWN);
    cr_assert_null(weft_receiver_new(channel));
    weft_receiver_free(receiver);
    end();
}

Test(broadcast, refuses_null_and_no_room)
{
    cr_assert_null(weft_broadcast_new(0));
    cr_assert_eq(errno, EINVAL);
    cr_assert_null(weft_broadcast_new(SIZE_MAX));
    cr_assert_eq(errno, ENOMEM);
    cr_assert_null(weft_receiver_new(NULL));
    cr_assert_eq(errno, EINVAL);
    cr_assert_eq(weft_test_run(weft_receiver_next(NULL)), -EINVAL);
    cr_assert_eq(weft_broadcast_send(NULL, weft_value_i64(1), NULL), -EINVAL);
    cr_assert_eq(weft_broadcast_close(NULL), -EINVAL);
    weft_broadcast_free(NULL);
    weft_receiver_free(NULL);
    end();
}

static int send_and_see(void)
{
    weft_broadcast *own = weft_broadcast_new(1);
    weft_receiver *receiver = own ? weft_receiver_new(own) : NULL;
    if (!receiver) {
        int status = -errno;
        weft_broadcast_free(own);
        return status;
    }
    weft_future *next = weft_receiver_next(receiver);
    int status = weft_is_done(next) ? weft_future_status(next) : 0;
    if (status == 0)
        status = weft_broadcast_send(own, weft_value_i64(1), NULL);
    if (status == 0)
        status = weft_test_run(weft_ref(next));
    weft_receiver_free(receiver);
    weft_broadcast_free(own);
    weft_unref(next);
    return status;
}

Test(broadcast, survives_every_lack_of_memory)
{
    weft_test_every_lack_of_memory(send_and_see);
    end();
}

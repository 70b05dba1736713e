/* SPDX-License-Identifier: MIT */
/* Callbacks in the caller's memory when their loop ends. */
#include <criterion/criterion.h>
#include <errno.h>
#include <weft/weft.h>

#include "tests/support/loop.h"
#include "tests/support/trace.h"

TestSuite(callback_end, .init = weft_test_loop_begin, .timeout = 60);

static struct weft_callback marking(const char *text)
{
    struct weft_callback callback;
    weft_callback_init(&callback, weft_test_mark_call, (void *)text);
    return callback;
}

Test(callback_end, is_idle_and_not_called_once_its_loop_has_ended)
{
    struct weft_callback soon = marking("x"), later = marking("x"), post = marking("x");
    cr_assert_eq(weft_callback_soon(&soon), 0);
    cr_assert_eq(weft_callback_later(&later, 1), 0);
    cr_assert_eq(weft_callback_post(test_loop, &post), 0);
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    cr_assert_not(weft_callback_is_pending(&soon));
    cr_assert_not(weft_callback_is_pending(&later));
    cr_assert_not(weft_callback_is_pending(&post));
    cr_assert_eq(weft_callback_soon(&soon), -ESHUTDOWN);
    cr_assert_eq(weft_callback_later(&later, 1), -ESHUTDOWN);
    cr_assert_eq(weft_callback_at(&later, 1), -ESHUTDOWN);
    cr_assert_eq(weft_callback_post(test_loop, &post), -ESHUTDOWN);
    cr_assert_not(weft_callback_is_pending(&post));
    weft_test_loop_end();
    cr_assert_str_eq(test_trace, "");
}

static void post_another(void *callback)
{
    cr_assert_eq(weft_callback_post(test_loop, callback), 0);
}

Test(callback_end, posted_while_the_loop_ends_is_idle_and_not_called)
{
    struct weft_callback callback = marking("x");
    cr_assert_eq(weft_post(test_loop, post_another, &callback), 0);
    weft_test_loop_end();
    cr_assert_not(weft_callback_is_pending(&callback));
    cr_assert_str_eq(test_trace, "");
}

struct calls_one {
    WEFT_FRAME;
    struct weft_callback *callback;
};

static WEFT_ASYNC(calls_one)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    WEFT_FINALLY;
    if (weft_callback_soon(self->callback) == 0) {
        WEFT_YIELD;
        WEFT_YIELD;
    }
    WEFT_END;
}

Test(callback_end, is_called_while_the_tasks_of_a_loop_end)
{
    struct weft_callback callback = marking("x");
    weft_future *task = weft_spawn(calls_one, .callback = &callback);
    weft_test_ticks(2);
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    cr_assert_str_eq(test_trace, "x");
    cr_assert(weft_is_cancelled(task));
    weft_unref(task);
    weft_test_loop_end();
}

/* It was the only thing that was ready; the end of the timers makes more ready. */
Test(callback_end, that_was_ready_holds_up_nothing_when_its_loop_ends)
{
    struct weft_callback callback = marking("x");
    cr_assert_eq(weft_callback_soon(&callback), 0);
    weft_future *gather = weft_gather(weft_sleep(WEFT_S(1)), weft_sleep(WEFT_S(2)));
    weft_loop_free(test_loop);
    test_loop = NULL;
    cr_assert_str_eq(test_trace, "");
    cr_assert(weft_is_done(gather));
    weft_unref(gather);
    weft_test_loop_end();
}

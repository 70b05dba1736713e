/* SPDX-License-Identifier: MIT */
/* What a task ends with: its body's outcome, and what WEFT_FINALLY makes of it. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <weft/weft.h>

#include "tests/support/loop.h"

TestSuite(task_outcome, .init = weft_test_loop_begin, .timeout = 20);

static size_t destroyed;

static void destroy(void *ptr)
{
    destroyed++;
    free(ptr);
}

struct ends {
    WEFT_FRAME;
    int body;    /* 0 end, 1 return a text, 2 fail, 3 fail with what is no error */
    int cleanup; /* the same for WEFT_FINALLY */
};

static WEFT_ASYNC(ends)
{
    WEFT_BEGIN;
    if (self->body == 1)
        WEFT_RETURN(strdup("body"), destroy);
    if (self->body == 2)
        WEFT_FAIL(-EIO, "%s", "body");
    if (self->body == 3)
        WEFT_FAIL(5);
    WEFT_FINALLY;
    if (self->cleanup == 1)
        WEFT_RETURN(strdup("cleanup"), destroy);
    if (self->cleanup == 2)
        WEFT_FAIL(-EPIPE, "%s", "cleanup");
    WEFT_END;
}

static void expect_end(int body, int cleanup, int status, const char *text)
{
    weft_future *task = weft_ref(weft_spawn(ends, .body = body, .cleanup = cleanup));
    cr_assert_eq(weft_test_run(task), status);
    const char *seen = status < 0 ? weft_message(task) : weft_future_value(task).ptr;
    if (text)
        cr_assert_str_eq(seen, text);
    else
        cr_assert_null(seen);
    weft_unref(task);
}

Test(task_outcome, finally_replaces_the_outcome_by_a_failure_or_a_return)
{
    expect_end(1, 0, 0, "body");
    expect_end(1, 1, 0, "cleanup");
    expect_end(1, 2, -EPIPE, "cleanup");
    cr_assert_eq(destroyed, 4);
    expect_end(2, 0, -EIO, "body");
    expect_end(2, 1, 0, "cleanup");
    expect_end(2, 2, -EPIPE, "cleanup");
    expect_end(0, 0, 0, NULL);
    expect_end(0, 2, -EPIPE, "cleanup");
    cr_assert_eq(destroyed, 5);
    weft_test_loop_end();
}

struct looks_back {
    WEFT_FRAME;
    int body; /* as in ends */
};

static WEFT_ASYNC(looks_back)
{
    WEFT_BEGIN;
    cr_assert_eq(WEFT_OUTCOME, 0);
    if (self->body == 1)
        WEFT_RETURN(strdup("body"), free);
    if (self->body == 2)
        WEFT_FAIL(-EIO);
    WEFT_AWAIT(weft_future_failed(-EPIPE, NULL));
    WEFT_FINALLY;
    WEFT_AWAIT(weft_sleep(0));
    cr_assert_eq(WEFT_OUTCOME, self->body == 1 ? 0 : self->body == 2 ? -EIO : -EPIPE);
    WEFT_END;
}

Test(task_outcome, finally_sees_how_the_body_ended)
{
    cr_assert_eq(weft_test_run(weft_spawn(looks_back, .body = 0)), -EPIPE);
    cr_assert_eq(weft_test_run(weft_spawn(looks_back, .body = 1)), 0);
    cr_assert_eq(weft_test_run(weft_spawn(looks_back, .body = 2)), -EIO);
    weft_test_loop_end();
}

Test(task_outcome, failing_with_what_is_no_error_is_an_invalid_argument)
{
    expect_end(3, 0, -EINVAL, "WEFT_FAIL(5): an error is negative");
    weft_test_loop_end();
}

Test(task_outcome, value_nobody_takes_is_destroyed)
{
    weft_unref(weft_spawn(ends, .body = 1));
    cr_assert_eq(weft_test_run(weft_sleep(WEFT_MS(1))), 0);
    cr_assert_eq(destroyed, 1);
    weft_test_loop_end();
}

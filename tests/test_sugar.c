/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <weft/weft.h>

#include "tests/support/loop.h"

#include <weft/sugar.h>

TestSuite(sugar, .init = weft_test_loop_begin, .timeout = 20);

struct twice {
    WEFT_FRAME;
    int number;
};

static async(twice)
{
    WEFT_BEGIN;
    await(weft_sleep(WEFT_MS(1)));
    WEFT_RETURN(self->number * 2);
    WEFT_END;
}

struct four_times {
    WEFT_FRAME;
    int number;
};

static async(four_times)
{
    WEFT_BEGIN;
    await_into(self->number, weft_call(twice, .number = self->number));
    await_into(self->number, weft_spawn(twice, .number = self->number));
    WEFT_RETURN(self->number);
    WEFT_END;
}

Test(sugar, lower_case_names_mean_the_same)
{
    weft_future *task = weft_ref(weft_spawn(four_times, .number = 3));
    cr_assert_eq(weft_test_run(task), 0);
    cr_assert_eq(weft_future_value(task).i64, 12);
    weft_unref(task);
    weft_test_loop_end();
}

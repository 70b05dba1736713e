/* SPDX-License-Identifier: MIT */
/* What all combinators have in common. */
#include <criterion/criterion.h>
#include <errno.h>
#include <weft/weft.h>

#include "tests/support/loop.h"

TestSuite(combine, .init = weft_test_loop_begin, .timeout = 20);

static weft_future *make(size_t index, void *arg)
{
    (void)index;
    (void)arg;
    return NULL;
}

/* Status of a future that has failed already; consumed. */
static int refusal(weft_future *future)
{
    cr_assert(weft_is_done(future));
    int status = weft_future_status(future);
    weft_unref(future);
    return status;
}

Test(combine, without_a_loop_fails)
{
    weft_test_loop_end();
    cr_assert_eq(refusal(weft_gather_array(0, NULL, WEFT_GATHER_ALL)), WEFT_ENOLOOP);
    cr_assert_eq(refusal(weft_wait_array(0, NULL, WEFT_ALL, 0)), WEFT_ENOLOOP);
    cr_assert_eq(refusal(weft_race_array(0, NULL)), WEFT_ENOLOOP);
    cr_assert_eq(refusal(weft_first_success_array(0, NULL)), WEFT_ENOLOOP);
    cr_assert_eq(refusal(weft_map(1, 1, make, NULL)), WEFT_ENOLOOP);
    cr_assert_eq(refusal(weft_retry(NULL, make, NULL)), WEFT_ENOLOOP);
    cr_assert_eq(refusal(weft_wait_for(NULL, 1)), WEFT_ENOLOOP);
    cr_assert_eq(refusal(weft_shield(NULL)), WEFT_ENOLOOP);
    cr_assert_eq(refusal(weft_next_completed(NULL)), WEFT_ENOLOOP);
    errno = 0;
    cr_assert_null(weft_as_completed_array(0, NULL, 1));
    cr_assert_eq(errno, EINVAL);
}

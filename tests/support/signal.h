/* SPDX-License-Identifier: MIT */
#ifndef WEFT_TESTS_SIGNAL_H
#define WEFT_TESTS_SIGNAL_H

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <weft/weft.h>

#include "tests/support/loop.h"

/* Listeners under test. */

static inline weft_signal *open_signal(int signum)
{
    weft_signal *signal = weft_signal_open(signum);
    cr_assert_not_null(signal, "%s", strerror(errno));
    return signal;
}

/* Wait for the next one: how often it came, or the error. */
static inline int64_t next(weft_signal *signal)
{
    weft_future *future = weft_signal_next(signal);
    int status = weft_test_run(weft_ref(future));
    int64_t count = status < 0 ? status : weft_future_value(future).i64;
    weft_unref(future);
    return count;
}

static inline struct sigaction disposition(int signum)
{
    struct sigaction now;
    cr_assert_eq(sigaction(signum, NULL, &now), 0);
    return now;
}

static inline void raise_call(void *signum)
{
    cr_assert_eq(raise(*(int *)signum), 0);
}

#endif

/* SPDX-License-Identifier: MIT */
#ifndef WEFT_TESTS_CANCEL_H
#define WEFT_TESTS_CANCEL_H

#include <weft/task.h>

/* Sleeps again and again, whatever happens: 'c' when cancelled, 'v' when the time was over. */
struct test_sleeper {
    WEFT_FRAME;
    int rounds;
    int i, status;
};

WEFT_ASYNC_DECLARE(test_sleeper);

/* Awaits a future that it is given. */
struct test_waiter {
    WEFT_FRAME;
    weft_future *on; /* consumed */
    const char *name;
    int value;
};

WEFT_ASYNC_DECLARE(test_waiter);

/* The task, after one tick. */
weft_future *weft_test_started(weft_future *task);

/* How the task ends; it runs until then. */
int weft_test_end_of(weft_future *task);

#endif

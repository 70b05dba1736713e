/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>
#include <time.h>
#include <sys/wait.h>
#include <weft/weft.h>
#include "core/loop.h"
#include "tests/support/child.h"
#include "tests/support/loop.h"

TestSuite(fork_tick, .init = weft_test_loop_begin, .timeout = 60);

static int called, posted_called, soon_called;
static pid_t child = -1;
static void count(void *arg) { ++*(int *)arg; }
static void forks(void *arg) { (void)arg; child = fork(); if (child == 0) weft_loop_stop(test_loop); }
static void stop(void *arg) { (void)arg; weft_loop_stop(test_loop); }

Test(fork_tick, what_was_to_come_in_the_tick_that_forked_comes_in_the_child)
{
    struct weft_callback forker, behind;
    weft_callback_init(&forker, forks, NULL);
    weft_callback_init(&behind, count, &called);
    cr_assert_eq(weft_callback_soon(&forker), 0);
    cr_assert_eq(weft_callback_soon(&behind), 0);
    weft_unref(weft_call_soon(count, &soon_called));
    cr_assert_eq(weft_post(test_loop, count, &posted_called), 0);
    struct weft_callback end;
    weft_callback_init(&end, stop, NULL);
    cr_assert_eq(weft_callback_later(&end, 5), 0);
    int status = weft_loop_run(test_loop);
    if (child == 0) {
        fprintf(stderr, "child: run %d, pending %d\n", status, weft_callback_is_pending(&behind));
        CHILD_EXPECT(weft_after_fork_child(test_loop) == 0);
        weft_loop_run(test_loop);
        fprintf(stderr, "child: callback %d call_soon %d post %d pending %d\n", called, soon_called, posted_called, weft_callback_is_pending(&behind));
        CHILD_EXPECT(soon_called == 1);
        CHILD_EXPECT(posted_called == 1);
        CHILD_EXPECT(called == 1);
        weft_test_child_exit(0);
    }
    cr_assert_eq(status, 0);
    weft_test_reap(child);
    weft_test_loop_end();
}


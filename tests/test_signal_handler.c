/* SPDX-License-Identifier: MIT */
/* Signals: the handler of before, forked children, weft_run()'s SIGINT. */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#include <weft/weft.h>

#include "tests/support/loop.h"
#include "tests/support/sanitizer.h"
#include "tests/support/signal.h"
#include "tests/support/trace.h"

TestSuite(signal_handler, .init = weft_test_loop_begin_real, .timeout = 20);

static int usr1 = SIGUSR1;

/* ---- What was there before ---- */

static volatile sig_atomic_t host_signals;

static void host_handler(int signum)
{
    (void)signum;
    host_signals = host_signals + 1;
}

Test(signal_handler, previous_handler_comes_back_with_the_last_close)
{
    struct sigaction action = {.sa_handler = host_handler, .sa_flags = SA_NODEFER};
    cr_assert_eq(sigaction(SIGUSR1, &action, NULL), 0);
    weft_signal *first = open_signal(SIGUSR1), *second = open_signal(SIGUSR1);
    raise_call(&usr1);
    weft_signal_close(first);
    raise_call(&usr1);
    cr_assert_eq(host_signals, 0);
    cr_assert_eq(next(second), 2);
    weft_signal_close(second);
    raise_call(&usr1);
    cr_assert_eq(host_signals, 1);
    cr_assert(disposition(SIGUSR1).sa_flags & SA_NODEFER);
    weft_test_loop_end();
}

Test(signal_handler, previous_handler_comes_back_when_the_loop_ends)
{
    cr_assert_neq(signal(SIGUSR1, host_handler), SIG_ERR);
    open_signal(SIGUSR1);
    weft_test_loop_end();
    cr_assert_eq(disposition(SIGUSR1).sa_handler, host_handler);
}

Test(signal_handler, handler_that_replaced_ours_is_left_alone)
{
    weft_signal *listener = open_signal(SIGUSR1);
    cr_assert_neq(signal(SIGUSR1, host_handler), SIG_ERR);
    weft_signal_close(listener);
    cr_assert_eq(disposition(SIGUSR1).sa_handler, host_handler);
    weft_test_loop_end();
}

#ifndef WEFT_TEST_NO_SIGNALS_IN_CHILD
Test(signal_handler, forked_child_does_as_if_nobody_listened)
{
    weft_signal *signal = open_signal(SIGUSR1);
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        raise(SIGUSR1);
        _exit(0);
    }
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGUSR1, "%x", (unsigned)status);
    weft_future *none = weft_signal_next(signal);
    weft_test_ticks(3);
    cr_assert_not(weft_is_done(none));
    weft_unref(none);
    weft_signal_close(signal);
    weft_test_loop_end();
}

Test(signal_handler, forked_child_that_goes_on_with_the_loop_listens_again)
{
    weft_signal *signal = open_signal(SIGUSR1);
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        int went_on = weft_after_fork_child(test_loop);
        raise(SIGUSR1);
        _exit(went_on == 0 && next(signal) == 1 ? 0 : 1);
    }
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert_eq(status, 0);
    raise_call(&usr1);
    cr_assert_eq(next(signal), 1);
    weft_signal_close(signal);
    weft_test_loop_end();
}
#endif

/* ---- Within weft_run() ---- */

static int sigint = SIGINT;

struct own_sigint {
    WEFT_FRAME;
    weft_signal *signal;
    int64_t count;
};

static WEFT_ASYNC(own_sigint)
{
    WEFT_BEGIN;
    self->signal = weft_signal_open(SIGINT);
    weft_unref(weft_call_soon(raise_call, &sigint));
    WEFT_AWAIT_INTO(self->count, weft_signal_next(self->signal));
    weft_test_mark("i");
    weft_signal_close(self->signal);
    weft_unref(weft_call_soon(raise_call, &sigint));
    WEFT_AWAIT(weft_sleep(WEFT_S(3600)));
    WEFT_END;
}

Test(signal_handler, listener_for_sigint_takes_over_from_run_while_it_is_open)
{
    weft_test_loop_end();
    cr_assert_eq(weft_run(own_sigint), 130);
    cr_assert_str_eq(test_trace, "i");
    cr_assert_eq(disposition(SIGINT).sa_handler, SIG_DFL);
}

Test(signal_handler, run_beside_a_listener_of_another_loop_leaves_the_handler_to_it)
{
    struct sigaction before = disposition(SIGINT);
    weft_signal *signal = open_signal(SIGINT);
    pid_t child = fork();
    if (child == 0) { /* the same with the listener's loop gone first, on a thread without a loop */
        if (weft_after_fork_child(test_loop) < 0)
            _exit(2);
        weft_signal_close(signal);
        weft_loop_free(test_loop);
        _exit(weft_run(own_sigint) == 130 ? 0 : 1);
    }
    int status = 0;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert_eq(status, 0);
    raise_call(&sigint);
    cr_assert_eq(next(signal), 1);
    weft_signal_close(signal);
    cr_assert_eq(disposition(SIGINT).sa_handler, before.sa_handler);
    weft_test_loop_end();
}

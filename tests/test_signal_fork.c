/* SPDX-License-Identifier: MIT */
/* Signals in forked children: what the parent hears does not count there, unless its loop goes on. */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <weft/weft.h>

#include "tests/support/child.h"
#include "tests/support/loop.h"

#if defined(__SANITIZE_THREAD__)
#define THREAD_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define THREAD_SANITIZER 1
#endif
#endif

TestSuite(signal_fork, .init = weft_test_loop_begin_real, .timeout = 20);

static weft_signal *open_signal(int signum)
{
    weft_signal *signal = weft_signal_open(signum);
    cr_assert_not_null(signal, "%s", strerror(errno));
    return signal;
}

static int next_on(weft_loop *loop, weft_signal *signal)
{
    return weft_loop_run_until(loop, weft_signal_next(signal));
}

/* How a child ends that runs `body`: 1000 + a signal, or its exit status. */
static int end_of(void (*body)(void *arg), void *arg)
{
    int status = 0;
    pid_t child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
        body(arg);
        weft_test_child_exit(0);
    }
    WEFT_ALLOW_BLOCKING("its parent has nothing else to do") {
        cr_assert_eq(waitpid(child, &status, 0), child);
    }
    return WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* ---- A loop of its own ---- */

static void listen_to_another_and_get_sigterm(void *arg)
{
    (void)arg;
    weft_loop *own = weft_loop_new(NULL);
    CHILD_EXPECT(own && weft_signal_open(SIGHUP));
    raise(SIGTERM);
}

Test(signal_fork, signal_that_only_the_parent_hears_ends_a_child_that_hears_others)
{
    weft_signal *signal = open_signal(SIGTERM);
    cr_assert_eq(end_of(listen_to_another_and_get_sigterm, NULL), 1000 + SIGTERM);
    raise(SIGTERM);
    cr_assert_eq(next_on(test_loop, signal), 0);
    weft_signal_close(signal);
    weft_test_loop_end();
}

static void listen_to_the_same_for_a_while(void *arg)
{
    (void)arg;
    weft_loop *own = weft_loop_new(NULL);
    weft_signal *signal = own ? weft_signal_open(SIGTERM) : NULL;
    CHILD_EXPECT(signal);
    raise(SIGTERM);
    CHILD_EXPECT(next_on(own, signal) == 0);
    weft_signal_close(signal);
    raise(SIGTERM);
}

Test(signal_fork, childs_last_close_restores_what_was_before_though_the_parent_listens)
{
    weft_signal *signal = open_signal(SIGTERM);
    cr_assert_eq(end_of(listen_to_the_same_for_a_while, NULL), 1000 + SIGTERM);
    weft_signal_close(signal);
    weft_test_loop_end();
}

/* ---- The parent's loop ---- */

/* ThreadSanitizer delivers no signal that is raised within a handler of a child. */
#ifndef THREAD_SANITIZER
static volatile sig_atomic_t host_signals;

static void host_handler(int signum)
{
    (void)signum;
    host_signals = host_signals + 1;
}

static void get_one_before_and_one_after(void *signal)
{
    raise(SIGUSR1);
    CHILD_EXPECT(host_signals == 1);
    CHILD_EXPECT(weft_after_fork_child(test_loop) == 0);
    raise(SIGUSR1);
    CHILD_EXPECT(host_signals == 1);
    CHILD_EXPECT(next_on(test_loop, signal) == 0);
    weft_signal_close(signal);
    raise(SIGUSR1);
    CHILD_EXPECT(host_signals == 2);
}

Test(signal_fork, child_that_got_a_signal_before_it_went_on_listens_again)
{
    cr_assert_neq(signal(SIGUSR1, host_handler), SIG_ERR);
    weft_signal *signal = open_signal(SIGUSR1);
    cr_assert_eq(end_of(get_one_before_and_one_after, signal), 0);
    cr_assert_eq(host_signals, 0);
    weft_signal_close(signal);
    weft_test_loop_end();
}
#endif

static void hear_both(void *arg)
{
    weft_signal **signals = arg;
    CHILD_EXPECT(weft_after_fork_child(test_loop) == 0);
    raise(SIGUSR1);
    for (int i = 0; i < 2; i++) {
        CHILD_EXPECT(next_on(test_loop, signals[i]) == 0);
        weft_signal_close(signals[i]);
    }
}

Test(signal_fork, all_listeners_of_a_loop_that_goes_on_hear)
{
    weft_signal *signals[] = {open_signal(SIGUSR1), open_signal(SIGUSR1)};
    cr_assert_eq(end_of(hear_both, (void *)signals), 0);
    for (int i = 0; i < 2; i++)
        weft_signal_close(signals[i]);
    weft_test_loop_end();
}

/* ---- weft_run() ---- */

struct interrupted {
    WEFT_FRAME;
};

static WEFT_ASYNC(interrupted)
{
    WEFT_BEGIN;
    raise(SIGINT);
    WEFT_AWAIT(weft_sleep(WEFT_S(3600)));
    WEFT_END;
}

static void run_anew(void *arg)
{
    struct sigaction now;
    (void)arg;
    CHILD_EXPECT(weft_run(interrupted) == 130);
    CHILD_EXPECT(sigaction(SIGINT, NULL, &now) == 0 && now.sa_handler == SIG_DFL);
}

struct forks {
    WEFT_FRAME;
    void (*child)(void *arg);
    int *ret_end;
};

static WEFT_ASYNC(forks)
{
    WEFT_BEGIN;
    *self->ret_end = end_of(self->child, weft_loop_current());
    WEFT_RETURN(0);
    WEFT_END;
}

Test(signal_fork, run_in_a_child_of_run_has_the_sigint_rule)
{
    int ended = 0;
    weft_test_loop_end();
    cr_assert_eq(weft_run(forks, .child = run_anew, .ret_end = &ended), 0);
    cr_assert_eq(ended, 0);
}

struct goes_on {
    WEFT_FRAME;
    weft_loop *loop;
    int *ret_end; /* -1 in the child */
    pid_t child;
};

static WEFT_ASYNC(goes_on)
{
    WEFT_BEGIN;
    self->loop = weft_loop_current();
    self->child = fork();
    if (self->child > 0) {
        WEFT_ALLOW_BLOCKING("its parent has nothing else to do") {
            waitpid(self->child, self->ret_end, 0);
        }
        WEFT_RETURN(0);
    }
    *self->ret_end = -1;
    if (weft_after_fork_child(self->loop) < 0)
        weft_test_child_exit(__LINE__);
    raise(SIGINT);
    WEFT_AWAIT(weft_sleep(WEFT_S(3600)));
    WEFT_END;
}

Test(signal_fork, run_that_goes_on_in_a_child_has_the_sigint_rule)
{
    int ended = 0;
    weft_test_loop_end();
    int status = weft_run(goes_on, .ret_end = &ended);
    if (ended == -1) { /* the child */
        CHILD_EXPECT(status == 130);
        weft_test_child_exit(0);
    }
    cr_assert_eq(status, 0);
    cr_assert_eq(ended, 0);
}

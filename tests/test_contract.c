/* SPDX-License-Identifier: MIT */
/*
 * The ten lines of the contract, a test of its own name each. What they say of single operations is
 * tested with these, more widely; here they are shown on a program that uses several at once.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <weft/weft.h>

#include "tests/support/heap.h"
#include "tests/support/loop.h"

TestSuite(contract, .init = weft_test_loop_begin, .timeout = 30);

static int calls, destroyed;

static void count_call(weft_future *future, void *arg)
{
    (void)future;
    (void)arg;
    calls++;
}

static void count_destroyed(void *ptr)
{
    destroyed++;
    free(ptr);
}

struct make {
    int status;
};

static WEFT_BLOCKING(make)
{
    char *value = calloc(1, 1);
    if (!self->status && value)
        return weft_ok(value, count_destroyed);
    free(value);
    return weft_errf(self->status, "made to fail");
}

struct maker {
    WEFT_FRAME;
    int status;
};

static WEFT_ASYNC(maker)
{
    WEFT_BEGIN;
    WEFT_YIELD;
    if (self->status)
        WEFT_FAIL(self->status, "made to fail");
    WEFT_RETURN(calloc(1, 1), count_destroyed);
    WEFT_END;
}

/* One of each operation that makes a value, or fails. */
enum { OPERATIONS = 5 };

static weft_future *operation(int which, int status)
{
    switch (which) {
    case 0:
        return weft_spawn(maker, .status = status);
    case 1:
        return weft_to_thread(make, .status = status);
    case 2:
        return weft_gather(weft_spawn(maker, .status = status), weft_to_thread(make));
    case 3:
        return weft_wait_for(weft_spawn(maker, .status = status), WEFT_S(1));
    default:
        return weft_shield(weft_to_thread(make, .status = status));
    }
}

Test(contract, exactly_once_and_never_inside_the_call_that_started_it)
{
    for (int which = 0; which < OPERATIONS; which++) {
        weft_future *future = operation(which, 0);
        calls = 0;
        cr_assert_eq(weft_then(weft_ref(future), count_call, NULL), 0);
        cr_assert_eq(calls, 0);
        cr_assert_eq(weft_test_run(weft_ref(future)), 0);
        cr_assert_eq(weft_test_run(weft_sleep(WEFT_S(5))), 0);
        cr_assert_eq(calls, 1, "operation %d", which);
        cr_assert_not(weft_cancel(future));
        weft_unref(future);
    }
    weft_test_loop_end();
}

static void *start_without_a_loop(void *ret)
{
    int *statuses = ret;
    for (int which = 0; which < OPERATIONS; which++) {
        weft_future *future = operation(which, 0);
        statuses[which] = future ? weft_future_status(future) : 0;
        weft_unref(future);
    }
    return NULL;
}

Test(contract, never_null_a_call_that_cannot_start_is_a_future_that_failed)
{
    int statuses[OPERATIONS];
    pthread_t thread;
    cr_assert_eq(pthread_create(&thread, NULL, start_without_a_loop, statuses), 0);
    cr_assert_eq(pthread_join(thread, NULL), 0);
    for (int which = 0; which < OPERATIONS; which++)
        cr_assert_eq(statuses[which], WEFT_ENOLOOP, "operation %d: %d", which, statuses[which]);
    weft_test_loop_end();
}

Test(contract, consuming_and_dropping_a_reference_changes_nothing_of_what_happens)
{
    /* A gather consumes both; nobody holds the gather. All of them run to their end. */
    weft_unref(weft_gather(operation(0, 0), operation(1, 0)));
    weft_future *kept = operation(0, 0);
    cr_assert_eq(weft_test_run(weft_ref(kept)), 0);
    weft_unref(kept);
    cr_assert_eq(weft_test_run(operation(1, 0)), 0); /* the lane is first in, first out */
    cr_assert_eq(weft_test_run(weft_sleep(WEFT_S(1))), 0);
    cr_assert_eq(destroyed, 4);
    weft_test_loop_end();
}

Test(contract, cancel_is_a_request_and_what_was_ready_is_delivered)
{
    for (int which = 0; which < OPERATIONS; which++) {
        weft_future *future = operation(which, 0);
        cr_assert(weft_cancel(future));
        int status = weft_test_run(weft_ref(future));
        cr_assert(status == -ECANCELED || status == 0, "operation %d: %d", which, status);
        cr_assert_eq(weft_future_value(future).ptr == NULL, status == -ECANCELED);
        weft_unref(future);
    }
    weft_test_loop_end();
}

Test(contract, nothing_leaks_on_the_way)
{
    for (int which = 0; which < OPERATIONS; which++) {
        destroyed = 0;
        cr_assert_eq(weft_test_run(operation(which, 0)), 0);
        cr_assert_eq(weft_test_run(weft_sleep(WEFT_S(1))), 0);
        cr_assert_eq(destroyed, which == 2 ? 2 : 1, "operation %d: %d", which, destroyed);
    }
    weft_test_loop_end();
}

struct gated {
    sem_t *entered, *gate;
    bool *ended;
};

static WEFT_BLOCKING(gated)
{
    sem_post(self->entered);
    while (sem_wait(self->gate) < 0)
        ;
    *self->ended = true;
    return weft_ok(0);
}

struct parent {
    WEFT_FRAME;
    sem_t *entered, *gate;
    bool *ended;
    weft_scope *scope;
};

static WEFT_ASYNC(parent)
{
    WEFT_BEGIN;
    self->scope = weft_scope_open(NULL);
    weft_scope_to_thread(self->scope, gated, self->entered, self->gate, self->ended);
    weft_scope_add(self->scope, weft_sleep(WEFT_FOREVER));

    WEFT_FINALLY;
    WEFT_SCOPE_CLOSE(self->scope);
    WEFT_END;
}

static void open_gate(weft_future *future, void *gate)
{
    (void)future;
    sem_post(gate);
}

Test(contract, children_end_first_offloaded_jobs_included)
{
    sem_t entered, gate;
    bool ended = false;
    sem_init(&entered, 0, 0);
    sem_init(&gate, 0, 0);
    weft_future *task = weft_spawn(parent, .entered = &entered, .gate = &gate, .ended = &ended);
    cr_assert_eq(weft_test_run(weft_sleep(0)), 0);
    while (sem_wait(&entered) < 0)
        ;
    cr_assert(weft_cancel(task));
    /* The sibling is cancelled at once; the job's end is what the task waits for. */
    for (int tick = 0; tick < 10; tick++)
        cr_assert_eq(weft_test_run(weft_sleep(0)), 0);
    cr_assert_not(weft_is_done(task));
    weft_future *later = weft_sleep(0);
    cr_assert_eq(weft_then(later, open_gate, &gate), 0);
    cr_assert_eq(weft_test_run(task), -ECANCELED);
    cr_assert(ended);
    sem_destroy(&gate);
    sem_destroy(&entered);
    weft_test_loop_end();
}

static weft_future *own;

static void drop_own(weft_future *future, void *arg)
{
    (void)arg;
    cr_assert_eq(future, own);
    weft_unref(own); /* with the waiter's, the last but that of the call itself */
    own = NULL;
}

Test(contract, callbacks_may_free_anything_their_own_object_too)
{
    own = operation(0, 0);
    cr_assert_eq(weft_then(weft_ref(own), drop_own, NULL), 0);
    cr_assert_eq(weft_test_run(weft_sleep(WEFT_S(1))), 0);
    cr_assert_null(own);
    cr_assert_eq(destroyed, 1);
    weft_test_loop_end();
}

Test(contract, errors_are_never_silent)
{
    static const char *const names[OPERATIONS] = {"maker", "make", "gather", "wait_for", "shield"};
    for (int which = 0; which < OPERATIONS; which++) {
        test_reports.count = 0;
        weft_unref(operation(which, -EIO));
        cr_assert_eq(weft_test_run(operation(1, 0)), 0);
        cr_assert_eq(weft_test_run(weft_sleep(WEFT_S(2))), 0);
        cr_assert_eq(test_reports.count, 1, "operation %d: %zu", which, test_reports.count);
        cr_assert_eq(test_reports.status, -EIO);
        cr_assert_str_eq(test_reports.message, "made to fail");
        cr_assert_str_eq(test_reports.task, names[which]);
    }
    weft_test_loop_end();
}

struct look_at_signals {
    sigset_t *blocked;
};

static WEFT_BLOCKING(look_at_signals)
{
    pthread_sigmask(SIG_SETMASK, NULL, self->blocked);
    return weft_ok(0);
}

static bool every_fd_closes_on_exec(void)
{
    for (int fd = 3; fd < 64; fd++) {
        int flags = fcntl(fd, F_GETFD);
        if (flags >= 0 && !(flags & FD_CLOEXEC))
            return false;
    }
    return true;
}

Test(contract, no_surprises_for_the_host)
{
    weft_test_loop_end();
    /* Descriptors that the test's runner left open without close-on-exec are not ours. */
    for (int fd = 3; fd < 64; fd++)
        if (fcntl(fd, F_GETFD) >= 0)
            fcntl(fd, F_SETFD, FD_CLOEXEC);
    weft_test_loop_begin();
    sigset_t blocked, mine;
    pthread_sigmask(SIG_SETMASK, NULL, &mine);
    cr_assert_eq(weft_test_run(weft_to_thread(look_at_signals, .blocked = &blocked)), 0);
    cr_assert(sigismember(&blocked, SIGTERM) && sigismember(&blocked, SIGINT) &&
              sigismember(&blocked, SIGCHLD) && sigismember(&blocked, SIGUSR1));
    cr_assert_not(sigismember(&mine, SIGTERM));
    cr_assert(every_fd_closes_on_exec());
    weft_test_loop_end();
}

Test(contract, out_of_memory_is_an_error_code)
{
    for (int which = 0; which < OPERATIONS; which++) {
        bool failed = true;
        for (size_t n = 1; failed; n++) {
            weft_test_heap_fail_at(n);
            int status = weft_test_run(operation(which, 0));
            failed = weft_test_heap_failed();
            weft_test_heap_fail_at(0);
            cr_assert(status == 0 || (failed && status == -ENOMEM),
                      "operation %d, allocation %zu: %d", which, n, status);
        }
    }
    weft_test_loop_end();
}

/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>
#include <weft/weft.h>

#include "tests/support/loop.h"
#include "tests/support/signal.h"
#include "tests/support/trace.h"

TestSuite(signal, .init = weft_test_loop_begin_real, .timeout = 20);

static int usr1 = SIGUSR1;

/* ---- Success ---- */

Test(signal, next_tells_of_a_signal_that_comes)
{
    weft_signal *signal = open_signal(SIGUSR1);
    weft_unref(weft_call_soon(raise_call, &usr1));
    cr_assert_eq(next(signal), 1);
    weft_signal_close(signal);
    weft_test_loop_end();
}

static void resolve_call(void *future)
{
    cr_assert_eq(weft_future_resolve(future, weft_value_i64(0), NULL), 0);
}

/* What was posted so far is run. Ticks would not do: how many of them look into the mailbox depends
 * on how long they take. */
static void take_mail(void)
{
    weft_future *taken = weft_future_new();
    cr_assert_eq(weft_post(test_loop, resolve_call, taken), 0);
    cr_assert_eq(weft_test_run(taken), 0);
}

Test(signal, none_is_lost_between_two_nexts)
{
    weft_signal *signal = open_signal(SIGUSR1);
    for (int i = 0; i < 3; i++)
        raise_call(&usr1);
    cr_assert_eq(next(signal), 3);
    for (int i = 0; i < 2; i++) {
        raise_call(&usr1);
        take_mail();
    }
    cr_assert_eq(next(signal), 2);
    raise_call(&usr1);
    take_mail();
    raise_call(&usr1);
    cr_assert_eq(next(signal), 1);
    cr_assert_eq(next(signal), 1);
    weft_signal_close(signal);
    weft_test_loop_end();
}

Test(signal, next_after_the_signal_is_done_at_once)
{
    weft_signal *signal = open_signal(SIGUSR1);
    raise_call(&usr1);
    take_mail();
    weft_future *future = weft_signal_next(signal);
    cr_assert(weft_is_done(future));
    cr_assert_eq(weft_future_status(future), 0);
    weft_unref(future);
    weft_signal_close(signal);
    weft_test_loop_end();
}

Test(signal, several_listeners_hear_the_same_signal)
{
    weft_signal *first = open_signal(SIGUSR1), *second = open_signal(SIGUSR1);
    weft_signal *other = open_signal(SIGUSR2);
    raise_call(&usr1);
    cr_assert_eq(next(first), 1);
    cr_assert_eq(next(second), 1);
    weft_future *none = weft_signal_next(other);
    take_mail();
    cr_assert_not(weft_is_done(none));
    weft_unref(none);
    weft_signal_close(first);
    raise_call(&usr1);
    cr_assert_eq(next(second), 1);
    weft_signal_close(second);
    weft_signal_close(other);
    weft_test_loop_end();
}

Test(signal, handler_keeps_errno_and_restarts_system_calls)
{
    weft_signal *signal = open_signal(SIGUSR1);
    errno = EXDEV;
    raise_call(&usr1);
    cr_assert_eq(errno, EXDEV);
    cr_assert(disposition(SIGUSR1).sa_flags & SA_RESTART);
    weft_signal_close(signal);
    weft_test_loop_end();
}

enum { RAISING = 3, RAISED = 500 };

/* A raised signal has been handled when raise() returns, so that the kernel merges none. */
static void *raise_many(void *arg)
{
    (void)arg;
    for (int i = 0; i < RAISED; i++)
        raise_call(&usr1);
    return NULL;
}

Test(signal, none_is_lost_in_a_storm_on_several_threads)
{
    pthread_t threads[RAISING];
    int64_t count = 0;
    weft_signal *signal = open_signal(SIGUSR1);
    for (int i = 0; i < RAISING; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, raise_many, NULL), 0);
    while (count < RAISING * RAISED)
        count += next(signal);
    cr_assert_eq(count, RAISING * RAISED);
    for (int i = 0; i < RAISING; i++)
        cr_assert_eq(pthread_join(threads[i], NULL), 0);
    weft_signal_close(signal);
    weft_test_loop_end();
}

/* ---- Several loops ---- */

static pthread_barrier_t listening;

static void *listen_on_a_loop_of_its_own(void *signum)
{
    weft_loop *loop = weft_loop_new(NULL);
    cr_assert_not_null(loop);
    weft_signal *signal = open_signal(*(int *)signum);
    pthread_barrier_wait(&listening);
    cr_assert_eq(weft_loop_run_until(loop, weft_signal_next(signal)), 0);
    weft_signal_close(signal);
    weft_loop_free(loop);
    return NULL;
}

Test(signal, loops_on_several_threads_hear_the_same_signal)
{
    enum { THREADS = 4 };
    pthread_t threads[THREADS];
    cr_assert_eq(pthread_barrier_init(&listening, NULL, THREADS + 1), 0);
    for (int i = 0; i < THREADS; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, listen_on_a_loop_of_its_own, &usr1), 0);
    weft_signal *signal = open_signal(SIGUSR1);
    pthread_barrier_wait(&listening);
    cr_assert_eq(kill(getpid(), SIGUSR1), 0);
    cr_assert_eq(next(signal), 1);
    for (int i = 0; i < THREADS; i++)
        cr_assert_eq(pthread_join(threads[i], NULL), 0);
    weft_signal_close(signal);
    cr_assert_eq(disposition(SIGUSR1).sa_handler, SIG_DFL);
    weft_test_loop_end();
}

static atomic_bool storm_over;

static void *raise_all_the_time(void *arg)
{
    (void)arg;
    while (!atomic_load(&storm_over))
        raise(SIGUSR1);
    return NULL;
}

static void *open_and_close(void *arg)
{
    (void)arg;
    weft_loop *loop = weft_loop_new(NULL);
    cr_assert_not_null(loop);
    for (int i = 0; i < 200; i++) {
        weft_signal *signal = open_signal(SIGUSR1);
        if (i % 2)
            cr_assert_eq(weft_loop_run_until(loop, weft_signal_next(signal)), 0);
        weft_signal_close(signal);
    }
    weft_loop_free(loop);
    return NULL;
}

Test(signal, listeners_come_and_go_while_signals_arrive_on_every_thread)
{
    pthread_t raising[2], opening[2];
    weft_signal *signal = open_signal(SIGUSR1); /* else the default would end this process */
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(pthread_create(&raising[i], NULL, raise_all_the_time, NULL), 0);
        cr_assert_eq(pthread_create(&opening[i], NULL, open_and_close, NULL), 0);
    }
    for (int i = 0; i < 2; i++)
        cr_assert_eq(pthread_join(opening[i], NULL), 0);
    atomic_store(&storm_over, true);
    for (int i = 0; i < 2; i++)
        cr_assert_eq(pthread_join(raising[i], NULL), 0);
    cr_assert_gt(next(signal), 0);
    weft_signal_close(signal);
    weft_test_loop_end();
}

/* ---- Failure, misuse ---- */

static int error_of_open(int signum)
{
    errno = 0;
    cr_assert_null(weft_signal_open(signum));
    return errno;
}

Test(signal, those_that_nobody_can_handle_are_refused)
{
    const int refused[] = {0,      -1,     65,     SIGKILL, SIGSTOP, SIGSEGV,
                           SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS};
    for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++)
        cr_assert_eq(error_of_open(refused[i]), EINVAL, "%d", refused[i]);
    cr_assert_eq(error_of_open(SIGRTMIN - 1), EINVAL, "one of the C library's own");
    cr_assert_eq(weft_test_run(weft_signal_next(NULL)), -EINVAL);
    weft_signal_close(NULL);
    weft_test_loop_end();
}

Test(signal, second_next_of_a_listener_is_refused)
{
    weft_signal *signal = open_signal(SIGUSR1);
    weft_future *first = weft_signal_next(signal);
    cr_assert_eq(weft_test_run(weft_signal_next(signal)), -EBUSY);
    raise_call(&usr1);
    cr_assert_eq(weft_test_run(first), 0);
    weft_signal_close(signal);
    weft_test_loop_end();
}

Test(signal, close_fails_who_waits)
{
    weft_signal *signal = open_signal(SIGUSR1);
    weft_future *waits = weft_signal_next(signal);
    weft_signal_close(signal);
    cr_assert_eq(weft_test_run(waits), WEFT_ECLOSED);
    weft_test_loop_end();
}

Test(signal, close_just_after_the_signal_leaves_nothing)
{
    weft_signal *signal = open_signal(SIGUSR1);
    weft_unref(weft_signal_next(signal));
    raise_call(&usr1); /* the note is in the mailbox now */
    weft_signal_close(signal);
    take_mail();
    weft_test_loop_end();
}

Test(signal, without_a_loop_there_is_nothing)
{
    weft_test_loop_end();
    cr_assert_eq(error_of_open(SIGUSR1), EINVAL);
    weft_future *none = weft_signal_next(NULL);
    cr_assert_eq(weft_future_status(none), WEFT_ENOLOOP);
    weft_unref(none);
}

static void *use_elsewhere(void *signal)
{
    weft_future *future = weft_signal_next(signal);
    cr_assert_eq(weft_future_status(future), WEFT_ETHREAD);
    weft_unref(future);
    weft_signal_close(signal);
    return NULL;
}

Test(signal, use_on_another_thread_is_refused_and_changes_nothing)
{
    pthread_t thread;
    weft_signal *signal = open_signal(SIGUSR1);
    cr_assert_eq(pthread_create(&thread, NULL, use_elsewhere, signal), 0);
    cr_assert_eq(pthread_join(thread, NULL), 0);
    take_mail();
    cr_assert_eq(test_reports.status, WEFT_ETHREAD);
    raise_call(&usr1);
    cr_assert_eq(next(signal), 1);
    weft_signal_close(signal);
    weft_test_loop_end();
}

/* ---- Cancelling ---- */

Test(signal, cancelled_next_leaves_what_comes_to_the_next_one)
{
    weft_signal *signal = open_signal(SIGUSR1);
    weft_future *cancelled = weft_signal_next(signal);
    cr_assert(weft_cancel(cancelled));
    cr_assert(weft_is_cancelled(cancelled));
    weft_unref(cancelled);
    raise_call(&usr1);
    cr_assert_eq(next(signal), 1);
    weft_signal_close(signal);
    weft_test_loop_end();
}

struct listens {
    WEFT_FRAME;
    weft_signal *signal;
    int64_t count;
    int status;
};

static WEFT_ASYNC(listens)
{
    WEFT_BEGIN;
    WEFT_CATCH_INTO(self->status, self->count, weft_signal_next(self->signal));
    weft_test_mark(self->status == 0 ? "s" : self->status == -ECANCELED ? "c" : "x");
    WEFT_END;
}

static void cancel_call(void *task)
{
    cr_assert(weft_cancel(task));
}

Test(signal, cancel_of_the_task_after_the_signal_does_not_lose_it)
{
    weft_signal *signal = open_signal(SIGUSR1);
    weft_future *listener = weft_spawn(listens, .signal = signal);
    weft_test_ticks(1);
    raise_call(&usr1);
    cr_assert_eq(weft_post(test_loop, cancel_call, listener), 0); /* behind it, in the same tick */
    cr_assert_eq(weft_test_run(listener), 0);
    cr_assert_str_eq(test_trace, "s");
    weft_signal_close(signal);
    weft_test_loop_end();
}

Test(signal, cancel_of_the_task_before_the_signal_is_delivered)
{
    weft_signal *signal = open_signal(SIGUSR1);
    weft_future *listener = weft_spawn(listens, .signal = signal);
    weft_test_ticks(1);
    cr_assert(weft_cancel(listener));
    cr_assert_eq(weft_test_run(listener), 0);
    cr_assert_str_eq(test_trace, "c");
    weft_signal_close(signal);
    weft_test_loop_end();
}

Test(signal, what_nobody_looked_at_is_told_again)
{
    weft_signal *signal = open_signal(SIGUSR1);
    weft_future *unseen = weft_signal_next(signal);
    raise_call(&usr1);
    take_mail();
    cr_assert(weft_is_done(unseen));
    weft_future *waits = weft_signal_next(signal);
    cr_assert_not(weft_is_done(waits));
    weft_unref(unseen);
    cr_assert_eq(weft_test_run(weft_ref(waits)), 0);
    cr_assert_eq(weft_future_value(waits).i64, 1);
    weft_unref(waits);
    weft_signal_close(signal);
    weft_test_loop_end();
}

Test(signal, one_that_lost_a_race_in_the_same_tick_is_told_again)
{
    weft_signal *signal = open_signal(SIGUSR1);
    weft_future *winner = weft_future_new();
    weft_future *race = weft_race(weft_ref(winner), weft_signal_next(signal));
    cr_assert_eq(weft_post(test_loop, resolve_call, winner), 0);
    raise_call(&usr1);
    cr_assert_eq(weft_test_run(race), 0);
    weft_unref(winner);
    cr_assert_eq(next(signal), 1);
    weft_signal_close(signal);
    weft_test_loop_end();
}

Test(signal, one_that_won_a_race_is_told_once)
{
    weft_signal *signal = open_signal(SIGUSR1);
    weft_future *race = weft_race(weft_future_new(), weft_signal_next(signal));
    raise_call(&usr1);
    cr_assert_eq(weft_test_run(weft_ref(race)), 0);
    cr_assert_eq(weft_future_value(race).i64, 1);
    weft_unref(race);
    weft_future *none = weft_signal_next(signal);
    take_mail();
    cr_assert_not(weft_is_done(none));
    weft_unref(none);
    weft_signal_close(signal);
    weft_test_loop_end();
}

struct counts {
    WEFT_FRAME;
    weft_signal *signal;
};

static WEFT_ASYNC(counts)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_signal_next(self->signal));
    weft_test_mark("1");
    WEFT_AWAIT(weft_signal_next(self->signal));
    weft_test_mark("2");
    WEFT_END;
}

Test(signal, await_without_taking_the_count_is_told_once)
{
    weft_signal *signal = open_signal(SIGUSR1);
    weft_future *task = weft_spawn(counts, .signal = signal);
    weft_test_ticks(1);
    raise_call(&usr1);
    while (!*test_trace)
        weft_test_ticks(1);
    take_mail();
    cr_assert_str_eq(test_trace, "1");
    raise_call(&usr1);
    cr_assert_eq(weft_test_run(task), 0);
    weft_signal_close(signal);
    weft_test_loop_end();
}

/* ---- The end, memory ---- */

Test(signal, listeners_end_with_the_loop)
{
    weft_signal *closed_later = open_signal(SIGUSR1);
    weft_signal *never_closed = open_signal(SIGUSR2);
    weft_future *waits = weft_signal_next(closed_later);
    weft_unref(weft_signal_next(never_closed));
    raise_call(&usr1);
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    cr_assert(weft_is_cancelled(waits));
    weft_unref(waits);
    cr_assert_eq(disposition(SIGUSR1).sa_handler, SIG_DFL);
    cr_assert_eq(error_of_open(SIGUSR1), ESHUTDOWN);
    weft_future *late = weft_signal_next(closed_later);
    cr_assert_eq(weft_future_status(late), -ESHUTDOWN);
    weft_unref(late);
    weft_signal_close(closed_later);
    weft_test_loop_end();
}

static int scene(void)
{
    weft_signal *signal = weft_signal_open(SIGUSR1);
    if (!signal)
        return -errno;
    raise_call(&usr1);
    int status = weft_test_run(weft_signal_next(signal));
    weft_signal_close(signal);
    return status;
}

Test(signal, survives_every_lack_of_memory)
{
    weft_test_every_lack_of_memory(scene);
    cr_assert_eq(disposition(SIGUSR1).sa_handler, SIG_DFL);
    weft_test_loop_end();
}

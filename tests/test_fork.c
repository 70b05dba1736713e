/* SPDX-License-Identifier: MIT */
/* Loops in forked children. */
#include <criterion/criterion.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <weft/weft.h>

#include "core/loop.h"
#include "tests/support/child.h"
#include "tests/support/gate.h"
#include "tests/support/loop.h"
#include "tests/support/pool.h"
#include "tests/support/sanitizer.h"
#include "tests/support/trace.h"

TestSuite(fork, .init = weft_test_loop_begin, .timeout = 30);

static int trace;

static void add(void *arg)
{
    trace = trace * 10 + *(const int *)arg;
}

static const int one = 1, two = 2, three = 3;

/* ---- Without weft_after_fork_child() ---- */

static void use_all(void *arg)
{
    weft_future *future = arg;
    CHILD_EXPECT(weft_loop_current() == NULL);
    CHILD_EXPECT(weft_loop_run(test_loop) == WEFT_EFORK);
    CHILD_EXPECT(weft_loop_shutdown(test_loop, NULL, NULL) == WEFT_EFORK);
    CHILD_EXPECT(weft_post(test_loop, add, (void *)&one) == WEFT_EFORK);
    CHILD_EXPECT(weft_future_status(future) == WEFT_EFORK);
    CHILD_EXPECT(weft_future_status(weft_sleep(1)) == WEFT_EFORK);
    CHILD_EXPECT(weft_then(future, NULL, NULL) < 0);
    weft_loop_free(test_loop);
    CHILD_EXPECT(test_reports.status == WEFT_EFORK);
}

Test(fork, every_use_in_the_child_fails_and_the_parent_does_not_notice)
{
    weft_future *future = weft_future_new();
    weft_test_in_child(use_all, future);
    cr_assert_eq(weft_future_resolve(future, weft_value_i64(3), NULL), 0);
    cr_assert_eq(weft_test_run(future), 0);
    cr_assert_eq(test_reports.count, 0);
    weft_test_loop_end();
}

struct answers {
    WEFT_FRAME;
};

static WEFT_ASYNC(answers)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_sleep(WEFT_US(1)));
    WEFT_RETURN(0);
    WEFT_END;
}

static void run_one(void *arg)
{
    (void)arg;
    CHILD_EXPECT(weft_run(answers) == 0);
    weft_loop *own = weft_loop_new(NULL);
    CHILD_EXPECT(own != NULL);
    CHILD_EXPECT(weft_loop_run_until(own, weft_spawn(answers)) == 0);
    CHILD_EXPECT(weft_after_fork_child(test_loop) == -EEXIST);
    weft_loop_free(own);
    CHILD_EXPECT(weft_loop_run(test_loop) == WEFT_EFORK);
    CHILD_EXPECT(weft_after_fork_child(test_loop) == 0);
    CHILD_EXPECT(weft_loop_run_until(test_loop, weft_spawn(answers)) == 0);
}

Test(fork, weft_run_and_loops_of_its_own_work_in_the_child)
{
    weft_test_in_child(run_one, NULL);
    weft_test_loop_end();
}

struct forks {
    WEFT_FRAME;
    int adopts;
    pid_t *child;
};

static WEFT_ASYNC(forks)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_sleep(WEFT_MS(1)));
    *self->child = fork();
    if (*self->child == 0 && self->adopts)
        CHILD_EXPECT(weft_after_fork_child(weft__loop) == 0);
    WEFT_RETURN(0);
    WEFT_END;
}

Test(fork, a_tick_ends_in_the_child_that_left_it_without_being_told)
{
    pid_t child = -1;
    trace = 0;
    weft_future *main = weft_spawn(forks, .child = &child);
    weft_unref(weft_call_later(WEFT_MS(1), add, (void *)&one));
    weft_unref(weft_call_later(WEFT_MS(2), add, (void *)&two));
    int status = weft_test_run(main);
    if (child == 0) {
        CHILD_EXPECT(status == WEFT_EFORK);
        CHILD_EXPECT(trace == 1);
        weft_test_child_exit(0);
    }
    cr_assert_eq(status, 0);
    weft_test_reap(child);
    cr_assert_eq(weft_test_run(weft_sleep(WEFT_MS(5))), 0);
    cr_assert_eq(trace, 12);
    weft_test_loop_end();
}

Test(fork, weft_run_ends_in_a_child_that_was_forked_within_it)
{
    pid_t child = -1;
    weft_test_loop_end();
    int status = weft_run(forks, .child = &child);
    if (child == 0) {
        CHILD_EXPECT(status == 1);
        weft_test_child_exit(0);
    }
    cr_assert_eq(status, 0);
    weft_test_reap(child);
}

/* ---- With it ---- */

static void go_on(void *arg)
{
    (void)arg;
    trace = 0;
    CHILD_EXPECT(weft_after_fork_child(test_loop) == 0);
    CHILD_EXPECT(weft_loop_run_until(test_loop, weft_sleep(WEFT_S(5))) == 0);
    CHILD_EXPECT(trace == 123);
    weft_loop_free(test_loop);
    CHILD_EXPECT(weft_loop_current() == NULL);
}

Test(fork, the_child_has_the_timers_the_calls_and_the_posts_of_the_parent)
{
    weft_unref(weft_call_later(WEFT_S(2), add, (void *)&three));
    weft_unref(weft_call_later(WEFT_S(1), add, (void *)&two));
    cr_assert_eq(weft_post(test_loop, add, (void *)&one), 0);
    weft_test_in_child(go_on, NULL);
    trace = 0;
    cr_assert_eq(weft_test_run(weft_sleep(WEFT_S(5))), 0);
    cr_assert_eq(trace, 123);
    weft_test_loop_end();
}

Test(fork, a_task_that_forks_goes_on_in_both)
{
    pid_t child = -1;
    int status = weft_test_run(weft_spawn(forks, .child = &child, .adopts = 1));
    if (child == 0) {
        CHILD_EXPECT(status == 0);
        CHILD_EXPECT(weft_loop_run_until(test_loop, weft_sleep(1)) == 0);
        weft_test_child_exit(0);
    }
    cr_assert_eq(status, 0);
    weft_test_reap(child);
    weft_test_loop_end();
}

#ifndef WEFT_TEST_NO_THREADS_IN_CHILD
static void *post_one(void *loop)
{
    return weft_post(loop, add, (void *)&one) == 0 ? NULL : loop;
}

static void sleep_and_be_woken(void *arg)
{
    (void)arg;
    pthread_t thread;
    void *failed;
    trace = 0;
    CHILD_EXPECT(weft_after_fork_child(test_loop) == 0);
    CHILD_EXPECT(pthread_create(&thread, NULL, post_one, test_loop) == 0);
    while (!trace)
        CHILD_EXPECT(weft_loop_run_until(test_loop, weft_sleep(WEFT_US(100))) == 0);
    CHILD_EXPECT(pthread_join(thread, &failed) == 0 && !failed);
}

Test(fork, the_childs_wakeups_are_its_own)
{
    weft_test_loop_end();
    weft_test_loop_begin_real();
    weft_test_in_child(sleep_and_be_woken, NULL);
    struct weft_loop_stats before, after;
    weft_loop_get_stats(test_loop, &before);
    cr_assert_eq(event_base_loop(weft_loop_base(test_loop), EVLOOP_NONBLOCK), 0);
    weft_loop_get_stats(test_loop, &after);
    cr_assert_eq(trace, 0);
    cr_assert_eq(after.callbacks, before.callbacks);
    weft_test_loop_end();
}
#endif

/* ---- Jobs ---- */

struct nothing {
    int unused;
};

static WEFT_BLOCKING(nothing)
{
    return weft_ok(self->unused);
}

#ifndef WEFT_TEST_NO_THREADS_IN_CHILD
static void lose(void *arg)
{
    weft_future **jobs = arg;
    CHILD_EXPECT(weft_after_fork_child(test_loop) == 0);
    for (int i = 0; i < 3; i++) {
        CHILD_EXPECT(weft_loop_run_until(test_loop, weft_ref(jobs[i])) == WEFT_EFORK);
        CHILD_EXPECT(weft_message(jobs[i]) != NULL);
        weft_unref(jobs[i]);
    }
    CHILD_EXPECT(weft_loop_run_until(test_loop, weft_to_thread(nothing)) == 0);
    weft_loop_free(test_loop);
}

Test(fork, jobs_fail_as_lost_in_the_child_which_makes_a_pool_of_its_own)
{
    struct gate gate;
    gate_init(&gate);
    weft_pool *pool = weft_pool_new(&(struct weft_pool_options){.max_threads = 1});
    cr_assert_eq(weft_loop_set_pool(test_loop, pool), 0);
    weft_future *jobs[3];
    for (int i = 0; i < 3; i++) /* one runs, two are queued */
        jobs[i] = weft_to_thread_fn(NULL, gate_pass, &gate);
    gate_wait_entered(&gate);
    weft_test_in_child(lose, jobs);
    for (int i = 0; i < 3; i++)
        gate_open(&gate);
    for (int i = 0; i < 3; i++)
        cr_assert_eq(weft_test_run(jobs[i]), 0);
    weft_pool_unref(pool);
    weft_test_loop_end();
}

/* A job in its own memory that is submitted again when it gets that back, twice. */
struct again {
    struct weft_job job;
    struct gate *gate; /* passed on the way; NULL: none */
    int called, freed;
};

static weft_result count_call(void *arg)
{
    struct again *again = arg;
    again->called++;
    return again->gate ? gate_pass(again->gate) : weft_ok(0);
}

static void submit_again(void *arg)
{
    struct again *again = arg;
    if (again->freed++ < 2)
        weft_unref(weft_job_submit(&again->job, NULL));
}

static void wait_for_both(struct again *both)
{
    for (int i = 0; i < 2; i++)
        while (!weft_job_is_idle(&both[i].job))
            weft_test_ticks(1);
}

static void lose_and_submit(void *arg)
{
    struct again *both = arg;
    both[0].gate = NULL;
    CHILD_EXPECT(weft_after_fork_child(test_loop) == 0);
    wait_for_both(both);
    CHILD_EXPECT(both[0].called == 3); /* the first time by the parent */
    CHILD_EXPECT(both[1].called == 2);
    weft_loop_free(test_loop);
}

Test(fork, what_was_lost_may_be_submitted_again_while_others_are_lost)
{
    struct again both[2] = {0};
    struct gate gate;
    gate_init(&gate);
    use_pool(&(struct weft_pool_options){.max_threads = 1});
    both[0].gate = &gate;
    for (int i = 0; i < 2; i++) { /* one runs, one is queued */
        weft_job_init(&both[i].job, count_call, &both[i], submit_again);
        weft_unref(weft_job_submit(&both[i].job, NULL));
    }
    gate_wait_entered(&gate);
    weft_test_in_child(lose_and_submit, both);
    both[0].gate = NULL;
    gate_open(&gate);
    wait_for_both(both);
    cr_assert_eq(both[0].called, 3);
    cr_assert_eq(both[1].called, 3);
    weft_test_loop_end();
}
#endif

static void use_old_pool(void *arg)
{
    weft_pool *pool = arg;
    struct weft_pool_stats stats;
    CHILD_EXPECT(weft_after_fork_child(test_loop) == 0);
    weft_pool_unref(weft_pool_ref(pool));
    weft_pool_get_stats(pool, &stats);
    CHILD_EXPECT(stats.threads == 0);
    CHILD_EXPECT(weft_loop_set_pool(test_loop, pool) == WEFT_EFORK);
    weft_pool_unref(pool);
}

Test(fork, a_pool_of_the_parent_is_void_in_the_child)
{
    weft_pool *pool = weft_pool_new(NULL);
    cr_assert_eq(weft_loop_set_pool(test_loop, pool), 0);
    cr_assert_eq(weft_test_run(weft_to_thread(nothing)), 0);
    weft_test_in_child(use_old_pool, pool);
    weft_pool_unref(pool);
    weft_test_loop_end();
}

static void free_it(void *arg)
{
    (void)arg;
    CHILD_EXPECT(weft_after_fork_child(test_loop) == 0);
    int fd = weft__mailbox_fd(test_loop->mailbox);
    CHILD_EXPECT(fcntl(fd, F_GETFD) >= 0);
    weft_loop_free(test_loop);
    CHILD_EXPECT(fcntl(fd, F_GETFD) < 0 && errno == EBADF);
}

/* Its mailbox, too, though jobs of the parent came home by that. */
Test(fork, a_loop_that_is_freed_in_the_child_is_gone)
{
    use_pool(&(struct weft_pool_options){.max_threads = 1});
    cr_assert_eq(weft_test_run(weft_to_thread(nothing)), 0);
    weft_test_in_child(free_it, NULL);
    weft_test_loop_end();
}

/* ---- Misuse, failure ---- */

Test(fork, a_process_that_is_no_child_is_told_so)
{
    cr_assert_eq(weft_after_fork_child(NULL), -EINVAL);
    cr_assert_eq(weft_after_fork_child(test_loop), -EINVAL);
    weft_test_loop_end();
}

static void adopt_twice(void *arg)
{
    (void)arg;
    CHILD_EXPECT(weft_after_fork_child(test_loop) == 0);
    CHILD_EXPECT(weft_after_fork_child(test_loop) == -EINVAL);
    weft_test_in_child(run_one, NULL); /* a child of the child */
}

Test(fork, once_is_enough_also_for_a_grandchild)
{
    weft_test_in_child(adopt_twice, NULL);
    weft_test_loop_end();
}

static void *fork_elsewhere(void *arg)
{
    (void)arg;
    pid_t child = fork();
    if (child == 0) {
        CHILD_EXPECT(weft_after_fork_child(test_loop) == WEFT_ETHREAD);
        CHILD_EXPECT(weft_loop_run(test_loop) == WEFT_EFORK);
        weft_test_child_exit(0);
    }
    weft_test_reap(child);
    return NULL;
}

Test(fork, a_loop_cannot_go_on_when_another_thread_forked)
{
    pthread_t thread;
    cr_assert_eq(pthread_create(&thread, NULL, fork_elsewhere, NULL), 0);
    cr_assert_eq(pthread_join(thread, NULL), 0);
    weft_test_loop_end();
}

static void without_descriptors(void *arg)
{
    (void)arg;
    struct rlimit before, limit;
    CHILD_EXPECT(getrlimit(RLIMIT_NOFILE, &before) == 0);
    int lowest = dup(0);
    close(lowest);
    for (rlim_t spare = 0; spare < 6; spare++) {
        limit = (struct rlimit){(rlim_t)lowest + spare, before.rlim_max};
        CHILD_EXPECT(setrlimit(RLIMIT_NOFILE, &limit) == 0);
        CHILD_EXPECT(weft_after_fork_child(test_loop) == -EMFILE);
        CHILD_EXPECT(weft_loop_run(test_loop) == WEFT_EFORK);
    }
    CHILD_EXPECT(setrlimit(RLIMIT_NOFILE, &before) == 0);
    CHILD_EXPECT(weft_after_fork_child(test_loop) == 0);
    CHILD_EXPECT(weft_loop_run_until(test_loop, weft_sleep(1)) == 0);
    weft_loop_free(test_loop);
}

Test(fork, without_descriptors_it_fails_and_may_be_repeated)
{
    weft_test_in_child(without_descriptors, NULL);
    weft_test_loop_end();
}

/* ---- In the midst of a tick ---- */

static pid_t child;

static void fork_and_stop(void *arg)
{
    (void)arg;
    child = fork();
    if (child == 0)
        weft_loop_stop(test_loop);
}

static void add_last(void *arg)
{
    add(arg);
    weft_loop_stop(test_loop);
}

Test(fork, what_was_to_come_in_the_tick_that_forked_comes_in_the_child)
{
    struct weft_callback behind;
    weft_callback_init(&behind, add, (void *)&one);
    weft_unref(weft_call_soon(fork_and_stop, NULL));
    cr_assert_eq(weft_callback_soon(&behind), 0);
    weft_unref(weft_call_soon(add, (void *)&two));
    cr_assert_eq(weft_post(test_loop, add_last, (void *)&three), 0);
    int status = weft_loop_run(test_loop);
    if (child == 0) {
        CHILD_EXPECT(status == WEFT_EFORK);
        CHILD_EXPECT(weft_after_fork_child(test_loop) == 0);
        CHILD_EXPECT(weft_loop_run(test_loop) == 0);
        CHILD_EXPECT(trace == 123);
        weft_test_child_exit(0);
    }
    cr_assert_eq(status, 0);
    cr_assert_eq(trace, 123);
    weft_test_reap(child);
    weft_test_loop_end();
}

/* ---- On a host's base ---- */

static void on_the_hosts_base(void *base)
{
    trace = 0;
    CHILD_EXPECT(weft_after_fork_child(test_loop) == 0);
    while (trace != 12)
        CHILD_EXPECT(event_base_loop(base, EVLOOP_ONCE) == 0);
    weft_loop_free(test_loop);
}

Test(fork, an_attached_loop_goes_on_in_the_child)
{
    weft_test_loop_end();
    struct event_base *base = event_base_new();
    test_loop = weft_loop_attach(base);
    weft_unref(weft_call_later(WEFT_US(1), add, (void *)&one));
    weft_unref(weft_call_later(WEFT_MS(1), add, (void *)&two));
    weft_test_in_child(on_the_hosts_base, base);
    trace = 0;
    while (trace != 12)
        cr_assert_eq(event_base_loop(base, EVLOOP_ONCE), 0);
    weft_loop_free(test_loop);
    event_base_free(base);
}

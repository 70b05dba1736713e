/* SPDX-License-Identifier: MIT */
/*
 * The pool: its threads, several loops on it, and ends of all kinds. What a thread does in its own
 * time (getting idle, leaving) is waited for by looking again, yielding in between.
 */
#include <criterion/criterion.h>

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <weft/pool.h>
#include <weft/weft.h>

#include "core/sys.h"
#include "pool//worker.h"
#include "tests/support/fixture.h"
#include "tests/support/gate.h"
#include "tests/support/heap.h"
#include "tests/support/loop.h"

TestSuite(pool, .init = weft_test_loop_begin_real, .timeout = 60);

static weft_pool *use_pool(const struct weft_pool_options *options)
{
    weft_pool *pool = weft_pool_new(options);
    cr_assert_not_null(pool);
    cr_assert_eq(weft_loop_set_pool(test_loop, pool), 0);
    weft_pool_unref(pool);
    return pool;
}

static struct weft_pool_stats stats_of(weft_pool *pool)
{
    struct weft_pool_stats stats;
    weft_pool_get_stats(pool, &stats);
    return stats;
}

static void wait_for_idle(weft_pool *pool, size_t count)
{
    while (stats_of(pool).idle != count)
        sched_yield();
}

static void wait_for_threads(weft_pool *pool, size_t count)
{
    while (stats_of(pool).threads != count)
        sched_yield();
}

static weft_result return_nothing(void *arg)
{
    (void)arg;
    return weft_ok(0);
}

/* ---- Threads ---- */

Test(pool, starts_no_thread_before_the_first_job)
{
    int threads = weft_test_thread_count();
    weft_pool *pool = use_pool(&(struct weft_pool_options){.min_threads = 2, .max_threads = 4});
    cr_assert_eq(weft_test_thread_count(), threads);
    cr_assert_eq(stats_of(pool).threads, 0);
    weft_test_loop_end();
}

Test(pool, starts_no_more_threads_than_jobs_need)
{
    weft_pool *pool = use_pool(&(struct weft_pool_options){.max_threads = 4});
    for (int i = 0; i < 20; i++) {
        cr_assert_eq(weft_test_run(weft_to_thread_fn(NULL, return_nothing, NULL)), 0);
        wait_for_idle(pool, stats_of(pool).threads);
    }
    cr_assert_eq(stats_of(pool).threads, 1);
    weft_test_loop_end();
}

Test(pool, runs_as_many_jobs_at_once_as_it_has_threads_and_no_more)
{
    enum { THREADS = 5, JOBS = 8 };
    struct gate gate;
    weft_future *jobs[JOBS];
    gate_init(&gate);
    weft_pool *pool = use_pool(&(struct weft_pool_options){.max_threads = THREADS});
    for (int i = 0; i < JOBS; i++)
        jobs[i] = weft_to_thread_fn(NULL, gate_pass, &gate);
    for (int i = 0; i < THREADS; i++)
        gate_wait_entered(&gate);
    struct weft_pool_stats stats = stats_of(pool);
    cr_assert_eq(stats.threads, THREADS);
    cr_assert_eq(stats.running, THREADS);
    cr_assert_eq(stats.queued, JOBS - THREADS);
    for (int i = 0; i < JOBS; i++)
        gate_open(&gate);
    for (int i = 0; i < JOBS; i++)
        cr_assert_eq(weft_test_run(jobs[i]), 0);
    weft_test_loop_end();
}

Test(pool, wakes_idle_threads_for_a_burst_until_all_run)
{
    enum { THREADS = 4 };
    struct gate gate;
    weft_future *jobs[THREADS];
    gate_init(&gate);
    weft_pool *pool = use_pool(&(struct weft_pool_options){.max_threads = THREADS});
    for (int round = 0; round < 50; round++) {
        for (int i = 0; i < THREADS; i++)
            jobs[i] = weft_to_thread_fn(NULL, gate_pass, &gate);
        for (int i = 0; i < THREADS; i++)
            gate_wait_entered(&gate);
        for (int i = 0; i < THREADS; i++)
            gate_open(&gate);
        for (int i = 0; i < THREADS; i++)
            cr_assert_eq(weft_test_run(jobs[i]), 0);
        if (round % 2)
            wait_for_idle(pool, THREADS);
    }
    weft_test_loop_end();
}

/* [worker] of a pool with one thread. */
static int order[10], order_count;

static weft_result note_order(void *arg)
{
    order[order_count++] = *(int *)arg;
    return weft_ok(0);
}

Test(pool, runs_jobs_in_the_order_in_which_they_came)
{
    int numbers[10];
    weft_future *jobs[10];
    use_pool(&(struct weft_pool_options){.max_threads = 1});
    for (int i = 0; i < 10; i++) {
        numbers[i] = i;
        jobs[i] = weft_to_thread_fn(NULL, note_order, &numbers[i]);
    }
    for (int i = 0; i < 10; i++)
        cr_assert_eq(weft_test_run(jobs[i]), 0);
    cr_assert_arr_eq(order, numbers, sizeof(numbers));
    weft_test_loop_end();
}

Test(pool, lets_idle_threads_leave_but_for_the_minimum)
{
    enum { THREADS = 4, KEPT = 2 };
    struct gate gate;
    weft_future *jobs[THREADS];
    gate_init(&gate);
    weft_pool *pool = use_pool(
        &(struct weft_pool_options){.min_threads = KEPT, .max_threads = THREADS, .keepalive = 1});
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < THREADS; i++)
            jobs[i] = weft_to_thread_fn(NULL, gate_pass, &gate);
        for (int i = 0; i < THREADS; i++)
            gate_wait_entered(&gate);
        for (int i = 0; i < THREADS; i++)
            gate_open(&gate);
        for (int i = 0; i < THREADS; i++)
            cr_assert_eq(weft_test_run(jobs[i]), 0);
        wait_for_threads(pool, KEPT);
    }
    wait_for_idle(pool, KEPT);
    weft_test_loop_end();
}

Test(pool, wakes_the_thread_that_got_idle_last)
{
    struct gate first, second, third;
    gate_init(&first);
    gate_init(&second);
    gate_init(&third);
    weft_pool *pool = use_pool(&(struct weft_pool_options){.max_threads = 2});
    weft_future *one = weft_to_thread_fn(NULL, gate_pass, &first);
    weft_future *two = weft_to_thread_fn(NULL, gate_pass, &second);
    gate_wait_entered(&first);
    gate_wait_entered(&second);
    gate_open(&second);
    cr_assert_eq(weft_test_run(two), 0);
    wait_for_idle(pool, 1);
    gate_open(&first);
    cr_assert_eq(weft_test_run(one), 0);
    wait_for_idle(pool, 2);
    gate_open(&third);
    cr_assert_eq(weft_test_run(weft_to_thread_fn(NULL, gate_pass, &third)), 0);
    cr_assert(pthread_equal(atomic_load(&third.thread), atomic_load(&first.thread)));
    weft_test_loop_end();
}

struct looks {
    sigset_t blocked;
    char name[16];
    size_t stack;
};

static weft_result look_around(void *arg)
{
    struct looks *looks = arg;
    pthread_attr_t attributes;
    pthread_sigmask(SIG_SETMASK, NULL, &looks->blocked);
    pthread_getname_np(pthread_self(), looks->name, sizeof(looks->name));
    pthread_getattr_np(pthread_self(), &attributes);
    pthread_attr_getstacksize(&attributes, &looks->stack);
    pthread_attr_destroy(&attributes);
    return weft_ok(0);
}

Test(pool, blocks_signals_in_its_threads_and_leaves_the_loops_alone)
{
    static const int blocked[] = {SIGINT,  SIGTERM, SIGHUP,  SIGCHLD, SIGPIPE,
                                  SIGALRM, SIGUSR1, SIGUSR2, SIGWINCH};
    sigset_t mask, after;
    struct looks looks;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    cr_assert_eq(weft_test_run(weft_to_thread_fn(NULL, look_around, &looks)), 0);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    for (size_t i = 0; i < sizeof(blocked) / sizeof(blocked[0]); i++)
        cr_assert(sigismember(&looks.blocked, blocked[i]), "signal %d", blocked[i]);
    cr_assert_not(sigismember(&looks.blocked, SIGSEGV));
    for (int signal = 1; signal < SIGRTMAX; signal++)
        cr_assert_eq(sigismember(&mask, signal), sigismember(&after, signal));
    weft_test_loop_end();
}

Test(pool, gives_its_threads_the_name_and_the_stack_it_was_told)
{
    struct looks looks;
    use_pool(&(struct weft_pool_options){
        .max_threads = 1, .thread_name = "a-very-long-name", .stack_size = 3 << 20});
    cr_assert_eq(weft_test_run(weft_to_thread_fn(NULL, look_around, &looks)), 0);
    cr_assert_str_eq(looks.name, "a-very-lo-0");
    cr_assert_geq(looks.stack, 3 << 20);
    weft_test_loop_end();
}

/* ---- Threads that cannot be started ---- */

static atomic_int starts_to_fail, starts_failed;

static int failing_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*start)(void *), void *arg)
{
    if (atomic_load(&starts_to_fail) == 0)
        return pthread_create(thread, attributes, start, arg);
    atomic_fetch_sub(&starts_to_fail, 1);
    atomic_fetch_add(&starts_failed, 1);
    return EAGAIN;
}

Test(pool, fails_a_job_when_there_is_no_thread_and_none_can_be_started)
{
    weft__sys.pthread_create = failing_create;
    atomic_store(&starts_to_fail, 1);
    weft_pool *pool = use_pool(&(struct weft_pool_options){.max_threads = 2});
    cr_assert_eq(weft_test_run(weft_to_thread_fn(NULL, return_nothing, NULL)), -EAGAIN);
    cr_assert_eq(stats_of(pool).threads, 0);
    cr_assert_eq(weft_test_run(weft_to_thread_fn(NULL, return_nothing, NULL)), 0);
    weft_test_loop_end();
}

Test(pool, keeps_a_job_for_the_threads_there_are_when_no_other_can_be_started)
{
    struct gate gate;
    gate_init(&gate);
    weft__sys.pthread_create = failing_create;
    weft_pool *pool = use_pool(&(struct weft_pool_options){.max_threads = 2});
    weft_future *running = weft_to_thread_fn(NULL, gate_pass, &gate);
    gate_wait_entered(&gate);
    atomic_store(&starts_to_fail, 1);
    weft_future *waiting = weft_to_thread_fn(NULL, return_nothing, NULL);
    cr_assert_eq(atomic_load(&starts_failed), 1);
    cr_assert_eq(stats_of(pool).queued, 1);
    gate_open(&gate);
    cr_assert_eq(weft_test_run(waiting), 0);
    cr_assert_eq(weft_test_run(running), 0);
    weft_test_loop_end();
}

Test(pool, tries_to_start_a_thread_again_with_the_next_job)
{
    struct gate gate;
    gate_init(&gate);
    weft__sys.pthread_create = failing_create;
    use_pool(&(struct weft_pool_options){.max_threads = 2});
    weft_future *running = weft_to_thread_fn(NULL, gate_pass, &gate);
    gate_wait_entered(&gate);
    atomic_store(&starts_to_fail, 1);
    weft_future *first = weft_to_thread_fn(NULL, return_nothing, NULL);
    weft_future *second = weft_to_thread_fn(NULL, return_nothing, NULL);
    cr_assert_eq(weft_test_run(first), 0);
    cr_assert_eq(weft_test_run(second), 0);
    gate_open(&gate);
    cr_assert_eq(weft_test_run(running), 0);
    weft_test_loop_end();
}

/* What goes on while a thread is being started that cannot be. */
static struct {
    weft_pool *pool;
    struct gate gate;
    weft_future *late;
} meanwhile;

/* The thread there is runs all that is queued and gets idle; then a job comes. */
static int fail_when_others_are_idle(pthread_t *thread, const pthread_attr_t *attributes,
                                     void *(*start)(void *), void *arg)
{
    if (stats_of(meanwhile.pool).threads == 1)
        return pthread_create(thread, attributes, start, arg);
    gate_open(&meanwhile.gate);
    wait_for_idle(meanwhile.pool, 1);
    meanwhile.late = weft_to_thread_fn(NULL, return_nothing, NULL);
    return EAGAIN;
}

Test(pool, wakes_an_idle_thread_when_the_one_that_was_to_come_cannot_be_started)
{
    gate_init(&meanwhile.gate);
    weft__sys.pthread_create = fail_when_others_are_idle;
    meanwhile.pool = use_pool(&(struct weft_pool_options){.max_threads = 2});
    weft_future *first = weft_to_thread_fn(NULL, gate_pass, &meanwhile.gate);
    gate_wait_entered(&meanwhile.gate);
    weft_future *second = weft_to_thread_fn(NULL, return_nothing, NULL);
    cr_assert_eq(weft_test_run(first), 0);
    cr_assert_eq(weft_test_run(second), 0);
    cr_assert_eq(weft_test_run(meanwhile.late), 0);
    weft_test_loop_end();
}

/* ---- The loop's pool ---- */

Test(pool, is_made_by_the_loop_at_its_first_job)
{
    cr_assert_null(weft_loop_pool(test_loop));
    cr_assert_eq(weft_test_run(weft_to_thread_fn(NULL, return_nothing, NULL)), 0);
    cr_assert_not_null(weft_loop_pool(test_loop));
    weft_test_loop_end();
}

Test(pool, can_be_replaced_while_the_loop_has_no_job)
{
    struct gate gate;
    gate_init(&gate);
    weft_pool *old = use_pool(&(struct weft_pool_options){.max_threads = 1});
    weft_pool *pool = weft_pool_new(NULL);
    weft_future *job = weft_to_thread_fn(NULL, gate_pass, &gate);
    cr_assert_eq(weft_loop_set_pool(test_loop, pool), -EBUSY);
    cr_assert_eq(weft_loop_pool(test_loop), old);
    gate_open(&gate);
    cr_assert_eq(weft_test_run(job), 0);
    cr_assert_eq(weft_loop_set_pool(test_loop, pool), 0);
    cr_assert_eq(weft_loop_pool(test_loop), pool);
    cr_assert_eq(weft_loop_set_pool(test_loop, NULL), 0);
    weft_pool_unref(pool);
    cr_assert_eq(weft_test_run(weft_to_thread_fn(NULL, return_nothing, NULL)), 0);
    weft_test_loop_end();
}

Test(pool, cannot_be_set_where_it_makes_no_sense)
{
    weft_pool *pool = weft_pool_new(NULL);
    cr_assert_eq(weft_loop_set_pool(NULL, pool), -EINVAL);
    weft_test_heap_fail_at(1);
    cr_assert_eq(weft_loop_set_pool(test_loop, pool), -ENOMEM);
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    cr_assert_eq(weft_loop_set_pool(test_loop, pool), -ESHUTDOWN);
    weft_pool_unref(pool);
    weft_test_loop_end();
}

Test(pool, refuses_another_pools_lane)
{
    weft_pool *own = use_pool(NULL), *other = weft_pool_new(NULL);
    weft_lane *lane = weft_pool_default_lane(own), *foreign = weft_pool_default_lane(other);
    cr_assert_eq(weft_test_run(weft_to_thread_fn(lane, return_nothing, NULL)), 0);
    cr_assert_eq(weft_test_run(weft_to_thread_fn(foreign, return_nothing, NULL)), -EINVAL);
    weft_pool_unref(other);
    weft_test_loop_end();
}

static void must_refuse(struct weft_pool_options options)
{
    errno = 0;
    cr_assert_null(weft_pool_new(&options));
    cr_assert_eq(errno, EINVAL);
}

Test(pool, refuses_options_that_cannot_be)
{
    must_refuse((struct weft_pool_options){.size = 3});
    must_refuse((struct weft_pool_options){.max_threads = 70000});
    must_refuse((struct weft_pool_options){.min_threads = 3, .max_threads = 2});
    must_refuse((struct weft_pool_options){.keepalive = -1});
    must_refuse((struct weft_pool_options){.stack_size = 100});
    weft_test_heap_fail_at(1);
    errno = 0;
    cr_assert_null(weft_pool_new(NULL));
    cr_assert_eq(errno, ENOMEM);
    weft_test_loop_end();
}

Test(pool, has_at_least_as_many_threads_as_its_minimum_by_default)
{
    weft_pool *pool = use_pool(&(struct weft_pool_options){.min_threads = 40});
    cr_assert_eq(pool->max_threads, 40);
    weft_test_loop_end();
}

/* ---- Ends ---- */

static int status_of_dropped;

static void note_dropped_and_open(weft_future *future, void *gate)
{
    status_of_dropped = weft_future_status(future);
    gate_open(gate);
}

Test(pool, drops_queued_jobs_and_serves_running_ones_when_the_loop_shuts_down)
{
    struct gate gate;
    gate_init(&gate);
    use_pool(&(struct weft_pool_options){.max_threads = 1});
    weft_future *running = weft_to_thread_fn(NULL, gate_pass, &gate);
    weft_future *queued = weft_to_thread_fn(NULL, gate_pass, &gate);
    gate_wait_entered(&gate);
    cr_assert_eq(weft_then(queued, note_dropped_and_open, &gate), 0);
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    cr_assert_eq(status_of_dropped, -ECANCELED);
    cr_assert_eq(weft_future_status(running), 0);
    weft_unref(running);
    weft_test_loop_end();
}

static atomic_int destroyed;

static void destroy(void *ptr)
{
    free(ptr);
    atomic_fetch_add(&destroyed, 1);
}

static weft_result pass_with_value(void *arg)
{
    gate_pass(arg);
    return weft_ok(malloc(10), destroy);
}

static void note_status(weft_future *future, void *arg)
{
    *(int *)arg = weft_future_status(future);
}

static const struct weft_shutdown_options soon = {.jobs_timeout = 1};

Test(pool, names_a_stuck_job_gives_it_up_and_cleans_up_when_it_returns)
{
    struct gate gate;
    struct weft_stuck_list *stuck;
    int status = 0;
    gate_init(&gate);
    use_pool(&(struct weft_pool_options){.max_threads = 2});
    weft_future *job = weft_to_thread_fn(NULL, pass_with_value, &gate);
    cr_assert_eq(weft_then(job, note_status, &status), 0);
    gate_wait_entered(&gate);
    cr_assert_eq(weft_loop_shutdown(test_loop, &soon, &stuck), WEFT_ESTUCK);
    cr_assert_eq(stuck->count, 1);
    cr_assert_str_eq(stuck->stuck[0].kind, "job");
    cr_assert_str_eq(stuck->stuck[0].name, "pass_with_value");
    cr_assert_not_null(strstr(stuck->stuck[0].spawned_at, "test_pool.c:"));
    cr_assert_str_eq(test_reports.task, "pass_with_value");
    free(stuck);
    weft_loop_free(test_loop);
    test_loop = NULL;
    cr_assert_eq(status, WEFT_ESTUCK);
    cr_assert_eq(atomic_load(&destroyed), 0);

    gate_open(&gate);
    while (weft_test_heap_live() > 1) /* the list was made by weft, and freed by free() */
        sched_yield();
    cr_assert_eq(atomic_load(&destroyed), 1);
}

Test(pool, gives_up_a_job_that_returned_between_shutdown_and_free)
{
    struct gate gate;
    gate_init(&gate);
    weft_pool *pool = use_pool(&(struct weft_pool_options){.max_threads = 2});
    weft_unref(weft_to_thread_fn(NULL, pass_with_value, &gate));
    gate_wait_entered(&gate);
    cr_assert_eq(weft_loop_shutdown(test_loop, &soon, NULL), WEFT_ESTUCK);
    gate_open(&gate);
    wait_for_idle(pool, 1);
    cr_assert_eq(atomic_load(&destroyed), 1);
    weft_test_loop_end();
}

Test(pool, goes_on_serving_other_owners_while_a_stuck_job_runs)
{
    struct gate gate;
    gate_init(&gate);
    weft_pool *pool = weft_pool_new(&(struct weft_pool_options){.max_threads = 2});
    cr_assert_eq(weft_loop_set_pool(test_loop, pool), 0);
    weft_unref(weft_to_thread_fn(NULL, pass_with_value, &gate));
    gate_wait_entered(&gate);
    cr_assert_eq(weft_loop_shutdown(test_loop, &soon, NULL), WEFT_ESTUCK);
    weft_loop_free(test_loop);

    test_loop = weft_loop_new(NULL);
    cr_assert_eq(weft_loop_set_pool(test_loop, pool), 0);
    cr_assert_eq(weft_test_run(weft_to_thread_fn(NULL, return_nothing, NULL)), 0);
    gate_open(&gate);
    wait_for_idle(pool, 2);
    cr_assert_eq(atomic_load(&destroyed), 1);
    cr_assert_eq(pool->abandoned, 0);
    weft_pool_unref(pool);
    weft_test_loop_end();
}

/* Lets the job return in the middle of its loop's end, and gives its worker time to free it. */
static void open_and_look_away(weft_future *future, void *gate)
{
    gate_open(gate);
    while (atomic_load(&destroyed) == 0)
        sched_yield();
    for (int i = 0; i < 1000; i++)
        sched_yield();
    cr_assert_eq(weft_future_status(future), WEFT_ESTUCK);
}

Test(pool, keeps_a_job_it_gives_up_for_those_who_wait_for_it)
{
    struct gate gate;
    gate_init(&gate);
    weft_pool *pool = weft_pool_new(&(struct weft_pool_options){.max_threads = 1});
    cr_assert_eq(weft_loop_set_pool(test_loop, pool), 0);
    weft_future *job = weft_to_thread_fn(NULL, pass_with_value, &gate);
    cr_assert_eq(weft_then(job, open_and_look_away, &gate), 0);
    gate_wait_entered(&gate);
    cr_assert_eq(weft_loop_shutdown(test_loop, &soon, NULL), WEFT_ESTUCK);
    weft_loop_free(test_loop);
    test_loop = NULL;
    weft_pool_unref(pool);
    weft_test_loop_end();
}

Test(pool, keeps_a_job_it_gives_up_for_a_chain_of_those_who_wait_for_it)
{
    struct gate gate;
    gate_init(&gate);
    weft_pool *pool = use_pool(&(struct weft_pool_options){.max_threads = 1});
    weft_future *job = weft_to_thread_fn(NULL, pass_with_value, &gate);
    weft_future *inner = weft_shield(job);
    weft_unref(weft_gather_with(WEFT_GATHER_ALL, weft_shield(weft_shield(inner))));
    gate_wait_entered(&gate);
    cr_assert_eq(weft_loop_shutdown(test_loop, &soon, NULL), WEFT_ESTUCK);
    gate_open(&gate);
    wait_for_idle(pool, 1); /* the job has ended: whoever lets go of it last, frees it */
    weft_test_loop_end();
}

struct write_to {
    struct gate *gate;
    char *place;
    size_t size;
};

static WEFT_BLOCKING(write_to)
{
    gate_pass(self->gate);
    memset(self->place, 1, self->size);
    return weft_ok(0);
}

struct lender {
    WEFT_FRAME;
    struct gate *gate;
    char room[500];
};

static WEFT_ASYNC(lender)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_to_thread(write_to, .gate = self->gate, .place = self->room,
                              .size = sizeof(self->room)));
    WEFT_END;
}

struct lend_from_a_call {
    WEFT_FRAME;
    struct gate *gate;
};

static WEFT_ASYNC(lend_from_a_call)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_gather(weft_call(lender, .gate = self->gate)));
    WEFT_END;
}

/* What the job does to memory that is gone, AddressSanitizer sees. */
Test(pool, a_job_it_gives_up_may_use_the_frames_of_its_callers_to_its_end)
{
    struct gate gate;
    gate_init(&gate);
    use_pool(&(struct weft_pool_options){.max_threads = 2});
    weft_unref(weft_spawn(lender, .gate = &gate));
    weft_future *held = weft_spawn(lend_from_a_call, .gate = &gate);
    cr_assert_eq(weft_test_run(weft_sleep(0)), 0);
    gate_wait_entered(&gate);
    gate_wait_entered(&gate);
    struct weft_shutdown_options at_once = {.tasks_timeout = 1, .jobs_timeout = 1};
    cr_assert_eq(weft_loop_shutdown(test_loop, &at_once, NULL), WEFT_ESTUCK);
    weft_unref(held);
    gate_open(&gate);
    weft_loop_free(test_loop);
    test_loop = NULL;
    gate_open(&gate);
    while (weft_test_heap_live() > 0)
        sched_yield();
}

/* ---- Several loops ---- */

struct other {
    pthread_t thread;
    weft_pool *pool;
    struct gate *gate;
    sem_t queued, freed;
    int status;
};

/* A loop of its own with two queued jobs; it ends without having run them. */
static void *queue_and_free(void *arg)
{
    struct other *other = arg;
    weft_loop *loop = weft_loop_new(NULL);
    other->status = weft_loop_set_pool(loop, other->pool);
    weft_unref(weft_to_thread_fn(NULL, gate_pass, other->gate));
    weft_unref(weft_to_thread_fn(NULL, gate_pass, other->gate));
    weft_loop_free(loop);
    return NULL;
}

Test(pool, loses_only_the_jobs_of_the_loop_that_ends)
{
    struct gate gate, other_gate;
    gate_init(&gate);
    gate_init(&other_gate);
    weft_pool *pool = use_pool(&(struct weft_pool_options){.max_threads = 1});
    weft_future *running = weft_to_thread_fn(NULL, gate_pass, &gate);
    weft_future *before = weft_to_thread_fn(NULL, return_nothing, NULL);
    gate_wait_entered(&gate);
    struct other other = {.pool = pool, .gate = &other_gate};
    cr_assert_eq(pthread_create(&other.thread, NULL, queue_and_free, &other), 0);
    pthread_join(other.thread, NULL);
    cr_assert_eq(other.status, 0);
    weft_future *after = weft_to_thread_fn(NULL, return_nothing, NULL);
    cr_assert_eq(stats_of(pool).queued, 2);
    gate_open(&gate);
    cr_assert_eq(weft_test_run(running), 0);
    cr_assert_eq(weft_test_run(before), 0);
    cr_assert_eq(weft_test_run(after), 0);
    cr_assert_eq(sem_trywait(&other_gate.entered), -1);
    weft_test_loop_end();
}

/* ---- Stress ---- */

enum { LOOPS = 3, ROUNDS = 400, BATCH = 16 };

static uint32_t next_random(uint32_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

struct double_it {
    int64_t number;
    uint32_t seed;
};

static WEFT_BLOCKING(double_it)
{
    for (volatile uint32_t turns = next_random(&self->seed) % 512; turns > 0; turns--)
        ;
    if (next_random(&self->seed) % 32 == 0)
        sched_yield();
    return weft_ok(self->number * 2);
}

struct hammer {
    pthread_t thread;
    weft_pool *pool; /* borrowed */
    uint32_t seed;
    unsigned wrong, cancelled, done;
};

/* Start a batch, cancel some, wait for all. */
static void hammer_batch(struct hammer *hammer, weft_loop *loop)
{
    weft_future *jobs[BATCH];
    for (int i = 0; i < BATCH; i++)
        jobs[i] = weft_to_thread(double_it, .number = i, .seed = next_random(&hammer->seed) | 1);
    for (int i = 0; i < BATCH; i++)
        if (next_random(&hammer->seed) % 4 == 0)
            weft_cancel(jobs[i]);
    for (int i = 0; i < BATCH; i++) {
        int status = weft_loop_run_until(loop, weft_ref(jobs[i]));
        hammer->done += status == 0;
        hammer->cancelled += status == -ECANCELED;
        hammer->wrong += status == 0 && weft_future_value(jobs[i]).i64 != i * 2;
        weft_unref(jobs[i]);
    }
}

static void *run_hammer(void *arg)
{
    struct hammer *hammer = arg;
    weft_loop *loop = weft_loop_new(NULL);
    hammer->wrong += weft_loop_set_pool(loop, hammer->pool) != 0;
    for (int round = 0; round < ROUNDS; round++)
        hammer_batch(hammer, loop);
    for (int i = 0; i < BATCH; i++)
        weft_unref(weft_to_thread(double_it, .number = i, .seed = 1));
    weft_loop_free(loop);
    return NULL;
}

/* Threads that leave at once, and starts that fail, so that every way is taken often. */
static void hammer_with(const struct weft_pool_options *options, uint32_t seed)
{
    struct hammer hammers[LOOPS] = {{0}};
    weft_pool *pool = weft_pool_new(options);
    for (uint32_t i = 0; i < LOOPS; i++) {
        hammers[i].pool = pool;
        hammers[i].seed = seed * 100 + i + 1;
        pthread_create(&hammers[i].thread, NULL, run_hammer, &hammers[i]);
    }
    for (int i = 0; i < LOOPS; i++) {
        pthread_join(hammers[i].thread, NULL);
        cr_assert_eq(hammers[i].wrong, 0);
        cr_assert_eq(hammers[i].done + hammers[i].cancelled, ROUNDS * BATCH);
    }
    weft_pool_unref(pool);
}

Test(pool, serves_many_loops_that_cancel_at_random)
{
    for (uint32_t seed = 1; seed <= 2; seed++) {
        hammer_with(&(struct weft_pool_options){.max_threads = 4}, seed);
        hammer_with(&(struct weft_pool_options){.max_threads = 1}, seed);
        hammer_with(&(struct weft_pool_options){.max_threads = 4, .keepalive = 1}, seed);
    }
    weft_test_loop_end();
}

static atomic_uint creates;

/* Every third fails. */
static int flaky_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *),
                        void *arg)
{
    if (atomic_fetch_add(&creates, 1) % 3 == 2)
        return EAGAIN;
    return pthread_create(thread, attributes, start, arg);
}

static void *run_flaky_hammer(void *arg)
{
    struct hammer *hammer = arg;
    weft_loop *loop = weft_loop_new(NULL);
    hammer->wrong += weft_loop_set_pool(loop, hammer->pool) != 0;
    for (int i = 0; i < ROUNDS * 4; i++) {
        int status = weft_loop_run_until(loop, weft_to_thread_fn(NULL, return_nothing, NULL));
        hammer->wrong += status != 0 && status != -EAGAIN;
    }
    weft_loop_free(loop);
    return NULL;
}

Test(pool, orphans_no_job_while_starting_threads_fails_at_random)
{
    struct hammer hammers[LOOPS] = {{0}};
    weft__sys.pthread_create = flaky_create;
    weft_pool *pool = weft_pool_new(&(struct weft_pool_options){.max_threads = 3, .keepalive = 1});
    for (int i = 0; i < LOOPS; i++) {
        hammers[i].pool = pool;
        pthread_create(&hammers[i].thread, NULL, run_flaky_hammer, &hammers[i]);
    }
    for (int i = 0; i < LOOPS; i++) {
        pthread_join(hammers[i].thread, NULL);
        cr_assert_eq(hammers[i].wrong, 0);
    }
    weft_pool_unref(pool);
    weft_test_loop_end();
}

/* Waits for a job whatever is asked of it, then cleans up. */
struct patient {
    WEFT_FRAME;
    struct gate *gate;
    bool *ended;
    int status;
};

static WEFT_ASYNC(patient)
{
    WEFT_BEGIN;
    WEFT_CATCH(self->status, weft_to_thread_fn(NULL, gate_pass, self->gate));
    WEFT_FINALLY;
    WEFT_CATCH(self->status, weft_sleep(0));
    *self->ended = true;
    WEFT_END;
}

Test(pool, lets_a_task_end_whose_job_returns_after_the_deadline_of_the_tasks)
{
    static const struct weft_shutdown_options at_once = {.tasks_timeout = 1};
    struct gate gate;
    bool ended = false;
    gate_init(&gate);
    use_pool(&(struct weft_pool_options){.max_threads = 1});
    weft_future *task = weft_spawn(patient, .gate = &gate, .ended = &ended);
    weft_loop_stop(test_loop);
    cr_assert_eq(weft_loop_run(test_loop), 0);
    gate_wait_entered(&gate);
    weft_future *queued = weft_to_thread_fn(NULL, gate_pass, &gate);
    cr_assert_eq(weft_then(queued, note_dropped_and_open, &gate), 0);
    cr_assert_eq(weft_loop_shutdown(test_loop, &at_once, NULL), 0);
    cr_assert(ended);
    cr_assert_eq(weft_future_status(task), 0);
    weft_unref(task);
    weft_test_loop_end();
}

/* Ends at once when cancelled. */
struct tidy {
    WEFT_FRAME;
};

static WEFT_ASYNC(tidy)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_sleep(WEFT_FOREVER));
    WEFT_END;
}

static void start_and_open(weft_future *dropped, void *gate)
{
    (void)dropped;
    weft_unref(weft_spawn(tidy));
    gate_open(gate);
}

Test(pool, cancels_a_task_that_is_started_while_the_loop_waits_for_jobs)
{
    struct gate gate;
    gate_init(&gate);
    use_pool(&(struct weft_pool_options){.max_threads = 1});
    weft_future *running = weft_to_thread_fn(NULL, gate_pass, &gate);
    weft_future *queued = weft_to_thread_fn(NULL, gate_pass, &gate);
    gate_wait_entered(&gate);
    cr_assert_eq(weft_then(queued, start_and_open, &gate), 0);
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    cr_assert_eq(test_reports.count, 0);
    weft_unref(running);
    weft_test_loop_end();
}

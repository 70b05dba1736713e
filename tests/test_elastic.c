/* SPDX-License-Identifier: MIT */
/*
 * When a pool grows: by how long work has waited, and for jobs that wait for others. No clock decides
 * here: a pool's patience is for ever, or over at once.
 */
#include <criterion/criterion.h>

#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <weft/weft.h>

#include "core/sys.h"
#include "pool/pool.h"
#include "pool/wake.h"
#include "tests/support/gate.h"
#include "tests/support/loop.h"
#include "tests/support/pool.h"

TestSuite(elastic, .init = weft_test_loop_begin_real, .timeout = 60);

/* One job gets a thread at once; a further one when it has waited for `patience`. */
static weft_pool *use_patient_pool(unsigned max_threads, weft_ns patience)
{
    weft_pool *pool = use_pool(&(struct weft_pool_options){.max_threads = max_threads});
    pool->quick_threads = 1;
    pool->patience = patience;
    return pool;
}

static bool has_watcher(weft_pool *pool)
{
    weft__mutex_lock(&pool->mu);
    bool has = pool->watcher;
    weft__mutex_unlock(&pool->mu);
    return has;
}

static void wait_for_watcher(weft_pool *pool)
{
    while (!has_watcher(pool))
        sched_yield();
}

/* Nothing is under way that could start a queued job: no thread can be called, and all that run are
 * in a wait. It stays like this until somebody outside the pool does something. */
static bool is_deadlocked(weft_pool *pool)
{
    struct weft_pool_stats stats = stats_of(pool);
    weft__mutex_lock(&pool->mu);
    bool somebody = pool->waking || pool->watcher || weft__call_worker_locked(pool).worker;
    weft__mutex_unlock(&pool->mu);
    return !somebody && stats.queued > 0 && stats.blocked == stats.running &&
           stats.running == stats.threads;
}

static void wait_for_blocked(weft_pool *pool, size_t count)
{
    while (stats_of(pool).blocked != count)
        sched_yield();
}

static void pass_all(struct gate *gate, weft_future **jobs, size_t count)
{
    for (size_t i = 0; i < count; i++)
        gate_open(gate);
    for (size_t i = 0; i < count; i++)
        cr_assert_eq(weft_test_run(jobs[i]), 0);
}

/* ---- Growing ---- */

Test(elastic, a_queue_that_moves_needs_no_more_threads)
{
    enum { JOBS = 200 };
    struct gate gate;
    weft_future *jobs[JOBS];
    gate_init(&gate);
    weft_pool *pool = use_patient_pool(16, WEFT_FOREVER);
    weft_future *first = weft_to_thread_fn(NULL, gate_pass, &gate);
    gate_wait_entered(&gate);
    for (int i = 0; i < JOBS; i++)
        jobs[i] = weft_to_thread_fn(NULL, return_nothing, NULL);
    wait_for_watcher(pool);
    cr_assert_eq(stats_of(pool).queued, JOBS);
    gate_open(&gate);
    cr_assert_eq(weft_test_run(first), 0);
    for (int i = 0; i < JOBS; i++)
        cr_assert_eq(weft_test_run(jobs[i]), 0);
    cr_assert_eq(stats_of(pool).started, 2);
    weft_test_loop_end();
}

Test(elastic, jobs_that_waited_for_too_long_get_a_thread_each)
{
    enum { JOBS = 8 };
    struct gate gate;
    weft_future *jobs[JOBS];
    gate_init(&gate);
    weft_pool *pool = use_patient_pool(JOBS, WEFT_MS(1));
    for (int i = 0; i < JOBS; i++)
        jobs[i] = weft_to_thread_fn(NULL, gate_pass, &gate);
    for (int i = 0; i < JOBS; i++)
        gate_wait_entered(&gate);
    cr_assert_eq(stats_of(pool).started, JOBS);
    pass_all(&gate, jobs, JOBS);
    weft_test_loop_end();
}

Test(elastic, the_first_jobs_get_a_thread_each_without_having_waited)
{
    enum { QUICK = 3 };
    struct gate gate;
    weft_future *jobs[QUICK];
    gate_init(&gate);
    weft_pool *pool = use_patient_pool(8, WEFT_FOREVER);
    pool->quick_threads = QUICK;
    for (int i = 0; i < QUICK; i++)
        jobs[i] = weft_to_thread_fn(NULL, gate_pass, &gate);
    for (int i = 0; i < QUICK; i++)
        gate_wait_entered(&gate);
    pass_all(&gate, jobs, QUICK);
    weft_test_loop_end();
}

Test(elastic, as_many_as_the_minimum_start_at_once)
{
    weft_pool *pool = use_pool(&(struct weft_pool_options){.min_threads = 100, .max_threads = 200});
    cr_assert_eq(pool->quick_threads, 100);
    weft_test_loop_end();
}

Test(elastic, no_job_waits_for_patience_when_there_is_no_room_to_grow)
{
    struct gate gate;
    weft_future *jobs[2];
    gate_init(&gate);
    use_patient_pool(2, WEFT_FOREVER);
    for (int i = 0; i < 2; i++)
        jobs[i] = weft_to_thread_fn(NULL, gate_pass, &gate);
    for (int i = 0; i < 2; i++)
        gate_wait_entered(&gate);
    pass_all(&gate, jobs, 2);
    weft_test_loop_end();
}

Test(elastic, no_job_waits_for_patience_while_another_thread_is_idle)
{
    struct gate gate, other;
    weft_future *jobs[3];
    gate_init(&gate);
    gate_init(&other);
    weft_pool *pool = use_patient_pool(8, 1);
    for (int i = 0; i < 3; i++)
        jobs[i] = weft_to_thread_fn(NULL, gate_pass, &gate);
    for (int i = 0; i < 3; i++)
        gate_wait_entered(&gate);
    pass_all(&gate, jobs, 3);
    wait_for_idle(pool, 3);
    pool->patience = WEFT_FOREVER; /* all threads are idle: none reads it */
    for (int i = 0; i < 2; i++)
        jobs[i] = weft_to_thread_fn(NULL, gate_pass, &other);
    for (int i = 0; i < 2; i++)
        gate_wait_entered(&other);
    jobs[2] = weft_to_thread_fn(NULL, gate_pass, &other);
    wait_for_watcher(pool); /* the third is the last one */
    pass_all(&other, jobs, 3);
    cr_assert_eq(stats_of(pool).started, 3);
    weft_test_loop_end();
}

Test(elastic, a_watcher_is_called_first_when_the_busy_ones_have_gone_to_rest)
{
    struct gate gate;
    gate_init(&gate);
    weft_pool *pool = use_patient_pool(8, WEFT_FOREVER);
    weft_future *first = weft_to_thread_fn(NULL, gate_pass, &gate);
    gate_wait_entered(&gate);
    weft_future *second = weft_to_thread_fn(NULL, return_nothing, NULL);
    wait_for_watcher(pool);
    gate_open(&gate);
    cr_assert_eq(weft_test_run(first), 0);
    cr_assert_eq(weft_test_run(second), 0);
    wait_for_idle(pool, 1);
    cr_assert(has_watcher(pool));
    cr_assert_eq(weft_test_run(weft_to_thread_fn(NULL, return_nothing, NULL)), 0);
    wait_for_idle(pool, 2);
    cr_assert_not(has_watcher(pool));
    weft_test_loop_end();
}

Test(elastic, a_watcher_leaves_when_the_pool_ends)
{
    struct gate gate;
    gate_init(&gate);
    weft_pool *pool = use_patient_pool(8, WEFT_FOREVER);
    weft_future *first = weft_to_thread_fn(NULL, gate_pass, &gate);
    gate_wait_entered(&gate);
    weft_future *second = weft_to_thread_fn(NULL, return_nothing, NULL);
    wait_for_watcher(pool);
    cr_assert(weft_cancel(second));
    cr_assert_eq(weft_test_run(second), -ECANCELED);
    gate_open(&gate);
    cr_assert_eq(weft_test_run(first), 0);
    cr_assert(has_watcher(pool));
    weft_test_loop_end();
}

Test(elastic, never_wakes_more_threads_than_there_are_jobs)
{
    enum { JOBS = 100, ROUNDS = 50 };
    weft_future *jobs[JOBS];
    weft_pool *pool = use_pool(&(struct weft_pool_options){.max_threads = 8});
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < JOBS; i++)
            jobs[i] = weft_to_thread_fn(NULL, return_nothing, NULL);
        for (int i = 0; i < JOBS; i++)
            cr_assert_eq(weft_test_run(jobs[i]), 0);
    }
    struct weft_pool_stats stats = stats_of(pool);
    cr_assert_leq(stats.wakeups_sent, JOBS * ROUNDS);
    cr_assert_leq(stats.wakeups_saved, JOBS * ROUNDS);
    cr_assert_geq(stats.wakeups_sent + stats.wakeups_saved + stats.started, JOBS * ROUNDS);
    weft_test_loop_end();
}

Test(elastic, wakes_nobody_for_jobs_that_come_while_one_is_on_its_way)
{
    struct gate gate;
    weft_future *jobs[10];
    gate_init(&gate);
    weft_pool *pool = use_pool(&(struct weft_pool_options){.max_threads = 1});
    weft_future *first = weft_to_thread_fn(NULL, gate_pass, &gate);
    gate_wait_entered(&gate);
    for (int i = 0; i < 10; i++)
        jobs[i] = weft_to_thread_fn(NULL, return_nothing, NULL);
    struct weft_pool_stats stats = stats_of(pool);
    cr_assert_eq(stats.started, 1);
    cr_assert_eq(stats.wakeups_sent, 0);
    cr_assert_eq(stats.wakeups_saved, 10);
    gate_open(&gate);
    cr_assert_eq(weft_test_run(first), 0);
    for (int i = 0; i < 10; i++)
        cr_assert_eq(weft_test_run(jobs[i]), 0);
    weft_test_loop_end();
}

Test(elastic, statistics_take_no_lock_that_jobs_take)
{
    weft_pool *pool = use_pool(&(struct weft_pool_options){.max_threads = 2});
    cr_assert_eq(weft_test_run(weft_to_thread_fn(NULL, return_nothing, NULL)), 0);
    wait_for_idle(pool, 1);
    weft__mutex_lock(&pool->mu);
    struct weft_pool_stats stats = stats_of(pool); /* it would never return */
    weft__mutex_unlock(&pool->mu);
    cr_assert_eq(stats.started, 1);
    cr_assert_eq(stats.queued, 0);
    weft_test_loop_end();
}

/* ---- Jobs that wait for others ---- */

static weft_queue *queue;

static weft_result get(void *arg)
{
    weft_value value;
    (void)arg;
    int status = weft_queue_get_blocking(queue, WEFT_FOREVER, &value, NULL);
    return status < 0 ? weft_err(status) : weft_ok(value.i64);
}

static weft_result put(void *arg)
{
    (void)arg;
    int status = weft_queue_put_blocking(queue, weft_value_i64(5), NULL, WEFT_FOREVER);
    return status < 0 ? weft_err(status) : weft_ok(0);
}

static weft_pool *use_small_pool(unsigned max_threads, unsigned max_spares)
{
    queue = weft_queue_new(&(struct weft_queue_options){.bound = 1});
    return use_pool(
        &(struct weft_pool_options){.max_threads = max_threads, .max_spares = max_spares});
}

static void end_with_queue(void)
{
    weft_queue_unref(queue);
    weft_test_loop_end();
}

Test(elastic, jobs_that_wait_for_each_other_do_not_deadlock_a_full_pool)
{
    weft_pool *pool = use_small_pool(1, 0);
    weft_future *getter = weft_to_thread_fn(NULL, get, NULL);
    wait_for_blocked(pool, 1);
    weft_future *putter = weft_to_thread_fn(NULL, put, NULL);
    cr_assert_eq(weft_test_run(getter), 0);
    cr_assert_eq(weft_test_run(putter), 0);
    cr_assert_eq(stats_of(pool).blocked, 0);
    cr_assert_eq(stats_of(pool).started, 2);
    end_with_queue();
}

Test(elastic, the_same_jobs_deadlock_a_full_pool_without_spares)
{
    weft_pool *pool = use_small_pool(1, WEFT_NO_SPARES);
    weft_future *getter = weft_to_thread_fn(NULL, get, NULL);
    wait_for_blocked(pool, 1);
    weft_future *putter = weft_to_thread_fn(NULL, put, NULL);
    cr_assert(is_deadlocked(pool));
    cr_assert_eq(weft_queue_put_nowait(queue, weft_value_i64(1), NULL), 0);
    cr_assert_eq(weft_test_run(getter), 0);
    cr_assert_eq(weft_test_run(putter), 0);
    end_with_queue();
}

Test(elastic, a_job_that_begins_to_wait_when_others_are_queued_gets_them_a_thread)
{
    struct gate gate;
    gate_init(&gate);
    weft_pool *pool = use_small_pool(1, 0);
    weft_future *first = weft_to_thread_fn(NULL, gate_pass, &gate);
    gate_wait_entered(&gate);
    weft_future *getter = weft_to_thread_fn(NULL, get, NULL);
    weft_future *putter = weft_to_thread_fn(NULL, put, NULL);
    cr_assert_eq(stats_of(pool).started, 1);
    gate_open(&gate);
    cr_assert_eq(weft_test_run(first), 0);
    cr_assert_eq(weft_test_run(getter), 0);
    cr_assert_eq(weft_test_run(putter), 0);
    end_with_queue();
}

Test(elastic, there_are_no_more_spares_than_allowed)
{
    weft_future *getters[3];
    weft_pool *pool = use_small_pool(1, 1);
    for (int i = 0; i < 3; i++)
        getters[i] = weft_to_thread_fn(NULL, get, NULL);
    wait_for_blocked(pool, 2);
    cr_assert(is_deadlocked(pool));
    cr_assert_eq(stats_of(pool).spares, 1);
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(weft_test_run(weft_queue_put(queue, weft_value_i64(i), NULL)), 0);
        cr_assert_eq(weft_test_run(getters[i]), 0);
    }
    end_with_queue();
}

Test(elastic, a_spare_that_cannot_be_started_is_tried_again_with_the_next_job)
{
    weft_pool *pool = use_small_pool(1, 0);
    weft_future *getter = weft_to_thread_fn(NULL, get, NULL);
    wait_for_blocked(pool, 1);
    cr_assert(weft__sys_fail("pthread_create", 1, EAGAIN));
    weft_future *putter = weft_to_thread_fn(NULL, put, NULL);
    cr_assert(weft__sys_failed("pthread_create"));
    cr_assert_eq(stats_of(pool).queued, 1);
    cr_assert_eq(weft_test_run(weft_to_thread_fn(NULL, return_nothing, NULL)), 0);
    cr_assert_eq(weft_test_run(getter), 0);
    cr_assert_eq(weft_test_run(putter), 0);
    end_with_queue();
}

struct waits {
    struct gate before, within, after;
};

static weft_result wait_in_the_middle(void *arg)
{
    struct waits *waits = arg;
    gate_pass(&waits->before);
    weft_job_blocking_begin();
    weft_job_blocking_begin();
    gate_pass(&waits->within);
    weft_job_blocking_end();
    weft_job_blocking_end();
    gate_pass(&waits->after);
    weft_job_blocking_end(); /* one too many is nothing */
    return weft_ok(0);
}

Test(elastic, a_job_counts_again_when_its_wait_is_over)
{
    struct waits waits;
    struct gate gate;
    gate_init(&waits.before);
    gate_init(&waits.within);
    gate_init(&waits.after);
    gate_init(&gate);
    weft_pool *pool = use_pool(&(struct weft_pool_options){.max_threads = 1});
    weft_future *waiting = weft_to_thread_fn(NULL, wait_in_the_middle, &waits);
    weft_future *second = weft_to_thread_fn(NULL, gate_pass, &gate);
    weft_future *third = weft_to_thread_fn(NULL, gate_pass, &gate);
    gate_wait_entered(&waits.before);
    cr_assert_eq(stats_of(pool).blocked, 0);
    gate_open(&waits.before);
    gate_wait_entered(&gate);
    cr_assert_eq(stats_of(pool).blocked, 1);
    gate_open(&waits.within);
    gate_wait_entered(&waits.after);
    cr_assert_eq(stats_of(pool).blocked, 0);
    gate_open(&gate);
    cr_assert_eq(weft_test_run(second), 0);
    wait_for_idle(pool, 1); /* the spare takes no further job */
    cr_assert_eq(stats_of(pool).queued, 1);
    gate_open(&waits.after);
    gate_open(&gate);
    cr_assert_eq(weft_test_run(waiting), 0);
    cr_assert_eq(weft_test_run(third), 0);
    weft_test_loop_end();
}

static weft_result begin_and_return(void *arg)
{
    (void)arg;
    weft_job_blocking_begin();
    weft_job_blocking_begin();
    return weft_ok(0);
}

Test(elastic, a_wait_ends_with_its_job_at_the_latest)
{
    weft_pool *pool = use_pool(&(struct weft_pool_options){.max_threads = 1});
    for (int i = 0; i < 3; i++)
        cr_assert_eq(weft_test_run(weft_to_thread_fn(NULL, begin_and_return, NULL)), 0);
    cr_assert_eq(stats_of(pool).blocked, 0);
    weft_test_loop_end();
}

Test(elastic, a_wait_that_is_no_jobs_is_nothing)
{
    weft_job_blocking_end();
    weft_job_blocking_begin();
    weft_job_blocking_end();
    weft_test_loop_end();
}

Test(elastic, a_watcher_is_called_when_a_busy_job_begins_to_wait)
{
    struct waits waits;
    gate_init(&waits.before);
    gate_init(&waits.within);
    gate_init(&waits.after);
    weft_pool *pool = use_patient_pool(4, WEFT_FOREVER);
    weft_future *waiting = weft_to_thread_fn(NULL, wait_in_the_middle, &waits);
    gate_wait_entered(&waits.before);
    weft_future *other = weft_to_thread_fn(NULL, return_nothing, NULL);
    wait_for_watcher(pool);
    gate_open(&waits.before);
    cr_assert_eq(weft_test_run(other), 0);
    gate_open(&waits.within);
    gate_open(&waits.after);
    cr_assert_eq(weft_test_run(waiting), 0);
    weft_test_loop_end();
}

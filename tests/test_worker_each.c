/* SPDX-License-Identifier: MIT */
/* A function that runs once on every worker. */
#include <criterion/criterion.h>

#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <weft/trace.h>
#include <weft/weft.h>

#include "core/memory.h"
#include "pool/pool.h"
#include "tests/support/child.h"
#include "tests/support/gate.h"
#include "tests/support/heap.h"
#include "tests/support/loop.h"
#include "tests/support/pool.h"

TestSuite(worker_each, .init = weft_test_loop_begin_real, .timeout = 60);

enum { THREADS = 3 };

static int on_start(void *arg, void **ret_state)
{
    *ret_state = arg ? NULL : calloc(1, sizeof(atomic_int));
    return 0;
}

/* A pool with as many threads that are present, each with a counter; `gate` holds them if it is given. */
static weft_pool *use_threads(struct gate *gate, weft_future **jobs)
{
    struct gate own;
    weft_future *own_jobs[THREADS];
    weft_pool *pool = use_pool(&(struct weft_pool_options){
        .max_threads = THREADS, .thread_start = on_start, .thread_stop = free});
    pool->quick_threads = THREADS;
    gate_init(&own);
    for (int i = 0; i < THREADS; i++)
        (gate ? jobs : own_jobs)[i] = weft_to_thread_fn(NULL, gate_pass, gate ? gate : &own);
    for (int i = 0; i < THREADS; i++)
        gate_wait_entered(gate ? gate : &own);
    for (int i = 0; i < THREADS && !gate; i++)
        gate_open(&own);
    for (int i = 0; i < THREADS && !gate; i++)
        cr_assert_eq(weft_test_run(own_jobs[i]), 0);
    if (!gate)
        wait_for_idle(pool, THREADS);
    return pool;
}

static weft_result count_here(void *arg)
{
    atomic_fetch_add((atomic_int *)weft_thread_state(), 1);
    return weft_err(*(int *)arg == atomic_load((atomic_int *)weft_thread_state()) ? -EILSEQ : -EIO);
}

static atomic_int calls;

static weft_result note_call(void *arg)
{
    (void)arg;
    atomic_fetch_add(&calls, 1);
    return weft_ok(malloc(1), free);
}

static int64_t value_of(weft_future *future)
{
    cr_assert_eq(weft_test_run(weft_ref(future)), 0);
    int64_t value = weft_future_value(future).i64;
    weft_unref(future);
    return value;
}

Test(worker_each, runs_once_on_every_idle_thread_and_says_how_many)
{
    weft_pool *pool = use_threads(NULL, NULL);
    for (int round = 1; round <= 50; round++) {
        cr_assert_eq(value_of(weft_pool_run_on_each(pool, note_call, NULL)), THREADS);
        cr_assert_eq(atomic_load(&calls), round * THREADS);
    }
    weft_test_loop_end();
}

Test(worker_each, runs_on_another_thread_each_time)
{
    weft_pool *pool = use_threads(NULL, NULL);
    for (int round = 1; round <= 20; round++) /* each thread's own counter says which round it is */
        cr_assert_eq(weft_test_run(weft_pool_run_on_each(pool, count_here, &round)), -EILSEQ);
    weft_test_loop_end();
}

static int times(const char *text, const char *what)
{
    int count = 0;
    while ((text = strstr(text, what)))
        count++, text++;
    return count;
}

/* An arrow leads to each, and one from the last to the loop. */
Test(worker_each, a_trace_shows_it_on_each_thread)
{
    char *text;
    struct gate gate;
    gate_init(&gate);
    weft_pool *pool = use_threads(NULL, NULL);
    cr_assert_eq(weft_trace_start(NULL), 0);
    weft_future *round = weft_pool_run_on_each(pool, gate_pass, &gate);
    for (int i = 0; i < THREADS; i++)
        gate_wait_entered(&gate);
    for (int i = 0; i < THREADS; i++)
        gate_open(&gate);
    cr_assert_eq(value_of(round), THREADS);
    cr_assert_eq(weft_trace_read(&text, NULL), 0);
    cr_assert_eq(times(text, "\"name\":\"gate_pass\",\"ph\":\"X\""), THREADS, "%s", text);
    cr_assert_eq(times(text, "\"args\":{\"job\":\"gate_pass\",\"lane\":\"each worker\""), 1);
    cr_assert_eq(times(text, "\"name\":\"job\",\"ph\":\"s\""), THREADS);
    cr_assert_eq(times(text, "\"name\":\"job\",\"ph\":\"t\""), 1);
    cr_assert_eq(times(text, "\"name\":\"job\",\"ph\":\"f\""), THREADS);
    cr_assert_eq(times(text, "{\"queued\":1,\"running\":0}"), 1);
    cr_assert_eq(times(text, "{\"queued\":0,\"running\":3}"), 1);
    cr_assert_eq(times(text, "{\"queued\":0,\"running\":0}"), 1);
    weft__free(text);
    weft_trace_discard();
    weft_test_loop_end();
}

Test(worker_each, waits_for_the_jobs_of_busy_threads)
{
    struct gate gate;
    weft_future *jobs[THREADS];
    gate_init(&gate);
    weft_pool *pool = use_threads(&gate, jobs);
    weft_future *first = weft_pool_run_on_each(pool, note_call, NULL);
    weft_future *second = weft_pool_run_on_each(pool, note_call, NULL);
    cr_assert_eq(atomic_load(&calls), 0);
    for (int i = 0; i < THREADS; i++)
        gate_open(&gate);
    cr_assert_eq(value_of(first), THREADS);
    cr_assert_eq(value_of(second), THREADS);
    for (int i = 0; i < THREADS; i++)
        cr_assert_eq(weft_test_run(jobs[i]), 0);
    weft_test_loop_end();
}

Test(worker_each, is_nothing_while_there_is_no_thread)
{
    weft_pool *pool = use_pool(NULL);
    weft_future *round = weft_pool_run_on_each(pool, note_call, NULL);
    cr_assert_eq(weft_future_status(round), -EINPROGRESS);
    cr_assert_eq(value_of(round), 0);
    weft_test_loop_end();
}

Test(worker_each, waits_for_no_thread_that_has_left)
{
    weft_pool *pool = use_pool(&(struct weft_pool_options){.max_threads = 2, .keepalive = 1});
    cr_assert_eq(weft_test_run(weft_to_thread_fn(NULL, return_nothing, NULL)), 0);
    wait_for_threads(pool, 0);
    cr_assert_eq(weft_test_run(weft_pool_run_on_each(pool, return_nothing, NULL)), 0);
    weft_test_loop_end();
}

Test(worker_each, holds_up_no_job)
{
    struct gate gate;
    weft_future *jobs[THREADS];
    weft_pool *pool = use_threads(NULL, NULL);
    gate_init(&gate);
    weft_future *round = weft_pool_run_on_each(pool, gate_pass, &gate);
    for (int i = 0; i < THREADS; i++)
        gate_wait_entered(&gate);
    for (int i = 0; i < THREADS; i++)
        jobs[i] = weft_to_thread_fn(NULL, return_nothing, NULL);
    for (int i = 0; i < THREADS; i++)
        gate_open(&gate);
    for (int i = 0; i < THREADS; i++)
        cr_assert_eq(weft_test_run(jobs[i]), 0);
    cr_assert_eq(value_of(round), THREADS);
    weft_test_loop_end();
}

Test(worker_each, cancelled_keeps_back_those_that_have_not_begun)
{
    struct gate gate;
    weft_future *jobs[THREADS];
    gate_init(&gate);
    weft_pool *pool = use_threads(&gate, jobs);
    weft_future *round = weft_pool_run_on_each(pool, note_call, NULL);
    cr_assert(weft_cancel(round));
    cr_assert_eq(weft_test_run(round), -ECANCELED);
    for (int i = 0; i < THREADS; i++)
        gate_open(&gate);
    for (int i = 0; i < THREADS; i++)
        cr_assert_eq(weft_test_run(jobs[i]), 0);
    cr_assert_eq(atomic_load(&calls), 0);
    weft_test_loop_end();
}

Test(worker_each, cancelled_while_all_run_it_completes_with_its_value)
{
    struct gate gate;
    gate_init(&gate);
    weft_pool *pool = use_threads(NULL, NULL);
    weft_future *round = weft_pool_run_on_each(pool, gate_pass, &gate);
    for (int i = 0; i < THREADS; i++)
        gate_wait_entered(&gate);
    weft_cancel(round);
    for (int i = 0; i < THREADS; i++)
        gate_open(&gate);
    cr_assert_eq(value_of(round), THREADS);
    weft_test_loop_end();
}

static void open_all(weft_future *round, void *gate)
{
    (void)round;
    for (int i = 0; i < THREADS; i++)
        gate_open(gate);
}

Test(worker_each, is_dropped_when_the_loop_shuts_down_before_it_began)
{
    struct gate gate;
    weft_future *jobs[THREADS];
    gate_init(&gate);
    weft_pool *pool = use_threads(&gate, jobs);
    weft_future *round = weft_pool_run_on_each(pool, note_call, NULL);
    cr_assert_eq(weft_then(round, open_all, &gate), 0);
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    cr_assert_eq(atomic_load(&calls), 0);
    for (int i = 0; i < THREADS; i++)
        weft_unref(jobs[i]);
    weft_test_loop_end();
}

Test(worker_each, refuses_what_makes_no_sense)
{
    weft_pool *pool = use_pool(NULL), *other = weft_pool_new(NULL);
    cr_assert_eq(weft_test_run(weft_pool_run_on_each(NULL, note_call, NULL)), -EINVAL);
    cr_assert_eq(weft_test_run(weft_pool_run_on_each(pool, NULL, NULL)), -EINVAL);
    cr_assert_eq(weft_test_run(weft_pool_run_on_each(other, note_call, NULL)), -EINVAL);
    weft_test_heap_fail_at(1);
    cr_assert_eq(weft_test_run(weft_pool_run_on_each(pool, note_call, NULL)), -ENOMEM);
    weft_pool_unref(other);
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    weft_future *late = weft_pool_run_on_each(pool, note_call, NULL);
    cr_assert_eq(weft_future_status(late), -ESHUTDOWN);
    weft_unref(late);
    weft_test_loop_end();
}

static void try_in_child(void *arg)
{
    weft_future *round = weft_pool_run_on_each(arg, note_call, NULL);
    CHILD_EXPECT(weft_future_status(round) == WEFT_EFORK);
    weft_unref(round);
    CHILD_EXPECT(weft_after_fork_child(test_loop) == 0);
    round = weft_pool_run_on_each(arg, note_call, NULL);
    CHILD_EXPECT(weft_future_status(round) == WEFT_EFORK);
    weft_unref(round);
    weft_job_blocking_begin();
    weft_job_blocking_end();
    CHILD_EXPECT(!weft_thread_state());
}

Test(worker_each, fails_in_a_forked_child)
{
    weft_pool *pool = weft_pool_ref(use_threads(NULL, NULL));
    weft_test_in_child(try_in_child, pool);
    weft_pool_unref(pool);
    weft_test_loop_end();
}

static weft_result fail(void *arg)
{
    (void)arg;
    return weft_err(-EIO);
}

struct awaits_round {
    WEFT_FRAME;
    int status, later;
};

static WEFT_ASYNC(awaits_round)
{
    WEFT_BEGIN;
    WEFT_CATCH(self->status, weft_pool_run_on_each(weft_loop_pool(test_loop), fail, NULL));
    WEFT_CATCH(self->later, weft_sleep(0));
    WEFT_RETURN(self->status * 1000 + self->later);
    WEFT_END;
}

/* One thread has run it, and failed, when the cancel comes; the others are busy. */
Test(worker_each, cancelled_that_fails_all_the_same_leaves_the_request_to_who_awaits_it)
{
    struct gate busy;
    weft_future *jobs[THREADS];
    gate_init(&busy);
    weft_pool *pool = use_threads(&busy, jobs);
    weft_future *task = weft_spawn(awaits_round);
    cr_assert_eq(weft_test_run(weft_sleep(0)), 0);
    gate_open(&busy);
    wait_for_idle(pool, 1);
    cr_assert(weft_cancel(task));
    cr_assert_eq(weft_test_run(weft_ref(task)), 0);
    cr_assert_eq(weft_future_value(task).i64, -EIO * 1000 - ECANCELED, "%d",
                 (int)weft_future_value(task).i64);
    weft_unref(task);
    for (int i = 1; i < THREADS; i++)
        gate_open(&busy);
    for (int i = 0; i < THREADS; i++)
        cr_assert_eq(weft_test_run(jobs[i]), 0);
    weft_test_loop_end();
}

Test(worker_each, stuck_on_several_threads_holds_up_neither_the_end_of_the_loop_nor_of_the_pool)
{
    struct gate gate;
    gate_init(&gate);
    struct weft_shutdown_options options = {.jobs_timeout = 1};
    weft_pool *pool = use_threads(NULL, NULL);
    weft_unref(weft_pool_run_on_each(pool, gate_pass, &gate));
    for (int i = 0; i < THREADS; i++)
        gate_wait_entered(&gate);
    cr_assert_eq(weft_loop_shutdown(test_loop, &options, NULL), WEFT_ESTUCK);
    weft_loop_free(test_loop);
    test_loop = NULL;
    for (int i = 0; i < THREADS; i++)
        gate_open(&gate);
    while (weft_test_heap_live() > 0)
        sched_yield();
}

static unsigned abandoned_of(weft_pool *pool)
{
    weft__mutex_lock(&pool->mu);
    unsigned abandoned = pool->abandoned;
    weft__mutex_unlock(&pool->mu);
    return abandoned;
}

Test(worker_each, stuck_threads_are_waited_for_again_when_they_have_come_back)
{
    struct gate gate;
    gate_init(&gate);
    struct weft_shutdown_options options = {.jobs_timeout = 1};
    weft_pool *pool = weft_pool_ref(use_threads(NULL, NULL));
    weft_unref(weft_pool_run_on_each(pool, gate_pass, &gate));
    for (int i = 0; i < THREADS; i++)
        gate_wait_entered(&gate);
    cr_assert_eq(weft_loop_shutdown(test_loop, &options, NULL), WEFT_ESTUCK);
    weft_loop_free(test_loop);
    test_loop = NULL;
    cr_assert_eq(abandoned_of(pool), THREADS);
    for (int i = 0; i < THREADS; i++)
        gate_open(&gate);
    wait_for_idle(pool, THREADS);
    cr_assert_eq(abandoned_of(pool), 0);
    weft_pool_unref(pool);
    cr_assert_eq(weft_test_heap_live(), 0);
}

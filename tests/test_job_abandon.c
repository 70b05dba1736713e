/* SPDX-License-Identifier: MIT */
/*
 * Jobs that are abandoned: nobody waits for them, and nothing of theirs is lost. And what became of a
 * job.
 */
#include <criterion/criterion.h>

#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <weft/weft.h>

#include "pool/pool.h"
#include "tests/support/child.h"
#include "tests/support/gate.h"
#include "tests/support/heap.h"
#include "tests/support/loop.h"
#include "tests/support/pool.h"
#include "tests/support/trace.h"

TestSuite(job_abandon, .init = weft_test_loop_begin, .timeout = 60);

static atomic_int destroyed, released, told;

static void destroy(void *ptr)
{
    free(ptr);
    atomic_fetch_add(&destroyed, 1);
}

struct stays {
    struct gate *gate;
    char *text; /* owned */
    bool commit;
};

static void release(void *args)
{
    struct stays *stays = args;
    free(stays->text);
    atomic_fetch_add(&released, 1);
}

/* Uses what its arguments own after the gate. */
static WEFT_BLOCKING(stays)
{
    if (self->commit && weft_job_commit() < 0)
        return weft_err(-ECANCELED);
    gate_pass(self->gate);
    atomic_store(&told, weft_job_cancelled());
    return weft_ok(strdup(self->text), destroy);
}

static const struct weft_job_options abandon = {.on_cancel = WEFT_CANCEL_ABANDON,
                                                .release = release};

static weft_future *start(struct gate *gate)
{
    return weft_offload(&abandon, stays, .gate = gate, .text = strdup("text"));
}

/* A job that was cancelled while it runs. */
static weft_future *start_abandoned(struct gate *gate)
{
    gate_init(gate);
    weft_future *job = start(gate);
    gate_wait_entered(gate);
    cr_assert_eq(weft_job_outcome(job), WEFT_JOB_PENDING);
    cr_assert(weft_cancel_because(job, "tired of it"));
    return job;
}

static struct weft_lane_stats stats_here(void)
{
    struct weft_lane_stats stats;
    weft_lane_get_stats(weft_loop_lane(test_loop, "default"), &stats);
    return stats;
}

/* The job may outlive the loop, and its worker still has some of its memory when it has released it. */
static void end_when_released(int count)
{
    weft_loop_free(test_loop);
    test_loop = NULL;
    while (weft_test_heap_live() > 0)
        sched_yield();
    cr_assert_eq(atomic_load(&released), count);
    weft_test_loop_end();
}

Test(job_abandon, completes_at_once_and_is_cleaned_up_by_its_worker)
{
    struct gate gate;
    weft_pool *pool = use_pool(&(struct weft_pool_options){.max_threads = 1});
    weft_future *job = start_abandoned(&gate);
    cr_assert(weft_is_cancelled(job));
    cr_assert_str_eq(weft_message(job), "tired of it");
    cr_assert_eq(weft_job_outcome(job), WEFT_JOB_UNKNOWN);
    cr_assert_not(weft_cancel(job));
    cr_assert_eq(stats_here().abandoned, 1);
    cr_assert_eq(stats_here().abandoned_running, 1);
    cr_assert_eq(stats_here().running, 1);
    cr_assert_eq(atomic_load(&released) + atomic_load(&destroyed), 0);

    gate_open(&gate);
    wait_for_idle(pool, 1);
    cr_assert_eq(atomic_load(&released), 1);
    cr_assert_eq(atomic_load(&destroyed), 1);
    cr_assert_eq(atomic_load(&told), 1);
    cr_assert_eq(stats_here().abandoned_running, 0);
    cr_assert_eq(weft_test_run(weft_sleep(0)), 0);
    cr_assert_eq(weft_job_outcome(job), WEFT_JOB_UNKNOWN);
    weft_unref(job);
    weft_test_loop_end();
}

static atomic_bool runs, has_read; /* relaxed: what orders it is the cancel alone */
static int written;

static weft_result wait_until_left(void *ret_read)
{
    atomic_store_explicit(&runs, true, memory_order_relaxed);
    while (!weft_job_cancelled())
        sched_yield();
    *(int *)ret_read = written;
    atomic_store(&has_read, true);
    return weft_ok(0);
}

/* ThreadSanitizer sees when it does not. */
Test(job_abandon, shows_the_job_what_was_done_before)
{
    int seen = 0;
    weft_pool *pool = use_pool(NULL);
    weft_future *job = weft_offload_fn(&(struct weft_job_options){.on_cancel = WEFT_CANCEL_ABANDON},
                                       wait_until_left, &seen);
    while (!atomic_load_explicit(&runs, memory_order_relaxed))
        sched_yield();
    written = 7;
    cr_assert(weft_cancel(job));
    while (!atomic_load(&has_read))
        sched_yield();
    cr_assert_eq(seen, 7);
    cr_assert_eq(weft_test_run(job), -ECANCELED);
    wait_for_idle(pool, 1);
    weft_test_loop_end();
}

Test(job_abandon, keeps_its_place_in_the_lane_until_it_returns)
{
    struct gate gate, next;
    gate_init(&next);
    use_pool(&(struct weft_pool_options){.max_threads = 1, .max_spares = WEFT_NO_SPARES});
    weft_unref(start_abandoned(&gate));
    weft_future *job = weft_to_thread_fn(NULL, gate_pass, &next);
    cr_assert_eq(stats_here().queued, 1);
    gate_open(&gate);
    gate_wait_entered(&next);
    cr_assert_eq(atomic_load(&destroyed), 1);
    gate_open(&next);
    cr_assert_eq(weft_test_run(job), 0);
    weft_test_loop_end();
}

Test(job_abandon, lets_virtual_time_go_on)
{
    struct gate gate;
    weft_unref(start_abandoned(&gate));
    cr_assert_eq(weft_test_run(weft_sleep(WEFT_S(3600))), 0);
    gate_open(&gate);
    end_when_released(1);
}

Test(job_abandon, does_not_happen_to_one_that_has_committed)
{
    struct gate gate;
    gate_init(&gate);
    weft_future *job =
        weft_offload(&abandon, stays, .gate = &gate, .text = strdup("x"), .commit = true);
    gate_wait_entered(&gate);
    cr_assert(weft_cancel(job));
    cr_assert_not(weft_is_done(job));
    gate_open(&gate);
    cr_assert_eq(weft_test_run(weft_ref(job)), 0);
    cr_assert_eq(weft_job_outcome(job), WEFT_JOB_FINISHED);
    cr_assert_eq(atomic_load(&told), 0);
    weft_unref(job);
    weft_test_loop_end();
}

Test(job_abandon, delivers_a_result_that_was_ready_before_the_cancel)
{
    struct gate gate;
    gate_init(&gate);
    gate_open(&gate);
    weft_pool *pool = use_pool(&(struct weft_pool_options){.max_threads = 1});
    weft_future *job = start(&gate);
    wait_for_idle(pool, 1);
    cr_assert(weft_cancel(job));
    cr_assert_eq(weft_test_run(weft_ref(job)), 0);
    cr_assert_str_eq(weft_future_value(job).ptr, "text");
    cr_assert_eq(atomic_load(&destroyed), 0);
    weft_unref(job);
    cr_assert_eq(atomic_load(&destroyed), 1);
    weft_test_loop_end();
}

/* ---- Ends ---- */

Test(job_abandon, holds_up_neither_the_end_of_its_loop_nor_that_of_the_pool)
{
    struct gate gate;
    weft_unref(start_abandoned(&gate));
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    weft_loop_free(test_loop);
    test_loop = NULL;
    cr_assert_eq(atomic_load(&released), 0);
    gate_open(&gate);
    while (weft_test_heap_live() > 0)
        sched_yield();
    cr_assert_eq(atomic_load(&destroyed), 1);
    cr_assert_eq(test_reports.count, 0);
}

Test(job_abandon, returns_between_the_shutdown_and_the_end_of_its_loop)
{
    struct gate gate;
    weft_pool *pool = use_pool(&(struct weft_pool_options){.max_threads = 1});
    weft_unref(start_abandoned(&gate));
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    gate_open(&gate);
    wait_for_idle(pool, 1);
    cr_assert_eq(count_abandoned(pool), 0);
    weft_test_loop_end();
}

Test(job_abandon, is_done_to_running_jobs_when_the_loop_shuts_down)
{
    struct gate gate;
    gate_init(&gate);
    weft_future *job = start(&gate);
    gate_wait_entered(&gate);
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    cr_assert_eq(weft_future_status(job), -ECANCELED);
    weft_unref(job);
    gate_open(&gate);
    end_when_released(1);
}

Test(job_abandon, keeps_the_pool_that_it_runs_in)
{
    struct gate gate;
    weft_pool *pool = use_pool(&(struct weft_pool_options){.max_threads = 1});
    weft_unref(start_abandoned(&gate));
    cr_assert_eq(weft_loop_set_pool(test_loop, NULL), -EBUSY);
    gate_open(&gate);
    wait_for_idle(pool, 1);
    cr_assert_eq(weft_test_run(weft_sleep(0)), 0);
    cr_assert_eq(weft_loop_set_pool(test_loop, NULL), 0);
    weft_test_loop_end();
}

Test(job_abandon, several_come_home_in_any_order)
{
    struct gate gates[4];
    weft_pool *pool = use_pool(&(struct weft_pool_options){.max_threads = 4, .min_threads = 4});
    static const int order[] = {1, 3, 0, 2};
    for (int i = 0; i < 4; i++)
        weft_unref(start_abandoned(&gates[i]));
    for (int i = 0; i < 3; i++) {
        gate_open(&gates[order[i]]);
        wait_for_idle(pool, (size_t)i + 1);
        cr_assert_eq(weft_test_run(weft_sleep(0)), 0);
    }
    cr_assert_eq(stats_here().abandoned_running, 1);
    gate_open(&gates[order[3]]);
    end_when_released(4);
}

/* ThreadSanitizer sees when they are not counted with the lock. */
Test(job_abandon, one_is_left_while_another_comes_back)
{
    struct gate gates[2];
    weft_pool *pool = use_pool(&(struct weft_pool_options){.max_threads = 2, .min_threads = 2});
    for (int i = 0; i < 100; i++) {
        weft_future *left = start_abandoned(&gates[0]);
        gate_init(&gates[1]);
        weft_future *other = start(&gates[1]);
        gate_wait_entered(&gates[1]);
        gate_open(&gates[0]);
        cr_assert(weft_cancel(other));
        wait_for_idle(pool, 1);
        gate_open(&gates[1]);
        weft_unref(left);
        weft_unref(other);
        wait_for_idle(pool, 2);
        cr_assert_eq(weft_test_run(weft_sleep(0)), 0);
    }
    cr_assert_eq(stats_here().abandoned_running, 0);
    weft_test_loop_end();
}

static void go_on_in_child(void *job)
{
    CHILD_EXPECT(weft_after_fork_child(test_loop) == 0);
    CHILD_EXPECT(weft_future_status(job) == -ECANCELED);
    CHILD_EXPECT(weft_job_outcome(job) == WEFT_JOB_UNKNOWN);
    weft_unref(job);
    weft_loop_free(test_loop);
    CHILD_EXPECT(weft_test_heap_live() == 0);
}

Test(job_abandon, is_freed_in_a_forked_child)
{
    struct gate gate;
    weft_future *job = start_abandoned(&gate);
    weft_test_in_child(go_on_in_child, job);
    weft_unref(job);
    gate_open(&gate);
    end_when_released(1);
}

static int start_one(void)
{
    return weft_test_run(weft_offload_fn(
        &(struct weft_job_options){.on_cancel = WEFT_CANCEL_ABANDON}, return_nothing, NULL));
}

Test(job_abandon, survives_the_failure_of_any_allocation)
{
    weft_test_every_lack_of_memory(start_one);
    weft_test_loop_end();
}

Test(job_abandon, tells_at_the_end_of_its_loop_of_a_failure_that_nobody_looked_at)
{
    struct gate gate;
    struct weft_job_options options = {.on_cancel = WEFT_CANCEL_ABANDON, .max_run = WEFT_MS(1)};
    weft_test_loop_end();
    weft_test_loop_begin_real();
    gate_init(&gate);
    weft_future *job = weft_offload_fn(&options, gate_pass, &gate);
    gate_wait_entered(&gate);
    while (!weft_is_done(job))
        cr_assert_eq(weft_test_run(weft_sleep(WEFT_MS(1))), 0);
    weft_unref(job);
    weft_loop_free(test_loop);
    test_loop = NULL;
    cr_assert_eq(test_reports.count, 1);
    cr_assert_eq(test_reports.status, -ETIMEDOUT);
    gate_open(&gate);
    while (weft_test_heap_live() > 0)
        sched_yield();
}

/* ---- What became of a job ---- */

static enum weft_job_outcome outcome_of(weft_future *job)
{
    weft_test_run(weft_ref(job));
    enum weft_job_outcome outcome = weft_job_outcome(job);
    weft_unref(job);
    return outcome;
}

Test(job_abandon, outcome_tells_whether_a_job_has_done_anything)
{
    struct gate gate;
    gate_init(&gate);
    use_pool(&(struct weft_pool_options){.max_threads = 1});
    weft_future *running = weft_to_thread_fn(NULL, gate_pass, &gate);
    weft_future *queued = weft_to_thread_fn(NULL, return_nothing, NULL);
    gate_wait_entered(&gate);
    cr_assert_eq(weft_job_outcome(running), WEFT_JOB_PENDING);
    cr_assert_eq(weft_job_outcome(queued), WEFT_JOB_PENDING);
    weft_cancel(queued);
    cr_assert_eq(outcome_of(queued), WEFT_JOB_NOT_STARTED);
    gate_open(&gate);
    cr_assert_eq(outcome_of(running), WEFT_JOB_FINISHED);
    cr_assert_eq(outcome_of(weft_to_thread_fn(NULL, NULL, NULL)), WEFT_JOB_NOT_STARTED);
    cr_assert_eq(outcome_of(weft_sleep(0)), WEFT_JOB_UNKNOWN);
    weft_test_loop_end();
}

static const struct weft_shutdown_options soon = {.jobs_timeout = 1};

static enum weft_job_outcome outcome_at_end;

static void note_outcome(weft_future *future, void *arg)
{
    (void)arg;
    outcome_at_end = weft_job_outcome(future);
}

Test(job_abandon, outcome_of_a_job_that_is_given_up_is_unknown)
{
    struct gate gate;
    gate_init(&gate);
    weft_future *job = weft_to_thread_fn(NULL, gate_pass, &gate);
    cr_assert_eq(weft_then(job, note_outcome, NULL), 0);
    gate_wait_entered(&gate);
    cr_assert_eq(weft_loop_shutdown(test_loop, &soon, NULL), WEFT_ESTUCK);
    weft_loop_free(test_loop);
    test_loop = NULL;
    cr_assert_eq(outcome_at_end, WEFT_JOB_UNKNOWN);
    gate_open(&gate);
    while (weft_test_heap_live() > 0)
        sched_yield();
}

/* SPDX-License-Identifier: MIT */
/*
 * Ends of all kinds: of a loop whose jobs are queued or run, of a pool, of jobs that are stuck.
 */
#include <criterion/criterion.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <weft/lane.h>
#include <weft/pool.h>
#include <weft/weft.h>

#include "pool/pool.h"
#include "tests/support/gate.h"
#include "tests/support/heap.h"
#include "tests/support/lender.h"
#include "tests/support/loop.h"
#include "tests/support/pool.h"

TestSuite(pool_end, .init = weft_test_loop_begin_real, .timeout = 60);

static int status_of_dropped;

static void note_dropped_and_open(weft_future *future, void *gate)
{
    status_of_dropped = weft_future_status(future);
    gate_open(gate);
}

Test(pool_end, drops_queued_jobs_and_serves_running_ones_when_the_loop_shuts_down)
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

Test(pool_end, names_a_stuck_job_gives_it_up_and_cleans_up_when_it_returns)
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
    cr_assert_not_null(strstr(stuck->stuck[0].spawned_at, "test_pool_end.c:"));
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

Test(pool_end, gives_up_a_job_that_returned_between_shutdown_and_free)
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

Test(pool_end, goes_on_serving_other_owners_while_a_stuck_job_runs)
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
    cr_assert_eq(count_abandoned(pool), 0);
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

Test(pool_end, keeps_a_job_it_gives_up_for_those_who_wait_for_it)
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

Test(pool_end, keeps_a_job_it_gives_up_for_a_chain_of_those_who_wait_for_it)
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
Test(pool_end, a_job_it_gives_up_may_use_the_frames_of_its_callers_to_its_end)
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

Test(pool_end, loses_only_the_jobs_of_the_loop_that_ends)
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

Test(pool_end, lets_a_task_end_whose_job_returns_after_the_deadline_of_the_tasks)
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

Test(pool_end, cancels_a_task_that_is_started_while_the_loop_waits_for_jobs)
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

static weft_result pass_in_a_wait(void *arg)
{
    weft_job_blocking_begin();
    return gate_pass(arg);
}

Test(pool_end, names_all_that_is_stuck_in_a_full_pool_with_spares_and_lanes)
{
    struct gate gate;
    struct weft_stuck_list *stuck;
    gate_init(&gate);
    weft_pool *pool = use_pool(&(struct weft_pool_options){.max_threads = 1, .max_spares = 1});
    weft_lane *lane =
        weft_lane_new(pool, &(struct weft_lane_options){.name = "reports", .max_running = 1});
    weft_unref(weft_to_thread_fn(lane, pass_in_a_wait, &gate));
    gate_wait_entered(&gate);
    weft_unref(weft_to_thread_fn(NULL, gate_pass, &gate));
    gate_wait_entered(&gate);
    for (int i = 0; i < 2; i++) /* one waits for its lane, one for a thread */
        weft_unref(weft_to_thread_fn(i ? lane : NULL, return_nothing, NULL));
    cr_assert_eq(stats_of(pool).queued, 2);
    cr_assert_eq(weft_loop_shutdown(test_loop, &soon, &stuck), WEFT_ESTUCK);
    cr_assert_eq(stuck->count, 2);
    cr_assert_str_eq(stuck->stuck[0].name, "pass_in_a_wait");
    cr_assert_str_eq(stuck->stuck[1].name, "gate_pass");
    free(stuck);
    weft_lane_unref(lane);
    weft_loop_free(test_loop);
    test_loop = NULL;
    gate_open(&gate);
    gate_open(&gate);
    while (weft_test_heap_live() > 1)
        sched_yield();
}

/* ---- What is released on the way ---- */

static weft_future *victim;

static void cancel_another(void *arg)
{
    (void)arg;
    weft_future *other = victim;
    victim = NULL;
    if (!other)
        return;
    weft_cancel(other);
    weft_unref(other);
}

Test(pool_end, what_a_dropped_job_releases_may_cancel_the_next_one)
{
    weft_pool *pool = weft__pool_by_hand(WEFT__STEPPED);
    cr_assert_eq(weft_loop_set_pool(test_loop, pool), 0);
    weft_pool_unref(pool);
    const struct weft_job_options options = {.release = cancel_another};
    weft_future *first = weft_offload_fn(&options, return_nothing, NULL);
    victim = weft_to_thread_fn(NULL, return_nothing, NULL);
    weft_future *last = weft_to_thread_fn(NULL, return_nothing, NULL);
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    cr_assert_null(victim);
    cr_assert_eq(weft_future_status(first), -ECANCELED);
    cr_assert_eq(weft_future_status(last), -ECANCELED);
    weft_unref(first);
    weft_unref(last);
    weft_test_loop_end();
}

/* SPDX-License-Identifier: MIT */
/* Who is called when a job may run, seen at the moments that a race seldom shows. */
#include <criterion/criterion.h>

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>
#include <weft/weft.h>

#include "pool/cancel.h"
#include "pool/continue.h"
#include "pool/job.h"
#include "pool/pool.h"
#include "pool/schedule.h"
#include "pool/wake.h"
#include "tests/support/gate.h"
#include "tests/support/loop.h"
#include "tests/support/pool.h"

TestSuite(wake, .init = weft_test_loop_begin_real, .timeout = 20);

static void set_max_running(weft_pool *pool, unsigned max_running) WEFT_REQUIRES(pool->mu)
{
    weft__express_close_locked(pool);
    pool->default_lane.limited = true;
    pool->default_lane.max_running = max_running;
    weft__schedule_account_locked(&pool->default_lane);
}

/* So many threads are idle, and so many jobs wait until set_max_running(). */
static weft_pool *idle_beside_jobs(unsigned threads, weft_future **jobs, unsigned count)
{
    weft_future *busy[6];
    struct gate gate;
    gate_init(&gate);
    weft_pool *pool = use_pool(&(struct weft_pool_options){.max_threads = threads});
    pool->quick_threads = threads;
    for (unsigned i = 0; i < threads; i++)
        busy[i] = weft_to_thread_fn(NULL, gate_pass, &gate);
    for (unsigned i = 0; i < threads; i++)
        gate_wait_entered(&gate);
    for (unsigned i = 0; i < threads; i++)
        gate_open(&gate);
    for (unsigned i = 0; i < threads; i++)
        cr_assert_eq(weft_test_run(busy[i]), 0);
    wait_for_idle(pool, threads);
    weft__mutex_lock(&pool->mu);
    set_max_running(pool, 0);
    weft__mutex_unlock(&pool->mu);
    for (unsigned i = 0; i < count; i++)
        jobs[i] = weft_to_thread_fn(NULL, return_nothing, NULL);
    return pool;
}

Test(wake, while_one_that_was_called_is_on_its_way_no_other_is)
{
    weft_future *jobs[2];
    weft_pool *pool = idle_beside_jobs(2, jobs, 2);
    weft__mutex_lock(&pool->mu);
    set_max_running(pool, UINT_MAX);
    struct weft__call call = weft__call_worker_locked(pool);
    struct weft__call again = weft__call_worker_locked(pool);
    weft__mutex_unlock(&pool->mu);
    weft__rouse(call);
    cr_assert_not_null(call.worker);
    cr_assert_null(again.worker);
    cr_assert_eq(weft_test_run(jobs[0]), 0);
    cr_assert_eq(weft_test_run(jobs[1]), 0);
    weft_test_loop_end();
}

/* Calls as one that has just arrived, until nobody more is called. */
static unsigned call_further(unsigned threads, unsigned count)
{
    struct weft__call calls[6];
    weft_future *jobs[6];
    unsigned called = 0;
    weft_pool *pool = idle_beside_jobs(threads, jobs, count);
    weft__mutex_lock(&pool->mu);
    set_max_running(pool, UINT_MAX);
    while (called < threads && (calls[called] = weft__call_further_locked(pool)).worker)
        called++;
    weft__mutex_unlock(&pool->mu);
    for (unsigned i = 0; i < called; i++)
        weft__rouse(calls[i]);
    for (unsigned i = 0; i < count; i++)
        cr_assert_eq(weft_test_run(jobs[i]), 0);
    return called;
}

Test(wake, who_arrives_calls_until_four_are_on_their_way)
{
    cr_assert_eq(call_further(6, 6), 4);
    weft_test_loop_end();
}

Test(wake, who_arrives_calls_no_more_than_there_are_jobs)
{
    cr_assert_eq(call_further(4, 2), 2);
    weft_test_loop_end();
}

Test(wake, a_thread_is_called_for_what_a_lane_that_goes_had_reserved)
{
    struct gate gate;
    gate_init(&gate);
    weft_pool *pool = use_pool(&(struct weft_pool_options){.max_threads = 2});
    weft_lane *lane =
        weft_lane_new(pool, &(struct weft_lane_options){.name = "reserving", .reserved = 1});
    cr_assert_not_null(lane);
    weft_future *running = weft_to_thread_fn(NULL, gate_pass, &gate);
    weft_future *queued = weft_to_thread_fn(NULL, gate_pass, &gate);
    gate_wait_entered(&gate);
    weft_lane_unref(lane);
    gate_wait_entered(&gate);
    gate_open(&gate);
    gate_open(&gate);
    cr_assert_eq(weft_test_run(running), 0);
    cr_assert_eq(weft_test_run(queued), 0);
    weft_test_loop_end();
}

static weft_result wait_and_go_on(void *gate)
{
    weft_job_blocking_begin();
    gate_pass(gate);
    weft_job_blocking_end();
    gate_pass(gate);
    return weft_ok(0);
}

static void wait_for_watcher(weft_pool *pool)
{
    bool watches = false;
    while (!watches) {
        weft__mutex_lock(&pool->mu);
        watches = pool->watcher;
        weft__mutex_unlock(&pool->mu);
        sched_yield();
    }
}

/* Twice, under one lock: whoever was called first is on his way. */
static struct weft__call call_twice(weft_pool *pool, struct weft__call *ret_again)
{
    weft__mutex_lock(&pool->mu);
    set_max_running(pool, UINT_MAX);
    struct weft__call call = weft__call_worker_locked(pool);
    *ret_again = weft__call_worker_locked(pool);
    weft__mutex_unlock(&pool->mu);
    weft__rouse(call);
    weft__rouse(*ret_again);
    return call;
}

Test(wake, while_one_is_being_started_no_other_is)
{
    struct weft__call again;
    weft_pool *pool = use_pool(&(struct weft_pool_options){.max_threads = 2});
    pool->quick_threads = 2;
    weft__mutex_lock(&pool->mu);
    set_max_running(pool, 0);
    weft__mutex_unlock(&pool->mu);
    weft_future *jobs[] = {weft_to_thread_fn(NULL, return_nothing, NULL),
                           weft_to_thread_fn(NULL, return_nothing, NULL)};
    cr_assert_eq(stats_of(pool).threads, 0, "none may run");
    struct weft__call call = call_twice(pool, &again);
    cr_assert(call.start);
    cr_assert_null(again.worker);
    cr_assert_eq(weft_test_run(jobs[0]), 0);
    cr_assert_eq(weft_test_run(jobs[1]), 0);
    weft_test_loop_end();
}

Test(wake, while_one_watches_no_other_is_started)
{
    struct gate gate;
    gate_init(&gate);
    weft_pool *pool = use_pool(&(struct weft_pool_options){.max_threads = 4});
    pool->quick_threads = 1;
    pool->patience = WEFT_S(3600);
    weft_future *running = weft_to_thread_fn(NULL, gate_pass, &gate);
    gate_wait_entered(&gate);
    weft_future *first = weft_to_thread_fn(NULL, return_nothing, NULL);
    wait_for_watcher(pool);
    weft_future *second = weft_to_thread_fn(NULL, return_nothing, NULL);
    weft__mutex_lock(&pool->mu);
    struct weft__call call = weft__call_worker_locked(pool);
    weft__mutex_unlock(&pool->mu);
    weft__rouse(call);
    cr_assert_null(call.worker);
    cr_assert_eq(stats_of(pool).threads, 2);
    gate_open(&gate);
    cr_assert_eq(weft_test_run(running), 0);
    cr_assert_eq(weft_test_run(first), 0);
    cr_assert_eq(weft_test_run(second), 0);
    weft_test_loop_end();
}

Test(wake, a_watcher_is_called_when_the_end_of_a_wait_leaves_no_room_to_grow)
{
    struct gate waits, runs;
    gate_init(&waits);
    gate_init(&runs);
    weft_pool *pool = use_pool(&(struct weft_pool_options){.max_threads = 3, .max_spares = 1});
    pool->quick_threads = 1;
    pool->patience = 1;
    weft_future *waiting = weft_to_thread_fn(NULL, wait_and_go_on, &waits);
    gate_wait_entered(&waits);
    weft_future *running = weft_to_thread_fn(NULL, gate_pass, &runs);
    gate_wait_entered(&runs);
    weft__mutex_lock(&pool->mu);
    pool->patience = WEFT_S(3600);
    weft__mutex_unlock(&pool->mu);
    weft_future *queued = weft_to_thread_fn(NULL, return_nothing, NULL);
    wait_for_watcher(pool);
    gate_open(&waits);
    cr_assert_eq(weft_test_run(queued), 0);
    gate_open(&waits);
    gate_open(&runs);
    cr_assert_eq(weft_test_run(waiting), 0);
    cr_assert_eq(weft_test_run(running), 0);
    weft_test_loop_end();
}

/* One had waited for others, and goes on: until one of them ends no other may begin. */
Test(wake, no_job_goes_past_the_lock_while_more_run_than_there_is_room_for)
{
    struct gate waits, runs;
    gate_init(&waits);
    gate_init(&runs);
    weft_pool *pool = use_pool(&(struct weft_pool_options){.max_threads = 1, .max_spares = 1});
    weft_future *waiting = weft_to_thread_fn(NULL, wait_and_go_on, &waits);
    gate_wait_entered(&waits);
    weft_future *running = weft_to_thread_fn(NULL, gate_pass, &runs);
    gate_wait_entered(&runs);
    gate_open(&waits);
    gate_wait_entered(&waits);
    weft_future *queued = weft_to_thread_fn(NULL, return_nothing, NULL);
    cr_assert_null(atomic_load(&pool->express.lane));
    gate_open(&waits);
    gate_open(&runs);
    cr_assert_eq(weft_test_run(waiting), 0);
    cr_assert_eq(weft_test_run(running), 0);
    cr_assert_eq(weft_test_run(queued), 0);
    weft_test_loop_end();
}

static weft_result note_call(void *called)
{
    atomic_store((atomic_bool *)called, true);
    return weft_ok(0);
}

/* What a worker does, in steps. */
static struct weft__job *take(weft_pool *pool)
{
    weft__mutex_lock(&pool->mu);
    struct weft__job *job = weft__schedule_take_locked(pool, weft__pool_now());
    weft__mutex_unlock(&pool->mu);
    cr_assert_not_null(job);
    return job;
}

/* True: it goes on with another function. */
static bool end(weft_pool *pool, struct weft__job *job)
{
    weft__mutex_lock(&pool->mu);
    bool goes_on = weft__chain_ended_locked(pool, job, weft__pool_now());
    weft__mutex_unlock(&pool->mu);
    return goes_on;
}

static weft_pool *use_steps(void)
{
    weft_pool *pool = weft__pool_by_hand(WEFT__STEPPED);
    cr_assert_eq(weft_loop_set_pool(test_loop, pool), 0);
    weft_pool_unref(pool);
    return pool;
}

Test(wake, no_thread_is_started_in_a_pool_that_is_run_by_hand)
{
    weft_pool *pool = use_steps();
    weft_future *job = weft_to_thread_fn(NULL, return_nothing, NULL);
    cr_assert_eq(stats_of(pool).threads, 0);
    cr_assert_eq(weft__pool_step(pool, 1), 1);
    cr_assert_eq(weft_test_run(job), 0);
    weft_test_loop_end();
}

static void expect_no_timer(const struct weft__job *job)
{
    struct itimerspec left;
    if (job->control->interrupt.signum)
        cr_assert_lt(timer_gettime(job->control->interrupt.timer, &left), 0);
}

static void cancel_between(enum weft_on_cancel mode)
{
    atomic_bool called = false;
    weft_pool *pool = use_steps();
    weft_future *future =
        weft_offload_fn((&(struct weft_job_options){.on_cancel = mode}), note_call, &called);
    struct weft__job *job = take(pool);
    cr_assert(weft_cancel(future));
    weft__job_run(job);
    expect_no_timer(job);
    cr_assert_not(end(pool, job));
    weft__job_send(job);
    cr_assert_eq(weft_test_run(weft_ref(future)), -ECANCELED);
    cr_assert_eq(weft_job_outcome(future), WEFT_JOB_NOT_STARTED);
    cr_assert_not(atomic_load(&called));
    weft_unref(future);
}

Test(wake, a_cancel_of_a_job_that_was_taken_just_now_prevents_its_call)
{
    cancel_between(WEFT_CANCEL_COOPERATIVE);
    cancel_between(WEFT_CANCEL_INTERRUPT);
    cancel_between(WEFT_CANCEL_ABANDON);
    weft_test_loop_end();
}

struct second {
    atomic_bool *called;
};

static WEFT_BLOCKING(second)
{
    return note_call(self->called);
}

static weft_result go_on(void *called)
{
    return weft_continue(second, .called = called);
}

/* Nothing can be sent to it in between, and nobody leaves it. */
static void cancel_between_two(enum weft_on_cancel mode)
{
    atomic_bool called = false;
    weft_pool *pool = use_steps();
    weft_future *future =
        weft_offload_fn((&(struct weft_job_options){.on_cancel = mode}), go_on, &called);
    struct weft__job *job = take(pool);
    weft__job_run(job);
    cr_assert(end(pool, job));
    cr_assert_eq(take(pool), job);
    expect_no_timer(job);
    cr_assert(weft_cancel(future));
    cr_assert_not(job->deserted);
    weft__job_run(job);
    expect_no_timer(job);
    cr_assert_not(end(pool, job));
    weft__job_send(job);
    cr_assert_eq(weft_test_run(future), -ECANCELED);
    cr_assert_not(atomic_load(&called));
}

Test(wake, a_cancel_of_a_chain_that_was_taken_just_now_prevents_the_next_call)
{
    cancel_between_two(WEFT_CANCEL_INTERRUPT);
    cancel_between_two(WEFT_CANCEL_ABANDON);
    weft_test_loop_end();
}

static weft_future *itself;

static weft_result cancel_itself_and_go_on(void *called)
{
    weft_cancel(itself);
    return go_on(called);
}

Test(wake, a_chain_that_is_cancelled_in_a_function_ends_with_it)
{
    atomic_bool called = false;
    weft_pool *pool = use_steps();
    itself = weft_offload_fn((&(struct weft_job_options){.on_cancel = WEFT_CANCEL_INTERRUPT}),
                             cancel_itself_and_go_on, &called);
    struct weft__job *job = take(pool);
    weft__job_run(job);
    expect_no_timer(job);
    cr_assert_not(end(pool, job));
    weft__job_send(job);
    cr_assert_eq(weft_test_run(itself), -ECANCELED);
    cr_assert_not(atomic_load(&called));
    weft_test_loop_end();
}

static weft_result commit_behind(void *gate)
{
    gate_pass(gate);
    return weft_ok(weft_job_commit());
}

Test(wake, a_cancel_does_not_reach_a_job_with_a_limit_that_is_to_be_waited_for)
{
    struct gate gate;
    gate_init(&gate);
    weft_future *job = weft_offload_fn((&(struct weft_job_options){.max_run = WEFT_S(3600)}),
                                       commit_behind, &gate);
    gate_wait_entered(&gate);
    weft_cancel(job);
    gate_open(&gate);
    cr_assert_eq(weft_test_run(weft_ref(job)), 0);
    cr_assert_eq(weft_future_value(job).i64, 0);
    weft_unref(job);
    weft_test_loop_end();
}

/* ---- Signals ---- */

/* As if one more had been on its way. */
static void have_it_come(struct weft__interrupt *its)
{
    struct sigaction ours;
    siginfo_t info = {.si_code = SI_TIMER, .si_value.sival_ptr = its};
    sigaction(its->signum, NULL, &ours);
    ours.sa_sigaction(its->signum, &info, NULL);
}

static weft_result is_sent_again(void *arg)
{
    struct gate *gate = arg;
    struct weft__control *control;
    struct itimerspec left;
    weft__control_here(&control);
    sem_post(&gate->entered);
    while (sem_wait(&gate->opened) == 0 || errno != EINTR)
        ;
    if (!weft_job_cancelled())
        return weft_err(-EPIPE);
    have_it_come(&control->interrupt);
    timer_gettime(control->interrupt.timer, &left);
    return weft_ok(left.it_value.tv_sec || left.it_value.tv_nsec);
}

Test(wake, an_interruption_is_not_sent_again_by_one_that_comes_when_the_job_has_noticed)
{
    struct gate gate;
    gate_init(&gate);
    weft_future *job = weft_offload_fn(
        (&(struct weft_job_options){.on_cancel = WEFT_CANCEL_INTERRUPT}), is_sent_again, &gate);
    gate_wait_entered(&gate);
    cr_assert(weft_cancel(job));
    cr_assert_eq(weft_test_run(weft_ref(job)), 0);
    cr_assert_eq(weft_future_value(job).i64, 0);
    weft_unref(job);
    weft_test_loop_end();
}

/* SPDX-License-Identifier: MIT */
/* Jobs in the memory of who submits them. */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <weft/testing.h>
#include <weft/weft.h>

#include "tests/support/child.h"
#include "tests/support/gate.h"
#include "tests/support/heap.h"
#include "tests/support/loop.h"
#include "tests/support/pool.h"
#include "tests/support/sanitizer.h"
#include "tests/support/trace.h"

TestSuite(own_job, .init = weft_test_loop_begin, .timeout = 30);

/* A request with a job in it. */
struct request {
    struct weft_job job;
    int number;
    struct gate *gate; /* passed on the way; NULL: none */
    atomic_int freed, released;
    bool again; /* submit it again when it is idle */
};

static weft_result double_number(void *arg)
{
    struct request *request = arg;
    if (request->gate)
        gate_pass(request->gate);
    return weft_ok(request->number * 2);
}

static void note_free(void *arg)
{
    struct request *request = arg;
    atomic_fetch_add(&request->freed, 1);
}

static void note_release(void *arg)
{
    struct request *request = arg;
    atomic_fetch_add(&request->released, 1);
}

static void init(struct request *request, int number)
{
    memset(request, 0, sizeof(*request));
    request->number = number;
    weft_job_init(&request->job, double_number, request, note_free);
}

/* ---- Submitting ---- */

Test(own_job, runs_and_is_its_callers_again_when_the_future_is_dropped)
{
    struct request request;
    init(&request, 21);
    cr_assert(weft_job_is_idle(&request.job));
    weft_future *future = weft_job_submit(&request.job, NULL);
    cr_assert_not(weft_is_done(future));
    cr_assert_eq(weft_test_run(weft_ref(future)), 0);
    cr_assert_eq(weft_future_value(future).i64, 42);
    cr_assert_str_eq(weft_task_name(future), "double_number");
    cr_assert(strstr(weft_task_spawned_at(future), "test_own_job.c:"));
    cr_assert_not(weft_job_is_idle(&request.job));
    cr_assert_eq(atomic_load(&request.freed), 0);
    weft_unref(future);
    cr_assert(weft_job_is_idle(&request.job));
    cr_assert_eq(atomic_load(&request.freed), 1);
    weft_test_loop_end();
}

Test(own_job, whose_future_is_dropped_at_once_is_its_callers_again_when_it_has_run)
{
    struct request request;
    init(&request, 1);
    weft_unref(weft_job_submit(&request.job, NULL));
    cr_assert_not(weft_job_is_idle(&request.job));
    while (!weft_job_is_idle(&request.job))
        weft_test_ticks(1);
    cr_assert_eq(atomic_load(&request.freed), 1);
    weft_test_loop_end();
}

static void submit_some(int count)
{
    struct request request;
    init(&request, 1);
    for (int i = 0; i < count; i++) {
        weft_future *future = weft_job_submit(
            &request.job, &(struct weft_job_options){.on_cancel = WEFT_CANCEL_COOPERATIVE});
        cr_assert_not(weft_is_done(future));
        while (!weft_is_done(future))
            (void)weft_testing_run_until_blocked(weft_loop_current());
        cr_assert_eq(weft_future_status(future), 0);
        weft_unref(future);
    }
    cr_assert_eq(atomic_load(&request.freed), count);
}

Test(own_job, submits_and_completes_without_any_allocation)
{
    submit_some(1); /* the loop gets its pool, and that a thread */
    weft_test_heap_fail_at(1);
    submit_some(100);
    cr_assert_not(weft_test_heap_failed());
    weft_test_heap_fail_at(0);
    weft_test_loop_end();
}

static void submit_again(void *arg)
{
    struct request *request = arg;
    if (atomic_fetch_add(&request->freed, 1) < 2)
        weft_unref(weft_job_submit(&request->job, NULL));
}

Test(own_job, may_be_submitted_again_by_on_free)
{
    struct request request;
    init(&request, 1);
    weft_job_init(&request.job, double_number, &request, submit_again);
    weft_unref(weft_job_submit(&request.job, NULL));
    while (!weft_job_is_idle(&request.job))
        weft_test_ticks(1);
    cr_assert_eq(atomic_load(&request.freed), 3);
    weft_test_loop_end();
}

Test(own_job, may_be_freed_by_on_free)
{
    struct request *request = malloc(sizeof(*request));
    init(request, 1);
    weft_job_init(&request->job, double_number, request, free);
    cr_assert_eq(weft_test_run(weft_job_submit(&request->job, NULL)), 0);
    weft_test_loop_end();
}

struct awaits {
    WEFT_FRAME;
    struct weft_job *job;
    int64_t value;
};

static WEFT_ASYNC(awaits)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->value, weft_job_submit(self->job, NULL));
    if (!weft_job_is_idle(self->job))
        WEFT_FAIL(-EBUSY);
    WEFT_AWAIT_INTO(self->value, weft_job_submit(self->job, NULL));
    WEFT_RETURN(self->value);
    WEFT_END;
}

Test(own_job, is_idle_when_its_await_has_returned)
{
    struct request request;
    init(&request, 4);
    weft_job_init(&request.job, double_number, &request, NULL);
    weft_future *task = weft_spawn(awaits, .job = &request.job);
    cr_assert_eq(weft_test_run(weft_ref(task)), 0);
    cr_assert_eq(weft_future_value(task).i64, 8);
    weft_unref(task);
    weft_test_loop_end();
}

/* ---- Misuse ---- */

Test(own_job, submitted_while_under_way_is_refused_and_changes_nothing)
{
    struct request request;
    struct gate gate;
    gate_init(&gate);
    init(&request, 3);
    request.gate = &gate;
    weft_future *future = weft_job_submit(&request.job, NULL);
    struct weft_job_options options = {.release = note_release};
    cr_assert_eq(weft_test_run(weft_job_submit(&request.job, &options)), -EBUSY);
    gate_wait_entered(&gate);
    cr_assert_eq(weft_test_run(weft_job_submit(&request.job, &options)), -EBUSY);
    gate_open(&gate);
    cr_assert_eq(weft_test_run(weft_ref(future)), 0);
    cr_assert_eq(weft_test_run(weft_job_submit(&request.job, &options)), -EBUSY);
    cr_assert_eq(atomic_load(&request.released), 0);
    weft_unref(future);
    cr_assert_eq(atomic_load(&request.freed), 1);
    weft_test_loop_end();
}

Test(own_job, that_was_not_initialized_or_has_wrong_options_is_refused)
{
    struct request request;
    memset(&request, 0, sizeof(request));
    cr_assert_eq(weft_test_run(weft_job_submit(&request.job, NULL)), -EINVAL);
    cr_assert_eq(weft_test_run(weft_job_submit(NULL, NULL)), -EINVAL);
    init(&request, 3);
    cr_assert_eq(
        weft_test_run(weft_job_submit(&request.job, &(struct weft_job_options){.size = 3})),
        -EINVAL);
    weft_job_init(&request.job, double_number, &request, NULL);
    struct weft_job_options options = {.on_cancel = WEFT_CANCEL_ABANDON};
    cr_assert_eq(weft_test_run(weft_job_submit(&request.job, &options)), -EINVAL);
    cr_assert(weft_job_is_idle(&request.job));
    weft_test_loop_end();
}

Test(own_job, that_is_refused_stays_its_callers)
{
    struct request request, queued;
    struct gate gate;
    gate_init(&gate);
    init(&request, 3);
    init(&queued, 3);
    use_pool(&(struct weft_pool_options){.max_threads = 1, .max_queued = 1});
    weft_future *running = weft_to_thread_fn(NULL, gate_pass, &gate);
    gate_wait_entered(&gate);
    weft_future *waits = weft_job_submit(&queued.job, NULL);
    struct weft_job_options options = {.release = note_release};
    weft_future *refused = weft_job_submit(&request.job, &options);
    cr_assert(weft_is_done(refused));
    cr_assert(weft_job_is_idle(&request.job));
    cr_assert_eq(weft_test_run(refused), -EAGAIN);
    cr_assert_eq(atomic_load(&request.freed), 0);
    cr_assert_eq(atomic_load(&request.released), 1);
    gate_open(&gate);
    cr_assert_eq(weft_test_run(running), 0);
    cr_assert_eq(weft_test_run(waits), 0);
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    refused = weft_job_submit(&request.job, NULL);
    cr_assert_eq(weft_future_status(refused), -ESHUTDOWN);
    weft_unref(refused);
    cr_assert(weft_job_is_idle(&request.job));
    weft_test_loop_end();
}

/* ---- Cancelling, ending ---- */

Test(own_job, that_is_cancelled_in_the_queue_is_its_callers_at_once)
{
    struct request request;
    struct gate gate;
    gate_init(&gate);
    init(&request, 3);
    use_pool(&(struct weft_pool_options){.max_threads = 1});
    weft_future *running = weft_to_thread_fn(NULL, gate_pass, &gate);
    gate_wait_entered(&gate);
    weft_future *future = weft_job_submit(&request.job, NULL);
    cr_assert(weft_cancel(future));
    cr_assert_eq(weft_future_status(future), -ECANCELED);
    weft_unref(future);
    cr_assert_eq(atomic_load(&request.freed), 1);
    gate_open(&gate);
    cr_assert_eq(weft_test_run(running), 0);
    weft_test_loop_end();
}

Test(own_job, that_runs_is_waited_for_when_it_is_cancelled)
{
    struct request request;
    struct gate gate;
    gate_init(&gate);
    init(&request, 3);
    request.gate = &gate;
    weft_future *future = weft_job_submit(&request.job, NULL);
    gate_wait_entered(&gate);
    cr_assert(weft_cancel(future));
    weft_unref(future);
    cr_assert_not(weft_job_is_idle(&request.job));
    gate_open(&gate);
    while (!weft_job_is_idle(&request.job))
        weft_test_ticks(1);
    cr_assert_eq(atomic_load(&request.freed), 1);
    weft_test_loop_end();
}

Test(own_job, that_a_loop_has_given_up_is_its_callers_when_the_function_has_returned)
{
    struct request request;
    struct gate gate;
    gate_init(&gate);
    init(&request, 3);
    request.gate = &gate;
    weft_pool *pool = weft_pool_ref(use_pool(NULL));
    struct weft_shutdown_options options = {.jobs_timeout = 1};
    weft_unref(weft_job_submit(&request.job, NULL));
    gate_wait_entered(&gate);
    cr_assert_eq(weft_loop_shutdown(test_loop, &options, NULL), WEFT_ESTUCK);
    weft_loop_free(test_loop);
    cr_assert_not(weft_job_is_idle(&request.job));
    cr_assert_eq(atomic_load(&request.freed), 0);
    gate_open(&gate);
    weft_pool_unref(pool);
    while (atomic_load(&request.freed) == 0)
        sched_yield();
    cr_assert(weft_job_is_idle(&request.job));
    while (weft_test_heap_live() > 0)
        sched_yield();
}

static weft_result change_number(void *arg)
{
    struct request *request = arg;
    gate_pass(request->gate);
    request->number = 8;
    return weft_ok(0);
}

/* What orders that is the job alone. ThreadSanitizer sees when it does not. */
Test(own_job, that_is_seen_idle_shows_what_was_done_with_it)
{
    struct request request;
    struct gate gate;
    gate_init(&gate);
    init(&request, 3);
    weft_job_init(&request.job, change_number, &request, note_free);
    request.gate = &gate;
    weft_pool *pool = weft_pool_ref(use_pool(NULL));
    struct weft_shutdown_options options = {.jobs_timeout = 1};
    weft_unref(weft_job_submit(&request.job, NULL));
    gate_wait_entered(&gate);
    cr_assert_eq(weft_loop_shutdown(test_loop, &options, NULL), WEFT_ESTUCK);
    weft_loop_free(test_loop);
    gate_open(&gate);
    while (!weft_job_is_idle(&request.job))
        sched_yield();
    cr_assert_eq(request.number, 8);
    memset(&request.job, 0, sizeof(request.job));
    while (atomic_load(&request.freed) == 0)
        sched_yield();
    weft_pool_unref(pool);
    while (weft_test_heap_live() > 0)
        sched_yield();
}

Test(own_job, that_is_abandoned_is_its_callers_when_the_function_has_returned)
{
    struct request request;
    struct gate gate;
    gate_init(&gate);
    init(&request, 3);
    request.gate = &gate;
    weft_future *future =
        weft_job_submit(&request.job, &(struct weft_job_options){.on_cancel = WEFT_CANCEL_ABANDON});
    gate_wait_entered(&gate);
    cr_assert(weft_cancel(future));
    cr_assert(weft_is_done(future));
    cr_assert_eq(weft_job_outcome(future), WEFT_JOB_UNKNOWN);
    weft_unref(future);
    cr_assert_not(weft_job_is_idle(&request.job));
    gate_open(&gate);
    while (!weft_job_is_idle(&request.job))
        weft_test_ticks(1);
    cr_assert_eq(atomic_load(&request.freed), 1);
    weft_test_loop_end();
}

#ifndef WEFT_TEST_NO_THREADS_IN_CHILD
static void look_in_child(void *arg)
{
    struct request *request = arg;
    CHILD_EXPECT(weft_after_fork_child(test_loop) == 0);
    CHILD_EXPECT(!weft_job_is_idle(&request->job) || atomic_load(&request->freed) == 1);
    weft_test_ticks(3);
    CHILD_EXPECT(atomic_load(&request->freed) == 1);
    CHILD_EXPECT(weft_job_is_idle(&request->job));
    request->gate = NULL;
    CHILD_EXPECT(weft_test_run(weft_job_submit(&request->job, NULL)) == 0);
    CHILD_EXPECT(atomic_load(&request->freed) == 2);
    weft_loop_free(test_loop);
}

Test(own_job, that_is_lost_in_a_forked_child_is_its_callers_there)
{
    struct request request;
    struct gate gate;
    gate_init(&gate);
    init(&request, 3);
    request.gate = &gate;
    weft_unref(weft_job_submit(&request.job, NULL));
    gate_wait_entered(&gate);
    weft_test_in_child(look_in_child, &request);
    gate_open(&gate);
    while (!weft_job_is_idle(&request.job))
        weft_test_ticks(1);
    cr_assert_eq(atomic_load(&request.freed), 1);
    weft_test_loop_end();
}
#endif

/* ---- With the rest ---- */

struct tail {
    int number;
};

static WEFT_BLOCKING(tail)
{
    int status = weft_job_progress(weft_value_i64(self->number), NULL);
    return status < 0 ? weft_err(status) : weft_ok(self->number);
}

static weft_result goes_on(void *arg)
{
    (void)arg;
    return weft_continue(tail, .number = 9);
}

Test(own_job, may_send_values_and_go_on_with_another_function_each_time)
{
    struct request request;
    init(&request, 0);
    weft_job_init(&request.job, goes_on, &request, note_free);
    for (int i = 1; i <= 3; i++) {
        weft_future *future = weft_job_submit(&request.job, NULL);
        weft_future *next = weft_job_next(future);
        cr_assert_eq(weft_test_run(weft_ref(next)), 0);
        cr_assert_eq(weft_future_value(next).i64, 9);
        weft_unref(next);
        cr_assert_eq(weft_test_run(weft_job_next(future)), WEFT_ECLOSED);
        cr_assert_eq(weft_test_run(future), 0);
        cr_assert_eq(atomic_load(&request.freed), i);
    }
    weft_test_loop_end();
}

/* Only what is needed once, the pool and its threads, can be missing. */
static int submit_one(void)
{
    struct request request;
    init(&request, 1);
    int status = weft_test_run(weft_job_submit(&request.job, NULL));
    cr_assert(weft_job_is_idle(&request.job));
    return status == -EAGAIN ? -ENOMEM : status;
}

Test(own_job, survives_every_lack_of_memory)
{
    weft_test_every_lack_of_memory(submit_one);
    weft_test_loop_end();
}

/* ---- Many at once ---- */

enum { LOOPS = 3, REQUESTS = 8, ROUNDS = 300 };

struct hammer {
    pthread_t thread;
    weft_pool *pool;
    unsigned seed, wrong;
};

static void *run_hammer(void *arg)
{
    struct hammer *hammer = arg;
    struct request requests[REQUESTS];
    int submitted = 0, freed = 0;
    weft_loop *loop = weft_loop_new(NULL);
    hammer->wrong += weft_loop_set_pool(loop, hammer->pool) != 0;
    for (int i = 0; i < REQUESTS; i++)
        init(&requests[i], i);
    for (int round = 0; round < ROUNDS; round++) {
        struct request *request = &requests[rand_r(&hammer->seed) % REQUESTS];
        bool was_idle = weft_job_is_idle(&request->job);
        weft_future *future = weft_job_submit(&request->job, NULL);
        bool refused = weft_is_done(future);
        hammer->wrong += refused == was_idle;
        submitted += !refused;
        if (rand_r(&hammer->seed) % 4 == 0)
            weft_cancel(future);
        if (rand_r(&hammer->seed) % 2 == 0) {
            weft_unref(future);
            continue;
        }
        int status = weft_loop_run_until(loop, future);
        hammer->wrong += refused ? status != -EBUSY : status != 0 && status != -ECANCELED;
    }
    weft_loop_free(loop);
    for (int i = 0; i < REQUESTS; i++) {
        freed += atomic_load(&requests[i].freed);
        hammer->wrong += !weft_job_is_idle(&requests[i].job);
    }
    hammer->wrong += freed != submitted;
    return NULL;
}

/* Of two loops that submit the same job again and again. */
struct rival {
    pthread_t thread;
    weft_pool *pool;
    struct request *request;
    int submitted, wrong;
};

static void *compete(void *arg)
{
    struct rival *rival = arg;
    weft_loop *loop = weft_loop_new(NULL);
    rival->wrong += weft_loop_set_pool(loop, rival->pool) != 0;
    for (int i = 0; i < 1000; i++) {
        int status = weft_loop_run_until(loop, weft_job_submit(&rival->request->job, NULL));
        rival->submitted += status == 0;
        rival->wrong += status != 0 && status != -EBUSY;
    }
    weft_loop_free(loop);
    return NULL;
}

Test(own_job, that_several_loops_submit_is_under_way_once_at_a_time)
{
    struct rival rivals[LOOPS];
    struct request request;
    int submitted = 0;
    init(&request, 1);
    weft_pool *pool = weft_pool_new(&(struct weft_pool_options){.max_threads = 2});
    for (int i = 0; i < LOOPS; i++) {
        rivals[i] = (struct rival){.pool = pool, .request = &request};
        cr_assert_eq(pthread_create(&rivals[i].thread, NULL, compete, &rivals[i]), 0);
    }
    for (int i = 0; i < LOOPS; i++) {
        pthread_join(rivals[i].thread, NULL);
        cr_assert_eq(rivals[i].wrong, 0);
        submitted += rivals[i].submitted;
    }
    cr_assert_eq(atomic_load(&request.freed), submitted);
    weft_pool_unref(pool);
    weft_test_loop_end();
}

static atomic_bool given_back; /* relaxed: what orders the rest is the job */

/* It has a pool of its own. */
static void *submit_what_was_given_back(void *job)
{
    struct request first;
    init(&first, 1);
    weft_loop *loop = weft_loop_new(NULL);
    int status = weft_loop_run_until(loop, weft_job_submit(&first.job, NULL));
    while (!atomic_load_explicit(&given_back, memory_order_relaxed))
        sched_yield();
    if (status == 0)
        status = weft_loop_run_until(loop, weft_job_submit(job, NULL));
    weft_loop_free(loop);
    return status == 0 ? job : NULL;
}

/* ThreadSanitizer sees when it is written before all is done with it. */
Test(own_job, that_a_loop_has_given_back_can_be_submitted_by_another)
{
    pthread_t other;
    void *submitted;
    struct request request;
    init(&request, 1);
    pthread_create(&other, NULL, submit_what_was_given_back, &request.job);
    cr_assert_eq(weft_test_run(weft_job_submit(&request.job, NULL)), 0);
    atomic_store_explicit(&given_back, true, memory_order_relaxed);
    pthread_join(other, &submitted);
    cr_assert_not_null(submitted);
    weft_test_loop_end();
}

Test(own_job, many_that_are_submitted_again_and_cancelled_at_random_are_all_given_back)
{
    for (unsigned seed = 1; seed <= 4; seed++) {
        struct hammer hammers[LOOPS];
        weft_pool *pool =
            weft_pool_new(&(struct weft_pool_options){.max_threads = 4, .keepalive = 1});
        for (unsigned i = 0; i < LOOPS; i++) {
            hammers[i] = (struct hammer){.pool = pool, .seed = seed * LOOPS + i};
            cr_assert_eq(pthread_create(&hammers[i].thread, NULL, run_hammer, &hammers[i]), 0);
        }
        for (unsigned i = 0; i < LOOPS; i++) {
            pthread_join(hammers[i].thread, NULL);
            cr_assert_eq(hammers[i].wrong, 0);
        }
        weft_pool_unref(pool);
    }
    weft_test_loop_end();
}

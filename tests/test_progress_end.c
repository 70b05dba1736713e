/* SPDX-License-Identifier: MIT */
/* Values from running jobs when something ends: the loop, the memory, the process; and at random. */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>
#include <weft/memory.h>
#include <weft/weft.h>

#include "tests/support/child.h"
#include "tests/support/gate.h"
#include "tests/support/heap.h"
#include "tests/support/loop.h"
#include "tests/support/pool.h"
#include "tests/support/trace.h"

TestSuite(progress_end, .init = weft_test_loop_begin_real, .timeout = 120);

static atomic_int made, destroyed, last_status;

static void destroy(void *ptr)
{
    atomic_fetch_add(&destroyed, 1);
    free(ptr);
}

/* Sends as many values as it can, up to `count`. */
struct sends {
    int count;
    struct gate *gate; /* passed before the last one; NULL: none */
};

static WEFT_BLOCKING(sends)
{
    int status = 0;
    for (int i = 1; i <= self->count && status == 0; i++) {
        if (self->gate && i == self->count)
            gate_pass(self->gate);
        atomic_fetch_add(&made, 1);
        status = weft_job_progress(weft_value_ptr(malloc(1)), destroy);
    }
    atomic_store(&last_status, status);
    return status < 0 ? weft_err(status) : weft_ok(100);
}

static void wait_until_blocked(void)
{
    while (stats_of(weft_loop_pool(test_loop)).blocked == 0)
        sched_yield();
}

/* ---- Past the point of no return ---- */

struct commits_and_sends {
    int unused;
};

static WEFT_BLOCKING(commits_and_sends)
{
    if (weft_job_commit() < 0)
        return weft_err(-EIO);
    int status = 0;
    while (status == 0)
        status = weft_job_progress(weft_value_i64(1), NULL);
    return weft_ok(status);
}

/* Who awaits it waits for it, and reads no more. */
Test(progress_end, cancel_wakes_a_job_that_has_committed_where_it_waits_for_room)
{
    for (int mode = WEFT_CANCEL_WAIT; mode <= WEFT_CANCEL_ABANDON; mode++) {
        weft_future *job = weft_offload(
            (&(struct weft_job_options){.progress = 1, .on_cancel = (enum weft_on_cancel)mode}),
            commits_and_sends);
        wait_until_blocked();
        cr_assert(weft_cancel(job));
        cr_assert_eq(weft_test_run(weft_ref(job)), 0);
        cr_assert_eq(weft_future_value(job).i64, -ECANCELED);
        weft_unref(job);
    }
    weft_test_loop_end();
}

/* ---- The loop's end ---- */

Test(progress_end, shutdown_wakes_a_job_that_waits_for_room_since_nobody_reads)
{
    weft_future *job = weft_offload(&(struct weft_job_options){.progress = 2}, sends, .count = 5);
    wait_until_blocked();
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    cr_assert_eq(weft_future_status(job), WEFT_ECLOSED);
    cr_assert_eq(atomic_load(&last_status), WEFT_ECLOSED);
    weft_unref(job);
    cr_assert_eq(atomic_load(&made), atomic_load(&destroyed));
    weft_test_loop_end();
}

Test(progress_end, shutdown_ends_a_next_that_nobody_takes_back)
{
    struct gate gate;
    gate_init(&gate);
    weft_future *job = weft_to_thread(sends, .count = 1, .gate = &gate);
    weft_future *next = weft_job_next(job);
    gate_wait_entered(&gate);
    gate_open(&gate);
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    cr_assert(weft_is_done(next));
    cr_assert(weft_future_status(next) == 0 || weft_future_status(next) == WEFT_ECLOSED);
    weft_unref(next);
    cr_assert(weft_is_done(job));
    (void)weft_future_status(job);
    weft_unref(job);
    cr_assert_eq(atomic_load(&made), atomic_load(&destroyed));
    weft_test_loop_end();
}

Test(progress_end, of_a_job_that_is_given_up_ends_and_the_job_is_refused_from_then_on)
{
    struct gate gate;
    gate_init(&gate);
    weft_pool *pool = weft_pool_ref(use_pool(NULL));
    struct weft_shutdown_options options = {.jobs_timeout = 1};
    weft_future *job = weft_to_thread(sends, .count = 2, .gate = &gate);
    weft_future *first = weft_job_next(job), *second = weft_job_next(job);
    cr_assert_eq(weft_test_run(first), 0);
    gate_wait_entered(&gate);
    cr_assert_eq(weft_loop_shutdown(test_loop, &options, NULL), WEFT_ESTUCK);
    weft_unref(second);
    weft_unref(job);
    weft_loop_free(test_loop);
    gate_open(&gate);
    weft_pool_unref(pool);
    while (weft_test_heap_live() > 0) /* until the job has ended */
        sched_yield();
    cr_assert_eq(atomic_load(&destroyed), 2);
    cr_assert_eq(atomic_load(&last_status), WEFT_ECLOSED);
}

/* ---- Want of memory ---- */

static int read_two(void)
{
    int status = 0;
    weft_future *job = weft_to_thread(sends, .count = 2);
    for (int i = 0; i < 2 && status == 0; i++)
        status = weft_test_run(weft_job_next(job));
    int ended = weft_test_run(job);
    cr_assert_eq(atomic_load(&made), atomic_load(&destroyed));
    if (ended == -ENOMEM || ended == -EAGAIN)
        return -ENOMEM;
    return status;
}

Test(progress_end, survives_every_lack_of_memory)
{
    weft_test_every_lack_of_memory(read_two);
    weft_test_loop_end();
}

/* ---- Fork ---- */

struct forked {
    weft_future *job, *next;
};

static void look_in_child(void *arg)
{
    const struct forked *forked = arg;
    weft_future *next = weft_job_next(forked->job);
    CHILD_EXPECT(weft_future_status(next) == WEFT_EFORK);
    CHILD_EXPECT(weft_after_fork_child(test_loop) == 0);
    CHILD_EXPECT(weft_test_run(forked->next) == WEFT_ECLOSED);
    CHILD_EXPECT(weft_test_run(weft_job_next(forked->job)) == WEFT_ECLOSED);
    CHILD_EXPECT(weft_test_run(forked->job) == WEFT_EFORK);
    weft_loop_free(test_loop);
}

Test(progress_end, in_a_forked_child_the_stream_of_a_lost_job_has_ended)
{
    struct gate gate;
    gate_init(&gate);
    weft_future *job = weft_to_thread(sends, .count = 2, .gate = &gate);
    cr_assert_eq(weft_test_run(weft_job_next(job)), 0);
    gate_wait_entered(&gate);
    struct forked forked = {job, weft_job_next(job)};
    weft_test_in_child(look_in_child, &forked);
    gate_open(&gate);
    cr_assert_eq(weft_test_run(forked.next), 0);
    cr_assert_eq(weft_test_run(job), 0);
    weft_test_loop_end();
}

/* ---- A fork while a job has the lock of its stream ---- */

static _Thread_local bool is_slow;
static struct gate asked, in_malloc;
static weft_future *next_value;

static void *slow_malloc(size_t size)
{
    if (is_slow)
        gate_pass(&in_malloc);
    return malloc(size);
}

/* Once somebody has asked for a value: the stream is there, and the first allocation is under its lock. */
static weft_result send_slowly(void *arg)
{
    (void)arg;
    gate_pass(&asked);
    is_slow = true;
    int status = weft_job_progress(weft_value_i64(1), NULL);
    is_slow = false;
    return status < 0 ? weft_err(status) : weft_ok(0);
}

static void drop_next_value(void *arg)
{
    (void)arg;
    if (!weft_loop_current()) /* the worker of the parent */
        return;
    weft_cancel(next_value);
    weft_unref(next_value);
    next_value = NULL;
}

static void lose_both(void *arg)
{
    (void)arg;
    alarm(10); /* it would wait for ever */
    CHILD_EXPECT(weft_after_fork_child(test_loop) == 0);
    CHILD_EXPECT(next_value == NULL);
}

Test(progress_end, of_a_lost_job_may_be_dropped_by_what_another_one_releases, .timeout = 20)
{
    static const struct weft_allocator slow = {slow_malloc, realloc, free};
    const struct weft_job_options drops = {.release = drop_next_value};
    struct gate gate;
    weft_test_loop_end();
    gate_init(&gate);
    gate_init(&asked);
    gate_init(&in_malloc);
    weft_set_allocator(&slow);
    test_loop = weft_loop_new(NULL);
    weft_future *first = weft_offload_fn(&drops, gate_pass, &gate);
    weft_future *second = weft_to_thread_fn(NULL, send_slowly, NULL);
    next_value = weft_job_next(second);
    gate_open(&asked);
    gate_wait_entered(&gate);
    gate_wait_entered(&in_malloc);
    weft_test_in_child(lose_both, NULL);
    gate_open(&in_malloc);
    gate_open(&gate);
    cr_assert_eq(weft_test_run(next_value), 0);
    cr_assert_eq(weft_test_run(second), 0);
    cr_assert_eq(weft_test_run(first), 0);
    weft_loop_free(test_loop);
}

static weft_result fork_and_send(void *arg)
{
    (void)arg;
    int status = fork();
    if (status == 0)
        weft_test_child_exit(weft_job_progress(weft_value_i64(1), NULL) == WEFT_EFORK ? 0
                                                                                      : __LINE__);
    return weft_ok(status);
}

Test(progress_end, in_a_child_that_the_job_forked_off_nothing_can_be_sent)
{
    weft_future *job = weft_to_thread_fn(NULL, fork_and_send, NULL);
    cr_assert_eq(weft_test_run(weft_ref(job)), 0);
    weft_test_reap((int)weft_future_value(job).i64);
    weft_unref(job);
    weft_test_loop_end();
}

/* ---- At random ---- */

enum { LOOPS = 3, ROUNDS = 200, JOBS = 4 };

static weft_result send_at_random(void *arg)
{
    unsigned seed = (unsigned)(uintptr_t)arg;
    int count = rand_r(&seed) % 40, status = 0;
    for (int i = 0; i < count && status == 0; i++) {
        int *number = malloc(sizeof(*number));
        *number = i;
        atomic_fetch_add(&made, 1);
        status = weft_job_progress(weft_value_ptr(number), destroy);
        if (rand_r(&seed) % 8 == 0)
            sched_yield();
    }
    return status < 0 ? weft_err(status) : weft_ok(count);
}

/* Read some values, or all; give up some nexts; cancel the job, or not. */
static unsigned read_at_random(weft_loop *loop, weft_future *job, unsigned *seed)
{
    int expected = 0, status = 0;
    unsigned wrong = 0;
    int limit = rand_r(seed) % 3 == 0 ? rand_r(seed) % 20 : 1000;
    bool cancels = limit < 1000 || rand_r(seed) % 4 == 0;
    for (int i = 0; i < limit && status == 0; i++) {
        weft_future *next = weft_job_next(job);
        if (rand_r(seed) % 8 == 0) {
            weft_cancel(next);
            weft_unref(next);
            continue;
        }
        status = weft_loop_run_until(loop, weft_ref(next));
        weft_value value;
        if (status == 0 && weft_future_take(next, &value) == 0) {
            wrong += *(int *)value.ptr != expected++;
            destroy(value.ptr);
        }
        weft_unref(next);
    }
    wrong += status < 0 && status != WEFT_ECLOSED;
    if (cancels)
        weft_cancel(job);
    status = weft_loop_run_until(loop, weft_ref(job));
    wrong += status != 0 && status != -ECANCELED;
    wrong += status == 0 && !cancels && weft_future_value(job).i64 != expected;
    weft_unref(job);
    return wrong;
}

struct hammer {
    pthread_t thread;
    weft_pool *pool;
    unsigned seed, wrong;
};

static void *run_hammer(void *arg)
{
    struct hammer *hammer = arg;
    struct weft_job_options options = {.progress = 1 + hammer->seed % 5};
    weft_loop *loop = weft_loop_new(NULL);
    hammer->wrong += weft_loop_set_pool(loop, hammer->pool) != 0;
    for (int round = 0; round < ROUNDS; round++) {
        weft_future *jobs[JOBS];
        for (int i = 0; i < JOBS; i++)
            jobs[i] =
                weft_offload_fn(&options, send_at_random, (void *)(uintptr_t)rand_r(&hammer->seed));
        for (int i = 0; i < JOBS; i++)
            hammer->wrong += read_at_random(loop, jobs[i], &hammer->seed);
    }
    for (int i = 0; i < JOBS; i++) /* nobody reads these */
        weft_unref(weft_offload_fn(&options, send_at_random, (void *)(uintptr_t)i));
    weft_loop_free(loop);
    return NULL;
}

Test(progress_end, many_jobs_and_readers_lose_no_value_and_keep_the_order)
{
    for (unsigned seed = 1; seed <= 3; seed++) {
        struct hammer hammers[LOOPS];
        weft_pool *pool = weft_pool_new(&(struct weft_pool_options){.max_threads = 4});
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
    cr_assert_eq(atomic_load(&made), atomic_load(&destroyed));
    weft_test_loop_end();
}

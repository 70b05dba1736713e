/* SPDX-License-Identifier: MIT */
/* Callbacks in the caller's memory that other threads post. */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <weft/weft.h>

#include "tests/support/loop.h"

TestSuite(callback_threads, .init = weft_test_loop_begin_real, .timeout = 60);

enum { THREADS = 4, COUNT = 5000 };

/* ---- Each its own ---- */

static unsigned called, next_of[THREADS], out_of_order; /* [loop] */

struct numbered {
    struct weft_callback callback;
    unsigned thread, number;
};

static void note(void *arg)
{
    const struct numbered *own = arg;
    if (own->number != next_of[own->thread]++)
        out_of_order++;
    if (++called == THREADS * COUNT)
        weft_loop_stop(test_loop);
}

struct poster {
    pthread_t thread;
    unsigned failed;
    struct numbered all[COUNT];
};

static void *post_all(void *arg)
{
    struct poster *poster = arg;
    for (unsigned i = 0; i < COUNT; i++)
        poster->failed += weft_callback_post(test_loop, &poster->all[i].callback) != 0;
    return NULL;
}

Test(callback_threads, calls_what_many_threads_posted_in_each_ones_order)
{
    static struct poster posters[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        for (unsigned k = 0; k < COUNT; k++) {
            struct numbered *own = &posters[i].all[k];
            own->thread = i;
            own->number = k;
            weft_callback_init(&own->callback, note, own);
        }
        pthread_create(&posters[i].thread, NULL, post_all, &posters[i]);
    }
    cr_assert_eq(weft_loop_run(test_loop), 0);
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(posters[i].thread, NULL);
        cr_assert_eq(posters[i].failed, 0);
    }
    cr_assert_eq(called, THREADS * COUNT);
    cr_assert_eq(out_of_order, 0);
    weft_test_loop_end();
}

/* ---- One of many threads ---- */

static struct weft_callback shared;
static atomic_uint rung; /* relaxed: what orders it is the callback */

static void answer(void *arg)
{
    (void)arg;
    called++;
    if (atomic_load_explicit(&rung, memory_order_relaxed) == THREADS * COUNT)
        weft_loop_stop(test_loop);
}

static void *ring(void *ret_failed)
{
    for (unsigned i = 0; i < COUNT; i++) {
        atomic_fetch_add_explicit(&rung, 1, memory_order_relaxed);
        int status = weft_callback_post(test_loop, &shared);
        if (status != 0 && status != -EBUSY)
            ++*(unsigned *)ret_failed;
    }
    return NULL;
}

Test(callback_threads, busy_means_that_the_call_to_come_sees_what_came_before)
{
    pthread_t threads[THREADS];
    unsigned failed[THREADS] = {0};
    weft_callback_init(&shared, answer, NULL);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, ring, &failed[i]);
    cr_assert_eq(weft_loop_run(test_loop), 0);
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        cr_assert_eq(failed[i], 0);
    }
    cr_assert_leq(called, THREADS * COUNT);
    weft_test_loop_end();
}

static int written;              /* what orders it is the callback alone */
static atomic_bool has_returned; /* relaxed */

static void *post_what_is_pending(void *arg)
{
    written = 7;
    int status = weft_callback_post(test_loop, &shared);
    atomic_store_explicit(&has_returned, true, memory_order_relaxed);
    return status == -EBUSY ? arg : NULL;
}

static void read_it(void *ret_read)
{
    *(int *)ret_read = written;
    weft_loop_stop(test_loop);
}

/* ThreadSanitizer sees when it does not. */
Test(callback_threads, a_post_that_finds_it_pending_shows_the_call_what_came_before)
{
    pthread_t thread;
    int seen = 0;
    void *was_busy;
    weft_callback_init(&shared, read_it, &seen);
    cr_assert_eq(weft_callback_post(test_loop, &shared), 0);
    pthread_create(&thread, NULL, post_what_is_pending, &shared);
    while (!atomic_load_explicit(&has_returned, memory_order_relaxed))
        sched_yield();
    cr_assert_eq(weft_loop_run(test_loop), 0);
    cr_assert_eq(seen, 7);
    pthread_join(thread, &was_busy);
    cr_assert_not_null(was_busy);
    weft_test_loop_end();
}

static atomic_bool has_called; /* relaxed */

static void say_so(void *arg)
{
    (void)arg;
    if (called++)
        weft_loop_stop(test_loop);
    atomic_store_explicit(&has_called, true, memory_order_relaxed);
}

static void *post_what_was_called(void *arg)
{
    while (!atomic_load_explicit(&has_called, memory_order_relaxed))
        sched_yield();
    return weft_callback_post(test_loop, &shared) == 0 ? arg : NULL;
}

/* It was scheduled by the loop itself. ThreadSanitizer sees when the thread writes to what the loop has not let
 * go. */
Test(callback_threads, one_that_was_called_can_be_posted_by_who_sees_it_idle)
{
    pthread_t thread;
    void *was_posted;
    weft_callback_init(&shared, say_so, NULL);
    pthread_create(&thread, NULL, post_what_was_called, &shared);
    cr_assert_eq(weft_callback_soon(&shared), 0);
    cr_assert_eq(weft_loop_run(test_loop), 0);
    pthread_join(thread, &was_posted);
    cr_assert_not_null(was_posted);
    cr_assert_eq(called, 2);
    weft_test_loop_end();
}

/* ---- Cancelling meanwhile ---- */

static unsigned cancelled; /* [loop] */
static atomic_uint posted, running;

static void count(void *arg)
{
    (void)arg;
    called++;
}

static void *post_often(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < COUNT; i++) {
        if (weft_callback_post(test_loop, &shared) == 0)
            atomic_fetch_add(&posted, 1);
        else
            sched_yield();
    }
    atomic_fetch_sub(&running, 1);
    return NULL;
}

static void cancel_often(void *arg)
{
    static unsigned turn;
    struct weft_callback *own = arg;
    if (turn++ % 3)
        cancelled += weft_callback_cancel(&shared);
    if (!atomic_load(&running))
        weft_loop_stop(test_loop);
    sched_yield(); /* with one CPU, those who post have their turn, too */
    cr_assert_eq(weft_callback_soon(own), 0);
}

Test(callback_threads, each_post_is_either_called_or_cancelled)
{
    struct weft_callback canceller;
    pthread_t threads[THREADS];
    weft_callback_init(&shared, count, NULL);
    weft_callback_init(&canceller, cancel_often, &canceller);
    cr_assert_eq(weft_callback_soon(&canceller), 0);
    atomic_store(&running, THREADS);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, post_often, NULL);
    cr_assert_eq(weft_loop_run(test_loop), 0);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    cancelled += weft_callback_cancel(&shared);
    cr_assert(weft_callback_cancel(&canceller));
    cr_assert_not(weft_callback_is_pending(&shared));
    cr_assert_eq(called + cancelled, atomic_load(&posted));
    weft_test_loop_end();
}

/* ---- Two loops ---- */

static weft_loop *loops[2];
static atomic_uint calls;
static sem_t is_there, is_unused;

static void count_any(void *arg)
{
    (void)arg;
    atomic_fetch_add(&calls, 1);
}

static void *run_other_loop(void *arg)
{
    loops[1] = weft_loop_new(NULL);
    sem_post(&is_there);
    int status = weft_loop_run(loops[1]);
    while (sem_wait(&is_unused) < 0)
        ;
    weft_loop_free(loops[1]);
    return status == 0 ? arg : NULL;
}

static void *post_to_both(void *arg)
{
    for (unsigned i = 0; i < COUNT; i++)
        if (weft_callback_post(loops[i % 2], &shared) == 0)
            atomic_fetch_add(&posted, 1);
        else
            sched_yield();
    atomic_fetch_sub(&running, 1);
    return arg;
}

static void stop_at_the_end(void *arg)
{
    if (!atomic_load(&running))
        weft_loop_stop(test_loop);
    sched_yield(); /* as above */
    cr_assert_eq(weft_callback_soon(arg), 0);
}

static void stop_other(void *arg)
{
    weft_loop_stop(arg);
}

Test(callback_threads, one_that_is_posted_to_two_loops_is_called_once_for_each_post)
{
    struct weft_callback stopper;
    pthread_t threads[THREADS], other;
    sem_init(&is_there, 0, 0);
    sem_init(&is_unused, 0, 0);
    loops[0] = test_loop;
    pthread_create(&other, NULL, run_other_loop, loops);
    while (sem_wait(&is_there) < 0)
        ;
    weft_callback_init(&shared, count_any, NULL);
    weft_callback_init(&stopper, stop_at_the_end, &stopper);
    cr_assert_eq(weft_callback_soon(&stopper), 0);
    atomic_store(&running, THREADS);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, post_to_both, NULL);
    cr_assert_eq(weft_loop_run(test_loop), 0);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    cr_assert_eq(weft_post(loops[1], stop_other, loops[1]), 0);
    sem_post(&is_unused);
    void *ended;
    pthread_join(other, &ended);
    cr_assert_not_null(ended);
    cr_assert(weft_callback_cancel(&stopper));
    while (weft_callback_is_pending(&shared))
        cr_assert_eq(weft_test_run(weft_sleep(0)), 0);
    cr_assert_eq(atomic_load(&calls), atomic_load(&posted));
    weft_test_loop_end();
}

static void stop_here(void *arg)
{
    weft_loop *here = weft_loop_current();
    if (here != test_loop)
        weft_callback_init(&shared, NULL, arg); /* its memory is free */
    weft_loop_stop(here);
}

static void *take_it_over(void *arg)
{
    int status;
    weft_loop *loop = weft_loop_new(NULL);
    while ((status = weft_callback_post(loop, &shared)) == -EBUSY)
        sched_yield();
    if (status == 0)
        status = weft_loop_run(loop);
    weft_loop_free(loop);
    return status == 0 ? arg : NULL;
}

/* As soon as it is idle. ThreadSanitizer sees when the one loop reads what the other one's function writes. */
Test(callback_threads, one_that_a_loop_calls_is_its_own_no_more)
{
    pthread_t thread;
    void *was_called;
    weft_callback_init(&shared, stop_here, NULL);
    cr_assert_eq(weft_callback_post(test_loop, &shared), 0);
    pthread_create(&thread, NULL, take_it_over, &shared);
    cr_assert_eq(weft_loop_run(test_loop), 0);
    pthread_join(thread, &was_called);
    cr_assert_not_null(was_called);
    weft_test_loop_end();
}

/* ---- The loop's end meanwhile ---- */

static void *post_till_the_end(void *arg)
{
    struct weft_callback *own = arg;
    int status;
    do {
        status = weft_callback_post(test_loop, own);
        atomic_fetch_add(&posted, status == 0);
    } while (status == 0 || status == -EBUSY);
    return status == -ESHUTDOWN ? NULL : own;
}

static void stop_after_some(void *arg)
{
    struct weft_callback *own = arg;
    if (atomic_load(&posted) > 100)
        weft_loop_stop(test_loop);
    else
        cr_assert_eq(weft_callback_soon(own), 0);
}

Test(callback_threads, posts_are_refused_once_the_loop_has_ended)
{
    struct weft_callback callbacks[THREADS], stopper;
    pthread_t threads[THREADS];
    weft_callback_init(&stopper, stop_after_some, &stopper);
    cr_assert_eq(weft_callback_soon(&stopper), 0);
    for (unsigned i = 0; i < THREADS; i++) {
        weft_callback_init(&callbacks[i], count, NULL);
        pthread_create(&threads[i], NULL, post_till_the_end, &callbacks[i]);
    }
    cr_assert_eq(weft_loop_run(test_loop), 0);
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    for (unsigned i = 0; i < THREADS; i++) {
        void *wrong;
        pthread_join(threads[i], &wrong);
        cr_assert_null(wrong);
        cr_assert_not(weft_callback_is_pending(&callbacks[i]));
    }
    cr_assert_leq(called, atomic_load(&posted));
    weft_test_loop_end();
}

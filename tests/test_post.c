/* SPDX-License-Identifier: MIT */
/* weft_post: calls into the loop from other threads. */
#include <criterion/criterion.h>

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <weft/weft.h>

#include "tests/support/heap.h"
#include "tests/support/loop.h"
#include "tests/support/sanitizer.h"
#include "tests/support/trace.h"

TestSuite(post, .init = weft_test_loop_begin_real, .timeout = 60);

enum { THREADS = 4, COUNT = 5000 };

/* [loop] */
static unsigned called, next_of[THREADS], out_of_order;

struct posted {
    unsigned thread, number;
};

static void note(void *arg)
{
    const struct posted *posted = arg;
    if (posted->number != next_of[posted->thread]++)
        out_of_order++;
    if (++called == THREADS * COUNT)
        weft_loop_stop(test_loop);
}

struct poster {
    pthread_t thread;
    unsigned failed;
    struct posted posted[COUNT];
};

static void *post_all(void *arg)
{
    struct poster *poster = arg;
    for (unsigned i = 0; i < COUNT; i++)
        poster->failed += weft_post(test_loop, note, &poster->posted[i]) != 0;
    return NULL;
}

Test(post, calls_on_the_loop_what_many_threads_posted_in_each_ones_order)
{
    static struct poster posters[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        for (unsigned k = 0; k < COUNT; k++)
            posters[i].posted[k] = (struct posted){i, k};
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

static void count(void *arg)
{
    ++*(int *)arg;
}

Test(post, calls_what_was_posted_before_the_loop_is_freed)
{
    int calls = 0;
    cr_assert_eq(weft_post(test_loop, count, &calls), 0);
    cr_assert_eq(calls, 0);
    weft_test_loop_end();
    cr_assert_eq(calls, 1);
}

Test(post, is_refused_once_the_loop_was_shut_down)
{
    int calls = 0;
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    cr_assert_eq(weft_post(test_loop, count, &calls), -ESHUTDOWN);
    weft_test_loop_end();
    cr_assert_eq(calls, 0);
}

Test(post, refuses_what_it_cannot_call)
{
    int calls = 0;
    cr_assert_eq(weft_post(test_loop, NULL, &calls), -EINVAL);
    cr_assert_eq(weft_post(NULL, count, &calls), -EINVAL);
    weft_test_heap_fail_at(1);
    cr_assert_eq(weft_post(test_loop, count, &calls), -ENOMEM);
    weft_test_loop_end();
    cr_assert_eq(calls, 0);
}

static void post_again(void *arg)
{
    int *left = arg;
    if (--*left == 0)
        weft_loop_stop(test_loop);
    else
        cr_assert_eq(weft_post(test_loop, post_again, left), 0);
}

Test(post, works_from_the_loops_own_thread)
{
    int left = 10;
    cr_assert_eq(weft_post(test_loop, post_again, &left), 0);
    cr_assert_eq(weft_loop_run(test_loop), 0);
    cr_assert_eq(left, 0);
    weft_test_loop_end();
}

static WEFT_CONTEXT_KEY(depth, int, NULL);

static void look_at_depth(void *ret)
{
    *(int *)ret = weft_context_get(depth);
}

/* Its end shows what is not given back. */
Test(post, keeps_no_context_be_it_called_or_refused)
{
    int seen = 0;
    cr_assert_eq(weft_context_set(depth, 7), 0);
    cr_assert_eq(weft_post(test_loop, look_at_depth, &seen), 0);
    cr_assert_eq(weft_context_set(depth, 8), 0);
    cr_assert_eq(weft_test_run(weft_sleep(1)), 0);
    cr_assert_eq(seen, 7);
    cr_assert_eq(weft_context_set(depth, 9), 0);
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    cr_assert_eq(weft_post(test_loop, look_at_depth, &seen), -ESHUTDOWN);
    weft_test_loop_end();
}

/* ---- Memory ---- */

static void *post_some(void *calls)
{
    for (int i = 0; i < 100; i++)
        cr_assert_eq(weft_post(test_loop, count, calls), 0);
    return NULL;
}

Test(post, of_a_thread_that_has_ended_is_called)
{
    int calls = 0;
    for (int i = 0; i < 10; i++) {
        pthread_t thread;
        pthread_create(&thread, NULL, post_some, &calls);
        pthread_join(thread, NULL);
    }
    cr_assert_eq(calls, 0);
    weft_test_loop_end();
    cr_assert_eq(calls, 1000);
}

static atomic_bool is_called; /* relaxed: what orders the rest is the sheet */

static void let_it_end(void *thread)
{
    atomic_store_explicit(&is_called, true, memory_order_relaxed);
    WEFT_ALLOW_BLOCKING("it ends as soon as it is called") {
        pthread_join(*(const pthread_t *)thread, NULL);
    }
    weft_loop_stop(test_loop);
}

static pthread_t outlasting;

static void *post_and_outlast_it(void *arg)
{
    cr_assert_eq(weft_post(test_loop, let_it_end, &outlasting), 0);
    while (!atomic_load_explicit(&is_called, memory_order_relaxed))
        sched_yield();
    return arg;
}

/* ThreadSanitizer sees when the thread, which needs it last, gives back what the loop has read. */
Test(post, sheet_is_given_back_by_who_needs_it_last)
{
    pthread_create(&outlasting, NULL, post_and_outlast_it, NULL);
    cr_assert_eq(weft_loop_run(test_loop), 0);
    weft_test_loop_end();
}

Test(post, memory_of_many_is_asked_for_at_once_and_given_back)
{
    int calls = 0;
    size_t before = weft_test_heap_live();
    for (int i = 0; i < 10; i++)
        post_some(&calls);
    cr_assert_leq(weft_test_heap_live() - before, 20);
    cr_assert_eq(weft_test_run(weft_sleep(1)), 0);
    cr_assert_eq(calls, 1000);
    cr_assert_leq(weft_test_heap_live() - before, 2); /* a sheet, and the timers' */
    weft_test_loop_end();
}

#ifdef WEFT_TEST_NO_LAST_DESTRUCTORS
enum { ROUNDS = PTHREAD_DESTRUCTOR_ITERATIONS - 1 };
#else
enum { ROUNDS = PTHREAD_DESTRUCTOR_ITERATIONS };
#endif

static pthread_key_t late;
static int late_calls;

static void post_late(void *arg)
{
    int *rounds = arg;
    cr_assert_eq(weft_post(test_loop, count, &late_calls), 0);
    if (--*rounds > 0)
        cr_assert_eq(pthread_setspecific(late, rounds), 0);
}

static void *post_and_end(void *rounds)
{
    cr_assert_eq(weft_post(test_loop, count, &late_calls), 0);
    cr_assert_eq(pthread_setspecific(late, rounds), 0);
    return NULL;
}

/* A key that was made later than weft's, so that its destructor is behind that in each round. */
Test(post, memory_of_a_thread_that_posts_until_its_last_destructor_is_given_back)
{
    int rounds = ROUNDS;
    pthread_t thread;
    cr_assert_eq(weft_post(test_loop, count, &late_calls), 0);
    cr_assert_eq(pthread_key_create(&late, post_late), 0);
    pthread_create(&thread, NULL, post_and_end, &rounds);
    pthread_join(thread, NULL);
    cr_assert_eq(rounds, 0);
    weft_test_loop_end();
    cr_assert_eq(late_calls, ROUNDS + 2);
}

static int posted_calls, accepted;

static int post_one(void)
{
    int status = weft_post(test_loop, count, &posted_calls);
    accepted += status == 0;
    int ran = weft_test_run(weft_sleep(0));
    return status < 0 ? status : ran;
}

Test(post, survives_every_lack_of_memory)
{
    weft_test_every_lack_of_memory(post_one);
    weft_test_loop_end();
    cr_assert_eq(posted_calls, accepted);
}

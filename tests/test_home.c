/* SPDX-License-Identifier: MIT */
/*
 * The protocol of pool/home.c, line by line: results that come home while the loop looks, sleeps, or ends. One
 * that is lost shows as a time-out. tests/mutation breaks each line.
 */
#include <criterion/criterion.h>

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <weft/weft.h>

#include "core/loop.h"
#include "core/memory.h"
#include "pool/client.h"
#include "pool/pool.h"
#include "tests/support/child.h"
#include "tests/support/gate.h"
#include "tests/support/loop.h"
#include "tests/support/pool.h"
#include "tests/support/sanitizer.h"

TestSuite(home, .init = weft_test_loop_begin_real, .timeout = 60);

enum { THREADS = 3, MANY = 24 };

static weft_result echo(void *number)
{
    return weft_ok(*(int *)number);
}

/* The loop looks while results come, and sleeps now and then. */
Test(home, results_come_whenever_they_are_sent)
{
    int numbers[THREADS];
    use_pool(&(struct weft_pool_options){.max_threads = THREADS, .min_threads = THREADS});
    for (int i = 0; i < 10000; i++) {
        weft_future *jobs[THREADS];
        for (int k = 0; k < THREADS; k++) {
            numbers[k] = i + k;
            jobs[k] = weft_to_thread_fn(NULL, echo, &numbers[k]);
        }
        for (int k = 0; k < THREADS; k++) {
            cr_assert_eq(weft_test_run(weft_ref(jobs[k])), 0);
            cr_assert_eq(weft_future_value(jobs[k]).i64, i + k);
            weft_unref(jobs[k]);
        }
    }
    weft_test_loop_end();
}

static weft_result meet(void *barrier)
{
    pthread_barrier_wait(barrier);
    return weft_ok(7);
}

/* Each of many threads sends one. */
static void let_all_meet(int threads, int times)
{
    pthread_barrier_t barrier;
    weft_future *jobs[MANY];
    pthread_barrier_init(&barrier, NULL, (unsigned)threads);
    for (int i = 0; i < times; i++) {
        for (int k = 0; k < threads; k++)
            jobs[k] = weft_to_thread_fn(NULL, meet, &barrier);
        for (int k = 0; k < threads; k++) {
            cr_assert_eq(weft_test_run(weft_ref(jobs[k])), 0);
            cr_assert_eq(weft_future_value(jobs[k]).i64, 7);
            weft_unref(jobs[k]);
        }
    }
    pthread_barrier_destroy(&barrier);
}

Test(home, results_of_more_threads_than_it_looks_at_come)
{
    use_pool(&(struct weft_pool_options){.max_threads = MANY, .min_threads = MANY});
    let_all_meet(MANY, 300);
    weft_test_loop_end();
}

/* Threads become known to the loop while it looks for what others have sent. */
Test(home, first_results_of_many_threads_come)
{
    for (int i = 0; i < 100; i++) {
        use_pool(&(struct weft_pool_options){.max_threads = MANY, .min_threads = MANY});
        let_all_meet(MANY, 1);
    }
    weft_test_loop_end();
}

/* What was sent may have come before its sender tells so. */
static void wait_for_senders(weft_pool *pool)
{
    for (unsigned i = 0; i < pool->places; i++)
        while (atomic_load(&pool->workers[i].posting))
            sched_yield();
}

Test(home, a_loop_that_has_taken_all_has_no_mail)
{
    weft_pool *pool =
        use_pool(&(struct weft_pool_options){.max_threads = MANY, .min_threads = MANY});
    for (int threads = 1; threads <= MANY; threads++) {
        let_all_meet(threads, 1);
        wait_for_senders(pool);
        cr_assert_eq(weft_test_run(weft_sleep(1)), 0);
        cr_assert_not(weft__loop_has_mail(test_loop));
    }
    weft_test_loop_end();
}

/* So many at once that the loop is behind, and gives back what it has emptied. */
Test(home, its_chunks_are_used_again)
{
    enum { AT_ONCE = 1500 };
    static int numbers[AT_ONCE];
    static weft_future *jobs[AT_ONCE];
    use_pool(&(struct weft_pool_options){.max_threads = 2});
    for (int i = 0; i < 30; i++) {
        for (int k = 0; k < AT_ONCE; k++) {
            numbers[k] = i * k;
            jobs[k] = weft_to_thread_fn(NULL, echo, &numbers[k]);
        }
        for (int k = 0; k < AT_ONCE; k++) {
            cr_assert_eq(weft_test_run(weft_ref(jobs[k])), 0);
            cr_assert_eq(weft_future_value(jobs[k]).i64, i * k);
            weft_unref(jobs[k]);
        }
    }
    weft_test_loop_end();
}

/* More than the loop has taken so far, and no memory to write it down. */
Test(home, what_finds_no_memory_for_its_way_comes_all_the_same)
{
    enum { AT_ONCE = 300 };
    static int numbers[AT_ONCE];
    static weft_future *jobs[AT_ONCE];
    struct gate gate;
    gate_init(&gate);
    weft_pool *pool = use_pool(&(struct weft_pool_options){.max_threads = 1});
    weft_future *first = weft_to_thread_fn(NULL, gate_pass, &gate);
    gate_wait_entered(&gate);
    for (int k = 0; k < AT_ONCE; k++) {
        numbers[k] = k;
        jobs[k] = weft_to_thread_fn(NULL, echo, &numbers[k]);
    }
    weft__memory_fail(1);
    gate_open(&gate);
    wait_for_idle(pool, 1);
    cr_assert(weft__memory_failed());
    weft__memory_fail(0);
    cr_assert_eq(weft_test_run(first), 0);
    for (int k = 0; k < AT_ONCE; k++) {
        cr_assert_eq(weft_test_run(weft_ref(jobs[k])), 0);
        cr_assert_eq(weft_future_value(jobs[k]).i64, k);
        weft_unref(jobs[k]);
    }
    weft_test_loop_end();
}

#ifndef WEFT_TEST_NO_FRESH_CALLOC
static size_t touched(const void *room, size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), count = 0, pages = size / page;
    const char *first = (const char *)room + (page - (uintptr_t)room % page) % page;
    unsigned char *is_there = malloc(pages);
    cr_assert_eq(mincore((void *)first, (pages - 1) * page, is_there), 0);
    for (size_t i = 0; i < pages - 1; i++)
        count += is_there[i] & 1;
    free(is_there);
    return count * page;
}

/* With the C library's allocator. The kernel may give some pages at once. */
Test(home_room, of_threads_that_do_not_run_is_not_touched)
{
    int number = 1;
    weft_loop *loop = weft_loop_new(NULL);
    weft_pool *pool = weft_pool_new(&(struct weft_pool_options){.max_threads = 4000});
    cr_assert_eq(weft_loop_set_pool(loop, pool), 0);
    cr_assert_eq(weft_loop_run_until(loop, weft_to_thread_fn(NULL, echo, &number)), 0);
    const struct weft__home *its = weft__client_find(loop)->home;
    size_t tallies = pool->places * sizeof(*pool->tallies), returns = weft__home_size(pool);
    cr_assert_lt(touched(pool->tallies, tallies), tallies / 2);
    cr_assert_lt(touched(its->returns, returns), returns / 2);
    weft_pool_unref(pool);
    weft_loop_free(loop);
}
#endif

/* ---- Looked at ---- */

static atomic_bool has_seen_enough;

static void see(void *count, const struct weft_running_job *job)
{
    *(int *)count += job->name[0] == 'e';
}

static void *look_all_the_time(void *pool)
{
    static int seen;
    while (!atomic_load_explicit(&has_seen_enough, memory_order_relaxed))
        weft_pool_each_running(pool, see, &seen);
    return NULL;
}

/* Their memory is that of the next ones. ThreadSanitizer sees when they are. */
static void run_while_one_looks(weft_pool *pool)
{
    pthread_t thread;
    int number = 1;
    pthread_create(&thread, NULL, look_all_the_time, pool);
    for (int i = 0; i < 5000; i++) {
        weft_future *jobs[4];
        for (int k = 0; k < 4; k++)
            jobs[k] = weft_to_thread_fn(NULL, echo, &number);
        for (int k = 0; k < 4; k++)
            cr_assert_eq(weft_test_run(jobs[k]), 0);
    }
    atomic_store(&has_seen_enough, true);
    pthread_join(thread, NULL);
}

Test(home, jobs_that_have_come_home_are_not_looked_at_any_more)
{
    run_while_one_looks(use_pool(&(struct weft_pool_options){.max_threads = 2}));
    weft_test_loop_end();
}

/* They come by rings. The way home is left as a loop does that ends (pool/client.c); but it goes on. */
Test(home, jobs_that_go_by_the_mailbox_are_not_looked_at_any_more)
{
    weft__ready late;
    weft_pool *pool = use_pool(&(struct weft_pool_options){.max_threads = 2});
    cr_assert_eq(weft_test_run(weft_to_thread_fn(NULL, return_nothing, NULL)), 0);
    struct weft__client *client = weft__client_find(test_loop);
    weft__ready_init(&late);
    weft__home_leave(client->home, &late);
    cr_assert_null(late.head);
    run_while_one_looks(pool);
    weft_test_loop_end();
}

static void go_on_in_child(void *job)
{
    CHILD_EXPECT(weft_after_fork_child(test_loop) == 0);
    CHILD_EXPECT(weft_loop_run_until(test_loop, job) == 0);
}

/* The thread that looked is not there: it will never give back the lock. */
static void fork_while_one_looks(weft_pool *pool, weft_future *job) WEFT_NO_THREAD_SAFETY_ANALYSIS
{
    weft__mutex_lock(&pool->mu);
    weft__express_look_locked(pool, true);
    weft_test_in_child(go_on_in_child, job);
    weft__express_look_locked(pool, false);
    weft__mutex_unlock(&pool->mu);
}

Test(home, what_had_come_is_taken_in_a_child_though_somebody_looked)
{
    int number = 7;
    weft_pool *pool = use_pool(&(struct weft_pool_options){.max_threads = 1});
    weft_future *job = weft_to_thread_fn(NULL, echo, &number);
    wait_for_idle(pool, 1);
    fork_while_one_looks(pool, job);
    cr_assert_eq(weft_test_run(weft_ref(job)), 0);
    cr_assert_eq(weft_future_value(job).i64, 7);
    weft_unref(job);
    weft_test_loop_end();
}

/* ---- Loops that end ---- */

static struct weft__home *home;
static sem_t is_held;

static void yield_often(void)
{
    for (int i = 0; i < 1000; i++)
        sched_yield();
}

/* So that a thread which sends something home for the first time waits: until the loop has left, or has found
 * that somebody is about to send. */
static void *hold_lock(void *arg)
{
    weft_pool *pool = arg;
    weft__mutex_lock(&pool->mu);
    sem_post(&is_held);
    while (atomic_load(&home->mailbox))
        sched_yield();
    yield_often();
    weft__mutex_unlock(&pool->mu);
    return NULL;
}

/* As a loop does when it ends (pool/client.c); but it goes on. */
static void leave_home(struct weft__client *client)
{
    weft__ready late;
    weft__ready_init(&late);
    weft__home_leave(home, &late);
    weft__express_leave(client->place);
    client->place = NULL;
    client->home = NULL;
    if (late.head)
        weft__loop_queue_mail(test_loop, late.head, WEFT__CONTAINER(late.tail, weft__item, next));
}

/* Either by the home that the loop has left by then, or by the mailbox. */
Test(home, what_is_about_to_be_sent_when_a_loop_leaves_comes)
{
    pthread_t thread;
    struct gate gate;
    gate_init(&gate);
    sem_init(&is_held, 0, 0);
    weft_pool *pool = use_pool(&(struct weft_pool_options){.max_threads = 1, .spin = -1});
    weft_future *job = weft_to_thread_fn(NULL, gate_pass, &gate);
    struct weft__client *client = weft__client_find(test_loop);
    home = weft__express_home(client->place);
    gate_wait_entered(&gate);
    pthread_create(&thread, NULL, hold_lock, pool);
    while (sem_wait(&is_held) < 0)
        ;
    gate_open(&gate);
    while (!atomic_load(&pool->workers[0].posting))
        sched_yield();
    yield_often();
    leave_home(client);
    pthread_join(thread, NULL);
    cr_assert_eq(weft_test_run(weft_ref(job)), 0);
    cr_assert_eq(weft_future_value(job).i64, 7);
    weft_unref(job);
    weft_test_loop_end();
}

enum { LOOPS = 2000 };

struct stuck {
    atomic_bool entered, may_return;
    int delay;
};

static void spend_time(int turns)
{
    for (volatile int left = turns * 64; left > 0; left--)
        ;
}

static weft_result return_when_told(void *arg)
{
    struct stuck *stuck = arg;
    atomic_store(&stuck->entered, true);
    for (unsigned turns = 1; !atomic_load(&stuck->may_return); turns++)
        if (turns % 4096 == 0)
            sched_yield();
    spend_time(stuck->delay);
    return weft_ok(0);
}

/* The job returns at about the moment in which the loop does not wait for it any more. */
static void *end_loops(void *pool)
{
    static const struct weft_shutdown_options soon = {.jobs_timeout = 1};
    struct stuck *all = calloc(LOOPS, sizeof(*all));
    for (int i = 0; i < LOOPS; i++) {
        weft_loop *loop = weft_loop_new(NULL);
        all[i].delay = i / 64 % 32 * 8;
        cr_assert_eq(weft_loop_set_pool(loop, pool), 0);
        weft_unref(weft_to_thread_fn(NULL, return_when_told, &all[i]));
        while (!atomic_load(&all[i].entered))
            sched_yield();
        atomic_store(&all[i].may_return, true);
        spend_time(i % 64 * 16);
        int status = weft_loop_shutdown(loop, &soon, NULL);
        cr_assert(status == 0 || status == WEFT_ESTUCK);
        weft_loop_free(loop);
    }
    return all;
}

Test(home, results_that_are_sent_while_their_loop_ends_go_nowhere)
{
    pthread_t thread;
    void *all;
    weft_pool *pool = weft_pool_new(&(struct weft_pool_options){.max_threads = 1});
    pthread_create(&thread, NULL, end_loops, pool);
    pthread_join(thread, &all);
    while (count_abandoned(pool) > 0)
        sched_yield();
    weft_pool_unref(pool);
    free(all);
    weft_test_loop_end();
}

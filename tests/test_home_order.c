/* SPDX-License-Identifier: MIT */
/*
 * What the way home (pool/home.c) orders by itself: a worker and a loop that meet nowhere else, as they do where
 * nothing else happens to order them. ThreadSanitizer sees when they are not. tests/mutation breaks the lines.
 */
#include <criterion/criterion.h>

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "pool/home.h"
#include "pool/job.h"
#include "pool/pool.h"
#include "tests/support/loop.h"
#include "tests/support/pool.h"

TestSuite(home_order, .init = weft_test_loop_begin_real, .timeout = 60);

/* More than a chunk, so that each time one is emptied, and filled again the next time. */
enum { AT_ONCE = 65, TIMES = 4 };

static struct {
    weft_pool *pool;
    struct weft__home home;
    void *room;
    weft__mailbox *mailbox;
    struct weft__job *jobs[AT_ONCE];
    atomic_int turn; /* relaxed: it orders nothing */
} way;

static void begin(void)
{
    way.pool = use_pool(&(struct weft_pool_options){.max_threads = 1});
    size_t size = (weft__home_size(way.pool) + 63) / 64 * 64;
    way.room = aligned_alloc(64, size);
    memset(way.room, 0, size);
    way.mailbox = weft__mailbox_new();
    weft__home_init(&way.home, way.pool, way.room);
    weft__home_enter(&way.home, way.mailbox);
    for (int i = 0; i < AT_ONCE; i++)
        way.jobs[i] = calloc(1, sizeof(*way.jobs[i]));
}

static void end(void)
{
    weft__home_destroy(&way.home);
    free(way.room);
    for (int i = 0; i < AT_ONCE; i++)
        free(way.jobs[i]);
    weft_test_loop_end();
}

static void wait_for_turn(int turn)
{
    while (atomic_load_explicit(&way.turn, memory_order_relaxed) != turn)
        sched_yield();
}

static void give_turn(int turn)
{
    atomic_store_explicit(&way.turn, turn, memory_order_relaxed);
}

/* As a worker does. */
static void send_some(int first, int count)
{
    for (int i = 0; i < count; i++)
        weft__home_send(&way.pool->workers[0],
                        &(struct weft__return){.job = way.jobs[i],
                                               .home = &way.home,
                                               .mailbox = way.mailbox,
                                               .by_value = true,
                                               .value = weft_value_i64(first + i)});
}

static void expect_some(weft__ready *ready, int first, int count)
{
    int i = 0;
    for (weft__item *item = ready->head; item; item = item->next, i++) {
        const struct weft__job *job = WEFT__CONTAINER(item, struct weft__job, item);
        cr_assert_eq(job, way.jobs[i]);
        cr_assert_eq(job->result.value.i64, first + i);
    }
    cr_assert_eq(i, count);
}

static void *send_in_turns(void *arg)
{
    for (int i = 0; i < TIMES; i++) {
        wait_for_turn(2 * i);
        send_some(i * AT_ONCE, AT_ONCE);
        give_turn(2 * i + 1);
    }
    return arg;
}

Test(home_order, what_a_loop_has_read_is_written_anew_behind_that)
{
    pthread_t worker;
    weft__ready ready;
    begin();
    pthread_create(&worker, NULL, send_in_turns, NULL);
    for (int i = 0; i < TIMES; i++) {
        wait_for_turn(2 * i + 1);
        weft__ready_init(&ready);
        weft__home_collect(&way.home, &ready);
        expect_some(&ready, i * AT_ONCE, AT_ONCE);
        give_turn(2 * i + 2);
    }
    pthread_join(worker, NULL);
    weft__home_leave(&way.home, &ready);
    weft__mailbox_unref(way.mailbox);
    end();
}

static void *send_once(void *arg)
{
    send_some(0, 1);
    give_turn(1);
    return arg;
}

/* The thread has nudged it behind what the loop sees of that. */
Test(home_order, a_mailbox_goes_when_nobody_sends_by_it_any_more)
{
    pthread_t worker;
    weft__ready ready;
    begin();
    weft__ready_init(&ready);
    pthread_create(&worker, NULL, send_once, NULL);
    wait_for_turn(1);
    weft__home_leave(&way.home, &ready);
    weft__mailbox_unref(way.mailbox);
    expect_some(&ready, 0, 1);
    pthread_join(worker, NULL);
    end();
}

/* SPDX-License-Identifier: MIT */
/* What workers count (pool/tally.c), read at the moment in which it moves. */
#include <criterion/criterion.h>

#include <pthread.h>
#include <sched.h>
#include <weft/weft.h>

#include "pool/pool.h"
#include "pool/tally.h"
#include "tests/support/loop.h"
#include "tests/support/pool.h"

TestSuite(tally, .init = weft_test_loop_begin_real, .timeout = 60);

static weft_pool *pool;
static struct weft__histogram on_the_way;

static struct weft__histogram *run_times(void)
{
    return &pool->default_lane.counts.times[WEFT__RUN_TIME];
}

/* As pool/tally.c does, in two steps. */
static void begin_to_move(void)
{
    weft__count_set(&pool->moves, weft__count_get(&pool->moves) + 1);
    weft__histogram_move(&pool->tallies[0].times[WEFT__RUN_TIME], &on_the_way);
    weft__histogram_move(run_times(), &on_the_way);
}

static void *end_to_move(void *arg)
{
    for (int i = 0; i < 1000; i++)
        sched_yield();
    weft__histogram_move(&on_the_way, run_times());
    atomic_store_explicit(&pool->moves, weft__count_get(&pool->moves) + 1, memory_order_release);
    return arg;
}

static uint64_t completed(void)
{
    struct weft_lane_stats stats;
    weft_lane_get_stats(&pool->default_lane, &stats);
    return stats.completed;
}

/* Who reads waits for it, however long that takes. */
Test(tally, what_moves_is_told_of_once_it_has_moved)
{
    pthread_t mover;
    pool = use_pool(&(struct weft_pool_options){.max_threads = 1});
    cr_assert_eq(weft_test_run(weft_to_thread_fn(NULL, return_nothing, NULL)), 0);
    wait_for_idle(pool, 1);
    cr_assert_eq(completed(), 1);
    begin_to_move();
    pthread_create(&mover, NULL, end_to_move, NULL);
    uint64_t told = completed();
    pthread_join(mover, NULL);
    cr_assert_eq(told, 1);
    weft_test_loop_end();
}

/* SPDX-License-Identifier: MIT */
#include "tests/support/pool.h"

#include "pool/pool.h"

#include <criterion/criterion.h>
#include <sched.h>

#include "tests/support/loop.h"

weft_pool *use_pool(const struct weft_pool_options *options)
{
    weft_pool *pool = weft_pool_new(options);
    cr_assert_not_null(pool);
    cr_assert_eq(weft_loop_set_pool(test_loop, pool), 0);
    weft_pool_unref(pool);
    return pool;
}

struct weft_pool_stats stats_of(weft_pool *pool)
{
    struct weft_pool_stats stats;
    weft_pool_get_stats(pool, &stats);
    return stats;
}

void wait_for_idle(weft_pool *pool, size_t count)
{
    while (stats_of(pool).idle != count)
        sched_yield();
}

void wait_for_threads(weft_pool *pool, size_t count)
{
    while (stats_of(pool).threads != count)
        sched_yield();
}

weft_result return_nothing(void *arg)
{
    (void)arg;
    return weft_ok(0);
}

unsigned count_abandoned(weft_pool *pool)
{
    weft__mutex_lock(&pool->mu);
    unsigned count = pool->abandoned;
    weft__mutex_unlock(&pool->mu);
    return count;
}

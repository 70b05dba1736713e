/* SPDX-License-Identifier: MIT */
/*
 * The pool as an object: its options, and the loops that use it.
 */
#include <criterion/criterion.h>

#include <errno.h>
#include <weft/pool.h>
#include <weft/weft.h>

#include "pool/pool.h"
#include "tests/support/gate.h"
#include "tests/support/heap.h"
#include "tests/support/loop.h"
#include "tests/support/pool.h"

TestSuite(pool, .init = weft_test_loop_begin_real, .timeout = 60);

Test(pool, is_made_by_the_loop_at_its_first_job)
{
    cr_assert_null(weft_loop_pool(test_loop));
    cr_assert_eq(weft_test_run(weft_to_thread_fn(NULL, return_nothing, NULL)), 0);
    cr_assert_not_null(weft_loop_pool(test_loop));
    weft_test_loop_end();
}

Test(pool, can_be_replaced_while_the_loop_has_no_job)
{
    struct gate gate;
    gate_init(&gate);
    weft_pool *old = use_pool(&(struct weft_pool_options){.max_threads = 1});
    weft_pool *pool = weft_pool_new(NULL);
    weft_future *job = weft_to_thread_fn(NULL, gate_pass, &gate);
    cr_assert_eq(weft_loop_set_pool(test_loop, pool), -EBUSY);
    cr_assert_eq(weft_loop_pool(test_loop), old);
    gate_open(&gate);
    cr_assert_eq(weft_test_run(job), 0);
    cr_assert_eq(weft_loop_set_pool(test_loop, pool), 0);
    cr_assert_eq(weft_loop_pool(test_loop), pool);
    cr_assert_eq(weft_loop_set_pool(test_loop, NULL), 0);
    weft_pool_unref(pool);
    cr_assert_eq(weft_test_run(weft_to_thread_fn(NULL, return_nothing, NULL)), 0);
    weft_test_loop_end();
}

Test(pool, cannot_be_set_where_it_makes_no_sense)
{
    weft_pool *pool = weft_pool_new(NULL);
    cr_assert_eq(weft_loop_set_pool(NULL, pool), -EINVAL);
    weft_test_heap_fail_at(1);
    cr_assert_eq(weft_loop_set_pool(test_loop, pool), -ENOMEM);
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    cr_assert_eq(weft_loop_set_pool(test_loop, pool), -ESHUTDOWN);
    weft_pool_unref(pool);
    weft_test_loop_end();
}

Test(pool, refuses_another_pools_lane)
{
    weft_pool *own = use_pool(NULL), *other = weft_pool_new(NULL);
    weft_lane *lane = weft_pool_lane(own, "default"), *foreign = weft_pool_lane(other, "default");
    cr_assert_eq(weft_test_run(weft_to_thread_fn(lane, return_nothing, NULL)), 0);
    cr_assert_eq(weft_test_run(weft_to_thread_fn(foreign, return_nothing, NULL)), -EINVAL);
    weft_pool_unref(other);
    weft_test_loop_end();
}

static void must_refuse(struct weft_pool_options options)
{
    errno = 0;
    cr_assert_null(weft_pool_new(&options));
    cr_assert_eq(errno, EINVAL);
}

Test(pool, refuses_options_that_cannot_be)
{
    must_refuse((struct weft_pool_options){.size = 3});
    must_refuse((struct weft_pool_options){.max_threads = 70000});
    must_refuse((struct weft_pool_options){.min_threads = 3, .max_threads = 2});
    must_refuse((struct weft_pool_options){.keepalive = -1});
    must_refuse((struct weft_pool_options){.stack_size = 100});
    weft_test_heap_fail_at(1);
    errno = 0;
    cr_assert_null(weft_pool_new(NULL));
    cr_assert_eq(errno, ENOMEM);
    weft_test_loop_end();
}

Test(pool, has_at_least_as_many_threads_as_its_minimum_by_default)
{
    weft_pool *pool = use_pool(&(struct weft_pool_options){.min_threads = 40});
    cr_assert_eq(pool->max_threads, 40);
    weft_test_loop_end();
}

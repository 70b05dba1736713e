/* SPDX-License-Identifier: MIT */
/* Which jobs run on the threads of a pool, by name. */
#include <criterion/criterion.h>

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <weft/weft.h>

#include "tests/support/child.h"
#include "tests/support/gate.h"
#include "tests/support/heap.h"
#include "tests/support/loop.h"
#include "tests/support/pool.h"

TestSuite(running, .init = weft_test_loop_begin, .timeout = 60);

struct holds {
    struct gate *gate;
};

static WEFT_BLOCKING(holds)
{
    return gate_pass(self->gate);
}

struct seen {
    weft_pool *pool;
    size_t count, abandoned;
    struct weft_running_job last;
};

static void see(void *arg, const struct weft_running_job *job)
{
    struct seen *seen = arg;
    seen->count++;
    seen->abandoned += job->is_abandoned;
    seen->last = *job;
}

static struct seen look(weft_pool *pool)
{
    struct seen seen = {0};
    weft_pool_each_running(pool, see, &seen);
    return seen;
}

Test(running, nothing_runs_in_an_idle_pool)
{
    weft_pool *pool = use_pool(NULL);
    cr_assert_eq(look(pool).count, 0);
    cr_assert_eq(weft_test_run(weft_to_thread_fn(NULL, return_nothing, NULL)), 0);
    cr_assert_eq(look(pool).count, 0);
    cr_assert_eq(look(NULL).count, 0);
    weft_pool_each_running(pool, NULL, NULL);
    weft_test_loop_end();
}

Test(running, jobs_are_named_with_place_lane_and_how_long_they_run)
{
    struct gate gate;
    gate_init(&gate);
    weft_pool *pool = use_pool(NULL);
    char place[64];
    snprintf(place, sizeof(place), ":%d", __LINE__ + 1);
    weft_future *job = weft_to_thread_in(weft_pool_lane(pool, "files"), holds, .gate = &gate);
    gate_wait_entered(&gate);
    struct seen first = look(pool), second = look(pool);
    cr_assert_eq(first.count, 1);
    cr_assert_str_eq(first.last.name, "holds");
    cr_assert_str_eq(first.last.lane, "files");
    cr_assert_not_null(strstr(first.last.started_at, place), "%s", first.last.started_at);
    cr_assert_str_eq(first.last.state, "waited for");
    cr_assert_not(first.last.is_abandoned);
    cr_assert_geq(first.last.runs_for, 0);
    cr_assert_geq(second.last.runs_for, first.last.runs_for);
    gate_open(&gate);
    cr_assert_eq(weft_test_run(job), 0);
    cr_assert_eq(look(pool).count, 0);
    weft_test_loop_end();
}

Test(running, each_that_runs_is_told_of_and_none_that_waits)
{
    struct gate gate;
    gate_init(&gate);
    weft_pool *pool = use_pool(&(struct weft_pool_options){.max_threads = 2});
    weft_future *jobs[3];
    for (size_t i = 0; i < 3; i++)
        jobs[i] = weft_to_thread(holds, .gate = &gate);
    gate_wait_entered(&gate);
    gate_wait_entered(&gate);
    cr_assert_eq(look(pool).count, 2);
    for (size_t i = 0; i < 3; i++)
        gate_open(&gate);
    for (size_t i = 0; i < 3; i++)
        cr_assert_eq(weft_test_run(jobs[i]), 0);
    weft_test_loop_end();
}

Test(running, an_abandoned_job_is_named_until_its_function_has_returned)
{
    struct gate gate;
    gate_init(&gate);
    weft_pool *pool = use_pool(NULL);
    struct weft_job_options options = {.on_cancel = WEFT_CANCEL_ABANDON};
    weft_future *job = weft_offload(&options, holds, .gate = &gate);
    gate_wait_entered(&gate);
    cr_assert_eq(look(pool).abandoned, 0);
    weft_cancel(job);
    cr_assert_eq(weft_test_run(job), -ECANCELED);
    struct seen seen = look(pool);
    cr_assert_eq(seen.abandoned, 1);
    cr_assert_str_eq(seen.last.name, "holds");
    gate_open(&gate);
    while (look(pool).count > 0)
        sched_yield();
    wait_for_idle(pool, 1); /* the job's memory is gone, too */
    weft_test_loop_end();
}

static void look_again(void *arg, const struct weft_running_job *job)
{
    struct seen *seen = arg;
    struct weft_pool_stats stats;
    (void)job;
    weft_pool_get_stats(seen->pool, &stats);
    seen->count += look(seen->pool).count;
}

Test(running, whoever_looks_may_use_the_pool)
{
    struct gate gate;
    gate_init(&gate);
    struct seen seen = {.pool = use_pool(NULL)};
    weft_future *job = weft_to_thread(holds, .gate = &gate);
    gate_wait_entered(&gate);
    weft_pool_each_running(seen.pool, look_again, &seen);
    cr_assert_eq(seen.count, 1);
    gate_open(&gate);
    cr_assert_eq(weft_test_run(job), 0);
    weft_test_loop_end();
}

static void look_in_child(void *pool)
{
    CHILD_EXPECT(look(pool).count == 0);
}

Test(running, nothing_runs_in_a_forked_child)
{
    struct gate gate;
    gate_init(&gate);
    weft_pool *pool = use_pool(NULL);
    weft_future *job = weft_to_thread(holds, .gate = &gate);
    gate_wait_entered(&gate);
    weft_test_in_child(look_in_child, pool);
    gate_open(&gate);
    cr_assert_eq(weft_test_run(job), 0);
    weft_test_loop_end();
}

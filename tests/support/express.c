/* SPDX-License-Identifier: MIT */
#include "tests/support/express.h"

#include <criterion/criterion.h>

#include "tests/support/loop.h"
#include "tests/support/pool.h"

struct scene scene;

weft_result note(void *number)
{
    int at = atomic_load(&scene.count);
    scene.order[at] = *(int *)number;
    atomic_store(&scene.count, at + 1);
    return weft_ok(*(int *)number);
}

int *numbered(int number)
{
    scene.numbers[number] = number;
    return &scene.numbers[number];
}

weft_future *submit(weft_lane *lane, int number)
{
    return weft_to_thread_fn(lane, note, numbered(number));
}

weft_future *submit_keyed(int number)
{
    return weft_offload_fn(&(struct weft_job_options){.key = 5}, note, numbered(number));
}

void begin(void)
{
    gate_init(&scene.gate);
    scene.pool = use_pool(&(struct weft_pool_options){.max_threads = 1});
    scene.first = weft_to_thread_fn(NULL, gate_pass, &scene.gate);
    gate_wait_entered(&scene.gate);
}

bool is_open(const weft_pool *pool)
{
    return atomic_load(&pool->express.lane) == &pool->default_lane;
}

void go(void)
{
    gate_open(&scene.gate);
    cr_assert_eq(weft_test_run(scene.first), 0);
}

void expect_order(int count)
{
    cr_assert_eq(atomic_load(&scene.count), count);
    for (int i = 0; i < count; i++)
        cr_assert_eq(scene.order[i], i);
}

void await_all(weft_future *const *jobs, int count)
{
    for (int i = 0; i < count; i++)
        cr_assert_eq(weft_test_run(jobs[i]), 0);
}

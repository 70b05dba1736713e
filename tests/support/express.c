/* SPDX-License-Identifier: MIT */
#include "tests/support/express.h"

#include <criterion/criterion.h>
#include <stdatomic.h>

#include "tests/support/loop.h"
#include "tests/support/pool.h"

struct scene scene;

weft_result note(void *number)
{
    scene.order[scene.count++] = *(int *)number;
    return weft_ok(*(int *)number);
}

weft_future *submit(weft_lane *lane, int number)
{
    scene.numbers[number] = number;
    return weft_to_thread_fn(lane, note, &scene.numbers[number]);
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
    cr_assert_eq(scene.count, count);
    for (int i = 0; i < count; i++)
        cr_assert_eq(scene.order[i], i);
}

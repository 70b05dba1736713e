/* SPDX-License-Identifier: MIT */
/* What tasks cost in memory; docs/design/memory.md says why. `./dev bench sleeping` measures it. */
#include <criterion/criterion.h>
#include <errno.h>
#include <weft/weft.h>

#include "core/loop.h"
#include "core/task.h"
#include "tests/support/heap.h"
#include "tests/support/loop.h"

TestSuite(cost, .init = weft_test_loop_begin, .timeout = 60);

struct empty {
    WEFT_FRAME;
};

static WEFT_ASYNC(empty)
{
    WEFT_BEGIN;
    WEFT_END;
}

struct sleeper {
    WEFT_FRAME;
};

static WEFT_ASYNC(sleeper)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    WEFT_END;
}

struct awaits {
    WEFT_FRAME;
    weft_future *ready;
    int left;
};

static WEFT_ASYNC(awaits)
{
    WEFT_BEGIN;
    while (self->left--)
        WEFT_AWAIT(weft_ref(self->ready));
    WEFT_END;
}

static size_t allocations;

static void *counted_malloc(size_t size)
{
    allocations++;
    return malloc(size);
}

static void *counted_realloc(void *ptr, size_t size)
{
    allocations++;
    return realloc(ptr, size);
}

static void begin_counting(void)
{
    static const struct weft_allocator counted = {counted_malloc, counted_realloc, free};
    static const struct weft_loop_options options = {.clock = WEFT_CLOCK_VIRTUAL};
    weft_loop_free(test_loop);
    cr_assert_eq(weft_set_allocator(&counted), 0);
    test_loop = weft_loop_new(&options);
    cr_assert_eq(weft_test_run(weft_sleep(1)), 0); /* the heap of timers has its first memory */
    allocations = 0;
}

static void end_counting(void)
{
    weft_loop_free(test_loop);
    test_loop = NULL;
    weft_test_heap_install();
    weft_test_loop_end();
}

Test(cost, of_a_future_is_40_bytes)
{
    cr_assert_leq(sizeof(weft_future), 5 * sizeof(void *));
    weft_test_loop_end();
}

Test(cost, of_a_coroutine_before_its_frame_is_120_bytes)
{
    cr_assert_leq(offsetof(weft__coro, frame), 15 * sizeof(void *));
    weft_test_loop_end();
}

/* Slabs and the timers' part of the heap; what else the loop has does not depend on the number. */
Test(cost, of_a_sleeping_task_is_160_bytes_at_most)
{
    enum { COUNT = 100000 };
    test_loop->slabs.on = true;
    for (int i = 0; i < COUNT; i++)
        weft_unref(weft_spawn(sleeper));
    size_t before = weft_test_heap_live();
    cr_assert_eq(weft_test_run(weft_sleep(0)), 0);
    cr_assert_leq(weft_test_heap_live(), before + 1); /* the timers' */
    cr_assert_eq(test_loop->timers.count, COUNT);
    size_t bytes = test_loop->slabs.count * WEFT__SLAB_SIZE +
                   test_loop->timers.lists * sizeof(struct weft__timer_block);
    cr_assert_leq(bytes, (size_t)COUNT * 160, "%zu bytes for %d tasks", bytes, COUNT);
    weft_test_loop_end();
}

Test(cost, of_spawning_running_and_finishing_a_task_is_one_allocation)
{
    begin_counting();
    for (int i = 0; i < 100; i++)
        cr_assert_eq(weft_test_run(weft_spawn(empty)), 0);
    cr_assert_leq(allocations, 100);
    end_counting();
}

Test(cost, of_awaiting_a_ready_future_is_no_allocation_and_no_tick)
{
    begin_counting();
    weft_future *ready = weft_future_new();
    cr_assert_eq(weft_future_resolve(ready, weft_value_i64(1), NULL), 0);
    weft_future *task = weft_spawn(awaits, .ready = ready, .left = 1000);
    size_t before = allocations;
    uint64_t ticks = test_loop->ticks;
    cr_assert_eq(weft_test_run(task), 0);
    cr_assert_eq(allocations, before);
    cr_assert_leq(test_loop->ticks, ticks + 2);
    weft_unref(ready);
    end_counting();
}

/* What it takes for one does not grow with how many others there are: they are not looked at. */
Test(cost, of_cancelling_a_task_is_the_same_among_many)
{
    enum { COUNT = 10000 };
    static weft_future *tasks[COUNT];
    for (int i = 0; i < COUNT; i++)
        tasks[i] = weft_spawn(sleeper);
    cr_assert_eq(weft_test_run(weft_sleep(0)), 0);
    uint64_t callbacks = weft__loop_callbacks(test_loop);
    cr_assert(weft_cancel(tasks[COUNT / 2]));
    cr_assert_eq(weft_test_run(weft_ref(tasks[COUNT / 2])), -ECANCELED);
    cr_assert_leq(weft__loop_callbacks(test_loop), callbacks + 3);
    cr_assert_eq(test_loop->timers.count, COUNT - 1);
    for (int i = 0; i < COUNT; i++)
        weft_unref(tasks[i]);
    weft_test_loop_end();
}

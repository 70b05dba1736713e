/* SPDX-License-Identifier: MIT */
/* Slabs by themselves, and under a loop: there by force, since this suite uses the counting heap. */
#include "core/slab.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <sched.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <weft/weft.h>

#include "core/future.h"
#include "core/loop.h"
#include "tests/support/gate.h"
#include "tests/support/heap.h"
#include "tests/support/lender.h"
#include "tests/support/loop.h"

TestSuite(slab, .timeout = 20);

enum { SIZE = 128, PER_SLAB = WEFT__SLAB_SIZE / SIZE };

static struct weft__slabs slabs;
static void *(*real_map)(size_t size);
static size_t maps;

static void begin(void)
{
    weft__slabs_init(&slabs);
    slabs.on = true;
    real_map = weft__slab_map;
    maps = 0;
}

static void *counted_map(size_t size)
{
    maps++;
    return real_map(size);
}

static void *no_map(size_t size)
{
    (void)size;
    return NULL;
}

/* Where the kernel would not put it: a page too high. */
static void *crooked_map(size_t size)
{
    char *at = counted_map(size + 4096);
    return size == WEFT__SLAB_SIZE && (uintptr_t)at % WEFT__SLAB_SIZE == 0 ? at + 4096 : at;
}

static void *alloc(size_t size)
{
    void *block = weft__slab_alloc(&slabs, size);
    cr_assert_not_null(block);
    memset(block, 0xee, size);
    return block;
}

/* ---- Blocks ---- */

Test(slab, blocks_begin_8_bytes_before_a_multiple_of_16)
{
    begin();
    for (size_t size = 1; size <= WEFT__SLAB_LARGEST; size++)
        cr_assert_eq((uintptr_t)alloc(size) % 16, 8);
    weft__slabs_fini(&slabs);
}

Test(slab, blocks_do_not_overlap_and_stay_in_their_slab)
{
    begin();
    for (size_t size = 8; size <= WEFT__SLAB_LARGEST; size += 56) {
        char *blocks[3000];
        for (size_t i = 0; i < 3000; i++) {
            blocks[i] = alloc(size);
            cr_assert_leq((uintptr_t)blocks[i] % WEFT__SLAB_SIZE + size, WEFT__SLAB_SIZE);
            memset(blocks[i], (int)(i % 251), size);
        }
        for (size_t i = 0; i < 3000; i++) {
            cr_assert_eq((unsigned char)blocks[i][0], i % 251);
            cr_assert_eq((unsigned char)blocks[i][size - 1], i % 251);
        }
    }
    weft__slabs_fini(&slabs);
}

Test(slab, one_that_is_too_large_is_refused)
{
    begin();
    cr_assert_null(weft__slab_alloc(&slabs, WEFT__SLAB_LARGEST + 1));
    cr_assert_null(weft__slab_alloc(&slabs, SIZE_MAX));
    cr_assert_eq(slabs.count, 0);
    weft__slabs_fini(&slabs);
}

Test(slab, what_was_freed_last_is_used_first)
{
    begin();
    void *a = alloc(SIZE), *b = alloc(SIZE);
    weft__slab_free(a);
    weft__slab_free(b);
    cr_assert_eq(alloc(SIZE), b);
    cr_assert_eq(alloc(SIZE), a);
    weft__slabs_fini(&slabs);
}

/* ---- Slabs ---- */

Test(slab, that_are_empty_are_given_back)
{
    static void *blocks[10 * PER_SLAB];
    begin();
    for (int from_the_end = 0; from_the_end < 2; from_the_end++) {
        for (size_t i = 0; i < 10 * PER_SLAB; i++)
            blocks[i] = alloc(SIZE);
        cr_assert_geq(slabs.count, 10);
        for (size_t i = 0; i < 10 * PER_SLAB; i++)
            weft__slab_free(blocks[from_the_end ? 10 * PER_SLAB - 1 - i : i]);
        cr_assert_leq(slabs.count, 2);
    }
    weft__slabs_fini(&slabs);
}

Test(slab, blocks_that_come_and_go_map_nothing)
{
    begin();
    for (size_t kept = 0; kept < 2 * PER_SLAB; kept++) {
        alloc(SIZE);
        void *one = alloc(SIZE), *two = alloc(SIZE);
        weft__slab_free(one);
        weft__slab_free(two);
        weft__slab_map = counted_map;
        for (int i = 0; i < 10; i++) {
            one = alloc(SIZE);
            two = alloc(SIZE);
            weft__slab_free(one);
            weft__slab_free(two);
        }
        weft__slab_map = real_map;
    }
    cr_assert_eq(maps, 0);
    weft__slabs_fini(&slabs);
}

Test(slab, an_empty_one_serves_blocks_of_another_size)
{
    static void *blocks[2 * PER_SLAB];
    begin();
    for (size_t i = 0; i < 2 * PER_SLAB; i++)
        blocks[i] = alloc(SIZE);
    for (size_t i = 0; i < 2 * PER_SLAB; i++)
        weft__slab_free(blocks[i]);
    size_t before = slabs.count;
    weft__slab_free(alloc(SIZE * 2));
    cr_assert_eq(slabs.count, before);
    weft__slabs_fini(&slabs);
}

Test(slab, is_where_it_should_be_wherever_the_kernel_puts_it)
{
    begin();
    weft__slab_map = crooked_map;
    for (int i = 0; i < 3 * PER_SLAB; i++)
        alloc(SIZE);
    cr_assert_geq(maps, 6);
    weft__slabs_fini(&slabs);
}

Test(slab, lack_of_memory_is_told_and_passes)
{
    begin();
    weft__slab_map = no_map;
    cr_assert_null(weft__slab_alloc(&slabs, SIZE));
    weft__slab_map = real_map;
    weft__slab_free(alloc(SIZE));
    weft__slabs_fini(&slabs);
}

/* ---- The end ---- */

Test(slab, a_block_outlives_the_loop)
{
    begin();
    char *block = alloc(SIZE);
    void *other = alloc(SIZE);
    weft__slab_free(other);
    cr_assert_null(weft__slabs_fini(&slabs));
    memset(block, 1, SIZE);
    weft__slab_free(block);
}

Test(slab, freed_blocks_stay_as_they_are_once_frees_are_deferred)
{
    begin();
    char *before = alloc(SIZE), *after = alloc(SIZE);
    weft__slabs_defer(&slabs);
    weft__slab_free(before);
    struct weft__slab *all = weft__slabs_fini(&slabs);
    cr_assert_not_null(all);
    weft__slab_free(after);
    cr_assert_eq((unsigned char)before[0], 0xee);
    cr_assert_eq((unsigned char)after[0], 0xee);
    weft__slabs_free(all);
}

/* ---- Under a loop ---- */

Test(slab, is_off_with_an_allocator_of_the_users)
{
    weft__slabs_init(&slabs);
    bool before = slabs.on;
    weft_test_heap_install();
    weft__slabs_init(&slabs);
    cr_assert_not(slabs.on);
    cr_assert_null(weft__slab_alloc(&slabs, SIZE));
    weft_set_allocator(NULL);
    weft__slabs_init(&slabs);
    cr_assert_eq(slabs.on, before);
}

static void begin_loop(void)
{
    weft_test_loop_begin();
    test_loop->slabs.on = true;
    real_map = weft__slab_map;
}

struct sleeper {
    WEFT_FRAME;
    char text[40];
};

static WEFT_ASYNC(sleeper)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    cr_assert_str_eq(self->text, "still here");
    WEFT_END;
}

struct large {
    WEFT_FRAME;
    char bytes[2000];
};

static WEFT_ASYNC(large)
{
    WEFT_BEGIN;
    cr_assert_eq((uintptr_t)self % 16, 0);
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    cr_assert_eq(self->bytes[1999], 'x');
    WEFT_END;
}

Test(slab, tasks_live_in_slabs_and_leave_them)
{
    begin_loop();
    weft_future *tasks[2000];
    size_t before = weft_test_heap_live();
    for (int i = 0; i < 2000; i++)
        tasks[i] = weft_spawn(sleeper, .text = "still here");
    cr_assert_eq(weft_test_heap_live(), before);
    cr_assert_geq(test_loop->slabs.count, 5);
    cr_assert_eq(weft_test_run(weft_gather_array(2000, tasks, WEFT_GATHER_FIRST_ERROR)), 0);
    cr_assert_leq(test_loop->slabs.count, 8);
    weft_test_loop_end();
}

Test(slab, tasks_too_large_for_slabs_do_without)
{
    begin_loop();
    cr_assert_eq(weft_test_run(weft_spawn(large, .bytes = {[1999] = 'x'})), 0);
    weft_test_loop_end();
}

Test(slab, tasks_without_memory_for_slabs_do_without)
{
    begin_loop();
    weft__slab_map = no_map;
    cr_assert_eq(weft_test_run(weft_spawn(sleeper, .text = "still here")), 0);
    weft_test_loop_end();
}

Test(slab, failures_to_start_are_given_back)
{
    begin_loop();
    for (size_t n = 1; n <= 3; n++) {
        weft_test_heap_fail_at(n);
        weft_future *wait = weft_wait_for(weft_future_new(), WEFT_S(1));
        weft_cancel(wait);
        weft_test_run(wait);
        weft_test_heap_fail_at(n);
        weft_future *futures[] = {weft_sleep(1), weft_sleep(1)};
        weft_test_run(weft_gather_array(2, futures, WEFT_GATHER_FIRST_ERROR));
    }
    weft_test_heap_fail_at(0);
    weft_test_loop_end();
}

/* A slab that is not there any more is a crash. */
Test(slab, lasts_until_jobs_that_outlive_the_loop_have_ended)
{
    static const struct weft_shutdown_options at_once = {.tasks_timeout = 1, .jobs_timeout = 1};
    struct gate gate;
    begin_loop();
    gate_init(&gate);
    weft_unref(weft_spawn(lender, .gate = &gate));
    cr_assert_eq(weft_test_run(weft_sleep(0)), 0);
    gate_wait_entered(&gate);
    cr_assert_eq(weft_loop_shutdown(test_loop, &at_once, NULL), WEFT_ESTUCK);
    weft_loop_free(test_loop);
    test_loop = NULL;
    gate_open(&gate);
    while (weft_test_heap_live() > 0)
        sched_yield();
}

/* The loop does not keep its slabs for it. */
Test(slab, no_job_that_may_be_abandoned_is_in_one)
{
    static const struct weft_job_options abandon = {.on_cancel = WEFT_CANCEL_ABANDON};
    static char places[2];
    struct gate gate;
    begin_loop();
    gate_init(&gate);
    size_t none = test_loop->slabs.count;
    weft_future *job = weft_offload(&abandon, write_to, .gate = &gate, .place = places, .size = 1);
    cr_assert_eq(test_loop->slabs.count, none);
    weft_future *other = weft_to_thread(write_to, .gate = &gate, .place = places + 1, .size = 1);
    cr_assert_eq(test_loop->slabs.count, none + 1);
    cr_assert(weft_cancel(job));
    cr_assert_eq(weft_test_run(job), -ECANCELED);
    gate_open(&gate);
    gate_open(&gate);
    cr_assert_eq(weft_test_run(other), 0);
    weft_loop_free(test_loop);
    test_loop = NULL;
    while (weft_test_heap_live() > 0) /* the abandoned one ends when it likes */
        sched_yield();
}

Test(slab, a_future_outlives_its_loop)
{
    begin_loop();
    weft_future *future = weft_future_new();
    weft_loop_free(test_loop);
    test_loop = NULL;
    cr_assert(weft_is_done(future));
    weft_unref(future);
    weft_test_loop_end();
}

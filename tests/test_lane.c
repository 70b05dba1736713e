/* SPDX-License-Identifier: MIT */
/* Lanes as objects: made, found, changed, given up, counted. What their limits do is in test_lane_full.c
 * and test_schedule.c. */
#include <criterion/criterion.h>

#include <errno.h>
#include <string.h>
#include <weft/weft.h>

#include "pool/pool.h"
#include "tests/support/child.h"
#include "tests/support/gate.h"
#include "tests/support/heap.h"
#include "tests/support/loop.h"
#include "tests/support/pool.h"
#include "tests/support/trace.h"

TestSuite(lane, .init = weft_test_loop_begin_real, .timeout = 60);

static weft_result mark(void *letter)
{
    weft_test_mark(letter);
    return weft_ok(0);
}

static weft_lane *lane_of(weft_pool *pool, const struct weft_lane_options *options)
{
    weft_lane *lane = weft_lane_new(pool, options);
    cr_assert_not_null(lane, "%s", strerror(errno));
    return lane;
}

static struct weft_lane_stats lane_stats(weft_lane *lane)
{
    struct weft_lane_stats stats;
    weft_lane_get_stats(lane, &stats);
    return stats;
}

Test(lane, is_found_by_its_name_while_somebody_holds_it)
{
    weft_pool *pool = use_pool(NULL);
    weft_lane *lane = lane_of(pool, &(struct weft_lane_options){.name = "reports"});
    cr_assert_eq(weft_pool_lane(pool, "reports"), lane);
    cr_assert_eq(weft_loop_lane(test_loop, "reports"), lane);
    cr_assert_eq(weft_lane_ref(lane), lane);
    weft_lane_unref(lane);
    cr_assert_eq(weft_pool_lane(pool, "reports"), lane);
    weft_lane_unref(lane);
    cr_assert_null(weft_pool_lane(pool, "reports"));
    weft_lane_unref(NULL);
    weft_test_loop_end();
}

Test(lane, three_are_built_in)
{
    weft_pool *pool = use_pool(&(struct weft_pool_options){.max_queued = 7});
    weft_lane *lane = weft_pool_lane(pool, "default");
    struct weft_lane_options options;
    weft_lane_get_options(lane, &options);
    cr_assert_str_eq(options.name, "default");
    cr_assert_eq(options.max_queued, 7);
    cr_assert_eq(options.weight, 100);
    cr_assert_eq(options.max_running, 0);
    cr_assert_not_null(weft_pool_lane(pool, "dns"));
    cr_assert_not_null(weft_pool_lane(pool, "files"));
    cr_assert_null(weft_pool_lane(pool, "none"));
    cr_assert_null(weft_pool_lane(NULL, "dns"));
    cr_assert_null(weft_pool_lane(pool, NULL));
    weft_test_loop_end();
}

Test(lane, a_reference_to_one_that_is_built_in_is_one_to_its_pool)
{
    weft_pool *pool = weft_pool_new(NULL);
    weft_lane *lane = weft_lane_ref(weft_pool_lane(pool, "default"));
    weft_pool_unref(pool);
    cr_assert_eq(weft_loop_set_pool(test_loop, pool), 0);
    weft_lane_unref(lane);
    cr_assert_eq(weft_test_run(weft_to_thread_fn(lane, return_nothing, NULL)), 0);
    weft_test_loop_end();
}

Test(lane, holds_its_pool)
{
    weft_pool *pool = weft_pool_new(NULL);
    weft_lane *lane = lane_of(pool, &(struct weft_lane_options){.name = "a"});
    weft_pool_unref(pool);
    cr_assert_eq(weft_loop_set_pool(test_loop, pool), 0);
    cr_assert_eq(weft_loop_set_pool(test_loop, NULL), 0);
    cr_assert_eq(weft_loop_set_pool(test_loop, pool), 0);
    weft_lane_unref(lane);
    weft_test_loop_end();
}

Test(lane, of_a_loop_without_a_pool_makes_one)
{
    cr_assert_not_null(weft_loop_lane(test_loop, "default"));
    cr_assert_not_null(weft_loop_pool(test_loop));
    cr_assert_null(weft_loop_lane(test_loop, "none"));
    cr_assert_eq(errno, ENOENT);
    cr_assert_null(weft_loop_lane(test_loop, NULL));
    cr_assert_eq(errno, EINVAL);
    cr_assert_null(weft_loop_lane(NULL, "default"));
    cr_assert_eq(errno, EINVAL);
    weft_test_loop_end();
}

Test(lane, of_a_loop_that_is_shut_down_makes_no_pool)
{
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    cr_assert_null(weft_loop_lane(test_loop, "default"));
    cr_assert_eq(errno, ESHUTDOWN);
    weft_test_loop_end();
}

Test(lane, survives_lack_of_memory)
{
    for (size_t i = 1; i <= 2; i++) { /* the client, the pool */
        weft_test_heap_fail_at(i);
        cr_assert_null(weft_loop_lane(test_loop, "default"));
        cr_assert_eq(errno, ENOMEM);
    }
    weft_test_heap_fail_at(0);
    weft_lane *dns = weft_loop_lane(test_loop, "dns");
    cr_assert_not_null(dns);
    weft_test_heap_fail_at(1);
    cr_assert_null(
        weft_lane_new(weft_loop_pool(test_loop), &(struct weft_lane_options){.name = "a"}));
    cr_assert_eq(errno, ENOMEM);
    weft_test_loop_end();
}

static void must_refuse(weft_pool *pool, const struct weft_lane_options *options, int error)
{
    errno = 0;
    cr_assert_null(weft_lane_new(pool, options));
    cr_assert_eq(errno, error);
}

Test(lane, refuses_options_that_cannot_be)
{
    weft_pool *pool = use_pool(&(struct weft_pool_options){.max_threads = 4});
    must_refuse(NULL, &(struct weft_lane_options){.name = "a"}, EINVAL);
    must_refuse(pool, NULL, EINVAL);
    must_refuse(pool, &(struct weft_lane_options){.size = 3, .name = "a"}, EINVAL);
    must_refuse(pool, &(struct weft_lane_options){.name = NULL}, EINVAL);
    must_refuse(pool, &(struct weft_lane_options){.name = ""}, EINVAL);
    must_refuse(pool, &(struct weft_lane_options){.name = "of thirty-two bytes, one too many"},
                EINVAL);
    must_refuse(pool, &(struct weft_lane_options){.name = "dns"}, EEXIST);
    must_refuse(pool, &(struct weft_lane_options){.name = "a", .weight = 10001}, EINVAL);
    must_refuse(pool, &(struct weft_lane_options){.name = "a", .max_wait = -1}, EINVAL);
    must_refuse(pool, &(struct weft_lane_options){.name = "a", .slow_job = -1}, EINVAL);
    must_refuse(pool, &(struct weft_lane_options){.name = "a", .on_full = (enum weft_on_full)9},
                EINVAL);
    must_refuse(pool, &(struct weft_lane_options){.name = "a", .reserved = 2, .max_running = 1},
                EINVAL);
    must_refuse(pool, &(struct weft_lane_options){.name = "a", .reserved = 4}, EINVAL);
    weft_lane *lane = lane_of(pool, &(struct weft_lane_options){.name = "a", .reserved = 2});
    must_refuse(pool, &(struct weft_lane_options){.name = "b", .reserved = 2}, EINVAL);
    cr_assert_eq(weft_lane_configure(lane, &(struct weft_lane_options){.reserved = 3}), 0);
    weft_lane_unref(lane);
    weft_test_loop_end();
}

Test(lane, is_changed_as_a_whole_or_not_at_all)
{
    weft_pool *pool = use_pool(&(struct weft_pool_options){.max_threads = 4});
    weft_lane *lane =
        lane_of(pool, &(struct weft_lane_options){.name = "a", .weight = 7, .max_running = 3});
    struct weft_lane_options options;
    cr_assert_eq(weft_lane_configure(lane, NULL), -EINVAL);
    cr_assert_eq(weft_lane_configure(NULL, &(struct weft_lane_options){0}), -EINVAL);
    cr_assert_eq(weft_lane_configure(lane, &(struct weft_lane_options){.name = "b"}), -EINVAL);
    cr_assert_eq(weft_lane_configure(lane, &(struct weft_lane_options){.reserved = 4}), -EINVAL);
    weft_lane_get_options(lane, &options);
    cr_assert_eq(options.weight, 7);
    cr_assert_eq(options.max_running, 3);
    options.max_wait = WEFT_S(1);
    options.slow_job = WEFT_S(2);
    options.on_full = WEFT_FULL_WAIT;
    cr_assert_eq(weft_lane_configure(lane, &options), 0);
    weft_lane_get_options(lane, &options);
    cr_assert_eq(options.weight, 7);
    cr_assert_eq(options.max_wait, WEFT_S(1));
    cr_assert_eq(options.slow_job, WEFT_S(2));
    cr_assert_eq(options.on_full, WEFT_FULL_WAIT);
    cr_assert_eq(options.max_queued, 65536);
    weft_lane_unref(lane);
    weft_test_loop_end();
}

/* ---- Given up ---- */

Test(lane, runs_what_is_queued_when_it_is_given_up_and_takes_nothing_new)
{
    weft_pool *pool = weft__pool_by_hand(WEFT__STEPPED);
    cr_assert_eq(weft_loop_set_pool(test_loop, pool), 0);
    weft_lane *lane = lane_of(pool, &(struct weft_lane_options){.name = "a"});
    weft_future *a = weft_to_thread_fn(lane, mark, (void *)"a"),
                *b = weft_to_thread_fn(lane, mark, (void *)"b");
    weft_lane_unref(lane);
    cr_assert_eq(weft_test_run(weft_to_thread_fn(lane, mark, (void *)"c")), -ESHUTDOWN);
    cr_assert_eq(weft__pool_step(pool, 9), 2);
    cr_assert_eq(weft_test_run(a), 0);
    cr_assert_eq(weft_test_run(b), 0);
    cr_assert_str_eq(test_trace, "ab");
    weft_pool_unref(pool);
    weft_test_loop_end();
}

Test(lane, frees_its_name_at_once_and_its_memory_when_its_last_job_ended_or_was_cancelled)
{
    weft_pool *pool = weft__pool_by_hand(WEFT__STEPPED);
    cr_assert_eq(weft_loop_set_pool(test_loop, pool), 0);
    weft_lane *old = lane_of(pool, &(struct weft_lane_options){.name = "a"});
    weft_future *job = weft_to_thread_fn(old, return_nothing, NULL);
    weft_lane_unref(old);
    size_t live = weft_test_heap_live();
    weft_lane *lane = lane_of(pool, &(struct weft_lane_options){.name = "a"});
    cr_assert_eq(weft_test_heap_live(), live + 1);
    cr_assert(weft_cancel(job));
    cr_assert_eq(weft_test_run(job), -ECANCELED);
    weft_lane_unref(lane_of(pool, &(struct weft_lane_options){.name = "b"}));
    cr_assert_eq(weft_test_heap_live(), live - 1, "the job, and the old lane");
    weft_lane_unref(lane);
    weft_pool_unref(pool);
    weft_test_loop_end();
}

Test(lane, can_be_given_up_while_its_job_runs_and_before_the_job_is_home)
{
    struct gate gate;
    gate_init(&gate);
    weft_pool *pool = use_pool(NULL);
    weft_lane *lane = lane_of(pool, &(struct weft_lane_options){.name = "a"});
    weft_future *job = weft_to_thread_fn(lane, gate_pass, &gate);
    gate_wait_entered(&gate);
    weft_lane_unref(lane);
    gate_open(&gate);
    while (stats_of(pool).running > 0) /* it is on its way home, and has no lane any more */
        ;
    weft_lane_unref(lane_of(pool, &(struct weft_lane_options){.name = "b"}));
    weft_cancel(job);
    cr_assert_eq(weft_test_run(job), 0);
    weft_test_loop_end();
}

/* ---- Statistics ---- */

Test(lane, counts_what_became_of_its_jobs)
{
    weft_pool *pool = weft__pool_by_hand(WEFT__STEPPED);
    cr_assert_eq(weft_loop_set_pool(test_loop, pool), 0);
    weft_lane *lane = lane_of(pool, &(struct weft_lane_options){.name = "a", .max_queued = 2});
    weft_future *jobs[3];
    for (int i = 0; i < 3; i++)
        jobs[i] = weft_to_thread_fn(lane, return_nothing, NULL);
    weft_cancel(jobs[1]);
    weft__pool_step(pool, 1);
    struct weft_lane_stats stats = lane_stats(lane);
    cr_assert_str_eq(stats.name, "a");
    cr_assert_eq(stats.submitted, 2);
    cr_assert_eq(stats.rejected, 1);
    cr_assert_eq(stats.cancelled_queued, 1);
    cr_assert_eq(stats.completed, 1);
    cr_assert_eq(stats.queued, 0);
    cr_assert_eq(stats.running, 0);
    cr_assert_eq(weft_test_run(jobs[0]), 0);
    cr_assert_eq(weft_test_run(jobs[1]), -ECANCELED);
    cr_assert_eq(weft_test_run(jobs[2]), -EAGAIN);
    weft_lane_unref(lane);
    weft_pool_unref(pool);
    weft_test_loop_end();
}

Test(lane, a_job_counts_as_ended_before_anybody_sees_it_complete)
{
    weft_lane *lane = weft_loop_lane(test_loop, "default");
    for (uint64_t i = 1; i <= 200; i++) {
        cr_assert_eq(weft_test_run(weft_to_thread_fn(lane, return_nothing, NULL)), 0);
        cr_assert_eq(lane_stats(lane).completed, i);
        cr_assert_eq(lane_stats(lane).running, 0);
    }
    weft_test_loop_end();
}

static void note(void *arg, const struct weft_lane_stats *stats)
{
    weft_test_mark(stats->name);
    weft_test_mark(" ");
    if (arg)
        weft_lane_unref(*(weft_lane **)arg); /* no lock is held */
    if (arg)
        *(weft_lane **)arg = NULL;
}

Test(lane, all_of_a_pool_are_shown_oldest_first_though_they_come_and_go)
{
    weft_pool *pool = use_pool(NULL);
    weft_lane *a = lane_of(pool, &(struct weft_lane_options){.name = "a"});
    weft_lane *b = lane_of(pool, &(struct weft_lane_options){.name = "b"});
    weft_pool_each_lane(pool, note, &a);
    cr_assert_str_eq(test_trace, "default dns files b ");
    weft_pool_each_lane(NULL, note, NULL);
    weft_pool_each_lane(pool, NULL, NULL);
    weft_lane_unref(b);
    weft_test_loop_end();
}

/* ---- In a forked child ---- */

static void use_inherited(void *arg)
{
    weft_lane *lane = arg;
    weft_pool *pool = lane->pool;
    struct weft_lane_options options;
    struct weft_lane_stats stats;
    CHILD_EXPECT(weft_after_fork_child(test_loop) == 0);
    CHILD_EXPECT(!weft_lane_new(pool, &(struct weft_lane_options){.name = "b"}));
    CHILD_EXPECT(errno == -WEFT_EFORK);
    CHILD_EXPECT(weft_lane_configure(lane, &(struct weft_lane_options){0}) == WEFT_EFORK);
    CHILD_EXPECT(!weft_pool_lane(pool, "dns"));
    weft_lane_get_options(lane, &options);
    CHILD_EXPECT(!options.name);
    weft_lane_get_stats(lane, &stats);
    CHILD_EXPECT(strcmp(stats.name, "a") == 0 && stats.completed == 0);
    weft_pool_each_lane(pool, note, NULL);
    CHILD_EXPECT(!test_trace[0]);
    weft_future *job = weft_to_thread_fn(lane, return_nothing, NULL);
    CHILD_EXPECT(weft_loop_run_until(test_loop, job) ==
                 -EINVAL); /* it is not of this loop's pool */
    weft_lane_unref(weft_lane_ref(lane));
    weft_lane_unref(lane);
}

Test(lane, of_a_parents_pool_is_void_in_the_child)
{
    weft_pool *pool = use_pool(NULL);
    weft_lane *lane = lane_of(pool, &(struct weft_lane_options){.name = "a"});
    cr_assert_eq(weft_test_run(weft_to_thread_fn(lane, return_nothing, NULL)), 0);
    weft_test_in_child(use_inherited, lane);
    weft_lane_unref(lane);
    weft_test_loop_end();
}

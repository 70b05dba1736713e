/* SPDX-License-Identifier: MIT */
/*
 * The scheduler alone: jobs that are taken and end when the test says so, at times that it makes up. No
 * thread and no loop takes part.
 */
#include <criterion/criterion.h>

#include <stdlib.h>
#include <weft/weft.h>

#include "pool/job.h"
#include "pool/schedule.h"
#include "tests/support/loop.h"

TestSuite(schedule, .init = weft_test_loop_begin, .timeout = 30);

enum { MOST = 4096 };

static struct scene {
    weft_pool *pool;
    weft_ns now;
    struct weft__job *jobs[MOST];
    size_t used;
} scene;

static void begin(unsigned max_threads)
{
    scene.pool = weft_pool_new(&(struct weft_pool_options){.max_threads = max_threads});
    scene.pool->by_hand = WEFT__STEPPED; /* so that no thread is started */
    scene.now = WEFT_S(100);
}

static weft_lane *lane_of(const struct weft_lane_options *options)
{
    weft_lane *lane = weft_lane_new(scene.pool, options);
    cr_assert_not_null(lane);
    return lane;
}

static struct weft__job *add(weft_lane *lane)
{
    struct weft__job *dropped, *job = calloc(1, sizeof(*job));
    cr_assert(job && scene.used < MOST);
    scene.jobs[scene.used++] = job;
    *job = (struct weft__job){.pool = scene.pool, .lane = lane, .queued_at = scene.now};
    weft__mutex_lock(&scene.pool->mu);
    cr_assert_eq(weft__lane_push_locked(lane, job, WEFT_SUBMIT_AS_LANE, &dropped), 0);
    weft__mutex_unlock(&scene.pool->mu);
    return job;
}

static void add_many(weft_lane *lane, int count)
{
    for (int i = 0; i < count; i++)
        add(lane);
}

static size_t eligible(void)
{
    weft__mutex_lock(&scene.pool->mu);
    size_t count = weft__schedule_eligible_locked(scene.pool);
    weft__mutex_unlock(&scene.pool->mu);
    return count;
}

/* Take the next job; the number of the eligible ones must have told if there is one. */
static struct weft__job *take(void)
{
    size_t before = eligible();
    weft__mutex_lock(&scene.pool->mu);
    struct weft__job *job = weft__schedule_take_locked(scene.pool, scene.now);
    weft__mutex_unlock(&scene.pool->mu);
    cr_assert_eq(job != NULL, before > 0);
    cr_assert_eq(eligible(), job ? before - 1 : 0);
    return job;
}

static void end(struct weft__job *job)
{
    weft__mutex_lock(&scene.pool->mu);
    weft__schedule_ended_locked(scene.pool, job, scene.now);
    weft__mutex_unlock(&scene.pool->mu);
}

/* Run one for so long; in which lane. */
static weft_lane *run_one(weft_ns duration)
{
    struct weft__job *job = take();
    weft_lane *lane = job ? job->lane : NULL;
    scene.now += duration;
    if (job)
        end(job);
    return lane;
}

/* Run whatever is there, and end. */
static void finish(weft_lane *one, weft_lane *other)
{
    while (run_one(1))
        ;
    weft_lane_unref(one);
    weft_lane_unref(other);
    weft_pool_unref(scene.pool);
    while (scene.used > 0)
        free(scene.jobs[--scene.used]);
    weft_test_loop_end();
}

Test(schedule, jobs_of_one_lane_start_in_the_order_in_which_they_came)
{
    begin(2);
    weft_lane *lane = weft_pool_lane(scene.pool, "default");
    struct weft__job *first = add(lane), *second = add(lane), *third = add(lane);
    cr_assert_eq(take(), first);
    cr_assert_eq(take(), second);
    cr_assert_null(take());
    end(second);
    cr_assert_eq(take(), third);
    end(first);
    end(third);
    finish(NULL, NULL);
}

Test(schedule, a_lane_of_one_starts_a_job_when_the_last_one_has_ended)
{
    begin(8);
    weft_lane *lane = lane_of(&(struct weft_lane_options){.name = "one", .max_running = 1});
    struct weft__job *first = add(lane), *second = add(lane);
    cr_assert_eq(eligible(), 1);
    cr_assert_eq(take(), first);
    cr_assert_null(take());
    end(first);
    cr_assert_eq(take(), second);
    end(second);
    finish(lane, NULL);
}

static int count_runs(weft_lane *of, int runs, weft_lane *long_lane, weft_ns long_time)
{
    int count = 0;
    for (int i = 0; i < runs; i++) {
        struct weft__job *job = take();
        scene.now += job->lane == long_lane ? long_time : WEFT_MS(1);
        count += job->lane == of;
        end(job);
    }
    return count;
}

Test(schedule, lanes_share_by_weight)
{
    begin(1);
    weft_lane *heavy = lane_of(&(struct weft_lane_options){.name = "heavy", .weight = 300});
    weft_lane *light = lane_of(&(struct weft_lane_options){.name = "light", .weight = 100});
    add_many(heavy, 1000);
    add_many(light, 1000);
    cr_assert_eq(count_runs(heavy, 40, NULL, 0), 30);
    cr_assert_eq(count_runs(heavy, 400, NULL, 0), 300);
    finish(heavy, light);
}

Test(schedule, what_jobs_take_counts_and_not_how_many_they_are)
{
    begin(1);
    weft_lane *slow = lane_of(&(struct weft_lane_options){.name = "slow"});
    weft_lane *fast = lane_of(&(struct weft_lane_options){.name = "fast"});
    add_many(slow, 500);
    add_many(fast, 2000);
    int slow_runs = count_runs(slow, 1100, slow, WEFT_MS(10));
    cr_assert(slow_runs >= 98 && slow_runs <= 103, "%d", slow_runs);
    finish(slow, fast);
}

Test(schedule, jobs_that_take_minutes_share_by_what_they_take_as_well)
{
    begin(1);
    weft_lane *slow = lane_of(&(struct weft_lane_options){.name = "slow"});
    weft_lane *fast = lane_of(&(struct weft_lane_options){.name = "fast"});
    add_many(slow, 60);
    add_many(fast, 2000);
    weft_ns spent_slow = 0, spent = 0;
    for (int i = 0; i < 1000; i++) {
        struct weft__job *job = take();
        weft_ns duration = job->lane == slow ? WEFT_S(600) : WEFT_S(10);
        spent_slow += job->lane == slow ? duration : 0;
        spent += duration;
        scene.now += duration;
        end(job);
    }
    cr_assert(spent_slow * 100 / spent >= 45 && spent_slow * 100 / spent <= 55);
    finish(slow, fast);
}

Test(schedule, threads_that_come_at_once_do_not_all_take_from_one_lane)
{
    begin(4);
    weft_lane *one = lane_of(&(struct weft_lane_options){.name = "one"});
    weft_lane *other = lane_of(&(struct weft_lane_options){.name = "other"});
    add_many(one, 10);
    add_many(other, 10);
    int of_one = 0;
    struct weft__job *jobs[4];
    for (int i = 0; i < 4; i++) {
        jobs[i] = take();
        of_one += jobs[i]->lane == one;
    }
    cr_assert_eq(of_one, 2);
    for (int i = 0; i < 4; i++)
        end(jobs[i]);
    finish(one, other);
}

Test(schedule, a_lane_that_was_idle_has_saved_nothing)
{
    begin(1);
    weft_lane *busy = lane_of(&(struct weft_lane_options){.name = "busy"});
    weft_lane *idle = lane_of(&(struct weft_lane_options){.name = "idle"});
    add_many(busy, 1000);
    count_runs(busy, 500, NULL, 0);
    add_many(idle, 100);
    int runs = count_runs(idle, 20, NULL, 0);
    cr_assert(runs >= 9 && runs <= 11, "%d", runs);
    finish(busy, idle);
}

/* How many jobs start before the first of `light`, which must come. */
static int starts_before(weft_lane *light, weft_ns each)
{
    int count = 0;
    while (run_one(each) != light)
        cr_assert(++count < 3000);
    return count;
}

Test(schedule, a_lane_that_was_passed_over_for_a_second_goes_first_whatever_its_weight)
{
    begin(1);
    weft_lane *heavy = lane_of(&(struct weft_lane_options){.name = "heavy", .weight = 10000});
    weft_lane *light = lane_of(&(struct weft_lane_options){.name = "light", .weight = 1});
    add_many(heavy, 2000);
    add_many(light, 10);
    starts_before(light, WEFT_MS(10)); /* its turn, by its weight */
    for (int i = 0; i < 5; i++) {
        int count = starts_before(light, WEFT_MS(5));
        cr_assert(count >= 198 && count <= 201, "%d", count);
    }
    finish(heavy, light);
}

Test(schedule, a_lane_is_passed_over_a_hundred_times_at_most_however_long_jobs_take)
{
    begin(1);
    weft_lane *heavy = lane_of(&(struct weft_lane_options){.name = "heavy", .weight = 10000});
    weft_lane *light = lane_of(&(struct weft_lane_options){.name = "light", .weight = 1});
    add_many(heavy, 2000);
    add_many(light, 10);
    starts_before(light, WEFT_MS(50));
    for (int i = 0; i < 5; i++)
        cr_assert_eq(starts_before(light, WEFT_MS(50)), 100);
    finish(heavy, light);
}

Test(schedule, lanes_that_are_all_late_still_share_by_weight)
{
    begin(1);
    weft_lane *heavy = lane_of(&(struct weft_lane_options){.name = "heavy", .weight = 900});
    weft_lane *light = lane_of(&(struct weft_lane_options){.name = "light", .weight = 100});
    add_many(heavy, 2000);
    add_many(light, 1000);
    scene.now += WEFT_S(60);
    int runs = count_runs(heavy, 1000, NULL, 0);
    cr_assert(runs >= 895 && runs <= 905, "%d", runs);
    finish(heavy, light);
}

Test(schedule, reserved_threads_are_left_to_their_lane)
{
    begin(4);
    weft_lane *own = lane_of(&(struct weft_lane_options){.name = "own", .reserved = 2});
    weft_lane *other = weft_pool_lane(scene.pool, "default");
    add_many(other, 6);
    cr_assert_eq(eligible(), 2);
    struct weft__job *first = take(), *second = take();
    cr_assert_null(take());
    struct weft__job *mine = add(own), *too = add(own);
    add(own);
    cr_assert_eq(eligible(), 2);
    cr_assert_eq(take(), mine);
    cr_assert_eq(take(), too);
    cr_assert_null(take(), "the third would need one of the common threads");
    end(first);
    struct weft__job *next = take();
    cr_assert_not_null(next);
    end(mine);
    end(too);
    end(second);
    end(next);
    finish(own, NULL);
}

Test(schedule, the_built_in_lanes_have_threads_that_no_flood_can_take)
{
    begin(1);
    add_many(weft_pool_lane(scene.pool, "default"), 10);
    cr_assert_eq(eligible(), 1);
    struct weft__job *flood = take();
    cr_assert_null(take());
    struct weft__job *dns = add(weft_pool_lane(scene.pool, "dns"));
    cr_assert_eq(take(), dns);
    struct weft__job *file = add(weft_pool_lane(scene.pool, "files"));
    cr_assert_eq(take(), file);
    end(dns);
    cr_assert_null(take(), "the thread of \"dns\" is for nobody else");
    end(file);
    end(flood);
    finish(NULL, NULL);
}

Test(schedule, the_built_in_lanes_leave_a_thread_to_everybody_else)
{
    for (unsigned threads = 1; threads <= 9; threads++) {
        begin(threads);
        add_many(weft_pool_lane(scene.pool, "dns"), 20);
        add_many(weft_pool_lane(scene.pool, "files"), 20);
        struct weft__job *jobs[32];
        size_t count = 0;
        while ((jobs[count] = take()))
            count++;
        jobs[count] = add(weft_pool_lane(scene.pool, "default"));
        cr_assert_eq(take(), jobs[count]);
        for (size_t i = 0; i <= count; i++)
            end(jobs[i]);
        while (run_one(1))
            ;
        if (threads < 9)
            weft_pool_unref(scene.pool);
    }
    finish(NULL, NULL);
}

Test(schedule, raising_a_limit_lets_as_many_more_start_at_once)
{
    begin(8);
    weft_lane *lane = lane_of(&(struct weft_lane_options){.name = "one", .max_running = 1});
    add_many(lane, 8);
    struct weft__job *jobs[4] = {take()};
    cr_assert_null(take());
    cr_assert_eq(weft_lane_configure(lane, &(struct weft_lane_options){.max_running = 4}), 0);
    cr_assert_eq(eligible(), 3);
    for (int i = 1; i < 4; i++)
        cr_assert_not_null(jobs[i] = take());
    cr_assert_eq(weft_lane_configure(lane, &(struct weft_lane_options){.max_running = 2}), 0);
    end(jobs[0]);
    end(jobs[1]);
    cr_assert_null(take(), "two still run");
    end(jobs[2]);
    cr_assert_not_null(jobs[0] = take());
    end(jobs[0]);
    end(jobs[3]);
    finish(lane, NULL);
}

Test(schedule, what_was_reserved_is_free_when_the_lane_is_given_up)
{
    begin(3);
    weft_lane *own = lane_of(&(struct weft_lane_options){.name = "own", .reserved = 2});
    add_many(weft_pool_lane(scene.pool, "default"), 3);
    cr_assert_eq(eligible(), 1);
    weft_lane_unref(own);
    cr_assert_eq(eligible(), 3);
    finish(NULL, NULL);
}

Test(schedule, knows_since_when_the_oldest_eligible_job_waits)
{
    begin(4);
    weft_lane *lane = lane_of(&(struct weft_lane_options){.name = "one", .max_running = 1});
    struct weft__job *running = add(lane);
    cr_assert_eq(take(), running);
    add(lane); /* not eligible */
    scene.now += WEFT_MS(5);
    add(weft_pool_lane(scene.pool, "files"));
    scene.now += WEFT_MS(5);
    add(weft_pool_lane(scene.pool, "default"));
    weft__mutex_lock(&scene.pool->mu);
    weft_ns oldest = weft__schedule_oldest_locked(scene.pool);
    weft__mutex_unlock(&scene.pool->mu);
    cr_assert_eq(oldest, WEFT_S(100) + WEFT_MS(5));
    end(running);
    finish(lane, NULL);
}

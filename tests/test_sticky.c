/* SPDX-License-Identifier: MIT */
/* Jobs with a key: one of a key at a time, in their order. */
#include <criterion/criterion.h>

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <weft/weft.h>

#include "pool/job.h"
#include "pool/schedule.h"
#include "tests/support/gate.h"
#include "tests/support/loop.h"
#include "tests/support/pool.h"
#include "tests/support/trace.h"

TestSuite(sticky, .init = weft_test_loop_begin, .timeout = 60);

static weft_result mark(void *letter)
{
    weft_test_mark(letter);
    return weft_ok(0);
}

static weft_future *start(weft_lane *lane, uint64_t key, weft_result (*fn)(void *), void *arg)
{
    return weft_offload_fn((&(struct weft_job_options){.lane = lane, .key = key}), fn, arg);
}

Test(sticky, the_same_key_never_runs_twice_at_once_and_others_do)
{
    struct gate one, other;
    gate_init(&one);
    gate_init(&other);
    weft_pool *pool = use_pool(&(struct weft_pool_options){.max_threads = 4});
    weft_future *jobs[] = {start(NULL, 1, gate_pass, &one), start(NULL, 1, gate_pass, &one),
                           start(NULL, 2, gate_pass, &other), start(NULL, 0, return_nothing, NULL)};
    gate_wait_entered(&one);
    gate_wait_entered(&other);
    cr_assert_eq(weft_test_run(jobs[3]), 0, "the one without a key overtakes");
    cr_assert_eq(stats_of(pool).queued, 1);
    cr_assert_eq(stats_of(pool).running, 2);
    gate_open(&one);
    gate_wait_entered(&one);
    gate_open(&one);
    gate_open(&other);
    for (int i = 0; i < 3; i++)
        cr_assert_eq(weft_test_run(jobs[i]), 0);
    weft_test_loop_end();
}

Test(sticky, keys_of_different_lanes_are_different)
{
    struct gate one;
    gate_init(&one);
    use_pool(&(struct weft_pool_options){.max_threads = 4});
    weft_future *first = start(NULL, 1, gate_pass, &one);
    gate_wait_entered(&one);
    weft_lane *files = weft_loop_lane(test_loop, "files");
    cr_assert_eq(weft_test_run(start(files, 1, return_nothing, NULL)), 0);
    gate_open(&one);
    cr_assert_eq(weft_test_run(first), 0);
    weft_test_loop_end();
}

Test(sticky, a_cancelled_job_gives_its_key_to_the_next_one)
{
    weft_pool *pool = weft__pool_by_hand(WEFT__STEPPED);
    cr_assert_eq(weft_loop_set_pool(test_loop, pool), 0);
    weft_future *jobs[] = {start(NULL, 7, mark, (void *)"a"), start(NULL, 7, mark, (void *)"b"),
                           start(NULL, 7, mark, (void *)"c"), start(NULL, 7, mark, (void *)"d")};
    cr_assert(weft_cancel(jobs[2]));
    cr_assert(weft_cancel(jobs[0]));
    cr_assert_eq(weft__pool_step(pool, 9), 2);
    cr_assert_str_eq(test_trace, "bd");
    int expected[] = {-ECANCELED, 0, -ECANCELED, 0};
    for (int i = 0; i < 4; i++)
        cr_assert_eq(weft_test_run(jobs[i]), expected[i]);
    weft_pool_unref(pool);
    weft_test_loop_end();
}

Test(sticky, those_behind_a_key_count_as_queued_and_may_be_dropped)
{
    weft_pool *pool = weft__pool_by_hand(WEFT__STEPPED);
    cr_assert_eq(weft_loop_set_pool(test_loop, pool), 0);
    weft_lane *lane =
        weft_lane_new(pool, &(struct weft_lane_options){
                                .name = "a", .max_queued = 2, .on_full = WEFT_FULL_DROP_OLDEST});
    weft_future *jobs[] = {start(lane, 7, mark, (void *)"a"), start(lane, 7, mark, (void *)"b"),
                           start(lane, 7, mark, (void *)"c"), start(lane, 0, mark, (void *)"d")};
    weft__pool_step(pool, 9);
    cr_assert_str_eq(test_trace, "cd");
    int expected[] = {WEFT_EDROPPED, WEFT_EDROPPED, 0, 0};
    for (int i = 0; i < 4; i++)
        cr_assert_eq(weft_test_run(jobs[i]), expected[i]);
    weft_lane_unref(lane);
    weft_pool_unref(pool);
    weft_test_loop_end();
}

/* ---- Against a list that is searched ---- */

enum { JOBS = 400, KEYS = 24, AT_ONCE = 6 };

enum stage { NEW, QUEUED, RUNNING, DONE };

static struct random {
    weft_pool *pool;
    weft_lane *lane;
    struct weft__job *jobs[JOBS];
    enum stage stages[JOBS];
    size_t count, running;
    uint32_t seed;
} scene;

static uint32_t below(uint32_t limit)
{
    scene.seed ^= scene.seed << 13;
    scene.seed ^= scene.seed >> 17;
    scene.seed ^= scene.seed << 5;
    return scene.seed % limit;
}

static bool key_is_held(uint64_t key)
{
    for (size_t i = 0; i < scene.count; i++)
        if (scene.stages[i] == RUNNING && key && scene.jobs[i]->key == key)
            return true;
    return false;
}

/* What must come next: the oldest whose key nobody holds. */
static struct weft__job *expected(void)
{
    for (size_t i = 0; i < scene.count; i++)
        if (scene.stages[i] == QUEUED && !key_is_held(scene.jobs[i]->key))
            return scene.jobs[i];
    return NULL;
}

static size_t index_of(const struct weft__job *job)
{
    size_t i = 0;
    while (scene.jobs[i] != job)
        i++;
    return i;
}

static void add_one(void)
{
    struct weft__job *dropped, *job = calloc(1, sizeof(*job) + sizeof(*job->sticky));
    cr_assert_not_null(job);
    job->sticky = (void *)job->args;
    job->pool = scene.pool;
    job->lane = scene.lane;
    job->key = below(KEYS);
    scene.jobs[scene.count] = job;
    scene.stages[scene.count++] = QUEUED;
    weft__mutex_lock(&scene.pool->mu);
    cr_assert_eq(weft__lane_push_locked(scene.lane, job, WEFT_SUBMIT_TRY, &dropped), 0);
    weft__mutex_unlock(&scene.pool->mu);
}

static void take_one(void)
{
    struct weft__job *next = scene.running < AT_ONCE ? expected() : NULL;
    weft__mutex_lock(&scene.pool->mu);
    cr_assert_eq(weft__schedule_eligible_locked(scene.pool) > 0, next != NULL);
    struct weft__job *job = weft__schedule_take_locked(scene.pool, 1);
    weft__mutex_unlock(&scene.pool->mu);
    cr_assert_eq(job, next);
    if (!job)
        return;
    scene.stages[index_of(job)] = RUNNING;
    scene.running++;
}

/* Any one of those that run ends, or any one that is queued is cancelled. */
static void end_one(bool cancel)
{
    size_t i = below((uint32_t)scene.count + 1);
    while (i < scene.count && scene.stages[i] != (cancel ? QUEUED : RUNNING))
        i++;
    if (i >= scene.count)
        return;
    weft__mutex_lock(&scene.pool->mu);
    if (cancel)
        cr_assert(weft__lane_cancel_locked(scene.lane, scene.jobs[i], -ECANCELED));
    else
        weft__schedule_ended_locked(scene.pool, scene.jobs[i], 2);
    weft__mutex_unlock(&scene.pool->mu);
    scene.running -= !cancel;
    scene.stages[i] = DONE;
}

static void play(uint32_t seed)
{
    scene = (struct random){.seed = seed};
    scene.pool = weft_pool_new(&(struct weft_pool_options){.max_threads = AT_ONCE});
    scene.pool->by_hand = WEFT__STEPPED;
    scene.lane = weft_pool_lane(scene.pool, "default");
    while (scene.count < JOBS)
        switch (below(8)) {
        case 0:
        case 1:
        case 2:
            add_one();
            break;
        case 3:
        case 4:
            take_one();
            break;
        case 5:
        case 6:
            end_one(false);
            break;
        default:
            end_one(true);
        }
    while (expected() || scene.running > 0) {
        take_one();
        end_one(false);
    }
    for (size_t i = 0; i < JOBS; i++) {
        cr_assert_eq(scene.stages[i], DONE);
        free(scene.jobs[i]);
    }
    weft_pool_unref(scene.pool);
}

Test(sticky, the_oldest_job_whose_key_is_free_is_always_next)
{
    for (uint32_t seed = 1; seed <= 60; seed++)
        play(seed * 2654435761u);
    weft_test_loop_end();
}

/* ---- The stress of all threads ---- */

static atomic_int in_key[KEYS];
static int last_of_key[KEYS]; /* by jobs of the key, which run one at a time */
static atomic_int wrong;

struct keyed {
    int key, number;
};

static WEFT_BLOCKING(keyed)
{
    if (atomic_fetch_add(&in_key[self->key], 1) != 0 || last_of_key[self->key] >= self->number)
        atomic_fetch_add(&wrong, 1);
    last_of_key[self->key] = self->number;
    atomic_fetch_sub(&in_key[self->key], 1);
    return weft_ok(0);
}

Test(sticky, jobs_of_a_key_need_no_lock_among_them)
{
    enum { ROUNDS = 20, BATCH = 200 };
    weft_future *jobs[BATCH];
    use_pool(&(struct weft_pool_options){.max_threads = 4, .min_threads = 4});
    scene.seed = 5;
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < BATCH; i++) {
            int key = 1 + (int)below(KEYS - 1);
            jobs[i] = weft_offload((&(struct weft_job_options){.key = (uint64_t)key}), keyed,
                                   .key = key, .number = round * BATCH + i + 1);
        }
        for (int i = 0; i < BATCH; i++)
            cr_assert_eq(weft_test_run(jobs[i]), 0);
    }
    cr_assert_eq(atomic_load(&wrong), 0);
    weft_test_loop_end();
}

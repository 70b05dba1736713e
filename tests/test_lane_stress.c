/* SPDX-License-Identifier: MIT */
/*
 * Several loops, on threads of their own, share the lanes of one pool; they submit in every way, cancel
 * at random and leave while jobs are under way, and another thread changes the lanes meanwhile. A job
 * looks on the worker whether what its lane promises holds.
 */
#include <criterion/criterion.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <weft/weft.h>

#include "tests/support/loop.h"

TestSuite(lane_stress, .init = weft_test_loop_begin_real, .timeout = 120);

enum { LOOPS = 3, ROUNDS = 80, BATCH = 24, SEEDS = 6, KEYS = 4 };

/* "serial" runs one at a time and its jobs wait for room; "narrow" is changed between one and two at
 * once; "lossy" drops; each loop has one of its own, besides, that it makes anew all the time. */
enum kind { SERIAL, NARROW, LOSSY, OWN, KINDS };

static struct shared {
    weft_pool *pool;
    weft_lane *lanes[OWN];
    atomic_int running[OWN], in_key[KEYS];
    int last[LOOPS];              /* of SERIAL, by its jobs */
    int last_of_key[KEYS][LOOPS]; /* of LOSSY, by the jobs of the key */
    atomic_int too_many, out_of_order, runs;
    atomic_bool ended;
} shared;

struct hammer {
    pthread_t thread;
    int index, number;
    uint32_t seed;
    weft_lane *own;
    int done, cancelled, rejected, dropped, wrong, left;
};

static uint32_t next_random(uint32_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

/* ---- What a job sees ---- */

struct look {
    int kind, key, loop, number;
    uint32_t seed;
};

static void dawdle(uint32_t seed)
{
    for (volatile uint32_t turns = seed % 256; turns > 0; turns--)
        ;
    if (seed % 16 == 0)
        sched_yield();
}

/* It must be the only one, and newer than the last one of its loop. */
static void look_alone(atomic_int *running, int *last, const struct look *self)
{
    if (atomic_fetch_add(running, 1) != 0)
        atomic_fetch_add(&shared.too_many, 1);
    if (*last >= self->number)
        atomic_fetch_add(&shared.out_of_order, 1);
    *last = self->number;
    dawdle(self->seed);
    atomic_fetch_sub(running, 1);
}

static WEFT_BLOCKING(look)
{
    atomic_fetch_add(&shared.runs, 1);
    if (self->kind == SERIAL) {
        look_alone(&shared.running[SERIAL], &shared.last[self->loop], self);
    } else if (self->kind == LOSSY && self->key) {
        look_alone(&shared.in_key[self->key], &shared.last_of_key[self->key][self->loop], self);
    } else if (self->kind == NARROW) {
        if (atomic_fetch_add(&shared.running[NARROW], 1) >= 2)
            atomic_fetch_add(&shared.too_many, 1);
        dawdle(self->seed);
        atomic_fetch_sub(&shared.running[NARROW], 1);
    }
    return weft_ok(self->number);
}

/* ---- What a loop does ---- */

static weft_lane *lane_of(struct hammer *hammer, int kind)
{
    if (kind != OWN)
        return shared.lanes[kind];
    if (next_random(&hammer->seed) % 8 == 0) { /* given up with jobs in it */
        char name[8] = "own ";
        weft_lane_unref(hammer->own);
        name[3] = (char)('0' + hammer->index);
        hammer->own =
            weft_lane_new(shared.pool, &(struct weft_lane_options){.name = name, .max_running = 1});
    }
    return hammer->own;
}

static weft_future *submit_one(struct hammer *hammer)
{
    int kind = (int)(next_random(&hammer->seed) % KINDS);
    int key = kind == LOSSY ? (int)(next_random(&hammer->seed) % KEYS) : 0;
    enum weft_submit submit = WEFT_SUBMIT_AS_LANE;
    if (kind == NARROW)
        submit = (enum weft_submit)(next_random(&hammer->seed) % (WEFT_SUBMIT_FORCED + 1));
    struct weft_job_options options = {
        .lane = lane_of(hammer, kind), .submit = submit, .key = (uint64_t)key};
    return weft_offload(&options, look, .kind = kind, .key = key, .loop = hammer->index,
                        .number = ++hammer->number, .seed = next_random(&hammer->seed));
}

static void hammer_batch(struct hammer *hammer, weft_loop *loop)
{
    weft_future *jobs[BATCH];
    for (int i = 0; i < BATCH; i++)
        jobs[i] = submit_one(hammer);
    for (int i = 0; i < BATCH; i++)
        if (next_random(&hammer->seed) % 4 == 0)
            weft_cancel(jobs[next_random(&hammer->seed) % BATCH]);
    for (int i = 0; i < BATCH; i++) {
        int status = weft_loop_run_until(loop, jobs[i]);
        hammer->done += status == 0;
        hammer->cancelled += status == -ECANCELED;
        hammer->rejected += status == -EAGAIN;
        hammer->dropped += status == WEFT_EDROPPED;
    }
}

/* Of jobs left behind, some find no room. */
static void say_nothing(weft_loop *loop, const struct weft_error_report *report, void *arg)
{
    (void)loop;
    (void)arg;
    (void)report;
}

static void *run_hammer(void *arg)
{
    struct hammer *hammer = arg;
    weft_loop *loop = weft_loop_new(NULL);
    hammer->wrong += weft_loop_set_pool(loop, shared.pool) != 0;
    weft_loop_set_error_handler(loop, say_nothing, NULL);
    hammer->own = weft_lane_ref(weft_pool_lane(shared.pool, "default"));
    for (int round = 0; round < ROUNDS; round++)
        hammer_batch(hammer, loop);
    for (int i = 0; i < BATCH; i++)
        weft_unref(submit_one(hammer)); /* left behind: those that have not started never run */
    weft_lane_unref(hammer->own);
    weft_loop_free(loop);
    return NULL;
}

static void ignore(void *arg, const struct weft_lane_stats *stats)
{
    size_t *sum = arg;
    *sum += stats->running;
}

/* What somebody does who is of no loop. */
static void *run_changes(void *arg)
{
    uint32_t seed = *(const uint32_t *)arg;
    size_t sum = 0;
    while (!atomic_load(&shared.ended)) {
        struct weft_lane_options options = {.max_running = 1 + next_random(&seed) % 2,
                                            .max_queued = 1 + next_random(&seed) % 8,
                                            .weight = 1 + next_random(&seed) % 200,
                                            .reserved = next_random(&seed) % 2,
                                            .on_full = WEFT_FULL_WAIT};
        if (weft_lane_configure(shared.lanes[NARROW], &options) != 0)
            atomic_fetch_add(&shared.too_many, 1);
        weft_pool_each_lane(shared.pool, ignore, &sum);
        sched_yield();
    }
    return NULL;
}

/* ---- The scene ---- */

static void begin_shared(void)
{
    memset(&shared, 0, sizeof(shared));
    shared.pool = weft_pool_new(
        &(struct weft_pool_options){.max_threads = 4, .keepalive = WEFT_MS(1), .min_threads = 2});
    const struct weft_lane_options options[OWN] = {
        {.name = "serial", .max_running = 1, .max_queued = 4, .on_full = WEFT_FULL_WAIT},
        {.name = "narrow", .max_running = 2, .max_queued = 4, .on_full = WEFT_FULL_WAIT},
        {.name = "lossy", .max_queued = 8, .on_full = WEFT_FULL_DROP_OLDEST}};
    for (int i = 0; i < OWN; i++)
        cr_assert_not_null(shared.lanes[i] = weft_lane_new(shared.pool, &options[i]));
}

static void end_shared(void)
{
    struct weft_lane_stats stats;
    for (int i = 0; i < OWN; i++) {
        weft_lane_get_stats(shared.lanes[i], &stats);
        cr_assert_eq(stats.queued + stats.running + stats.waiting, 0);
        cr_assert_eq(stats.submitted, stats.completed + stats.dropped + stats.cancelled_queued);
        weft_lane_unref(shared.lanes[i]);
    }
    weft_pool_unref(shared.pool);
}

static void play(uint32_t seed)
{
    struct hammer hammers[LOOPS] = {0};
    pthread_t changes;
    begin_shared();
    cr_assert_eq(pthread_create(&changes, NULL, run_changes, &seed), 0);
    for (int i = 0; i < LOOPS; i++) {
        hammers[i] = (struct hammer){.index = i, .seed = seed * 31 + (uint32_t)i * 7919 + 1};
        cr_assert_eq(pthread_create(&hammers[i].thread, NULL, run_hammer, &hammers[i]), 0);
    }
    int done = 0;
    for (int i = 0; i < LOOPS; i++) {
        const struct hammer *hammer = &hammers[i];
        pthread_join(hammer->thread, NULL);
        cr_assert_eq(hammer->wrong, 0);
        cr_assert_eq(hammer->done + hammer->cancelled + hammer->rejected + hammer->dropped,
                     ROUNDS * BATCH, "seed %u", seed);
        done += hammer->done;
    }
    atomic_store(&shared.ended, true);
    pthread_join(changes, NULL);
    int runs = atomic_load(&shared.runs);
    cr_assert(done <= runs && runs <= done + LOOPS * BATCH, "seed %u: %d, %d", seed, done, runs);
    cr_assert_eq(atomic_load(&shared.too_many), 0, "seed %u", seed);
    cr_assert_eq(atomic_load(&shared.out_of_order), 0, "seed %u", seed);
    end_shared();
}

Test(lane_stress, lanes_keep_what_they_promise_whatever_happens_at_once)
{
    for (uint32_t seed = 1; seed <= SEEDS; seed++)
        play(seed * 2654435761u);
    weft_test_loop_end();
}

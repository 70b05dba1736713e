/* SPDX-License-Identifier: MIT */
/*
 * Random programs: several loops on threads of their own use one pool and do with their jobs all that
 * can be done, in any combination: each mode of cancel, chains over lanes, keys, commits, limits of
 * time, values on the way, jobs in the caller's memory, waits, rounds on every worker, lanes that
 * change; and they end in the middle of it. Each job keeps a record, by which it is seen afterwards
 * that everything has happened as often as it should have.
 */
#include <criterion/criterion.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <weft/weft.h>

#include "tests/support/heap.h"
#include "tests/support/loop.h"

TestSuite(pool_random, .init = weft_test_loop_begin_real, .timeout = 240);

enum { LOOPS = 3, ROUNDS = 12, BATCH = 24, JOBS = (ROUNDS + 1) * BATCH, SEEDS = 8, KEYS = 3 };

/* "serial" runs one at a time, "lossy" drops, "plain" has no limits, "narrow" is changed. */
enum { SERIAL, LOSSY, PLAIN, NARROW, LANES };

/* What became of a job. */
struct record {
    struct weft_job own;
    uint32_t seed;
    int number, status, lane, key;
    enum weft_on_cancel mode;
    enum weft_job_outcome outcome;
    bool is_own, is_accepted, is_done, commits, is_started;
    atomic_int called, ended, named, released, made, destroyed, freed;
    atomic_bool has_committed, has_finished;
};

struct hammer {
    pthread_t thread;
    int index, used;
    uint32_t seed;
    struct record records[JOBS];
};

static struct hammer hammers[LOOPS];
static weft_pool *pool;
static weft_lane *lanes[LANES];
static atomic_int in_serial, in_key[KEYS + 1], too_many;
static atomic_bool ended;

static uint32_t next_random(uint32_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

static bool chance(uint32_t *seed, uint32_t of)
{
    return next_random(seed) % of == 0;
}

/* ---- On the worker ---- */

struct act {
    struct record *record;
    uint32_t seed;
    int lane, left;
};

static void note_release(void *args)
{
    const struct act *act = args;
    atomic_fetch_add(&act->record->released, 1);
}

/* Of a job in its caller's memory the argument is the record. */
static void note_release_of_own(void *record)
{
    atomic_fetch_add(&((struct record *)record)->released, 1);
}

static void note_destroyed(void *record)
{
    atomic_fetch_add(&((struct record *)record)->destroyed, 1);
}

static void note_free(void *record)
{
    atomic_fetch_add(&((struct record *)record)->freed, 1);
}

static void note_nothing(void *arg)
{
    (void)arg;
}

static void send_values(struct record *record, uint32_t *seed)
{
    for (uint32_t count = next_random(seed) % 4; count > 0; count--) {
        atomic_fetch_add(&record->made, 1);
        if (weft_job_progress((weft_value){.ptr = record}, note_destroyed) < 0)
            return;
    }
}

static void dawdle(struct record *record, uint32_t *seed)
{
    switch (next_random(seed) % 8) {
    case 0:
        send_values(record, seed);
        break;
    case 1:
        if (weft_job_poll(-1, 0, weft_now() + WEFT_US(200)) == -ECANCELED)
            sched_yield();
        break;
    case 2:
        weft_job_blocking_begin();
        sched_yield();
        weft_job_blocking_end();
        break;
    case 3:
        (void)weft_job_on_cancel(note_nothing, NULL);
        sched_yield();
        break;
    case 4:
        while (!weft_job_cancelled() && !chance(seed, 50))
            sched_yield();
        break;
    default:
        break;
    }
}

static void enter(atomic_int *count)
{
    if (atomic_fetch_add(count, 1) != 0)
        atomic_fetch_add(&too_many, 1);
}

static weft_result act_on(struct record *record, uint32_t seed, int lane, int left);

static WEFT_BLOCKING(act)
{
    return act_on(self->record, self->seed, self->lane, self->left);
}

static weft_result go_on(struct record *record, uint32_t seed, int left)
{
    int lane = (int)(next_random(&seed) % LANES);
    atomic_fetch_add(&record->named, 1);
    return weft_continue_with(
        (&(struct weft_continue_options){.lane = lanes[lane], .release = note_release}), act,
        .record = record, .seed = next_random(&seed), .lane = lane, .left = left - 1);
}

static weft_result act_on(struct record *record, uint32_t seed, int lane, int left)
{
    atomic_fetch_add(&record->called, 1);
    if (lane == SERIAL)
        enter(&in_serial);
    if (lane == PLAIN && record->key)
        enter(&in_key[record->key]);
    if (atomic_load(&record->has_finished))
        atomic_fetch_add(&too_many, 1);
    dawdle(record, &seed);
    bool stops = record->commits && weft_job_commit() < 0;
    if (record->commits && !stops)
        atomic_store(&record->has_committed, true);
    if (lane == PLAIN && record->key)
        atomic_fetch_sub(&in_key[record->key], 1);
    if (lane == SERIAL)
        atomic_fetch_sub(&in_serial, 1);
    atomic_fetch_add(&record->ended, 1);
    if (stops || (weft_job_cancelled() && chance(&seed, 2)))
        return weft_err(-ECANCELED);
    if (left > 0)
        return go_on(record, seed, left);
    atomic_store(&record->has_finished, true);
    atomic_fetch_add(&record->made, 1);
    return weft_ok(record, note_destroyed);
}

static weft_result act_of_own(void *record)
{
    struct record *self = record;
    return act_on(self, self->seed, self->lane, (int)(self->seed % 3));
}

/* ---- On the loop ---- */

static struct weft_job_options options_of(struct record *record, uint32_t *seed)
{
    struct weft_job_options options = {
        .lane = lanes[record->lane],
        .key = (uint64_t)record->key,
        .submit = (enum weft_submit)(next_random(seed) % (WEFT_SUBMIT_FORCED + 1)),
        .on_cancel = record->mode,
        .progress = 1 + next_random(seed) % 2,
        .release = record->is_own ? note_release_of_own : note_release};
    if (chance(seed, 6))
        options.max_wait = WEFT_US(1 + next_random(seed) % 500);
    if (chance(seed, 6))
        options.max_run = WEFT_US(1 + next_random(seed) % 500);
    if (chance(seed, 6))
        options.deadline = weft_now() + WEFT_US(next_random(seed) % 1000);
    return options;
}

static weft_future *start(struct record *record, uint32_t *seed)
{
    struct weft_job_options options = options_of(record, seed);
    record->is_started = true;
    if (!record->is_own)
        return weft_offload(&options, act, .record = record, .seed = record->seed,
                            .lane = record->lane, .left = (int)(record->seed % 3));
    weft_job_init(&record->own, act_of_own, record, note_free);
    weft_future *future = weft_job_submit(&record->own, &options);
    record->is_accepted = !weft_is_done(future);
    return future;
}

struct drive {
    WEFT_FRAME;
    struct record *record;
    weft_future *job;
    void *value;
    uint32_t seed;
    int status;
};

/* Reads what the job sends to the end, cancels it perhaps, and notes how it ended. */
static WEFT_ASYNC(drive)
{
    WEFT_BEGIN;
    self->seed = self->record->seed;
    self->job = start(self->record, &self->seed);
    if (chance(&self->seed, 8))
        weft_cancel(self->job);
    do
        WEFT_CATCH_INTO(self->status, self->value, weft_job_next(self->job));
    while (self->status == 0 && (note_destroyed(self->value), true));
    if (self->status == -ECANCELED || chance(&self->seed, 8)) /* it is not read any more */
        weft_cancel(self->job);
    WEFT_CATCH_INTO(self->status, self->value, weft_ref(self->job));
    if (self->status == 0)
        note_destroyed(self->value);
    self->record->status = self->status;
    self->record->is_done = weft_is_done(self->job);
    self->record->outcome = weft_job_outcome(self->job);
    WEFT_FINALLY;
    weft_unref(self->job);
    WEFT_END;
}

static struct record *new_record(struct hammer *hammer)
{
    struct record *record = &hammer->records[hammer->used++];
    record->seed = next_random(&hammer->seed);
    record->number = hammer->used;
    record->lane = (int)(next_random(&hammer->seed) % LANES);
    record->key = record->lane == PLAIN ? (int)(next_random(&hammer->seed) % (KEYS + 1)) : 0;
    record->mode = (enum weft_on_cancel)(next_random(&hammer->seed) % (WEFT_CANCEL_ABANDON + 1));
    record->is_own = chance(&hammer->seed, 4);
    record->commits = chance(&hammer->seed, 4);
    return record;
}

static weft_result yield_once(void *arg)
{
    (void)arg;
    sched_yield();
    return weft_ok(0);
}

static void hammer_batch(struct hammer *hammer, weft_loop *loop)
{
    weft_future *tasks[BATCH];
    weft_future *round = weft_pool_run_on_each(pool, yield_once, NULL);
    for (int i = 0; i < BATCH; i++)
        tasks[i] = weft_spawn(drive, .record = new_record(hammer));
    if (chance(&hammer->seed, 2))
        (void)weft_loop_run_until(loop, weft_sleep(WEFT_US(next_random(&hammer->seed) % 300)));
    for (int i = 0; i < BATCH / 3; i++)
        weft_cancel(tasks[next_random(&hammer->seed) % BATCH]);
    if (chance(&hammer->seed, 3))
        weft_cancel(round);
    for (int i = 0; i < BATCH; i++)
        (void)weft_loop_run_until(loop, tasks[i]);
    (void)weft_loop_run_until(loop, round);
}

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
    struct weft_shutdown_options options = {.jobs_timeout =
                                                1 + next_random(&hammer->seed) % 100000};
    if (weft_loop_set_pool(loop, pool) != 0)
        abort();
    weft_loop_set_error_handler(loop, say_nothing, NULL);
    for (int round = 0; round < ROUNDS; round++)
        hammer_batch(hammer, loop);
    for (int i = 0; i < BATCH; i++)
        weft_unref(start(new_record(hammer), &hammer->seed)); /* left behind, wherever it is then */
    (void)weft_loop_run_until(loop, weft_sleep(WEFT_US(next_random(&hammer->seed) % 300)));
    (void)weft_loop_shutdown(loop, &options, NULL);
    weft_loop_free(loop);
    return NULL;
}

static void *run_changes(void *arg)
{
    uint32_t seed = *(const uint32_t *)arg;
    while (!atomic_load(&ended)) {
        struct weft_lane_options options = {
            .max_running = next_random(&seed) % 4,
            .max_queued = 1 + next_random(&seed) % 8,
            .weight = 1 + next_random(&seed) % 200,
            .on_full = (enum weft_on_full)(next_random(&seed) % (WEFT_FULL_DROP_OLDEST + 1))};
        options.reserved = options.max_running ? next_random(&seed) % 2 : 0;
        if (weft_lane_configure(lanes[NARROW], &options) != 0)
            atomic_fetch_add(&too_many, 1);
        sched_yield();
    }
    return NULL;
}

/* ---- Afterwards ---- */

static bool is_over(const struct record *record)
{
    return atomic_load(&record->released) == 1 + atomic_load(&record->named) &&
           atomic_load(&record->made) == atomic_load(&record->destroyed) &&
           atomic_load(&record->called) == atomic_load(&record->ended) &&
           (!record->is_own || weft_job_is_idle(&record->own));
}

static void check(const struct record *record, uint32_t seed)
{
    int called = atomic_load(&record->called), freed = atomic_load(&record->freed);
    bool finished = atomic_load(&record->has_finished);
    cr_assert(called <= 1 + atomic_load(&record->named), "seed %u, job %d", seed, record->number);
    cr_assert(freed == (record->is_own && record->is_accepted), "seed %u, job %d: freed %d", seed,
              record->number, freed);
    if (!record->is_done)
        return;
    cr_assert(record->status < 0 || finished, "seed %u, job %d", seed, record->number);
    cr_assert(record->outcome != WEFT_JOB_NOT_STARTED || called == 0, "seed %u, job %d: %d", seed,
              record->number, record->status);
    cr_assert(record->outcome != WEFT_JOB_FINISHED || called > 0, "seed %u, job %d", seed,
              record->number);
    if (record->outcome == WEFT_JOB_FINISHED && atomic_load(&record->has_committed))
        cr_assert(record->status == 0 && finished, "seed %u, job %d: committed, %s", seed,
                  record->number, weft_strerror(record->status));
}

static bool all_are_over(void)
{
    for (int i = 0; i < LOOPS; i++)
        for (int job = 0; job < hammers[i].used; job++)
            if (hammers[i].records[job].is_started && !is_over(&hammers[i].records[job]))
                return false;
    return true;
}

static void begin_pool(void)
{
    memset(hammers, 0, sizeof(hammers));
    atomic_store(&ended, false);
    pool = weft_pool_new(
        &(struct weft_pool_options){.max_threads = 4, .keepalive = WEFT_MS(1), .min_threads = 1});
    const struct weft_lane_options options[LANES] = {
        [SERIAL] = {.name = "serial", .max_running = 1, .max_queued = 6, .on_full = WEFT_FULL_WAIT},
        [LOSSY] = {.name = "lossy", .max_queued = 4, .on_full = WEFT_FULL_DROP_OLDEST},
        [PLAIN] = {.name = "plain"},
        [NARROW] = {.name = "narrow", .max_queued = 4, .on_full = WEFT_FULL_WAIT}};
    for (int i = 0; i < LANES; i++)
        cr_assert_not_null(lanes[i] = weft_lane_new(pool, &options[i]));
}

static void end_pool(void)
{
    for (int i = 0; i < LANES; i++) {
        struct weft_lane_stats stats;
        do
            weft_lane_get_stats(lanes[i], &stats);
        while (stats.queued + stats.running + stats.waiting + stats.abandoned_running > 0);
        weft_lane_unref(lanes[i]);
    }
    struct weft_pool_stats stats;
    weft_pool_get_stats(pool, &stats);
    cr_assert_eq(stats.running + stats.blocked, 0);
    weft_pool_unref(pool);
}

static void play(uint32_t seed)
{
    pthread_t changes;
    size_t live = weft_test_heap_live();
    begin_pool();
    cr_assert_eq(pthread_create(&changes, NULL, run_changes, &seed), 0);
    for (int i = 0; i < LOOPS; i++) {
        hammers[i].index = i;
        hammers[i].seed = seed * 31 + (uint32_t)i * 7919 + 1;
        cr_assert_eq(pthread_create(&hammers[i].thread, NULL, run_hammer, &hammers[i]), 0);
    }
    for (int i = 0; i < LOOPS; i++)
        pthread_join(hammers[i].thread, NULL);
    while (!all_are_over())
        sched_yield();
    atomic_store(&ended, true);
    pthread_join(changes, NULL);
    end_pool();
    for (int i = 0; i < LOOPS; i++)
        for (int job = 0; job < hammers[i].used; job++)
            if (hammers[i].records[job].is_started)
                check(&hammers[i].records[job], seed);
    cr_assert_eq(atomic_load(&too_many), 0, "seed %u", seed);
    while (weft_test_heap_live() > live) /* threads that nobody waits for free the pool */
        sched_yield();
}

Test(pool_random, whatever_is_done_to_jobs_each_thing_happens_as_often_as_it_should)
{
    for (uint32_t seed = 1; seed <= SEEDS; seed++)
        play(seed * 2654435761u);
    weft_test_loop_end();
}

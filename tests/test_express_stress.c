/* SPDX-License-Identifier: MIT */
/*
 * The rings under fire: two loops and two lanes, cancels, rounds, a thread that changes a lane all the
 * time. Each job is run exactly once or cancelled, and with one worker those of a loop and lane run in
 * their order.
 */
#include <criterion/criterion.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <weft/weft.h>

#include "tests/support/loop.h"
#include "tests/support/pool.h"

TestSuite(express_stress, .init = weft_test_loop_begin_real, .timeout = 120);

enum { LOOPS = 2, LANES = 2, ROUNDS = 300, BATCH = 40, JOBS = ROUNDS * BATCH };

static uint32_t next_random(uint32_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

/* Of one loop. */
struct user {
    pthread_t thread;
    weft_pool *pool;
    weft_lane *lanes[LANES];
    uint32_t seed;
    bool in_order; /* there is one worker */
    atomic_int runs[JOBS];
    atomic_int latest[LANES];
    int cancelled, wrong;
};

struct work {
    struct user *user;
    int number, lane;
};

static WEFT_BLOCKING(work)
{
    struct user *user = self->user;
    atomic_fetch_add(&user->runs[self->number], 1);
    int before = atomic_exchange(&user->latest[self->lane], self->number);
    if (self->number % 64 == 0)
        sched_yield();
    return user->in_order && before > self->number ? weft_err(-EILSEQ) : weft_ok(self->number);
}

static weft_result nothing(void *arg)
{
    (void)arg;
    return weft_ok(0);
}

/* In a task, so that jobs are kept back. */
struct batch {
    WEFT_FRAME;
    struct user *user;
    int first, i;
    weft_future *jobs[BATCH];
    weft_future *round;
};

static void start(struct batch *self)
{
    struct user *user = self->user;
    int lane = 0;
    for (int i = 0; i < BATCH; i++) {
        uint32_t random = next_random(&user->seed);
        lane = random % 16 == 0 ? !lane : lane;
        self->jobs[i] = weft_to_thread_in(user->lanes[lane], work, .user = user,
                                          .number = self->first + i, .lane = lane);
        if (random / 16 % 64 == 0)
            weft_cancel(self->jobs[(int)(random / 1024) % (i + 1)]);
    }
}

static void check(struct user *user, int number, int status, const weft_future *job)
{
    int runs = atomic_load(&user->runs[number]);
    bool ran = status == 0 && runs == 1 && weft_future_value(job).i64 == number;
    user->cancelled += status == -ECANCELED;
    user->wrong += !ran && (status != -ECANCELED || runs > 0);
}

static WEFT_ASYNC(batch)
{
    WEFT_BEGIN;
    start(self);
    if (next_random(&self->user->seed) % 16 == 0) {
        self->round = weft_pool_run_on_each(self->user->pool, nothing, NULL);
        WEFT_AWAIT(self->round);
    }
    for (self->i = 0; self->i < BATCH; self->i++) {
        int status;
        WEFT_CATCH(status, weft_ref(self->jobs[self->i]));
        check(self->user, self->first + self->i, status, self->jobs[self->i]);
        weft_unref(self->jobs[self->i]);
    }
    WEFT_END;
}

static void *run_user(void *arg)
{
    struct user *user = arg;
    weft_loop *loop = weft_loop_new(NULL);
    user->wrong += weft_loop_set_pool(loop, user->pool) != 0;
    for (int round = 0; round < ROUNDS; round++) {
        int status =
            weft_loop_run_until(loop, weft_spawn(batch, .user = user, .first = round * BATCH));
        user->wrong += status != 0;
    }
    weft_loop_free(loop);
    return NULL;
}

static atomic_bool over;

/* What it changes has no effect, but that all is recalled. */
static void *change(void *lane)
{
    while (!atomic_load(&over)) {
        (void)!weft_lane_configure(lane, &(struct weft_lane_options){.weight = 100});
        for (int i = 0; i < 20; i++)
            sched_yield();
    }
    return NULL;
}

static void hammer(unsigned threads, weft_ns spin)
{
    static struct user users[LOOPS];
    pthread_t changer;
    atomic_store(&over, false);
    weft_pool *pool =
        weft_pool_new(&(struct weft_pool_options){.max_threads = threads, .spin = spin});
    weft_lane *other = weft_lane_new(pool, &(struct weft_lane_options){.name = "other"});
    pthread_create(&changer, NULL, change, other);
    for (uint32_t i = 0; i < LOOPS; i++) {
        users[i] = (struct user){.pool = pool,
                                 .lanes = {weft_pool_lane(pool, "default"), other},
                                 .seed = i * 7919 + threads,
                                 .in_order = threads == 1};
        pthread_create(&users[i].thread, NULL, run_user, &users[i]);
    }
    for (int i = 0; i < LOOPS; i++) {
        pthread_join(users[i].thread, NULL);
        cr_assert_eq(users[i].wrong, 0);
    }
    atomic_store(&over, true);
    pthread_join(changer, NULL);
    struct weft_pool_stats stats = stats_of(pool);
    cr_assert_eq(stats.queued + stats.running, 0);
    weft_lane_unref(other);
    weft_pool_unref(pool);
}

Test(express_stress, each_job_is_run_once_or_cancelled)
{
    hammer(4, 0);
    hammer(2, -1);
    weft_test_loop_end();
}

Test(express_stress, one_thread_runs_those_of_a_loop_and_lane_in_their_order)
{
    hammer(1, 0);
    hammer(1, -1);
    weft_test_loop_end();
}

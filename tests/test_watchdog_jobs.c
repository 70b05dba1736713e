/* SPDX-License-Identifier: MIT */
/* The watchdog: jobs that run for longer than their lane's limit. */
#include <criterion/criterion.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <weft/weft.h>

#include "tests/support/blocked.h"
#include "tests/support/gate.h"
#include "tests/support/loop.h"
#include "tests/support/pool.h"

TestSuite(watchdog_jobs, .init = weft_test_loop_begin, .timeout = 60);

static struct listener heard;
static weft_pool *pool;

static void begin(void)
{
    watch_the_loop(WEFT_MS(20));
    listen_to_it(&heard);
    pool = use_pool(NULL);
}

static void end(void)
{
    stop_listening(&heard);
    weft_test_loop_end();
}

static void limit(const char *lane, weft_ns slow_job)
{
    struct weft_lane_options options;
    weft_lane_get_options(weft_pool_lane(pool, lane), &options);
    options.slow_job = slow_job;
    cr_assert_eq(weft_lane_configure(weft_pool_lane(pool, lane), &options), 0);
}

struct waits {
    int reports;
};

static _Atomic int tid;

static WEFT_BLOCKING(waits)
{
    tid = gettid();
    for (int i = 0; i < self->reports; i++)
        if (!block_until_told(&heard))
            return weft_err(-1);
    return weft_ok(0);
}

#define ASSERT_SAYS(text, what) \
    cr_assert_not_null(strstr((text), (what)), "\"%s\" is not in:\n%s", (what), (text))

Test(watchdog_jobs, one_over_its_lanes_limit_is_reported_while_it_runs_and_when_it_has_ended)
{
    begin();
    limit("files", WEFT_MS(30));
    char place[64];
    snprintf(place, sizeof(place), "test_watchdog_jobs.c:%d runs for too long, for ", __LINE__ + 1);
    weft_future *job = weft_to_thread_in(weft_pool_lane(pool, "files"), waits, .reports = 2);
    cr_assert_eq(weft_test_run(job), 0);
    sem_wait(&heard.over);
    const struct told *found = heard.told[0];
    cr_assert_eq(found->report.kind, WEFT_BLOCKED_JOB);
    cr_assert_eq(found->report.tid, tid);
    cr_assert_geq(found->report.lasts, WEFT_MS(30));
    ASSERT_SAYS(found->text, "weft: job waits(), lane \"files\", started at ");
    ASSERT_SAYS(found->text, place);
    ASSERT_SAYS(found->text, "; now in read(fd ");
    ASSERT_SAYS(found->json, "\"kind\":\"job\",\"stage\":\"found\"");
    ASSERT_SAYS(found->json, "\"what\":\"job\",\"task\":null");
    ASSERT_SAYS(heard.told[1]->text, " still runs, for ");
    ASSERT_SAYS(heard.told[2]->text, " has ended, after ");
    cr_assert_eq(heard.told[2]->report.serial, found->report.serial);
    end();
}

struct gated {
    struct gate *gate;
};

static WEFT_BLOCKING(gated)
{
    return gate_pass(self->gate);
}

Test(watchdog_jobs, those_of_other_lanes_and_those_within_it_are_not)
{
    struct gate gate;
    begin();
    gate_init(&gate);
    limit("files", WEFT_S(1000));
    weft_future *one = weft_to_thread_in(weft_pool_lane(pool, "files"), gated, .gate = &gate);
    weft_future *other = weft_to_thread(gated, .gate = &gate);
    gate_wait_entered(&gate);
    gate_wait_entered(&gate);
    wait_for_rounds(20);
    cr_assert_eq(blocks_reported(), 0);
    gate_open(&gate);
    gate_open(&gate);
    cr_assert_eq(weft_test_run(one), 0);
    cr_assert_eq(weft_test_run(other), 0);
    end();
}

struct is_short {
    int rounds;
};

static WEFT_BLOCKING(is_short)
{
    wait_for_rounds((uint64_t)self->rounds);
    return weft_ok(0);
}

/* One after the other on a thread that is never idle in between. */
Test(watchdog_jobs, many_short_ones_are_not_taken_for_a_long_one)
{
    enum { JOBS = 30 };
    weft_future *jobs[JOBS];
    struct weft_lane_options options;
    begin();
    weft_lane_get_options(weft_pool_lane(pool, "default"), &options);
    options.slow_job = WEFT_MS(40);
    options.max_running = 1;
    cr_assert_eq(weft_lane_configure(weft_pool_lane(pool, "default"), &options), 0);
    for (size_t i = 0; i < JOBS; i++)
        jobs[i] = weft_to_thread(is_short, .rounds = 1);
    for (size_t i = 0; i < JOBS; i++)
        cr_assert_eq(weft_test_run(jobs[i]), 0);
    cr_assert_eq(blocks_reported(), 0);
    end();
}

Test(watchdog_jobs, a_limit_that_is_set_late_holds_for_what_runs)
{
    begin();
    weft_future *job = weft_to_thread(waits, .reports = 1);
    wait_for_rounds(1);
    limit("default", WEFT_MS(1));
    cr_assert_eq(weft_test_run(job), 0);
    end();
}

struct has_no_descriptors {
    struct rlimit *limit;
};

static WEFT_BLOCKING(has_no_descriptors)
{
    setrlimit(RLIMIT_NOFILE, &(struct rlimit){0, self->limit->rlim_max});
    bool was_told = block_until_told(&heard) && block_until_told(&heard);
    setrlimit(RLIMIT_NOFILE, self->limit);
    return was_told ? weft_ok(0) : weft_err(-1);
}

Test(watchdog_jobs, one_that_cannot_be_looked_at_has_not_ended)
{
    struct rlimit before;
    begin();
    limit("default", WEFT_MS(30));
    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    cr_assert_eq(weft_test_run(weft_to_thread(has_no_descriptors, .limit = &before)), 0);
    sem_wait(&heard.over);
    cr_assert_eq(heard.told[0]->report.stage, WEFT_BLOCKED_FOUND);
    cr_assert_eq(heard.told[1]->report.stage, WEFT_BLOCKED_STILL);
    cr_assert_eq(heard.told[2]->report.stage, WEFT_BLOCKED_OVER);
    end();
}

static bool is_reported_on(const struct listener *listener, pid_t worker)
{
    for (int i = 0; i < atomic_load(&listener->total); i++)
        if (listener->told[i]->report.tid == worker)
            return true;
    return false;
}

struct notes_thread {
    struct gate *gate;
    _Atomic pid_t *tid;
};

static WEFT_BLOCKING(notes_thread)
{
    *self->tid = gettid();
    return gate_pass(self->gate);
}

Test(watchdog_jobs, many_are_told_apart)
{
    enum { JOBS = 4 };
    _Atomic pid_t tids[JOBS];
    weft_future *jobs[JOBS];
    struct gate gate;
    begin();
    gate_init(&gate);
    limit("default", WEFT_MS(10));
    for (size_t i = 0; i < JOBS; i++)
        jobs[i] = weft_to_thread(notes_thread, .gate = &gate, .tid = &tids[i]);
    for (size_t i = 0; i < JOBS; i++)
        gate_wait_entered(&gate);
    while (atomic_load(&heard.count[WEFT_BLOCKED_FOUND]) < JOBS)
        sched_yield();
    for (size_t i = 0; i < JOBS; i++)
        gate_open(&gate);
    for (size_t i = 0; i < JOBS; i++) {
        cr_assert_eq(weft_test_run(jobs[i]), 0);
        cr_assert(is_reported_on(&heard, tids[i]));
    }
    end();
}

/* SPDX-License-Identifier: MIT */
/* What becomes of jobs when their lane is full, and of those that wait for room in it. */
#include <criterion/criterion.h>

#include <errno.h>
#include <pthread.h>
#include <weft/weft.h>

#include "pool/pool.h"
#include "tests/support/gate.h"
#include "tests/support/heap.h"
#include "tests/support/loop.h"
#include "tests/support/pool.h"
#include "tests/support/trace.h"

TestSuite(lane_full, .init = weft_test_loop_begin, .timeout = 60);

static weft_pool *pool;
static weft_lane *lane;

static weft_result mark(void *letter)
{
    weft_test_mark(letter);
    return weft_ok(0);
}

/* A lane in which `max_queued` jobs may wait, of a pool that runs them when it is told to. */
static void begin(enum weft_on_full on_full, size_t max_queued)
{
    pool = weft__pool_by_hand(WEFT__STEPPED);
    cr_assert_eq(weft_loop_set_pool(test_loop, pool), 0);
    lane = weft_lane_new(pool, &(struct weft_lane_options){
                                   .name = "a", .max_queued = max_queued, .on_full = on_full});
    cr_assert_not_null(lane);
}

static void end(void)
{
    weft_lane_unref(lane);
    weft_pool_unref(pool);
    weft_test_loop_end();
}

static weft_future *start(enum weft_submit submit, const char *letter)
{
    return weft_offload_fn((&(struct weft_job_options){.lane = lane, .submit = submit}), mark,
                           (void *)letter);
}

static struct weft_lane_stats stats(void)
{
    struct weft_lane_stats stats;
    weft_lane_get_stats(lane, &stats);
    return stats;
}

/* Run all there is; each of these must end so. */
static void all_end(weft_future *jobs[], size_t count, const int *expected)
{
    weft__pool_step(pool, 100);
    for (size_t i = 0; i < count; i++)
        cr_assert_eq(weft_test_run(jobs[i]), expected ? expected[i] : 0, "job %zu", i);
}

Test(lane_full, rejects_when_it_is_full_unless_told_otherwise)
{
    begin(WEFT_FULL_REJECT, 2);
    weft_future *jobs[] = {start(WEFT_SUBMIT_AS_LANE, "a"), start(WEFT_SUBMIT_AS_LANE, "b"),
                           start(WEFT_SUBMIT_AS_LANE, "c"), start(WEFT_SUBMIT_WAIT, "d"),
                           start(WEFT_SUBMIT_TRY, "e"),     start(WEFT_SUBMIT_FORCED, "f")};
    all_end(jobs, 6, (int[]){0, 0, -EAGAIN, 0, -EAGAIN, 0});
    cr_assert_str_eq(test_trace, "abfd");
    cr_assert_eq(stats().rejected, 2);
    end();
}

Test(lane_full, lets_those_who_wait_for_room_in_as_they_came)
{
    begin(WEFT_FULL_WAIT, 1);
    weft_future *jobs[] = {start(WEFT_SUBMIT_AS_LANE, "a"), start(WEFT_SUBMIT_AS_LANE, "b"),
                           start(WEFT_SUBMIT_AS_LANE, "c"), start(WEFT_SUBMIT_TRY, "d")};
    cr_assert_eq(stats().queued, 1);
    cr_assert_eq(stats().waiting, 2);
    cr_assert_eq(weft__pool_step(pool, 1), 1);
    cr_assert_eq(stats().queued, 1);
    cr_assert_eq(stats().waiting, 1);
    all_end(jobs, 4, (int[]){0, 0, 0, -EAGAIN});
    cr_assert_str_eq(test_trace, "abc");
    end();
}

Test(lane_full, a_newcomer_does_not_overtake_those_who_wait_for_room)
{
    begin(WEFT_FULL_WAIT, 1);
    weft_future *jobs[] = {start(WEFT_SUBMIT_AS_LANE, "a"), start(WEFT_SUBMIT_AS_LANE, "b"), NULL,
                           NULL};
    weft__pool_step(pool, 1);
    jobs[2] = start(WEFT_SUBMIT_TRY, "c");
    jobs[3] = start(WEFT_SUBMIT_AS_LANE, "d");
    all_end(jobs, 4, (int[]){0, 0, -EAGAIN, 0});
    cr_assert_str_eq(test_trace, "abd");
    end();
}

Test(lane_full, one_that_waits_for_room_leaves_the_line_when_it_is_cancelled)
{
    begin(WEFT_FULL_WAIT, 1);
    weft_future *jobs[] = {start(WEFT_SUBMIT_AS_LANE, "a"), start(WEFT_SUBMIT_AS_LANE, "b"),
                           start(WEFT_SUBMIT_AS_LANE, "c"), start(WEFT_SUBMIT_AS_LANE, "d")};
    cr_assert(weft_cancel(jobs[2]));
    cr_assert(weft_is_cancelled(jobs[2]), "at once");
    cr_assert_eq(stats().waiting, 2);
    cr_assert(weft_cancel(jobs[3]));
    cr_assert(weft_cancel(jobs[1]));
    cr_assert_eq(stats().waiting, 0);
    all_end(jobs, 4, (int[]){0, -ECANCELED, -ECANCELED, -ECANCELED});
    cr_assert_str_eq(test_trace, "a");
    end();
}

Test(lane_full, cancelling_a_queued_job_lets_the_next_one_in)
{
    begin(WEFT_FULL_WAIT, 1);
    weft_future *jobs[] = {start(WEFT_SUBMIT_AS_LANE, "a"), start(WEFT_SUBMIT_AS_LANE, "b")};
    cr_assert(weft_cancel(jobs[0]));
    cr_assert_eq(stats().queued, 1);
    cr_assert_eq(stats().waiting, 0);
    all_end(jobs, 2, (int[]){-ECANCELED, 0});
    end();
}

Test(lane_full, raising_the_limit_lets_in_as_many_as_there_is_room_for)
{
    begin(WEFT_FULL_WAIT, 1);
    weft_future *jobs[5];
    for (int i = 0; i < 5; i++)
        jobs[i] = start(WEFT_SUBMIT_AS_LANE, "a");
    cr_assert_eq(weft_lane_configure(lane, &(struct weft_lane_options){.max_queued = 3}), 0);
    cr_assert_eq(stats().queued, 3);
    cr_assert_eq(stats().waiting, 2);
    cr_assert_eq(weft_lane_configure(lane, &(struct weft_lane_options){.max_queued = 1}), 0);
    cr_assert_eq(stats().queued, 3, "what is queued stays");
    all_end(jobs, 5, NULL);
    end();
}

Test(lane_full, drops_the_oldest_for_a_newer_one)
{
    begin(WEFT_FULL_DROP_OLDEST, 2);
    weft_future *jobs[] = {start(WEFT_SUBMIT_AS_LANE, "a"), start(WEFT_SUBMIT_AS_LANE, "b"),
                           start(WEFT_SUBMIT_AS_LANE, "c"), start(WEFT_SUBMIT_AS_LANE, "d"),
                           start(WEFT_SUBMIT_TRY, "e")};
    cr_assert_not(weft_is_done(jobs[0]), "it completes at the next tick");
    cr_assert_eq(stats().queued, 2);
    all_end(jobs, 5, (int[]){WEFT_EDROPPED, WEFT_EDROPPED, 0, 0, -EAGAIN});
    cr_assert_str_eq(test_trace, "cd");
    cr_assert_eq(stats().dropped, 2);
    end();
}

Test(lane_full, forced_jobs_go_before_those_who_wait_for_room)
{
    begin(WEFT_FULL_WAIT, 1);
    weft_future *jobs[] = {start(WEFT_SUBMIT_AS_LANE, "a"), start(WEFT_SUBMIT_AS_LANE, "b"),
                           start(WEFT_SUBMIT_FORCED, "c")};
    cr_assert_eq(stats().queued, 2);
    all_end(jobs, 3, NULL);
    cr_assert_str_eq(test_trace, "acb");
    end();
}

/* ---- Who is woken ---- */

static struct gate wake_gate;

static weft_future *start_at_gate(uint64_t key)
{
    return weft_offload_fn((&(struct weft_job_options){.lane = lane, .key = key}), gate_pass,
                           &wake_gate);
}

/* A pool with threads, one of which is in a job with key 1; the others are idle. */
static weft_future *begin_with_threads(const struct weft_lane_options *options)
{
    gate_init(&wake_gate);
    pool = use_pool(&(struct weft_pool_options){.max_threads = 4, .min_threads = 4});
    weft_pool_ref(pool);
    lane = weft_lane_new(pool, options);
    weft_future *job = start_at_gate(1);
    gate_wait_entered(&wake_gate);
    return job;
}

static void open_gate_for(weft_future *jobs[], int count)
{
    for (int i = 0; i < count; i++)
        gate_open(&wake_gate);
    for (int i = 0; i < count; i++)
        cr_assert_eq(weft_test_run(jobs[i]), 0);
}

Test(lane_full, a_thread_is_woken_for_who_gets_the_room_of_one_that_could_not_run)
{
    weft_future *jobs[2] = {begin_with_threads(
        &(struct weft_lane_options){.name = "a", .max_queued = 1, .on_full = WEFT_FULL_WAIT})};
    weft_future *behind = start_at_gate(1);
    jobs[1] = start_at_gate(0);
    cr_assert_eq(stats().waiting, 1);
    cr_assert(weft_cancel(behind));
    gate_wait_entered(&wake_gate);
    open_gate_for(jobs, 2);
    cr_assert_eq(weft_test_run(behind), -ECANCELED);
    end();
}

Test(lane_full, threads_are_woken_for_those_whom_a_raised_limit_lets_run)
{
    weft_future *jobs[3] = {
        begin_with_threads(&(struct weft_lane_options){.name = "a", .max_running = 1})};
    jobs[1] = start_at_gate(0);
    jobs[2] = start_at_gate(0);
    cr_assert_eq(stats().queued, 2);
    cr_assert_eq(weft_lane_configure(lane, &(struct weft_lane_options){.max_running = 3}), 0);
    gate_wait_entered(&wake_gate);
    gate_wait_entered(&wake_gate);
    open_gate_for(jobs, 3);
    end();
}

Test(lane_full, threads_are_woken_for_those_whom_more_room_lets_in)
{
    weft_future *jobs[3] = {begin_with_threads(
        &(struct weft_lane_options){.name = "a", .max_queued = 1, .on_full = WEFT_FULL_WAIT})};
    weft_future *behind = start_at_gate(1);
    jobs[1] = start_at_gate(0);
    jobs[2] = start_at_gate(0);
    cr_assert_eq(stats().waiting, 2);
    cr_assert_eq(weft_lane_configure(lane, &(struct weft_lane_options){.max_queued = 3}), 0);
    gate_wait_entered(&wake_gate);
    gate_wait_entered(&wake_gate);
    cr_assert(weft_cancel(behind));
    open_gate_for(jobs, 3);
    cr_assert_eq(weft_test_run(behind), -ECANCELED);
    end();
}

/* ---- The end of a loop ---- */

Test(lane_full, those_in_line_never_run_when_the_loop_shuts_down)
{
    begin(WEFT_FULL_WAIT, 1);
    weft_future *jobs[] = {start(WEFT_SUBMIT_AS_LANE, "a"), start(WEFT_SUBMIT_AS_LANE, "b"),
                           start(WEFT_SUBMIT_AS_LANE, "c")};
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    for (int i = 0; i < 3; i++) {
        cr_assert(weft_is_cancelled(jobs[i]));
        weft_unref(jobs[i]);
    }
    cr_assert_eq(weft__pool_step(pool, 9), 0);
    cr_assert_eq(stats().queued + stats().waiting, 0);
    end();
}

Test(lane_full, a_loop_that_is_freed_takes_its_own_jobs_out_of_the_line_only)
{
    begin(WEFT_FULL_WAIT, 1);
    struct gate gate;
    gate_init(&gate);
    weft_unref(start(WEFT_SUBMIT_AS_LANE, "a"));
    weft_unref(start(WEFT_SUBMIT_AS_LANE, "b"));
    weft_unref(start(WEFT_SUBMIT_AS_LANE, "c"));
    weft_loop_free(test_loop);
    test_loop = weft_loop_new(NULL);
    cr_assert_eq(stats().queued + stats().waiting, 0);
    cr_assert_eq(weft_loop_set_pool(test_loop, pool), 0);
    weft_future *jobs[] = {start(WEFT_SUBMIT_AS_LANE, "d")};
    all_end(jobs, 1, NULL);
    cr_assert_str_eq(test_trace, "d");
    end();
}

/* A second loop, on its own thread, whose jobs stand in the same line. */
struct other {
    struct gate *started, *end;
    weft_pool *pool;
    int status[2];
};

static weft_result run_other(void *arg)
{
    struct other *other = arg;
    weft_loop *loop = weft_loop_new(NULL);
    weft_future *jobs[2];
    int set = weft_loop_set_pool(loop, other->pool);
    for (int i = 0; i < 2; i++)
        jobs[i] = start(WEFT_SUBMIT_AS_LANE, "o");
    gate_pass(other->started);
    gate_pass(other->end);
    for (int i = 0; i < 2; i++)
        other->status[i] = set ? set : weft_loop_run_until(loop, jobs[i]);
    weft_loop_free(loop);
    return weft_ok(0);
}

static void *other_thread(void *arg)
{
    run_other(arg);
    return NULL;
}

Test(lane_full, loops_that_share_a_lane_stand_in_one_line)
{
    begin(WEFT_FULL_WAIT, 1);
    struct gate started, ended;
    gate_init(&started);
    gate_init(&ended);
    struct other other = {.started = &started, .end = &ended, .pool = pool};
    weft_future *jobs[2] = {start(WEFT_SUBMIT_AS_LANE, "a")};
    pthread_t thread;
    cr_assert_eq(pthread_create(&thread, NULL, other_thread, &other), 0);
    gate_wait_entered(&started);
    jobs[1] = start(WEFT_SUBMIT_AS_LANE, "b");
    cr_assert_eq(stats().waiting, 3);
    gate_open(&started);
    gate_wait_entered(&ended);
    all_end(jobs, 2, NULL);
    gate_open(&ended);
    pthread_join(thread, NULL);
    cr_assert_str_eq(test_trace, "aoob");
    cr_assert_eq(other.status[0], 0);
    cr_assert_eq(other.status[1], 0);
    end();
}

Test(lane_full, a_job_that_is_dropped_for_another_loops_fails_on_its_own)
{
    begin(WEFT_FULL_DROP_OLDEST, 2);
    struct gate started, ended;
    gate_init(&started);
    gate_init(&ended);
    struct other other = {.started = &started, .end = &ended, .pool = pool};
    pthread_t thread;
    cr_assert_eq(pthread_create(&thread, NULL, other_thread, &other), 0);
    gate_wait_entered(&started);
    weft_future *jobs[2] = {start(WEFT_SUBMIT_AS_LANE, "a"), start(WEFT_SUBMIT_AS_LANE, "b")};
    gate_open(&started);
    gate_wait_entered(&ended);
    all_end(jobs, 2, NULL);
    gate_open(&ended);
    pthread_join(thread, NULL);
    cr_assert_eq(other.status[0], WEFT_EDROPPED);
    cr_assert_eq(other.status[1], WEFT_EDROPPED);
    end();
}

/* ---- Forced ---- */

struct cleaner {
    WEFT_FRAME;
    const char *normal, *forced;
    int refused;
};

/* Cancelled, it cleans up by a job that must run. */
static WEFT_ASYNC(cleaner)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_sleep(WEFT_S(1000)));
    WEFT_FINALLY;
    WEFT_AWAIT(start(WEFT_SUBMIT_FORCED, self->forced));
    WEFT_END;
}

Test(lane_full, a_forced_job_cleans_up_while_the_loop_shuts_down)
{
    pool = weft__pool_by_hand(WEFT__INLINE);
    cr_assert_eq(weft_loop_set_pool(test_loop, pool), 0);
    lane = weft_lane_new(pool, &(struct weft_lane_options){.name = "a"});
    weft_unref(weft_spawn(cleaner, .forced = "f"));
    weft_test_ticks(2);
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    cr_assert_str_eq(test_trace, "f");
    end();
}

static void open_gate(void *gate)
{
    gate_open(gate);
}

/* Continues a job's end by another job, while the loop waits for its jobs only. */
static void submit_both(weft_future *job, void *gate)
{
    (void)job;
    weft_future *normal = start(WEFT_SUBMIT_AS_LANE, "n");
    cr_assert_eq(weft_future_status(normal), -ESHUTDOWN);
    weft_unref(normal);
    weft_unref(start(WEFT_SUBMIT_FORCED, "f"));
    gate_open(gate);
}

Test(lane_full, forced_jobs_are_accepted_when_others_are_refused_and_not_dropped_when_they_are)
{
    struct gate gate, kept_gate;
    gate_init(&gate);
    gate_init(&kept_gate);
    pool = weft_pool_new(&(struct weft_pool_options){.max_threads = 1});
    cr_assert_eq(weft_loop_set_pool(test_loop, pool), 0);
    lane = weft_lane_new(pool, &(struct weft_lane_options){.name = "a"});
    weft_future *running = weft_to_thread_fn(lane, gate_pass, &gate);
    gate_wait_entered(&gate);
    weft_future *dropped = start(WEFT_SUBMIT_AS_LANE, "d"), *kept;
    kept = weft_offload_fn((&(struct weft_job_options){.lane = lane, .submit = WEFT_SUBMIT_FORCED}),
                           gate_pass, &kept_gate);
    cr_assert_eq(weft_then(running, submit_both, &kept_gate), 0);
    weft_unref(weft_call_soon(open_gate, &gate)); /* when others are refused already */
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    cr_assert_eq(weft_future_status(dropped), -ECANCELED);
    cr_assert_eq(weft_future_status(kept), 0);
    weft_unref(dropped);
    weft_unref(kept);
    cr_assert_str_eq(test_trace, "f");
    weft_future *late = start(WEFT_SUBMIT_FORCED, "l");
    cr_assert_eq(weft_future_status(late), -ESHUTDOWN, "the loop is closed");
    weft_unref(late);
    end();
}

Test(lane_full, a_forced_job_that_could_not_be_started_in_time_is_dropped_with_the_loop)
{
    begin(WEFT_FULL_REJECT, 1);
    weft_future *job = start(WEFT_SUBMIT_FORCED, "f");
    struct weft_shutdown_options options = {.tasks_timeout = WEFT_S(1), .jobs_timeout = WEFT_S(1)};
    cr_assert_eq(weft_loop_shutdown(test_loop, &options, NULL), WEFT_ESTUCK);
    weft_unref(job);
    weft_loop_free(test_loop);
    cr_assert_eq(weft__pool_step(pool, 9), 0);
    test_loop = weft_loop_new(NULL);
    end();
}

/* ---- Lack of memory ---- */

static int wait_for_room(void)
{
    weft_future *first = start(WEFT_SUBMIT_AS_LANE, "a"), *second = start(WEFT_SUBMIT_WAIT, "b");
    weft__pool_step(pool, 2);
    int status = weft_test_run(first), other = weft_test_run(second);
    return status ? status : other;
}

Test(lane_full, to_wait_for_room_needs_no_more_memory_than_a_job_does)
{
    begin(WEFT_FULL_REJECT, 1);
    weft_test_every_lack_of_memory(wait_for_room);
    end();
}

Test(lane_full, one_that_drops_another_does_not_overtake_those_who_wait_for_room)
{
    begin(WEFT_FULL_DROP_OLDEST, 2);
    weft_future *jobs[] = {start(WEFT_SUBMIT_AS_LANE, "a"), start(WEFT_SUBMIT_AS_LANE, "b"),
                           start(WEFT_SUBMIT_WAIT, "c"), start(WEFT_SUBMIT_AS_LANE, "d"),
                           start(WEFT_SUBMIT_AS_LANE, "e")};
    cr_assert_eq(stats().queued, 2);
    cr_assert_eq(stats().waiting, 1);
    all_end(jobs, 5, (int[]){WEFT_EDROPPED, WEFT_EDROPPED, 0, 0, 0});
    cr_assert_str_eq(test_trace, "cde");
    end();
}

Test(lane_full, drops_no_job_that_was_forced_in)
{
    begin(WEFT_FULL_DROP_OLDEST, 1);
    weft_future *jobs[] = {start(WEFT_SUBMIT_FORCED, "a"), start(WEFT_SUBMIT_AS_LANE, "b"), NULL,
                           NULL};
    jobs[2] = start(WEFT_SUBMIT_FORCED, "c");
    jobs[3] = start(WEFT_SUBMIT_WAIT, "d");
    all_end(jobs, 4, (int[]){0, -EAGAIN, 0, 0});
    cr_assert_str_eq(test_trace, "acd");
    end();
}

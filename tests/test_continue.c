/* SPDX-License-Identifier: MIT */
/* Chains: jobs that go on with another function. */
#include <criterion/criterion.h>
#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <weft/testing.h>
#include <weft/weft.h>

#include "tests/support/child.h"
#include "tests/support/gate.h"
#include "tests/support/heap.h"
#include "tests/support/loop.h"
#include "tests/support/pool.h"
#include "tests/support/trace.h"

TestSuite(continue, .init = weft_test_loop_begin, .timeout = 20);

static atomic_int ran, released;

static void note_release(void *args)
{
    (void)args;
    atomic_fetch_add(&released, 1);
}

static const struct weft_continue_options releasing = {.release = note_release};

/* Counts down, a function for each number; the value is how many there were. */
struct count_down {
    int left, steps;
    bool releases;
    struct gate *gate; /* passed by each but the first; NULL: none */
};

static WEFT_BLOCKING(count_down)
{
    if (self->gate && self->steps > 0)
        gate_pass(self->gate);
    atomic_fetch_add(&ran, 1);
    if (self->left == 0)
        return weft_ok(self->steps);
    return weft_continue_with(self->releases ? &releasing : NULL, count_down,
                              .left = self->left - 1, .steps = self->steps + 1,
                              .releases = self->releases, .gate = self->gate);
}

static int64_t value_of(weft_future *future)
{
    cr_assert_eq(weft_test_run(weft_ref(future)), 0, "%s", weft_message(future));
    int64_t value = weft_future_value(future).i64;
    weft_unref(future);
    return value;
}

/* ---- Going on ---- */

Test(continue, future_completes_with_what_the_last_function_returns)
{
    cr_assert_eq(value_of(weft_to_thread(count_down, .left = 3)), 3);
    cr_assert_eq(atomic_load(&ran), 4);
    weft_test_loop_end();
}

Test(continue, chain_of_ten_thousand_neither_recurses_nor_leaks)
{
    cr_assert_eq(value_of(weft_to_thread(count_down, .left = 10000)), 10000);
    cr_assert_eq(stats_of(weft_loop_pool(test_loop)).running, 0);
    weft_test_loop_end();
}

struct marks {
    const char *text;
    int left;
};

static WEFT_BLOCKING(marks)
{
    weft_test_mark(self->text);
    if (self->left == 0)
        return weft_ok(0);
    return weft_continue(marks, .text = self->text, .left = self->left - 1);
}

Test(continue, takes_its_turn_at_the_end_of_its_lane_so_that_others_are_not_starved)
{
    weft_pool *pool = weft_testing_pool_new(WEFT_TESTING_STEPPED);
    cr_assert_eq(weft_loop_set_pool(test_loop, pool), 0);
    weft_future *chain = weft_to_thread(marks, .text = "a", .left = 2);
    weft_future *other = weft_to_thread(marks, .text = "b", .left = 1);
    cr_assert_eq(weft_testing_pool_step(pool, 5), 5);
    cr_assert_str_eq(test_trace, "ababa");
    weft_pool_unref(pool);
    cr_assert_eq(value_of(chain), 0);
    cr_assert_eq(value_of(other), 0);
    weft_test_loop_end();
}

Test(continue, works_in_an_inline_pool)
{
    weft_pool *pool = weft_testing_pool_new(WEFT_TESTING_INLINE);
    cr_assert_eq(weft_loop_set_pool(test_loop, pool), 0);
    weft_pool_unref(pool);
    cr_assert_eq(value_of(weft_to_thread(count_down, .left = 5)), 5);
    weft_test_loop_end();
}

struct names_twice {
    bool returns_other;
};

static WEFT_BLOCKING(names_twice)
{
    weft_result first = weft_continue_with(&releasing, count_down, .left = 0, .steps = 1);
    weft_result second = weft_continue_with(&releasing, count_down, .left = 0, .steps = 2);
    (void)second;
    return self->returns_other ? weft_ok(77) : first;
}

Test(continue, what_was_named_and_not_returned_is_dropped)
{
    cr_assert_eq(value_of(weft_to_thread(names_twice, .returns_other = true)), 77);
    cr_assert_eq(atomic_load(&released), 2);
    cr_assert_eq(value_of(weft_to_thread(names_twice, .returns_other = false)), 1);
    cr_assert_eq(atomic_load(&released), 4);
    weft_test_loop_end();
}

Test(continue, arguments_of_each_function_are_released_when_it_has_returned)
{
    weft_future *job = weft_offload(&(struct weft_job_options){.release = note_release}, count_down,
                                    .left = 4, .releases = true);
    cr_assert_eq(value_of(job), 4);
    cr_assert_eq(atomic_load(&released), 5);
    weft_test_loop_end();
}

static WEFT_CONTEXT_KEY(number, int, NULL);

struct reads_context {
    bool again;
};

static WEFT_BLOCKING(reads_context)
{
    if (self->again)
        return weft_continue(reads_context, .again = false);
    return weft_ok(weft_context_get(number));
}

Test(continue, context_is_the_same)
{
    cr_assert_eq(weft_context_set(number, 12), 0);
    cr_assert_eq(value_of(weft_to_thread(reads_context, .again = true)), 12);
    cr_assert_eq(weft_context_unset(number), 0);
    weft_test_loop_end();
}

/* ---- Lanes ---- */

static weft_lane *new_lane(const char *name, size_t max_queued)
{
    weft_lane *lane = weft_lane_new(
        weft_loop_pool(test_loop),
        &(struct weft_lane_options){.name = name, .max_running = 1, .max_queued = max_queued});
    cr_assert_not_null(lane);
    return lane;
}

struct goes_to {
    weft_lane *lane;
};

static WEFT_BLOCKING(goes_to)
{
    return weft_continue_in(self->lane, count_down, .left = 2);
}

Test(continue, in_another_lane_waits_there_though_that_is_full)
{
    struct gate gate;
    gate_init(&gate);
    use_pool(NULL);
    weft_lane *lane = new_lane("narrow", 1);
    weft_future *running = weft_to_thread_fn(lane, gate_pass, &gate);
    gate_wait_entered(&gate);
    weft_future *queued = weft_to_thread_fn(lane, return_nothing, NULL);
    weft_future *refused = weft_to_thread_fn(lane, return_nothing, NULL);
    cr_assert_eq(weft_test_run(refused), -EAGAIN);
    weft_future *job = weft_to_thread(goes_to, .lane = lane);
    struct weft_lane_stats stats;
    do
        weft_lane_get_stats(lane, &stats);
    while (stats.queued < 2);
    gate_open(&gate);
    cr_assert_eq(value_of(job), 2);
    cr_assert_eq(value_of(queued), 0);
    cr_assert_eq(value_of(running), 7);
    weft_lane_get_stats(lane, &stats);
    cr_assert_eq(stats.completed, 5);
    weft_lane_unref(lane);
    weft_test_loop_end();
}

Test(continue, in_a_lane_of_one_frees_its_place_for_itself)
{
    use_pool(NULL);
    weft_lane *lane = new_lane("one", 10);
    cr_assert_eq(value_of(weft_to_thread_in(lane, count_down, .left = 100)), 100);
    weft_lane_unref(lane);
    weft_test_loop_end();
}

Test(continue, in_its_own_lane_goes_on_after_that_was_closed)
{
    struct gate gate;
    gate_init(&gate);
    use_pool(NULL);
    weft_lane *lane = new_lane("closing", 10);
    weft_future *job = weft_to_thread_in(lane, count_down, .left = 2, .gate = &gate);
    gate_wait_entered(&gate);
    weft_lane_unref(lane);
    gate_open(&gate);
    gate_wait_entered(&gate);
    gate_open(&gate);
    cr_assert_eq(value_of(job), 2);
    weft_test_loop_end();
}

Test(continue, in_a_lane_of_another_pool_is_refused)
{
    weft_pool *other = weft_pool_new(NULL);
    weft_future *job = weft_to_thread(goes_to, .lane = weft_pool_lane(other, "default"));
    cr_assert_eq(weft_test_run(job), -EINVAL);
    weft_pool_unref(other);
    weft_test_loop_end();
}

Test(continue, keeps_its_key_to_the_end_of_the_chain)
{
    weft_pool *pool = weft_testing_pool_new(WEFT_TESTING_STEPPED);
    struct weft_job_options options = {.key = 5};
    cr_assert_eq(weft_loop_set_pool(test_loop, pool), 0);
    weft_future *chain = weft_offload(&options, marks, .text = "a", .left = 2);
    weft_future *behind = weft_offload(&options, marks, .text = "b", .left = 1);
    weft_future *other = weft_to_thread(marks, .text = "c", .left = 1);
    cr_assert_eq(weft_testing_pool_step(pool, 7), 7);
    cr_assert_str_eq(test_trace, "acacabb");
    weft_pool_unref(pool);
    cr_assert_eq(value_of(chain), 0);
    cr_assert_eq(value_of(behind), 0);
    cr_assert_eq(value_of(other), 0);
    weft_test_loop_end();
}

struct goes_to_lane {
    weft_lane *lane;
};

static WEFT_BLOCKING(goes_to_lane)
{
    return weft_continue_in(self->lane, marks, .text = "a", .left = 1);
}

Test(continue, in_another_lane_waits_for_its_key_there)
{
    weft_pool *pool = weft_testing_pool_new(WEFT_TESTING_STEPPED);
    cr_assert_eq(weft_loop_set_pool(test_loop, pool), 0);
    weft_lane *lane = new_lane("other", 10);
    struct weft_job_options here = {.key = 5}, there = {.key = 5, .lane = lane};
    weft_future *moves = weft_offload(&here, goes_to_lane, .lane = lane);
    weft_future *behind = weft_offload(&here, marks, .text = "b");
    weft_future *first = weft_offload(&there, marks, .text = "c", .left = 1);
    while (weft_testing_pool_step(pool, 1) > 0)
        ;
    cr_assert(strstr(test_trace, "b"));
    const char *there_in_order = strchr(test_trace, 'c');
    cr_assert(there_in_order && strrchr(test_trace, 'c') < strchr(test_trace, 'a'));
    weft_pool_unref(pool);
    cr_assert_eq(value_of(moves), 0);
    cr_assert_eq(value_of(behind), 0);
    cr_assert_eq(value_of(first), 0);
    weft_lane_unref(lane);
    weft_test_loop_end();
}

/* ---- Cancelling ---- */

struct goes_on {
    struct gate *gate;
    bool commits;
};

static WEFT_BLOCKING(goes_on)
{
    gate_pass(self->gate);
    if (self->commits && weft_job_commit() < 0)
        return weft_err(-EIO);
    gate_pass(self->gate);
    return weft_continue_with(&releasing, count_down, .left = 1);
}

static void open_twice(struct gate *gate)
{
    gate_open(gate);
    gate_open(gate);
}

Test(continue, cancel_while_a_function_runs_keeps_the_job_from_going_on)
{
    struct gate gate;
    gate_init(&gate);
    weft_future *job = weft_to_thread(goes_on, .gate = &gate);
    gate_wait_entered(&gate);
    cr_assert(weft_cancel(job));
    open_twice(&gate);
    cr_assert_eq(weft_test_run(job), -ECANCELED);
    cr_assert_eq(atomic_load(&ran), 0);
    cr_assert_eq(atomic_load(&released), 1);
    weft_test_loop_end();
}

Test(continue, cancel_that_the_job_was_told_keeps_it_from_going_on)
{
    struct gate gate;
    gate_init(&gate);
    weft_future *job = weft_offload(
        &(struct weft_job_options){.on_cancel = WEFT_CANCEL_COOPERATIVE}, goes_on, .gate = &gate);
    gate_wait_entered(&gate);
    cr_assert(weft_cancel(job));
    open_twice(&gate);
    cr_assert_eq(weft_test_run(job), -ECANCELED);
    cr_assert_eq(atomic_load(&ran), 0);
    cr_assert_eq(atomic_load(&released), 1);
    weft_test_loop_end();
}

static void cancel_committed(enum weft_on_cancel mode)
{
    struct gate gate;
    gate_init(&gate);
    weft_future *job = weft_offload(&(struct weft_job_options){.on_cancel = mode}, goes_on,
                                    .gate = &gate, .commits = true);
    gate_wait_entered(&gate);
    gate_open(&gate);
    gate_wait_entered(&gate);
    cr_assert(weft_cancel(job));
    gate_open(&gate);
    cr_assert_eq(value_of(job), 1);
}

Test(continue, one_that_has_committed_goes_on_whatever_is_asked)
{
    cancel_committed(WEFT_CANCEL_WAIT);
    cancel_committed(WEFT_CANCEL_COOPERATIVE);
    cr_assert_eq(atomic_load(&ran), 4);
    weft_test_loop_end();
}

static weft_pool *use_stepped(void)
{
    weft_pool *pool = weft_testing_pool_new(WEFT_TESTING_STEPPED);
    cr_assert_eq(weft_loop_set_pool(test_loop, pool), 0);
    weft_pool_unref(pool);
    return pool;
}

Test(continue, cancel_while_it_waits_in_between_drops_it_at_once)
{
    weft_pool *pool = use_stepped();
    weft_future *job = weft_to_thread(count_down, .left = 5, .releases = true);
    cr_assert_eq(weft_testing_pool_step(pool, 2), 2);
    cr_assert(weft_cancel(job));
    cr_assert(weft_is_done(job));
    cr_assert_eq(weft_test_run(job), -ECANCELED);
    cr_assert_eq(weft_testing_pool_step(pool, 1), 0);
    cr_assert_eq(atomic_load(&ran), 2);
    cr_assert_eq(atomic_load(&released), 2);
    weft_test_loop_end();
}

struct commits {
    int left;
};

static WEFT_BLOCKING(commits)
{
    if (weft_job_commit() < 0)
        return weft_err(-EIO);
    return weft_continue(count_down, .left = self->left);
}

Test(continue, one_that_has_committed_is_not_dropped_while_it_waits_in_between)
{
    weft_pool *pool = use_stepped();
    weft_future *job = weft_to_thread(commits, .left = 1);
    cr_assert_eq(weft_testing_pool_step(pool, 1), 1);
    cr_assert(weft_cancel(job));
    cr_assert_not(weft_is_done(job));
    cr_assert_eq(weft_testing_pool_step(pool, 2), 2);
    cr_assert_eq(value_of(job), 1);
    weft_test_loop_end();
}

/* ---- The end of the loop ---- */

Test(continue, shutdown_ends_a_chain_that_would_go_on_for_long)
{
    weft_future *job = weft_to_thread(count_down, .left = 1000000000, .releases = true);
    while (atomic_load(&ran) < 100)
        sched_yield();
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    cr_assert_eq(weft_future_status(job), -ECANCELED);
    weft_unref(job);
    weft_test_loop_end();
    cr_assert_eq(atomic_load(&ran), atomic_load(&released));
}

Test(continue, job_that_a_loop_has_given_up_does_not_go_on)
{
    struct gate gate;
    gate_init(&gate);
    weft_pool *pool = weft_pool_ref(use_pool(NULL));
    struct weft_shutdown_options options = {.jobs_timeout = 1};
    weft_unref(weft_to_thread(goes_on, .gate = &gate, .commits = true));
    gate_wait_entered(&gate);
    cr_assert_eq(weft_loop_shutdown(test_loop, &options, NULL), WEFT_ESTUCK);
    weft_loop_free(test_loop);
    open_twice(&gate); /* so that it commits after that */
    weft_pool_unref(pool);
    while (weft_test_heap_live() > 0)
        sched_yield();
    cr_assert_eq(atomic_load(&ran), 0);
    cr_assert_eq(atomic_load(&released), 1);
}

/* ---- Failures ---- */

static int run_chain(void)
{
    int before_ran = atomic_load(&ran), before_released = atomic_load(&released);
    weft_future *job = weft_offload(&(struct weft_job_options){.release = note_release}, count_down,
                                    .left = 3, .releases = true);
    int status = weft_test_run(job);
    int steps = atomic_load(&ran) - before_ran;
    int expected = status == 0 ? 4 : steps + 1; /* what was named, and found no memory, is too */
    cr_assert_eq(atomic_load(&released) - before_released, expected);
    return status == -EAGAIN ? -ENOMEM : status;
}

struct goes_on_plainly {
    bool in_lane;
};

static WEFT_BLOCKING(goes_on_plainly)
{
    if (self->in_lane)
        return weft_continue_in(NULL, count_down);
    return weft_continue(goes_on_plainly, .in_lane = true);
}

static int run_plain_chain(void)
{
    int status = weft_test_run(weft_to_thread(goes_on_plainly));
    return status == -EAGAIN ? -ENOMEM : status;
}

Test(continue, survives_every_lack_of_memory_and_releases_all_arguments)
{
    weft_test_every_lack_of_memory(run_plain_chain);
    weft_test_every_lack_of_memory(run_chain);
    weft_test_loop_end();
}

Test(continue, outside_of_a_job_is_refused)
{
    weft_result result = weft_continue_with(&releasing, count_down, .left = 1);
    cr_assert_eq(result.status, WEFT_ENOJOB);
    cr_assert_eq(atomic_load(&released), 1);
    weft_test_loop_end();
}

static weft_result fork_and_go_on(void *arg)
{
    (void)arg;
    int status = fork();
    if (status == 0)
        weft_test_child_exit(weft_continue(count_down).status == WEFT_EFORK ? 0 : __LINE__);
    return weft_ok(status);
}

Test(continue, in_a_child_that_the_job_forked_off_is_refused)
{
    weft_test_reap((int)value_of(weft_to_thread_fn(NULL, fork_and_go_on, NULL)));
    weft_test_loop_end();
}

struct bad_options {
    int unused;
};

static WEFT_BLOCKING(bad_options)
{
    return weft_continue_with((&(struct weft_continue_options){.size = 3}), count_down);
}

Test(continue, options_of_another_version_are_refused)
{
    cr_assert_eq(weft_test_run(weft_to_thread(bad_options)), -EINVAL);
    weft_test_loop_end();
}

/* ---- Many at once ---- */

Test(continue, many_chains_that_are_cancelled_at_random_all_end)
{
    enum { CHAINS = 200 };
    weft_future *jobs[CHAINS];
    unsigned seed = 7;
    use_pool(&(struct weft_pool_options){.max_threads = 4, .keepalive = 1});
    weft_lane *lane = new_lane("one", 0);
    for (int i = 0; i < CHAINS; i++)
        jobs[i] = weft_to_thread_in(i % 3 ? NULL : lane, count_down, .left = rand_r(&seed) % 50,
                                    .releases = true);
    for (int i = 0; i < CHAINS; i++) {
        if (rand_r(&seed) % 4 == 0)
            weft_cancel(jobs[i]);
        int status = weft_test_run(weft_ref(jobs[i]));
        cr_assert(status == 0 || status == -ECANCELED);
        weft_unref(jobs[i]);
    }
    weft_lane_unref(lane);
    weft_test_loop_end();
}

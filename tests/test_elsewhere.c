/* SPDX-License-Identifier: MIT */
/* Calls of core/ and pool/ on a thread other than the loop's, and in a forked child. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <weft/testing.h>
#include <weft/weft.h>

#include "tests/support/elsewhere.h"
#include "tests/support/loop.h"
#include "tests/support/trace.h"

TestSuite(elsewhere, .init = weft_test_loop_begin, .timeout = 60);

static void nothing(void *arg)
{
    (void)arg;
}

static void no_continuation(weft_future *future, void *arg)
{
    (void)future;
    (void)arg;
}

static weft_future *make(size_t index, void *arg)
{
    (void)index;
    (void)arg;
    return weft_sleep(1);
}

static weft_result job(void *arg)
{
    (void)arg;
    return weft_ok(0);
}

static struct weft_job *own_job(void)
{
    static struct weft_job own;
    weft_job_init(&own, job, NULL, NULL);
    return &own;
}

struct blocks {
    int unused;
};

static WEFT_BLOCKING(blocks)
{
    return weft_ok(self->unused);
}

struct waits {
    WEFT_FRAME;
    weft_future *on;
};

static WEFT_ASYNC(waits)
{
    WEFT_BEGIN;
    WEFT_AWAIT(self->on);
    WEFT_END;
}

struct stage {
    weft_loop *loop;
    weft_future *future, *task;
    struct weft_loop_stats *stats;
    struct weft_callback *idle, *pending;
};

#define CALLS_OF_FUTURES(X)                                                            \
    X(Z, weft_cancel, weft_cancel(s->future))                                          \
    X(Z, weft_cancel_because, weft_cancel_because(s->future, "no reason"))             \
    X(Z, weft_cancelling, weft_cancelling(s->task))                                    \
    X(Z, weft_future_errors, weft_future_errors(s->future))                            \
    X(S, weft_future_fail, weft_future_fail(s->future, -1, NULL))                      \
    X(H, weft_future_failed, weft_future_failed(-1, NULL))                             \
    X(H, weft_future_new, weft_future_new())                                           \
    X(S, weft_future_resolve, weft_future_resolve(s->future, weft_value_i64(0), NULL)) \
    X(S, weft_future_status, weft_future_status(s->future))                            \
    X(S, weft_future_take, weft_future_take(s->future, &(weft_value){.i64 = 0}))       \
    X(Z, weft_future_value, weft_future_value(s->future).i64)                          \
    X(Z, weft_is_cancelled, weft_is_cancelled(s->future))                              \
    X(Z, weft_is_done, weft_is_done(s->future))                                        \
    X(Z, weft_message, weft_message(s->future))                                        \
    X(Z, weft_ref, weft_ref(s->future) != s->future)                                   \
    X(S, weft_then, weft_then(s->future, no_continuation, NULL))                       \
    X(Z, weft_uncancel, weft_uncancel(s->task))                                        \
    X(V, weft_unref, weft_unref(s->future))

#define CALLS_OF_COMBINATORS(X)                                                           \
    X(N, weft_as_completed, weft_as_completed(1, s->future))                              \
    X(N, weft_as_completed_array, weft_as_completed_array(1, &s->future, 1))              \
    X(F, weft_first_success, weft_first_success(s->future))                               \
    X(F, weft_first_success_array, weft_first_success_array(1, &s->future))               \
    X(F, weft_gather, weft_gather(s->future))                                             \
    X(F, weft_gather_array, weft_gather_array(1, &s->future, WEFT_GATHER_ALL))            \
    X(H, weft_map, weft_map(1, 1, make, NULL))                                            \
    X(H, weft_map_with, weft_map_with(WEFT_GATHER_ALL, 1, 1, make, NULL))                 \
    X(F, weft_race, weft_race(s->future))                                                 \
    X(F, weft_race_array, weft_race_array(1, &s->future))                                 \
    X(S, weft_race_winner, weft_race_winner(s->future))                                   \
    X(H, weft_retry, weft_retry(&(struct weft_retry_options){.attempts = 1}, make, NULL)) \
    X(F, weft_shield, weft_shield(s->future))                                             \
    X(F, weft_wait, weft_wait(WEFT_ALL, 1, s->future))                                    \
    X(F, weft_wait_array, weft_wait_array(1, &s->future, WEFT_ALL, 1))                    \
    X(F, weft_wait_for, weft_wait_for(s->future, 1))

#define CALLS_OF_TASKS(X)                                                     \
    X(M, weft_all_tasks, weft_all_tasks(&(weft_future **){NULL}))             \
    X(M, weft_inspect_tasks, weft_inspect_tasks(NULL, &(char *){NULL}))       \
    X(M, weft_format_tasks, weft_format_tasks(NULL, &(char *){NULL}))         \
    X(M, weft_print_tasks, weft_print_tasks(stderr))                          \
    X(H, weft_call, weft_call(waits))                                         \
    X(N, weft_current_task, weft_current_task())                              \
    X(H, weft_spawn, weft_spawn(waits))                                       \
    X(H, weft_spawn_eager, weft_spawn_eager(waits))                           \
    X(H, weft_spawn_in, weft_spawn_in(NULL, waits))                           \
    X(Z, weft_task_await_line, weft_task_await_line(s->task))                 \
    X(Z, weft_task_cancel_info,                                               \
      weft_task_cancel_info(s->task, &(struct weft_cancel_info){.by_id = 0})) \
    X(Z, weft_task_get_state, weft_task_get_state(s->task))                   \
    X(Z, weft_task_id, weft_task_id(s->task))                                 \
    X(Z, weft_task_name, weft_task_name(s->task))                             \
    X(Z, weft_task_parent, weft_task_parent(s->task))                         \
    X(S, weft_task_set_name, weft_task_set_name(s->task, "name"))             \
    X(Z, weft_task_spawned_at, weft_task_spawned_at(s->task))                 \
    X(Z, weft_task_waits_for, weft_task_waits_for(s->task))                   \
    X(V, weft_tasks_free, weft_tasks_free((weft_future *[]){s->task}, 1))

#define CALLS_OF_LOOPS(X)                                                               \
    X(H, weft_call_at, weft_call_at(0, nothing, NULL))                                  \
    X(H, weft_call_later, weft_call_later(1, nothing, NULL))                            \
    X(H, weft_call_soon, weft_call_soon(nothing, NULL))                                 \
    X(M, weft_callback_at, weft_callback_at(s->idle, 1))                                \
    X(Z, weft_callback_cancel, weft_callback_cancel(s->pending))                        \
    X(M, weft_callback_later, weft_callback_later(s->idle, 1))                          \
    X(M, weft_callback_soon, weft_callback_soon(s->idle))                               \
    X(Z, weft_loop_base, weft_loop_base(s->loop))                                       \
    X(H, weft_job_submit, weft_job_submit(own_job(), NULL))                             \
    X(F, weft_job_next, weft_job_next(s->future))                                       \
    X(V, weft_loop_free, weft_loop_free(s->loop))                                       \
    X(V, weft_loop_get_stats, weft_loop_get_stats(s->loop, s->stats))                   \
    X(Z, weft_loop_lane, weft_loop_lane(s->loop, "default"))                            \
    X(Z, weft_loop_pool, weft_loop_pool(s->loop))                                       \
    X(S, weft_loop_run, weft_loop_run(s->loop))                                         \
    X(S, weft_loop_run_until, weft_loop_run_until(s->loop, s->future))                  \
    X(V, weft_loop_set_block_handler, weft_loop_set_block_handler(s->loop, NULL, NULL)) \
    X(V, weft_loop_set_error_handler, weft_loop_set_error_handler(s->loop, NULL, NULL)) \
    X(S, weft_loop_set_pool, weft_loop_set_pool(s->loop, NULL))                         \
    X(S, weft_loop_shutdown, weft_loop_shutdown(s->loop, NULL, NULL))                   \
    X(V, weft_loop_stop, weft_loop_stop(s->loop))                                       \
    X(H, weft_pool_run_on_each, weft_pool_run_on_each(NULL, job, NULL))                 \
    X(H, weft_sleep, weft_sleep(1))                                                     \
    X(S, weft_testing_advance, weft_testing_advance(s->loop, 1))                        \
    X(S, weft_testing_run_until_blocked, weft_testing_run_until_blocked(s->loop))       \
    X(Z, weft_testing_seed, weft_testing_seed(s->loop))                                 \
    X(H, weft_to_thread, weft_to_thread(blocks))                                        \
    X(H, weft_to_thread_in, weft_to_thread_in(NULL, blocks))                            \
    X(H, weft_to_thread_fn, weft_to_thread_fn(NULL, job, NULL))                         \
    X(H, weft_offload, weft_offload(NULL, blocks))                                      \
    X(H, weft_offload_fn, weft_offload_fn(NULL, job, NULL))                             \
    X(Z, weft_job_outcome, weft_job_outcome(s->future))                                 \
    X(H, weft_wait_readable, weft_wait_readable(0))                                     \
    X(H, weft_wait_writable, weft_wait_writable(1))

#define CALLS(X)            \
    CALLS_OF_FUTURES(X)     \
    CALLS_OF_COMBINATORS(X) \
    CALLS_OF_TASKS(X)       \
    CALLS_OF_LOOPS(X)

CALLS(WEFT_TEST_CALL)
static const struct weft_test_call calls[] = {CALLS(WEFT_TEST_ENTRY)};

Test(elsewhere, calls_of_loops_futures_and_tasks_are_refused_and_named)
{
    struct weft_loop_stats stats;
    struct weft_callback idle, pending;
    struct stage stage = {.loop = test_loop,
                          .future = weft_future_new(),
                          .stats = &stats,
                          .idle = &idle,
                          .pending = &pending};
    weft_callback_init(&idle, nothing, NULL);
    weft_callback_init(&pending, nothing, NULL);
    cr_assert_eq(weft_callback_later(&pending, WEFT_S(1)), 0);
    stage.task = weft_spawn(waits, .on = weft_ref(stage.future));
    weft_test_ticks(1);
    weft_test_elsewhere(calls, sizeof(calls) / sizeof(calls[0]), &stage);
    cr_assert(weft_callback_cancel(&pending));
    cr_assert_eq(weft_future_resolve(stage.future, weft_value_i64(0), NULL), 0);
    cr_assert_eq(weft_test_run(stage.task), 0);
    weft_unref(stage.future);
    weft_test_loop_end();
}

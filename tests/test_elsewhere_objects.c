/* SPDX-License-Identifier: MIT */
/* Calls of objects of a loop (locks, queues, scopes …) on another thread, and in a forked child. */
#include <criterion/criterion.h>
#include <signal.h>
#include <weft/broadcast.h>
#include <weft/process.h>
#include <weft/queue.h>
#include <weft/testing.h>
#include <weft/watch.h>
#include <weft/weft.h>

#include "tests/support/elsewhere.h"
#include "tests/support/loop.h"
#include "tests/support/trace.h"

TestSuite(elsewhere_objects, .init = weft_test_loop_begin, .timeout = 60);

static bool always(void *arg)
{
    (void)arg;
    return true;
}

struct sleeps {
    WEFT_FRAME;
};

static WEFT_ASYNC(sleeps)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_sleep(1));
    WEFT_END;
}

struct stage {
    weft_future *future;
    weft_barrier *barrier;
    weft_broadcast *broadcast;
    weft_receiver *receiver;
    weft_lock *lock;
    weft_condition *condition;
    weft_event *event;
    weft_semaphore *semaphore;
    weft_queue *queue;
    weft_watch *watch;
    weft_scope *scope;
    weft_signal *signal;
    weft_timeout *timeout;
    weft_cleanup *cleanup;
    weft_waited *waited;
    weft_completions *completions;
    weft_process *process;
};

#define CALLS_OF_SYNC(X)                                                               \
    X(S, weft_barrier_abort, weft_barrier_abort(s->barrier))                           \
    X(V, weft_barrier_free, weft_barrier_free(s->barrier))                             \
    X(Z, weft_barrier_is_broken, weft_barrier_is_broken(s->barrier))                   \
    X(N, weft_barrier_new, weft_barrier_new(1))                                        \
    X(Z, weft_barrier_parties, weft_barrier_parties(s->barrier))                       \
    X(S, weft_barrier_reset, weft_barrier_reset(s->barrier))                           \
    X(F, weft_barrier_wait, weft_barrier_wait(s->barrier))                             \
    X(Z, weft_barrier_waiting, weft_barrier_waiting(s->barrier))                       \
    X(V, weft_condition_free, weft_condition_free(s->condition))                       \
    X(N, weft_condition_new, weft_condition_new(s->lock))                              \
    X(S, weft_condition_notify, weft_condition_notify(s->condition, 1))                \
    X(S, weft_condition_notify_all, weft_condition_notify_all(s->condition))           \
    X(F, weft_condition_wait, weft_condition_wait(s->condition))                       \
    X(F, weft_condition_wait_for, weft_condition_wait_for(s->condition, always, NULL)) \
    X(S, weft_event_clear, weft_event_clear(s->event))                                 \
    X(V, weft_event_free, weft_event_free(s->event))                                   \
    X(Z, weft_event_is_set, weft_event_is_set(s->event))                               \
    X(N, weft_event_new, weft_event_new())                                             \
    X(S, weft_event_set, weft_event_set(s->event))                                     \
    X(F, weft_event_wait, weft_event_wait(s->event))                                   \
    X(F, weft_lock_acquire, weft_lock_acquire(s->lock))                                \
    X(V, weft_lock_free, weft_lock_free(s->lock))                                      \
    X(Z, weft_lock_is_locked, weft_lock_is_locked(s->lock))                            \
    X(N, weft_lock_new, weft_lock_new())                                               \
    X(S, weft_lock_release, weft_lock_release(s->lock))                                \
    X(F, weft_semaphore_acquire, weft_semaphore_acquire(s->semaphore))                 \
    X(V, weft_semaphore_free, weft_semaphore_free(s->semaphore))                       \
    X(N, weft_semaphore_new, weft_semaphore_new(1, 0))                                 \
    X(S, weft_semaphore_release, weft_semaphore_release(s->semaphore))                 \
    X(Z, weft_semaphore_value, weft_semaphore_value(s->semaphore))

#define CALLS_OF_STREAMS(X)        \
    X(M, weft_testing_stream_pair, \
      weft_testing_stream_pair(&(weft_stream *){NULL}, &(weft_stream *){NULL}))

#define CALLS_OF_CHANNELS(X)                                                              \
    X(S, weft_broadcast_close, weft_broadcast_close(s->broadcast))                        \
    X(V, weft_broadcast_free, weft_broadcast_free(s->broadcast))                          \
    X(N, weft_broadcast_new, weft_broadcast_new(1))                                       \
    X(S, weft_broadcast_send, weft_broadcast_send(s->broadcast, weft_value_i64(0), NULL)) \
    X(F, weft_queue_get, weft_queue_get(s->queue))                                        \
    X(F, weft_queue_join, weft_queue_join(s->queue))                                      \
    X(N, weft_queue_new, weft_queue_new(NULL))                                            \
    X(F, weft_queue_put, weft_queue_put(s->queue, weft_value_i64(0), NULL))               \
    X(V, weft_receiver_free, weft_receiver_free(s->receiver))                             \
    X(Z, weft_receiver_missed, weft_receiver_missed(s->receiver))                         \
    X(N, weft_receiver_new, weft_receiver_new(s->broadcast))                              \
    X(F, weft_receiver_next, weft_receiver_next(s->receiver))                             \
    X(F, weft_watch_changed, weft_watch_changed(s->watch, 0))                             \
    X(V, weft_watch_free, weft_watch_free(s->watch))                                      \
    X(Z, weft_watch_get, weft_watch_get(s->watch).i64)                                    \
    X(N, weft_watch_new, weft_watch_new())                                                \
    X(S, weft_watch_set, weft_watch_set(s->watch, weft_value_i64(0), NULL))               \
    X(Z, weft_watch_version, weft_watch_version(s->watch))

#define CALLS_OF_BLOCKS(X)                                                        \
    X(N, weft_cleanup_enter, weft_cleanup_enter(1))                               \
    X(S, weft_cleanup_exit, weft_cleanup_exit(s->cleanup, 0))                     \
    X(V, weft_completions_free, weft_completions_free(s->completions))            \
    X(F, weft_next_completed, weft_next_completed(s->completions))                \
    X(S, weft_scope_add, weft_future_status(weft_scope_add(s->scope, s->future))) \
    X(V, weft_scope_cancel, weft_scope_cancel(s->scope))                          \
    X(F, weft_scope_close, weft_scope_close(s->scope, 0))                         \
    X(Z, weft_scope_count, weft_scope_count(s->scope))                            \
    X(Z, weft_scope_errors, weft_scope_errors(s->scope))                          \
    X(V, weft_scope_free, weft_scope_free(s->scope))                              \
    X(N, weft_scope_open, weft_scope_open(NULL))                                  \
    X(V, weft_scope_spawn, weft_scope_spawn(s->scope, sleeps))                    \
    X(V, weft_scope_spawn_eager, weft_scope_spawn_eager(s->scope, sleeps))        \
    X(F, weft_scope_start, weft_scope_start(s->scope, sleeps))                    \
    X(N, weft_timeout_enter, weft_timeout_enter(1))                               \
    X(N, weft_timeout_enter_at, weft_timeout_enter_at(1))                         \
    X(S, weft_timeout_exit, weft_timeout_exit(s->timeout, 0))                     \
    X(Z, weft_timeout_expired, weft_timeout_expired(s->timeout))                  \
    X(S, weft_timeout_reschedule, weft_timeout_reschedule(s->timeout, 1))         \
    X(V, weft_timeout_when, weft_timeout_when(s->timeout))                        \
    X(Z, weft_waited_done, weft_waited_done(s->waited, 0))                        \
    X(Z, weft_waited_done_count, weft_waited_done_count(s->waited))               \
    X(V, weft_waited_free, weft_waited_free(s->waited))                           \
    X(Z, weft_waited_pending, weft_waited_pending(s->waited, 0))                  \
    X(Z, weft_waited_pending_count, weft_waited_pending_count(s->waited))

#define CALLS_OF_THE_SYSTEM(X)                                                                    \
    X(F, weft_process_communicate, weft_process_communicate(s->process, NULL, 0, 0))              \
    X(V, weft_process_free, weft_process_free(s->process))                                        \
    X(Z, weft_process_has_ended, weft_process_has_ended(s->process))                              \
    X(S, weft_process_kill, weft_process_kill(s->process))                                        \
    X(S, weft_process_kill_group, weft_process_kill_group(s->process))                            \
    X(H, weft_process_run,                                                                        \
      weft_process_run(&(struct weft_process_options){.shell = "true"}, NULL, 0, 0))              \
    X(S, weft_process_signal, weft_process_signal(s->process, SIGTERM))                           \
    X(H, weft_process_start, weft_process_start(&(struct weft_process_options){.shell = "true"})) \
    X(F, weft_process_stop, weft_process_stop(s->process))                                        \
    X(S, weft_process_take_fd, weft_process_take_fd(s->process, 0))                               \
    X(S, weft_process_terminate, weft_process_terminate(s->process))                              \
    X(F, weft_process_wait, weft_process_wait(s->process))                                        \
    X(V, weft_signal_close, weft_signal_close(s->signal))                                         \
    X(F, weft_signal_next, weft_signal_next(s->signal))                                           \
    X(N, weft_signal_open, weft_signal_open(SIGUSR1))

#define CALLS(X)         \
    CALLS_OF_SYNC(X)     \
    CALLS_OF_STREAMS(X)  \
    CALLS_OF_CHANNELS(X) \
    CALLS_OF_BLOCKS(X)   \
    CALLS_OF_THE_SYSTEM(X)

CALLS(WEFT_TEST_CALL)
static const struct weft_test_call calls[] = {CALLS(WEFT_TEST_ENTRY)};

/* ---- The stage ---- */

struct has_blocks {
    WEFT_FRAME;
    struct stage *stage;
};

static WEFT_ASYNC(has_blocks)
{
    int status;
    WEFT_BEGIN;
    self->stage->timeout = weft_timeout_enter(WEFT_S(1000));
    self->stage->cleanup = weft_cleanup_enter(WEFT_S(1000));
    WEFT_CATCH(status, weft_ref(self->stage->future));
    status = weft_cleanup_exit(self->stage->cleanup, status);
    status = weft_timeout_exit(self->stage->timeout, status);
    if (status < 0)
        WEFT_FAIL(status);
    WEFT_END;
}

static void *value_of(weft_future *future)
{
    weft_value value;
    cr_assert_eq(weft_test_run(weft_ref(future)), 0);
    cr_assert_eq(weft_future_take(future, &value), 0);
    weft_unref(future);
    return value.ptr;
}

static void set(struct stage *s)
{
    s->future = weft_future_new();
    s->barrier = weft_barrier_new(2);
    s->broadcast = weft_broadcast_new(1);
    s->receiver = weft_receiver_new(s->broadcast);
    s->lock = weft_lock_new();
    s->condition = weft_condition_new(s->lock);
    s->event = weft_event_new();
    s->semaphore = weft_semaphore_new(1, 0);
    s->queue = weft_queue_new(NULL);
    s->watch = weft_watch_new();
    s->scope = weft_scope_open(NULL);
    s->signal = weft_signal_open(SIGUSR2);
    s->waited = value_of(weft_wait(WEFT_ALL, 0, weft_ref(s->future)));
    s->completions = weft_as_completed(WEFT_FOREVER, weft_ref(s->future));
    s->process =
        value_of(weft_process_start(&(struct weft_process_options){.shell = "exec sleep 1000"}));
}

static void strike(struct stage *s)
{
    weft_process_free(s->process);
    weft_completions_free(s->completions);
    weft_waited_free(s->waited);
    weft_signal_close(s->signal);
    cr_assert_eq(weft_test_run(weft_scope_close(s->scope, 0)), 0);
    weft_scope_free(s->scope);
    weft_watch_free(s->watch);
    weft_queue_unref(s->queue);
    weft_semaphore_free(s->semaphore);
    weft_event_free(s->event);
    weft_condition_free(s->condition);
    weft_lock_free(s->lock);
    weft_receiver_free(s->receiver);
    weft_broadcast_free(s->broadcast);
    weft_barrier_free(s->barrier);
    weft_unref(s->future);
}

Test(elsewhere_objects, calls_are_refused_and_named)
{
    struct stage stage = {0};
    set(&stage);
    weft_future *task = weft_spawn(has_blocks, .stage = &stage);
    weft_test_ticks(1);
    weft_test_elsewhere(calls, sizeof(calls) / sizeof(calls[0]), &stage);
    cr_assert_eq(weft_future_resolve(stage.future, weft_value_i64(0), NULL), 0);
    cr_assert_eq(weft_test_run(task), 0);
    strike(&stage);
    weft_test_loop_end();
}

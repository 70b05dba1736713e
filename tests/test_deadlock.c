/* SPDX-License-Identifier: MIT */
/* Debug mode: tasks that wait for each other, or for nobody. */
#include <criterion/criterion.h>
#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <weft/weft.h>

#include "core/debug.h"
#include "core/loop.h"
#include "core/thread.h"
#include "tests/support/beside.h"
#include "tests/support/fixture.h"
#include "tests/support/gate.h"
#include "tests/support/heap.h"
#include "tests/support/loop.h"
#include "tests/support/pool.h"
#include "tests/support/process.h"

static const char in_a_circle[] = "deadlock: tasks wait for each other in a circle";
static const char for_nobody[] =
    "deadlock: every task waits, and nothing is left that could wake one";
static const char for_a_thread[] =
    "perhaps a deadlock: every task waits, and only another thread could wake one";

/* What was reported, and the tasks of the test: those in `victims` are cancelled by the report, so that the
 * test goes on. */
static size_t reports;
static char what[128], message[1024], first[64];
static weft_future *tasks[4], *victims[4];
static bool stops; /* or stops the loop: a ring of tasks keeps a cancel */

static void note(weft_loop *loop, const struct weft_error_report *report, void *arg)
{
    (void)arg;
    if (report->status != -EDEADLK)
        return;
    reports++;
    snprintf(what, sizeof(what), "%s", report->what);
    snprintf(message, sizeof(message), "%s", report->message);
    snprintf(first, sizeof(first), "%s", report->task);
    for (size_t i = 0; i < 4 && victims[i]; i++)
        weft_cancel(victims[i]);
    if (stops)
        weft_loop_stop(loop);
}

/* Threads that are there already, a sanitizer's say, count as weft's own. */
static void disown_threads(void)
{
    for (int i = 1; i < weft_test_thread_count(); i++)
        weft__thread_begin_own();
}

static void make_loop(enum weft_clock clock)
{
    test_loop = weft_loop_new(&(struct weft_loop_options){.clock = clock, .debug = true});
    cr_assert_not_null(test_loop);
    weft_loop_set_error_handler(test_loop, note, NULL);
}

static void begin(void)
{
    weft_test_loop_begin();
    weft_loop_free(test_loop);
    disown_threads();
    make_loop(WEFT_CLOCK_VIRTUAL);
}

TestSuite(deadlock, .init = begin, .timeout = 30);

/* Cancelled by the report, or not. */
static void end_tasks(int status)
{
    for (size_t i = 0; i < 4 && tasks[i]; i++)
        cr_assert_eq(weft_test_run(tasks[i]), status, "%zu: %d", i, status);
}

/* Run until the report stops it. The tasks are stuck for good. */
static void run_into_ring(void)
{
    stops = true;
    cr_assert_eq(weft_loop_run(test_loop), 0);
    cr_assert_eq(reports, 1);
    cr_assert_str_eq(what, in_a_circle);
    for (size_t i = 0; i < 4 && tasks[i]; i++)
        weft_unref(tasks[i]);
}

/* ---- Circles ---- */

struct two_locks {
    WEFT_FRAME;
    weft_lock *one, *other;
};

static WEFT_ASYNC(two_locks)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_lock_acquire(self->one));
    WEFT_YIELD;
    WEFT_AWAIT(weft_lock_acquire(self->other));
    weft_lock_release(self->other);
    WEFT_FINALLY;
    weft_lock_release(self->one);
    WEFT_END;
}

static void spawn_two(weft_lock *a, weft_lock *b)
{
    tasks[0] = weft_spawn(two_locks, .one = a, .other = b);
    tasks[1] = weft_spawn(two_locks, .one = b, .other = a);
}

Test(deadlock, of_two_locks_in_opposite_order_is_reported)
{
    weft_lock *a = weft_lock_new(), *b = weft_lock_new();
    spawn_two(a, b);
    victims[0] = tasks[0];
    cr_assert_eq(weft_test_run(weft_ref(tasks[0])), -ECANCELED);
    cr_assert_eq(weft_test_run(weft_ref(tasks[1])), 0);
    cr_assert_eq(reports, 1);
    cr_assert_str_eq(what, in_a_circle);
    cr_assert_str_eq(first, "two_locks");
    cr_assert_not_null(strstr(message, "#1 two_locks waits at "), "%s", message);
    cr_assert_not_null(strstr(message, ", which task 2 (two_locks) has; #2 two_locks waits at "));
    cr_assert_not_null(strstr(message, ", which task 1 (two_locks) has"));
    weft_unref(tasks[0]);
    weft_unref(tasks[1]);
    weft_lock_free(a);
    weft_lock_free(b);
    weft_test_loop_end();
}

/* Awaits the task that comes after it in `tasks`, counting round. */
struct next_one {
    WEFT_FRAME;
    size_t number, count;
};

static WEFT_ASYNC(next_one)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_ref(tasks[(self->number + 1) % self->count]));
    WEFT_END;
}

Test(deadlock, of_tasks_that_await_each_other_is_reported)
{
    for (size_t i = 0; i < 3; i++)
        tasks[i] = weft_spawn(next_one, .number = i, .count = 3);
    run_into_ring();
    cr_assert_not_null(strstr(message, "for task 2 (next_one); #2 next_one waits at "));
    weft_test_loop_end();
}

struct gathers_itself {
    WEFT_FRAME;
};

static WEFT_ASYNC(gathers_itself)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_gather(weft_ref(tasks[0]), weft_sleep(WEFT_S(1))));
    WEFT_END;
}

Test(deadlock, of_a_task_that_gathers_itself_is_reported)
{
    tasks[0] = weft_spawn(gathers_itself);
    run_into_ring();
    cr_assert_not_null(strstr(message, "#1 gathers_itself waits at "), "%s", message);
    weft_test_loop_end();
}

struct awaits_first {
    WEFT_FRAME;
};

static WEFT_ASYNC(awaits_first)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_ref(tasks[0]));
    WEFT_END;
}

struct has_scope {
    WEFT_FRAME;
    weft_scope *scope;
};

static WEFT_ASYNC(has_scope)
{
    WEFT_BEGIN;
    self->scope = weft_scope_open(NULL);
    weft_scope_spawn(self->scope, awaits_first);
    WEFT_AWAIT(weft_scope_close(self->scope, 0));
    WEFT_FINALLY;
    weft_scope_free(self->scope);
    WEFT_END;
}

Test(deadlock, of_a_child_that_awaits_its_scopes_task_is_reported)
{
    tasks[0] = weft_spawn(has_scope);
    run_into_ring();
    cr_assert_not_null(strstr(message, " for scope"), "%s", message);
    cr_assert_not_null(strstr(message, "#2 awaits_first waits at "), "%s", message);
    weft_test_loop_end();
}

Test(deadlock, is_reported_once_while_the_loop_goes_on)
{
    weft_lock *a = weft_lock_new(), *b = weft_lock_new();
    spawn_two(a, b);
    for (int i = 0; i < 2000; i++)
        cr_assert_eq(weft_test_run(weft_sleep(WEFT_MS(10))), 0);
    cr_assert_leq(reports, 1);
    weft_test_run(weft_to_thread_fn(NULL, return_nothing, NULL));
    weft_cancel(tasks[0]);
    cr_assert_eq(weft_test_run(tasks[0]), -ECANCELED);
    cr_assert_eq(weft_test_run(tasks[1]), 0);
    weft_lock_free(a);
    weft_lock_free(b);
    weft_test_loop_end();
}

/* ---- No circle ---- */

struct awaits {
    WEFT_FRAME;
    weft_future *what; /* consumed */
};

static WEFT_ASYNC(awaits)
{
    WEFT_BEGIN;
    WEFT_AWAIT(self->what);
    WEFT_END;
}

struct limited {
    WEFT_FRAME;
};

static WEFT_ASYNC(limited)
{
    int status;
    WEFT_BEGIN;
    WEFT_CATCH(status, weft_wait_for(weft_shield(weft_ref(tasks[1])), WEFT_S(1)));
    (void)status;
    WEFT_END;
}

Test(deadlock, is_none_with_a_limit_of_time)
{
    tasks[0] = weft_spawn(limited);
    tasks[1] = weft_spawn(awaits_first);
    end_tasks(0);
    cr_assert_eq(reports, 0, "%s: %s", what, message);
    weft_test_loop_end();
}

/* The limit is not of those in the circle, but of who waits for them: it cancels them. */
struct limits_others {
    WEFT_FRAME;
    weft_lock *a, *b;
    int status;
};

static WEFT_ASYNC(limits_others)
{
    WEFT_BEGIN;
    WEFT_CATCH(self->status,
               weft_wait_for(weft_gather(weft_spawn(two_locks, .one = self->a, .other = self->b),
                                         weft_spawn(two_locks, .one = self->b, .other = self->a)),
                             WEFT_S(1)));
    WEFT_RETURN(self->status == -ETIMEDOUT ? 0 : -EPROTO);
    WEFT_END;
}

Test(deadlock, is_none_with_a_limit_of_time_for_all_of_them)
{
    weft_lock *a = weft_lock_new(), *b = weft_lock_new();
    tasks[0] = weft_spawn(limits_others, .a = a, .b = b);
    end_tasks(0);
    cr_assert_eq(reports, 0, "%s: %s", what, message);
    weft_lock_free(a);
    weft_lock_free(b);
    weft_test_loop_end();
}

/* The same by a shield, which does not let the cancel through. */
struct limits_in_vain {
    WEFT_FRAME;
    weft_lock *a, *b;
    int status;
};

static WEFT_ASYNC(limits_in_vain)
{
    WEFT_BEGIN;
    spawn_two(self->a, self->b);
    victims[0] = tasks[0];
    WEFT_CATCH(self->status, weft_wait_for(weft_shield(weft_ref(tasks[0])), WEFT_S(1)));
    WEFT_RETURN(self->status == -ECANCELED ? 0 : -EPROTO); /* long before the limit */
    WEFT_END;
}

Test(deadlock, is_one_behind_a_shield_whoever_has_a_limit)
{
    weft_lock *a = weft_lock_new(), *b = weft_lock_new();
    weft_future *limits = weft_spawn(limits_in_vain, .a = a, .b = b);
    cr_assert_eq(weft_test_run(limits), 0);
    cr_assert_eq(reports, 1);
    cr_assert_str_eq(what, in_a_circle);
    cr_assert_eq(weft_test_run(tasks[1]), 0);
    weft_unref(tasks[0]);
    weft_lock_free(a);
    weft_lock_free(b);
    weft_test_loop_end();
}

struct races {
    WEFT_FRAME;
};

static WEFT_ASYNC(races)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_race(weft_shield(weft_ref(tasks[1])), weft_sleep(WEFT_S(1))));
    WEFT_END;
}

Test(deadlock, is_none_in_a_race_that_another_can_win)
{
    tasks[0] = weft_spawn(races);
    tasks[1] = weft_spawn(awaits_first);
    end_tasks(0);
    cr_assert_eq(reports, 0, "%s: %s", what, message);
    weft_test_loop_end();
}

/* ---- For nobody ---- */

struct consumer {
    WEFT_FRAME;
    weft_queue *queue;
    int64_t value;
};

static WEFT_ASYNC(consumer)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->value, weft_queue_get(self->queue));
    WEFT_END;
}

Test(deadlock, of_a_consumer_without_a_producer_is_reported)
{
    weft_queue *queue = weft_queue_new(NULL);
    victims[0] = tasks[0] = weft_spawn(consumer, .queue = queue);
    end_tasks(-ECANCELED);
    cr_assert_eq(reports, 1);
    cr_assert_str_eq(what, for_nobody);
    cr_assert_str_eq(first, "consumer");
    cr_assert_not_null(strstr(message, "#1 consumer waits at "));
    cr_assert_not_null(strstr(message, " for queue get 0x"), "%s", message);
    weft_queue_unref(queue);
    weft_test_loop_end();
}

struct joins_its_own {
    WEFT_FRAME;
    weft_queue *queue;
    int64_t value;
};

static WEFT_ASYNC(joins_its_own)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_queue_put(self->queue, weft_value_i64(1), NULL));
    WEFT_AWAIT_INTO(self->value, weft_queue_get(self->queue));
    WEFT_AWAIT(weft_queue_join(self->queue));
    WEFT_END;
}

Test(deadlock, of_who_joins_what_it_works_on_is_reported)
{
    weft_queue *queue = weft_queue_new(NULL);
    victims[0] = tasks[0] = weft_spawn(joins_its_own, .queue = queue);
    end_tasks(-ECANCELED);
    cr_assert_eq(reports, 1);
    cr_assert_str_eq(what, for_nobody);
    cr_assert_not_null(strstr(message, "queue join"), "%s", message);
    weft_queue_unref(queue);
    weft_test_loop_end();
}

/* Real time, as programs have it: the loop would sleep without an end. */
Test(deadlock, is_reported_in_real_time_too)
{
    weft_loop_free(test_loop);
    make_loop(WEFT_CLOCK_MONOTONIC);
    weft_event *event = weft_event_new();
    victims[0] = tasks[0] = weft_spawn(awaits, .what = weft_event_wait(event));
    end_tasks(-ECANCELED);
    cr_assert_eq(reports, 1);
    cr_assert_str_eq(what, for_nobody);
    weft_event_free(event);
    weft_test_loop_end();
}

static void wait_at_gate(void *gate)
{
    gate_pass(gate);
}

/* A thread of the test's own could do something; it does not, until the report has been made. */
static struct gate thread_gate;

static void open_thread_gate(weft_loop *loop, const struct weft_error_report *report, void *arg)
{
    note(loop, report, arg);
    if (report->status == -EDEADLK)
        gate_open(&thread_gate);
}

Test(deadlock, is_only_suspected_where_other_threads_are)
{
    weft_event *event = weft_event_new();
    gate_init(&thread_gate);
    weft_loop_set_error_handler(test_loop, open_thread_gate, NULL);
    test_loop->debug->deadlocks.patience = 1;
    victims[0] = tasks[0] = weft_spawn(awaits, .what = weft_event_wait(event));
    weft_test_beside(wait_at_gate, &thread_gate);
    end_tasks(-ECANCELED);
    cr_assert_eq(reports, 1);
    cr_assert_str_eq(what, for_a_thread);
    weft_event_free(event);
    weft_test_loop_end();
}

/* ---- No alarm ---- */

static weft_event *alarm_event;

static void set_event(void *arg)
{
    (void)arg;
    weft_event_set(alarm_event);
}

static void begin_waiting(void)
{
    alarm_event = weft_event_new();
    tasks[0] = weft_spawn(awaits, .what = weft_event_wait(alarm_event));
}

static void end_waiting(void)
{
    end_tasks(0);
    cr_assert_eq(reports, 0, "%s: %s", what, message);
    weft_event_free(alarm_event);
}

Test(deadlock, is_none_while_a_timer_is_armed)
{
    begin_waiting();
    weft_unref(weft_call_later(WEFT_S(60), set_event, NULL));
    end_waiting();
    weft_test_loop_end();
}

struct reads_pipe {
    WEFT_FRAME;
    int fd;
};

static WEFT_ASYNC(reads_pipe)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_wait_readable(self->fd));
    weft_event_set(alarm_event);
    WEFT_END;
}

static void write_byte(void *fd)
{
    cr_assert_eq(write(*(int *)fd, "x", 1), 1);
}

Test(deadlock, is_none_while_a_descriptor_is_waited_for)
{
    int fds[2];
    cr_assert_eq(pipe(fds), 0);
    begin_waiting();
    tasks[1] = weft_spawn(reads_pipe, .fd = fds[0]);
    weft_test_beside(write_byte, &fds[1]);
    end_waiting();
    close(fds[0]);
    close(fds[1]);
    weft_test_loop_end();
}

struct offloads {
    WEFT_FRAME;
    struct gate *gate;
};

static WEFT_ASYNC(offloads)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_to_thread_fn(NULL, gate_pass, self->gate));
    weft_event_set(alarm_event);
    WEFT_END;
}

static void let_pass(void *gate)
{
    gate_wait_entered(gate);
    gate_open(gate);
}

Test(deadlock, is_none_while_a_job_is_out)
{
    struct gate gate;
    gate_init(&gate);
    begin_waiting();
    tasks[1] = weft_spawn(offloads, .gate = &gate);
    weft_test_beside(let_pass, &gate);
    end_waiting();
    weft_test_loop_end();
}

static void post_event(void *loop)
{
    cr_assert_eq(weft_post(loop, set_event, NULL), 0);
}

/* A job that was abandoned is not waited for, and may do something yet. */
static void keep(void *arguments)
{
    (void)arguments;
}

static const struct weft_job_options abandoned = {.on_cancel = WEFT_CANCEL_ABANDON,
                                                  .release = keep};

struct posts_late {
    struct gate *gate;
    weft_loop *loop;
};

static WEFT_BLOCKING(posts_late)
{
    gate_pass(self->gate);
    post_event(self->loop);
    return weft_ok(NULL, NULL);
}

Test(deadlock, is_only_suspected_while_an_abandoned_job_runs_on)
{
    gate_init(&thread_gate);
    weft_loop_set_error_handler(test_loop, open_thread_gate, NULL);
    test_loop->debug->deadlocks.patience = 1;
    weft_future *job =
        weft_offload(&abandoned, posts_late, .gate = &thread_gate, .loop = test_loop);
    gate_wait_entered(&thread_gate);
    weft_cancel(job);
    cr_assert_eq(weft_test_run(job), -ECANCELED);
    begin_waiting();
    end_tasks(0);
    cr_assert_eq(reports, 1);
    cr_assert_str_eq(what, for_a_thread);
    weft_event_free(alarm_event);
    weft_test_loop_end();
}

Test(deadlock, is_none_when_a_post_comes)
{
    test_loop->debug->deadlocks.patience = WEFT_S(3600);
    begin_waiting();
    weft_test_beside(post_event, test_loop);
    end_waiting();
    weft_test_loop_end();
}

/* What the loop does before it sleeps, twice: the first look may be put off. */
static void expect_no_alarm(void)
{
    for (int i = 0; i < 2; i++) {
        test_loop->debug->deadlocks.next_look = 0;
        test_loop->debug->deadlocks.has_looked = false;
        weft__deadlock_look(test_loop);
    }
    cr_assert_eq(reports, 0, "%s: %s", what, message);
}

static void begin_in_real_time(void)
{
    weft_loop_free(test_loop);
    make_loop(WEFT_CLOCK_MONOTONIC);
    begin_waiting();
    for (int i = 0; i < 3; i++)
        cr_assert_eq(weft_test_run(weft_sleep(0)), 0);
}

static void on_event(evutil_socket_t fd, short events, void *arg)
{
    (void)fd;
    (void)events;
    (void)arg;
    weft_event_set(alarm_event);
}

/* A descriptor, a timer, a signal, by libevent: none of them is known to weft. */
Test(deadlock, is_none_while_an_event_of_the_users_own_may_come)
{
    const struct timeval soon = {3600, 0};
    int fds[2];
    cr_assert_eq(pipe(fds), 0);
    begin_in_real_time();
    struct event_base *base = weft_loop_base(test_loop);
    struct event *events[] = {event_new(base, fds[0], EV_READ, on_event, NULL),
                              event_new(base, -1, 0, on_event, NULL),
                              evsignal_new(base, SIGUSR1, on_event, NULL)};
    for (int i = 0; i < 3; i++) {
        event_add(events[i], i == 1 ? &soon : NULL);
        expect_no_alarm();
        event_del(events[i]);
    }
    weft__deadlock_look(test_loop); /* without them it is one */
    cr_assert_eq(reports, 1);
    reports = 0;
    event_active(events[0], EV_READ, 1);
    end_waiting();
    for (int i = 0; i < 3; i++)
        event_free(events[i]);
    close(fds[0]);
    close(fds[1]);
    weft_test_loop_end();
}

Test(deadlock, is_none_while_a_signal_is_listened_for)
{
    begin_in_real_time();
    weft_signal *signal = weft_signal_open(SIGUSR1);
    cr_assert_not_null(signal);
    expect_no_alarm();
    weft_signal_close(signal);
    weft_event_set(alarm_event);
    end_waiting();
    weft_test_loop_end();
}

struct waits_for_child {
    WEFT_FRAME;
    weft_process *child;
};

static WEFT_ASYNC(waits_for_child)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_process_wait(self->child));
    weft_event_set(alarm_event);
    WEFT_END;
}

Test(deadlock, is_none_while_a_child_is_waited_for)
{
    begin_in_real_time();
    weft_process *child = test_start_shell("cat");
    tasks[1] = weft_spawn(waits_for_child, .child = child);
    for (int i = 0; i < 3; i++)
        cr_assert_eq(weft_test_run(weft_sleep(0)), 0);
    expect_no_alarm();
    close(weft_process_take_fd(child, 0));
    end_waiting();
    weft_process_free(child);
    weft_test_loop_end();
}

static void on_host_timer(evutil_socket_t fd, short events, void *base)
{
    (void)fd;
    (void)events;
    weft_event_set(alarm_event);
    event_base_loopexit(base, NULL);
}

Test(deadlock, of_an_attached_loop_is_never_that_nothing_is_left)
{
    weft_loop_free(test_loop);
    struct event_base *base = event_base_new();
    setenv("WEFT_DEBUG", "1", 1);
    test_loop = weft_loop_attach(base);
    weft_loop_set_error_handler(test_loop, note, NULL);
    begin_waiting();
    event_base_once(base, -1, EV_TIMEOUT, on_host_timer, base, &(struct timeval){0, 1000});
    event_base_dispatch(base);
    event_base_loop(base, EVLOOP_NONBLOCK);
    cr_assert(weft_is_done(tasks[0]));
    end_waiting();
    weft_loop_free(test_loop);
    event_base_free(base);
}

Test(deadlock, in_a_circle_is_reported_by_an_attached_loop)
{
    weft_loop_free(test_loop);
    struct event_base *base = event_base_new();
    setenv("WEFT_DEBUG", "1", 1);
    test_loop = weft_loop_attach(base);
    weft_loop_set_error_handler(test_loop, note, NULL);
    weft_lock *a = weft_lock_new(), *b = weft_lock_new();
    spawn_two(a, b);
    victims[0] = tasks[0];
    while (!weft_is_done(tasks[0]) || !weft_is_done(tasks[1]))
        event_base_loop(base, EVLOOP_ONCE);
    cr_assert_eq(reports, 1);
    cr_assert_str_eq(what, in_a_circle);
    weft_unref(tasks[0]);
    weft_unref(tasks[1]);
    weft_lock_free(a);
    weft_lock_free(b);
    weft_loop_free(test_loop);
    event_base_free(base);
}

Test(deadlock, is_looked_for_in_debug_mode_only)
{
    weft_loop_free(test_loop);
    test_loop = weft_loop_new(&(struct weft_loop_options){.clock = WEFT_CLOCK_VIRTUAL});
    weft_loop_set_error_handler(test_loop, note, NULL);
    weft_lock *a = weft_lock_new(), *b = weft_lock_new();
    spawn_two(a, b);
    cr_assert_eq(weft_test_run(weft_sleep(WEFT_S(10))), 0);
    cr_assert_eq(reports, 0);
    weft_cancel(tasks[0]);
    cr_assert_eq(weft_test_run(tasks[0]), -ECANCELED);
    cr_assert_eq(weft_test_run(tasks[1]), 0);
    weft_lock_free(a);
    weft_lock_free(b);
    weft_test_loop_end();
}

Test(deadlock, is_not_reported_without_memory_for_the_look)
{
    weft_lock *a = weft_lock_new(), *b = weft_lock_new();
    spawn_two(a, b);
    weft_test_run(weft_sleep(0));
    for (size_t n = 1; n < 40; n++) {
        weft_test_heap_fail_at(n);
        test_loop->debug->deadlocks.has_looked = false;
        test_loop->debug->deadlocks.next_look = 0;
        weft__deadlock_look(test_loop);
        weft_test_heap_fail_at(0);
    }
    cr_assert_eq(reports, 1);
    weft_cancel(tasks[0]);
    cr_assert_eq(weft_test_run(tasks[0]), -ECANCELED);
    cr_assert_eq(weft_test_run(tasks[1]), 0);
    weft_lock_free(a);
    weft_lock_free(b);
    weft_test_loop_end();
}

/* SPDX-License-Identifier: MIT */
/* A loop on an event_base that the host dispatches. */
#include <criterion/criterion.h>
#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <weft/weft.h>

#include "tests/support/loop.h"
#include "tests/support/trace.h"

static struct event_base *base;

static void begin(void)
{
    weft_test_loop_begin_real();
    weft_loop_free(test_loop);
    base = event_base_new();
    cr_assert_not_null(base);
    test_loop = weft_loop_attach(base);
    cr_assert_not_null(test_loop);
}

static void end(void)
{
    weft_loop_free(test_loop);
    test_loop = NULL;
    event_base_free(base);
    weft_test_loop_end();
}

TestSuite(attach, .init = begin, .timeout = 20);

static void mark_soon(const char *name)
{
    weft_unref(weft_call_soon(weft_test_mark_call, (void *)name));
}

static void break_then(weft_future *future, void *arg)
{
    (void)future;
    (void)arg;
    event_base_loopbreak(base);
}

/* The host dispatches until `future` (consumed) is done. */
static int dispatch_until(weft_future *future)
{
    cr_assert_eq(weft_then(weft_ref(future), break_then, NULL), 0);
    cr_assert_geq(event_base_loop(base, EVLOOP_NO_EXIT_ON_EMPTY), 0);
    int status = weft_future_status(future);
    weft_unref(future);
    return status;
}

struct pause {
    WEFT_FRAME;
    const char *first, *last;
    weft_ns pause;
};

static WEFT_ASYNC(pause)
{
    WEFT_BEGIN;
    weft_test_mark(self->first);
    WEFT_AWAIT(weft_sleep(self->pause));
    weft_test_mark(self->last);
    WEFT_RETURN(1);
    WEFT_END;
}

Test(attach, tasks_run_while_the_host_dispatches)
{
    cr_assert_eq(weft_loop_base(test_loop), base);
    cr_assert_eq(dispatch_until(weft_gather(
                     weft_spawn(pause, .first = "a", .last = "A", .pause = WEFT_MS(20)),
                     weft_spawn(pause, .first = "b", .last = "B", .pause = 0),
                     weft_spawn(pause, .first = "c", .last = "C", .pause = WEFT_MS(1)))),
                 0);
    cr_assert_str_eq(test_trace, "abcBCA");
    end();
}

Test(attach, run_until_may_take_the_hosts_place)
{
    cr_assert_eq(weft_test_run(weft_spawn(pause, .first = "a", .last = "A", .pause = WEFT_MS(1))),
                 0);
    weft_future *never = weft_future_new();
    weft_loop_stop(test_loop);
    cr_assert_eq(weft_test_run(weft_ref(never)), -EINTR);
    weft_unref(never);
    cr_assert_eq(dispatch_until(weft_sleep(WEFT_MS(1))), 0);
    cr_assert_str_eq(test_trace, "aA");
    end();
}

/* ---- The host's own events ---- */

static unsigned timeouts, reads;

static void count_timeout(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
    timeouts++;
}

/* Keeps itself readable. */
static void count_read(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
    reads++;
}

/* The host's own business: a timer and a pipe that is always readable. */
struct host {
    struct event *timer, *io;
    int gate[2];
};

static struct host host_begin(void)
{
    struct timeval often = {.tv_usec = 500};
    struct host host;
    cr_assert_eq(pipe(host.gate), 0);
    cr_assert_eq(write(host.gate[1], "x", 1), 1);
    host.timer = event_new(base, -1, EV_PERSIST, count_timeout, NULL);
    host.io = event_new(base, host.gate[0], EV_READ | EV_PERSIST, count_read, NULL);
    cr_assert_eq(event_add(host.timer, &often), 0);
    cr_assert_eq(event_add(host.io, NULL), 0);
    return host;
}

static void host_end(struct host *host)
{
    event_free(host->timer);
    event_free(host->io);
    close(host->gate[0]);
    close(host->gate[1]);
}

/* Yields until the host had its turns. */
struct storm {
    WEFT_FRAME;
    int count;
};

static WEFT_ASYNC(storm)
{
    WEFT_BEGIN;
    for (self->count = 0; reads < 50 || timeouts < 3; self->count++)
        WEFT_YIELD;
    WEFT_RETURN(self->count);
    WEFT_END;
}

Test(attach, storm_of_ready_tasks_leaves_the_host_its_turns)
{
    struct host host = host_begin();
    cr_assert_eq(dispatch_until(weft_gather(weft_spawn(storm), weft_spawn(storm))), 0);
    host_end(&host);
    end();
}

Test(attach, busy_host_leaves_the_tasks_their_turns)
{
    struct host host = host_begin();
    cr_assert_eq(dispatch_until(weft_sleep(WEFT_MS(5))), 0);
    cr_assert_eq(dispatch_until(weft_spawn(pause, .first = "a", .last = "A", .pause = WEFT_MS(1))),
                 0);
    cr_assert_gt(reads, 0);
    host_end(&host);
    end();
}

static void spawn_event(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    *(weft_future **)arg = weft_spawn(pause, .first = "a", .last = "A", .pause = 0);
    cr_assert_eq(weft_then(weft_ref(*(weft_future **)arg), break_then, NULL), 0);
}

Test(attach, callback_of_the_host_may_start_a_task)
{
    struct timeval moment = {.tv_usec = 1000};
    weft_future *task = NULL;
    cr_assert_eq(event_base_once(base, -1, EV_TIMEOUT, spawn_event, &task, &moment), 0);
    cr_assert_geq(event_base_loop(base, EVLOOP_NO_EXIT_ON_EMPTY), 0);
    cr_assert_str_eq(test_trace, "aA");
    cr_assert(weft_is_done(task));
    weft_unref(task);
    end();
}

static void resolve_event(evutil_socket_t fd, short what, void *future)
{
    (void)fd;
    (void)what;
    cr_assert_eq(weft_future_resolve(future, weft_value_i64(2), NULL), 0);
}

Test(attach, callback_of_the_host_may_resolve_a_future)
{
    struct timeval moment = {.tv_usec = 1000};
    weft_future *future = weft_future_new();
    cr_assert_eq(event_base_once(base, -1, EV_TIMEOUT, resolve_event, future, &moment), 0);
    cr_assert_eq(dispatch_until(weft_gather(future)), 0);
    end();
}

static void arm_event(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
    cr_assert_eq(weft_then(weft_sleep(WEFT_MS(1)), break_then, NULL), 0);
}

Test(attach, callback_of_the_host_may_arm_an_earlier_timer)
{
    struct timeval moment = {.tv_usec = 1000};
    weft_future *late = weft_sleep(WEFT_S(3600));
    cr_assert_eq(event_base_once(base, -1, EV_TIMEOUT, arm_event, NULL, &moment), 0);
    cr_assert_geq(event_base_loop(base, EVLOOP_NO_EXIT_ON_EMPTY), 0);
    cr_assert_not(weft_is_done(late));
    weft_unref(late);
    end();
}

static void post_break_call(void *arg)
{
    (void)arg;
    event_base_loopbreak(base);
}

static void *post_from_thread(void *loop)
{
    cr_assert_eq(weft_post(loop, weft_test_mark_call, (void *)"p"), 0);
    cr_assert_eq(weft_post(loop, post_break_call, NULL), 0);
    return NULL;
}

Test(attach, post_from_a_thread_wakes_the_host)
{
    pthread_t thread;
    for (int i = 0; i < 50; i++) {
        test_trace[0] = 0;
        cr_assert_eq(pthread_create(&thread, NULL, post_from_thread, test_loop), 0);
        cr_assert_geq(event_base_loop(base, EVLOOP_NO_EXIT_ON_EMPTY), 0);
        cr_assert_eq(pthread_join(thread, NULL), 0);
        cr_assert_str_eq(test_trace, "p");
    }
    end();
}

/* ---- The end ---- */

struct cleans_up {
    WEFT_FRAME;
};

static WEFT_ASYNC(cleans_up)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_sleep(WEFT_S(3600)));
    WEFT_FINALLY;
    WEFT_AWAIT(weft_sleep(WEFT_MS(2)));
    weft_test_mark("f");
    WEFT_END;
}

Test(attach, shutdown_runs_tasks_to_their_end_and_leaves_the_host_its_events)
{
    struct host host = host_begin();
    weft_unref(weft_spawn(cleans_up));
    cr_assert_eq(dispatch_until(weft_sleep(WEFT_MS(1))), 0);
    weft_loop_free(test_loop);
    test_loop = NULL;
    cr_assert_str_eq(test_trace, "f");
    unsigned before = reads;
    cr_assert_eq(event_base_loop(base, EVLOOP_ONCE), 0);
    cr_assert_gt(reads, before);
    host_end(&host);
    end();
}

static void free_event(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
    weft_loop_free(test_loop);
    test_loop = NULL;
    event_base_loopbreak(base);
}

Test(attach, loop_without_tasks_may_be_freed_by_a_callback_of_the_host)
{
    struct timeval moment = {.tv_usec = 1000};
    mark_soon("a");
    weft_unref(weft_sleep(WEFT_S(3600)));
    cr_assert_eq(event_base_once(base, -1, EV_TIMEOUT, free_event, NULL, &moment), 0);
    cr_assert_geq(event_base_loop(base, EVLOOP_NO_EXIT_ON_EMPTY), 0);
    cr_assert_null(test_loop);
    cr_assert_str_eq(test_trace, "a");
    end();
}

/* ---- Memory ---- */

static size_t event_countdown;

static bool event_memory_fails(void)
{
    return event_countdown && --event_countdown == 0;
}

static void *event_malloc(size_t size)
{
    return event_memory_fails() ? NULL : malloc(size);
}

static void *event_realloc(void *ptr, size_t size)
{
    return event_memory_fails() ? NULL : realloc(ptr, size);
}

static void break_call(void *arg)
{
    (void)arg;
    event_base_loopbreak(base);
}

static void renew_base(void)
{
    event_base_free(base);
    base = event_base_new();
    cr_assert_not_null(base);
}

Test(attach, loses_no_tick_when_libevent_has_no_memory)
{
    weft_loop_free(test_loop);
    event_set_mem_functions(event_malloc, event_realloc, free);
    for (size_t n = 1; event_countdown == 0; n++) {
        renew_base();
        event_countdown = n;
        test_loop = weft_loop_attach(base);
        if (!test_loop) {
            cr_assert_eq(errno, ENOMEM);
            continue;
        }
        weft_unref(weft_call_soon(break_call, NULL));
        cr_assert_geq(event_base_loop(base, EVLOOP_NO_EXIT_ON_EMPTY), 0);
        weft_loop_free(test_loop);
    }
    event_countdown = 0;
    test_loop = NULL;
    end();
}

/* ---- Misuse ---- */

static void no_log(int severity, const char *text)
{
    cr_assert_fail("libevent logs (%d): %s", severity, text);
}

static int nested[4];

static void nest_event(evutil_socket_t fd, short what, void *arg)
{
    weft_future *done = weft_future_new();
    (void)fd;
    (void)what;
    (void)arg;
    cr_assert_eq(weft_future_resolve(done, weft_value_i64(0), NULL), 0);
    nested[0] = weft_test_run(done);
    nested[1] = weft_test_run(weft_sleep(0));
    nested[2] = weft_test_run(weft_sleep(WEFT_MS(1)));
    nested[3] = weft_loop_run(test_loop);
}

Test(attach, run_within_a_callback_of_the_host_is_refused_and_leaves_nothing_queued)
{
    struct timeval moment = {.tv_usec = 1000};
    event_set_log_callback(no_log);
    cr_assert_eq(event_base_once(base, -1, EV_TIMEOUT, nest_event, NULL, &moment), 0);
    cr_assert_eq(dispatch_until(weft_sleep(WEFT_MS(20))), 0);
    for (int i = 0; i < 4; i++)
        cr_assert_eq(nested[i], -EDEADLK);
    end();
}

static int inner_shutdown;

static void shutdown_event(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
    inner_shutdown = weft_loop_shutdown(test_loop, NULL, NULL);
    event_base_loopbreak(base);
}

Test(attach, shutdown_within_a_callback_of_the_host_is_refused_and_harms_no_task)
{
    struct timeval moment = {.tv_usec = 1000};
    event_set_log_callback(no_log);
    weft_future *task = weft_spawn(cleans_up);
    cr_assert_eq(event_base_once(base, -1, EV_TIMEOUT, shutdown_event, NULL, &moment), 0);
    cr_assert_geq(event_base_loop(base, EVLOOP_NO_EXIT_ON_EMPTY), 0);
    cr_assert_eq(inner_shutdown, -EDEADLK);
    cr_assert_not(weft_is_done(task));
    cr_assert_eq(weft_cancelling(task), 0);
    cr_assert_eq(dispatch_until(weft_sleep(WEFT_MS(1))), 0, "it goes on as before");
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    cr_assert_eq(weft_future_status(task), -ECANCELED);
    cr_assert_str_eq(test_trace, "f");
    weft_unref(task);
    end();
}

static void free_too_early_event(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
    weft_loop_free(test_loop);
    event_base_loopbreak(base);
}

static void note_report(weft_loop *loop, const struct weft_error_report *report, void *arg)
{
    (void)loop;
    (void)arg;
    cr_assert_eq(report->status, -EDEADLK);
    cr_assert(strstr(report->what, "host"), "%s", report->what);
    weft_test_mark("r");
}

Test(attach, free_with_tasks_within_a_callback_of_the_host_is_reported_and_does_nothing)
{
    struct timeval moment = {.tv_usec = 1000};
    event_set_log_callback(no_log);
    weft_loop_set_error_handler(test_loop, note_report, NULL);
    weft_unref(weft_spawn(cleans_up));
    cr_assert_eq(event_base_once(base, -1, EV_TIMEOUT, free_too_early_event, NULL, &moment), 0);
    cr_assert_geq(event_base_loop(base, EVLOOP_NO_EXIT_ON_EMPTY), 0);
    cr_assert_str_eq(test_trace, "r");
    end();
    cr_assert_str_eq(test_trace, "rf");
}

static void stop_event(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
    weft_loop_stop(test_loop);
    event_base_loopbreak(base);
}

Test(attach, stopped_by_an_urgent_event_of_the_host_leaves_nothing_queued)
{
    end();
    weft_test_loop_begin_real();
    weft_loop_free(test_loop);
    base = event_base_new();
    cr_assert_eq(event_base_priority_init(base, 3), 0);
    test_loop = weft_loop_attach(base);
    struct event *urgent = event_new(base, -1, 0, stop_event, NULL);
    cr_assert_eq(event_priority_set(urgent, 0), 0);
    event_active(urgent, EV_TIMEOUT, 1);
    cr_assert_eq(weft_test_run(weft_sleep(0)), -EINTR);
    cr_assert_eq(weft_test_run(weft_sleep(WEFT_MS(1))), 0);
    event_free(urgent);
    end();
}

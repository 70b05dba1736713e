/* SPDX-License-Identifier: MIT */
/*
 * A host that serves HTTP with evhttp and has timers, and weft on the same base: tasks answer its
 * requests, with everything that a loop of weft's own has.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <weft/weft.h>

#include "tests/support/fixture.h"
#include "tests/support/loop.h"
#include "tests/support/trace.h"

static struct event_base *base;
static struct evhttp *http;
static uint16_t port;
static unsigned asked, answered, answers_bad, timeouts;
static struct weft_test_census before;

static void no_log(int severity, const char *text)
{
    cr_assert_fail("libevent logs (%d): %s", severity, text);
}

/* ---- The host ---- */

/* What a request asks for, by its path; a task of weft's answers it. */
struct answer {
    WEFT_FRAME;
    struct evhttp_request *request;
    int64_t value;
    int i;
};

struct square {
    int64_t number;
};

static WEFT_BLOCKING(square)
{
    return weft_ok(self->number * self->number);
}

static void reply(struct evhttp_request *request, int code, int64_t number)
{
    struct evbuffer *body = evbuffer_new();
    evbuffer_add_printf(body, "%lld", (long long)number);
    evhttp_send_reply(request, code, NULL, body);
    evbuffer_free(body);
}

static WEFT_ASYNC(answer)
{
    const char *path = evhttp_request_get_uri(self->request);
    WEFT_BEGIN;
    if (strcmp(path, "/sleep") == 0)
        WEFT_AWAIT(weft_sleep(WEFT_MS(2)));
    else if (strcmp(path, "/job") == 0)
        WEFT_AWAIT_INTO(self->value, weft_to_thread(square, .number = 12));
    else if (strcmp(path, "/yield") == 0)
        for (self->i = 0; self->i < 100; self->i++)
            WEFT_YIELD;
    else if (strcmp(path, "/forever") == 0)
        WEFT_AWAIT(weft_sleep(WEFT_S(3600)));
    else
        WEFT_AWAIT(weft_gather(weft_sleep(WEFT_MS(1)), weft_sleep(WEFT_MS(2))));
    reply(self->request, 200, self->value);
    self->request = NULL;
    WEFT_FINALLY;
    if (self->request)
        reply(self->request, 503, 0);
    WEFT_END;
}

static void on_request(struct evhttp_request *request, void *arg)
{
    (void)arg;
    weft_unref(weft_spawn(answer, .request = request));
}

static void count_timeout(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
    timeouts++;
}

static void begin(void)
{
    struct sockaddr_in address;
    socklen_t len = sizeof(address);
    before = weft_test_take_census();
    event_set_log_callback(no_log);
    base = event_base_new();
    test_loop = weft_loop_attach(base);
    cr_assert_not_null(test_loop);
    http = evhttp_new(base);
    struct evhttp_bound_socket *socket = evhttp_bind_socket_with_handle(http, "127.0.0.1", 0);
    cr_assert_not_null(socket);
    cr_assert_eq(getsockname(evhttp_bound_socket_get_fd(socket), (struct sockaddr *)&address, &len),
                 0);
    port = ntohs(address.sin_port);
    evhttp_set_gencb(http, on_request, NULL);
}

static void end(void)
{
    weft_loop_free(test_loop);
    evhttp_free(http);
    event_base_free(base);
    weft_test_assert_nothing_left(before);
}

TestSuite(attach_host, .init = begin, .timeout = 60);

/* ---- Its clients, on the same base ---- */

static void on_answer(struct evhttp_request *request, void *expected)
{
    char body[32] = "";
    int code = request ? evhttp_request_get_response_code(request) : 0;
    if (request)
        evbuffer_copyout(evhttp_request_get_input_buffer(request), body, sizeof(body) - 1);
    answered++;
    answers_bad += code != 200 || strcmp(body, expected) != 0;
    if (answered == asked)
        event_base_loopbreak(base);
}

static struct evhttp_connection *ask(const char *path, const char *expected)
{
    struct evhttp_connection *connection =
        evhttp_connection_base_new(base, NULL, "127.0.0.1", port);
    struct evhttp_request *request = evhttp_request_new(on_answer, (void *)expected);
    cr_assert_eq(evhttp_make_request(connection, request, EVHTTP_REQ_GET, path), 0);
    asked++;
    return connection;
}

static void dispatch(void)
{
    cr_assert_geq(event_base_loop(base, EVLOOP_NO_EXIT_ON_EMPTY), 0);
}

static void break_then(weft_future *future, void *arg)
{
    (void)future;
    (void)arg;
    event_base_loopbreak(base);
}

static int dispatch_until(weft_future *future)
{
    cr_assert_eq(weft_then(weft_ref(future), break_then, NULL), 0);
    dispatch();
    int status = weft_future_status(future);
    weft_unref(future);
    return status;
}

/* ---- Together ---- */

Test(attach_host, tasks_answer_the_requests_of_the_hosts_http_server)
{
    enum { ROUNDS = 10, PATHS = 4 };
    static const char *const paths[PATHS] = {"/sleep", "/job", "/yield", "/gather"};
    struct evhttp_connection *connections[ROUNDS * PATHS];
    for (int i = 0; i < ROUNDS * PATHS; i++)
        connections[i] = ask(paths[i % PATHS], strcmp(paths[i % PATHS], "/job") == 0 ? "144" : "0");
    dispatch();
    cr_assert_eq(answered, ROUNDS * PATHS);
    cr_assert_eq(answers_bad, 0);
    for (int i = 0; i < ROUNDS * PATHS; i++)
        evhttp_connection_free(connections[i]);
    end();
}

/* Yields until the host has served a request and some timeouts. */
struct storm {
    WEFT_FRAME;
};

static WEFT_ASYNC(storm)
{
    WEFT_BEGIN;
    while (!answered || timeouts < 3)
        WEFT_YIELD;
    WEFT_END;
}

Test(attach_host, storm_of_tasks_starves_neither_the_hosts_server_nor_its_timers)
{
    struct timeval often = {.tv_usec = 500};
    struct event *timer = event_new(base, -1, EV_PERSIST, count_timeout, NULL);
    cr_assert_eq(event_add(timer, &often), 0);
    struct evhttp_connection *connection = ask("/yield", "0");
    asked++; /* so that the answer does not end the dispatch */
    cr_assert_eq(dispatch_until(weft_gather(weft_spawn(storm), weft_spawn(storm))), 0);
    cr_assert_eq(answers_bad, 0);
    evhttp_connection_free(connection);
    event_free(timer);
    end();
}

static struct event *again;

/* The host is busy: this event is active in each of its rounds. */
static void keep_busy(evutil_socket_t fd, short what, void *arg)
{
    static const struct timeval at_once = {0, 0};
    (void)fd;
    (void)what;
    (void)arg;
    event_add(again, &at_once);
}

Test(attach_host, busy_host_starves_neither_tasks_nor_jobs_nor_timers_of_weft)
{
    static const struct timeval at_once = {0, 0};
    again = event_new(base, -1, 0, keep_busy, NULL);
    event_add(again, &at_once);
    weft_future *all[] = {weft_to_thread(square, .number = 3), weft_sleep(WEFT_MS(3)),
                          weft_call_soon(weft_test_mark_call, (void *)"c")};
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
        cr_assert_eq(dispatch_until(all[i]), 0);
    cr_assert_str_eq(test_trace, "c");
    event_free(again);
    end();
}

Test(attach_host, host_that_sleeps_is_woken_by_jobs_timers_signals_and_processes)
{
    weft_signal *signal = weft_signal_open(SIGUSR1);
    cr_assert_eq(dispatch_until(weft_to_thread(square, .number = 3)), 0);
    cr_assert_eq(dispatch_until(weft_sleep(WEFT_MS(2))), 0);
    cr_assert_eq(
        dispatch_until(weft_process_run(
            &(struct weft_process_options){.shell = "kill -USR1 $PPID; echo x"}, NULL, 0, 0)),
        0);
    cr_assert_eq(dispatch_until(weft_signal_next(signal)), 0);
    weft_signal_close(signal);
    end();
}

Test(attach_host, signals_of_the_host_and_of_weft_are_both_served)
{
    weft_signal *ours = weft_signal_open(SIGUSR1);
    struct event *theirs = evsignal_new(base, SIGUSR2, count_timeout, NULL);
    cr_assert_eq(event_add(theirs, NULL), 0);
    raise(SIGUSR2);
    raise(SIGUSR1);
    cr_assert_eq(dispatch_until(weft_signal_next(ours)), 0);
    while (!timeouts)
        cr_assert_eq(event_base_loop(base, EVLOOP_ONCE), 0);
    cr_assert_eq(timeouts, 1);
    event_free(theirs);
    weft_signal_close(ours);
    end();
}

Test(attach_host, descriptors_of_the_host_are_waited_for_beside_its_own_events)
{
    int fds[2];
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    struct event *theirs = event_new(base, fds[0], EV_READ, count_timeout, NULL);
    cr_assert_eq(event_add(theirs, NULL), 0);
    weft_future *ours = weft_wait_readable(fds[0]);
    cr_assert_eq(write(fds[1], "x", 1), 1);
    cr_assert_eq(dispatch_until(ours), 0);
    cr_assert_eq(timeouts, 1);
    event_free(theirs);
    close(fds[0]);
    close(fds[1]);
    end();
}

/* ---- The end ---- */

static size_t task_count(void)
{
    struct weft_loop_stats stats;
    weft_loop_get_stats(test_loop, &stats);
    return stats.tasks;
}

Test(attach_host, shutdown_ends_the_tasks_which_answer_what_they_serve)
{
    struct evhttp_connection *connection = ask("/forever", "0");
    while (task_count() == 0)
        cr_assert_eq(event_base_loop(base, EVLOOP_ONCE), 0);
    cr_assert_eq(dispatch_until(weft_sleep(0)), 0, "else its body, and the answer, never run");
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    while (!answered)
        cr_assert_eq(event_base_loop(base, EVLOOP_ONCE), 0);
    cr_assert_eq(answers_bad, 1, "a 503");
    evhttp_connection_free(connection);
    end();
}

/* ---- Nested loops ---- */

static int nested = 77;

static void dispatch_call(void *arg)
{
    (void)arg;
    nested = event_base_loop(weft_loop_base(weft_loop_current()), 0);
}

static unsigned reports;

static void note_report(weft_loop *loop, const struct weft_error_report *report, void *arg)
{
    (void)loop;
    (void)arg;
    reports++;
    cr_assert_eq(report->status, -EDEADLK);
    cr_assert(strstr(report->what, "event_base_loop()"), "%s", report->what);
}

Test(attach_host, task_that_dispatches_the_base_of_its_loop_does_not_hang_and_is_reported)
{
    end();
    test_loop = weft_loop_new(NULL);
    weft_loop_set_error_handler(test_loop, note_report, NULL);
    weft_unref(weft_sleep(WEFT_S(3600)));
    for (unsigned i = 1; i <= 3; i++) {
        cr_assert_eq(weft_test_run(weft_call_soon(dispatch_call, NULL)), 0);
        cr_assert_eq(nested, 0);
        cr_assert_eq(reports, i);
    }
    cr_assert_eq(weft_test_run(weft_sleep(WEFT_MS(1))), 0, "the loop goes on");
    weft_loop_free(test_loop);
}

static void dispatch_own(void *own)
{
    nested = event_base_loop(own, 0);
}

Test(attach_host, task_that_dispatches_a_base_that_was_asked_for_before_is_reported)
{
    end();
    test_loop = weft_loop_new(NULL);
    weft_loop_set_error_handler(test_loop, note_report, NULL);
    weft_unref(weft_sleep(WEFT_S(3600)));
    struct event_base *own = weft_loop_base(test_loop);
    cr_assert_eq(event_base_loop(own, EVLOOP_NONBLOCK), 0);
    cr_assert_eq(reports, 0, "no task runs");
    cr_assert_eq(weft_test_run(weft_sleep(WEFT_MS(1))), 0);
    cr_assert_eq(weft_test_run(weft_call_soon(dispatch_own, own)), 0);
    cr_assert_eq(nested, 0);
    cr_assert_eq(reports, 1);
    weft_loop_free(test_loop);
}

static void do_nothing(void *arg)
{
    (void)arg;
}

static void dispatch_own_once(void *own)
{
    nested = event_base_loop(own, EVLOOP_NONBLOCK);
}

/* With some calls in one tick the loop does not poll before the next ones. */
Test(attach_host,
     task_that_dispatches_its_base_is_reported_though_the_base_was_dispatched_before_the_run)
{
    end();
    test_loop = weft_loop_new(NULL);
    weft_loop_set_error_handler(test_loop, note_report, NULL);
    struct event_base *own = weft_loop_base(test_loop);
    for (unsigned i = 1; i <= 100; i++) {
        for (int more = 0; more < 4; more++)
            weft_unref(weft_call_soon(do_nothing, NULL));
        cr_assert_eq(weft_test_run(weft_sleep(0)), 0);
        cr_assert_eq(event_base_loop(own, EVLOOP_NONBLOCK), 0);
        cr_assert_eq(weft_test_run(weft_call_soon(dispatch_own_once, own)), 0);
        cr_assert_eq(nested, 0);
        cr_assert_eq(reports, i);
    }
    weft_loop_free(test_loop);
}

static void set_flag(evutil_socket_t fd, short what, void *flag)
{
    (void)fd;
    (void)what;
    *(bool *)flag = true;
}

Test(attach_host, who_has_the_base_may_wait_for_an_event_outside_of_a_run)
{
    static const struct timeval soon = {.tv_usec = 1000};
    end();
    test_loop = weft_loop_new(NULL);
    struct event_base *own = weft_loop_base(test_loop);
    for (int i = 0; i < 3; i++) {
        bool has_come = false;
        cr_assert_eq(event_base_once(own, -1, EV_TIMEOUT, set_flag, &has_come, &soon), 0);
        cr_assert_eq(event_base_loop(own, EVLOOP_ONCE), 0);
        cr_assert(has_come);
        cr_assert_eq(weft_test_run(weft_sleep(0)), 0);
    }
    weft_loop_free(test_loop);
}

static bool logged;

static void note_log(int severity, const char *text)
{
    (void)severity;
    logged = strstr(text, "reentrant");
}

Test(attach_host, task_that_dispatches_the_hosts_base_is_refused_by_libevent)
{
    event_set_log_callback(note_log);
    cr_assert_eq(dispatch_until(weft_call_soon(dispatch_call, NULL)), 0);
    cr_assert_eq(nested, -1);
    cr_assert(logged);
    end();
}

struct runs_its_loop {
    WEFT_FRAME;
};

static WEFT_ASYNC(runs_its_loop)
{
    WEFT_BEGIN;
    nested = weft_loop_run(weft_loop_current());
    WEFT_YIELD;
    WEFT_END;
}

Test(attach_host, coroutine_that_runs_its_loop_is_refused)
{
    cr_assert_eq(dispatch_until(weft_spawn(runs_its_loop)), 0);
    cr_assert_eq(nested, -EDEADLK);
    end();
}

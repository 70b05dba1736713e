/* SPDX-License-Identifier: MIT */
/* Server-sent events: their lines, what is refused, the last id, the server's stop, lack of memory. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <weft/error.h>
#include <weft/http_events.h>

#include "tests/support/heap.h"
#include "tests/support/http.h"
#include "tests/support/loop.h"

TestSuite(http_events, .init = weft_test_loop_begin, .timeout = 60);

#define ASK "GET /feed HTTP/1.0\r\n"

static struct {
    struct weft_http_event event;
    const char *comment;
    int status;
    char last_id[32];
} seen;

/* Sends one event, or a comment. */
struct one {
    WEFT_FRAME;
    weft_http_request *request;
};

static void note_id(const struct one *self)
{
    const char *id = weft_http_events_last_id(self->request);
    snprintf(seen.last_id, sizeof(seen.last_id), "%s", id ? id : "none");
}

static WEFT_ASYNC(one)
{
    WEFT_BEGIN;
    note_id(self);
    seen.status = weft_http_events_start(self->request);
    if (seen.status == 0)
        seen.status = seen.comment ? weft_http_event_comment(self->request, seen.comment)
                                   : weft_http_event_send(self->request, &seen.event);
    WEFT_AWAIT(weft_http_drain(self->request));
    WEFT_END;
}

static weft_http_server *begin(void)
{
    weft_http_server *server = test_http_begin(NULL);
    memset(&seen, 0, sizeof(seen));
    weft_http_route(server, "/feed", one);
    return server;
}

static void must_send(const char *expected)
{
    char *answer = test_http_ask(ASK "\r\n");
    cr_assert_eq(test_http_status(answer), 200, "%s", answer);
    cr_assert_eq(seen.status, 0);
    cr_assert_str_eq(test_http_body(answer), expected);
    free(answer);
}

#define MUST_SEND(expected, ...)                            \
    do {                                                    \
        seen.event = (struct weft_http_event){__VA_ARGS__}; \
        must_send(expected);                                \
    } while (0)

Test(http_events, an_event_is_lines_and_an_empty_one)
{
    weft_http_server *server = begin();
    MUST_SEND("data: hello\n\n", .data = "hello");
    MUST_SEND("data: \n\n", .data = "");
    MUST_SEND("id: 7\nevent: news\nretry: 1500\ndata: x\n\n", .id = "7", .event = "news",
              .data = "x", .retry = WEFT_MS(1500));
    MUST_SEND("id: \n\n", .id = "");
    test_http_end(server);
}

Test(http_events, each_end_of_a_line_of_data_is_one)
{
    weft_http_server *server = begin();
    MUST_SEND("data: a\ndata: b\ndata: c\ndata: d\n\n", .data = "a\nb\rc\r\nd");
    MUST_SEND("data: \ndata: \ndata: \n\n", .data = "\n\r");
    MUST_SEND("data: a\ndata: id: forged\n\n", .data = "a\rid: forged");
    test_http_end(server);
}

Test(http_events, what_would_forge_a_line_is_refused)
{
    weft_http_server *server = begin();
    static const struct weft_http_event bad[] = {{.id = "a\nb", .data = "x"},
                                                 {.event = "a\rb", .data = "x"},
                                                 {.id = "\n"},
                                                 {.data = "x", .retry = -1},
                                                 {.retry = 0}};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        seen.event = bad[i];
        char *answer = test_http_ask(ASK "\r\n");
        cr_assert_eq(seen.status, -EINVAL, "%zu", i);
        cr_assert_str_eq(test_http_body(answer), "");
        free(answer);
    }
    seen.comment = "a\nb";
    free(test_http_ask(ASK "\r\n"));
    cr_assert_eq(seen.status, -EINVAL);
    test_http_end(server);
}

Test(http_events, comments_are_signs_of_life)
{
    weft_http_server *server = begin();
    seen.comment = "";
    must_send(": \n\n");
    seen.comment = "still here";
    must_send(": still here\n\n");
    test_http_end(server);
}

Test(http_events, the_answer_is_not_kept_and_the_last_id_is_known)
{
    weft_http_server *server = begin();
    seen.event.data = "x";
    char *answer = test_http_ask(ASK "Last-Event-ID: 41\r\n\r\n");
    cr_assert_not_null(strstr(answer, "\r\nContent-Type: text/event-stream\r\n"));
    cr_assert_not_null(strstr(answer, "\r\nCache-Control: no-cache\r\n"));
    cr_assert_str_eq(seen.last_id, "41");
    free(answer);
    free(test_http_ask(ASK "\r\n"));
    cr_assert_str_eq(seen.last_id, "none");
    test_http_end(server);
}

/* Once a second, until the server stops. */
struct ticks {
    WEFT_FRAME;
    weft_http_request *request;
};

static WEFT_ASYNC(ticks)
{
    WEFT_BEGIN;
    weft_http_events_start(self->request);
    while (!weft_http_request_is_stopping(self->request)) {
        weft_http_event_send(self->request, &(struct weft_http_event){.data = "tick"});
        WEFT_AWAIT(weft_http_drain(self->request));
        WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    }
    WEFT_END;
}

Test(http_events, they_are_sent_as_they_come_and_end_when_the_server_stops)
{
    weft_http_server *server = begin();
    weft_http_route(server, "/ticks", ticks);
    struct test_client client = test_http_connect();
    test_http_say(&client, "GET /ticks HTTP/1.1\r\nHost: x\r\n\r\n");
    cr_assert_eq(test_http_count(client.received, "data: tick\n\n"), 1);
    test_http_pass(&client, WEFT_MS(2500));
    cr_assert_eq(test_http_count(client.received, "data: tick\n\n"), 3);
    weft_http_server_stop(server);
    test_http_to_end(&client);
    cr_assert(!client.reset);
    test_http_close(&client);
    test_http_end(server);
}

/* ---- The heartbeat ---- */

/* Sends what it is told to at its beginning, then waits until the server stops. */
struct quiet {
    WEFT_FRAME;
    weft_http_request *request;
    int64_t done;
};

static struct {
    struct weft_http_events_options options;
    int started, ended, ends;
    weft_http_request *request; /* the last one's */
    bool end_answer, large, deaf;
} quiet_seen;

static WEFT_ASYNC(quiet)
{
    static char large[1000000];
    WEFT_BEGIN;
    quiet_seen.request = self->request;
    memset(large, 'x', sizeof(large));
    quiet_seen.started = weft_http_events_start_with(self->request, &quiet_seen.options);
    if (quiet_seen.large)
        weft_http_write(self->request, large, sizeof(large));
    if (quiet_seen.end_answer)
        WEFT_AWAIT(weft_http_end(self->request));
    WEFT_AWAIT_INTO(self->done, weft_http_request_stopping(self->request));
    WEFT_FINALLY;
    quiet_seen.ended = WEFT_OUTCOME;
    quiet_seen.ends++;
    WEFT_END;
}

static struct test_client open_quiet(weft_http_server *server)
{
    weft_http_route(server, "/quiet", quiet);
    struct test_client client = test_http_connect();
    client.deaf = quiet_seen.deaf;
    test_http_say(&client, "GET /quiet HTTP/1.1\r\nHost: x\r\n\r\n");
    return client;
}

static weft_http_server *begin_quiet(const struct weft_http_server_options *options)
{
    memset(&quiet_seen, 0, sizeof(quiet_seen));
    return test_http_begin(options);
}

static size_t beats(const struct test_client *client)
{
    return test_http_count(client->received, "\r\n: \n\n\r\n");
}

Test(http_events, a_comment_is_sent_now_and_then)
{
    weft_http_server *server = begin_quiet(NULL);
    struct test_client client = open_quiet(server);
    test_http_pass(&client, WEFT_S(14));
    cr_assert_eq(client.len, 0, "the head comes with what is first");
    test_http_pass(&client, WEFT_S(2));
    cr_assert_eq(test_http_status(client.received), 200);
    cr_assert_eq(beats(&client), 1);
    for (int i = 0; i < 60; i++)
        test_http_pass(&client, WEFT_S(15));
    cr_assert_eq(beats(&client), 61);
    cr_assert_eq(quiet_seen.ends, 0);
    weft_http_server_stop(server);
    test_http_to_end(&client);
    cr_assert_eq(quiet_seen.ends, 1);
    cr_assert_eq(quiet_seen.ended, 0);
    cr_assert(!client.reset);
    test_http_close(&client);
    test_http_end(server);
}

Test(http_events, how_often_and_whether_is_an_option)
{
    weft_http_server *server = begin_quiet(NULL);
    quiet_seen.options.heartbeat = WEFT_S(1);
    struct test_client often = open_quiet(server);
    quiet_seen.options.heartbeat = WEFT_FOREVER;
    struct test_client never = open_quiet(server);
    test_http_pass(&often, WEFT_MS(10500));
    test_http_turn(&never);
    cr_assert_eq(beats(&often), 10);
    cr_assert_eq(never.len, 0);
    test_http_close(&often);
    test_http_close(&never);
    test_http_end(server);
}

Test(http_events, options_that_make_no_sense_are_refused)
{
    static const struct weft_http_events_options bad[] = {
        {.size = 1}, {.heartbeat = -1}, {.retry = -1}};
    weft_http_server *server = begin_quiet(NULL);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        quiet_seen.options = bad[i];
        struct test_client client = open_quiet(server);
        cr_assert_eq(quiet_seen.started, -EINVAL, "%zu", i);
        test_http_close(&client);
    }
    test_http_end(server);
}

Test(http_events, the_time_to_wait_is_told_at_once)
{
    weft_http_server *server = begin_quiet(NULL);
    quiet_seen.options.retry = WEFT_S(2);
    struct test_client client = open_quiet(server);
    cr_assert_not_null(strstr(client.received, "\r\nretry: 2000\n\n\r\n"));
    test_http_close(&client);
    test_http_end(server);
}

Test(http_events, an_answer_that_has_ended_has_no_heartbeat)
{
    weft_http_server *server = begin_quiet(NULL);
    quiet_seen.end_answer = true;
    struct test_client client = open_quiet(server);
    size_t len = client.len;
    test_http_pass(&client, WEFT_S(100));
    cr_assert_eq(client.len, len);
    test_http_close(&client);
    test_http_end(server);
}

Test(http_events, a_client_that_closes_ends_the_handler)
{
    weft_http_server *server = begin_quiet(NULL);
    struct test_client client = open_quiet(server);
    test_http_close(&client);
    struct test_client other = test_http_connect();
    test_http_turn(&other);
    cr_assert_eq(quiet_seen.ends, 1);
    cr_assert_eq(quiet_seen.ended, -ECANCELED);
    cr_assert_eq(test_reports.count, 0);
    test_http_close(&other);
    test_http_end(server);
}

/* What is sent is in the kernel, all of it: no write will ever fail. */
Test(http_events, a_client_that_is_dead_is_found)
{
    weft_http_server *server = begin_quiet(NULL);
    struct test_client client = open_quiet(server);
    client.deaf = true;
    test_http_pass(&client, WEFT_S(44));
    cr_assert_eq(quiet_seen.ends, 0);
    test_http_pass(&client, WEFT_S(32));
    cr_assert_eq(quiet_seen.ends, 1);
    cr_assert_eq(quiet_seen.ended, -ECANCELED);
    cr_assert_eq(weft_http_server_stats(server).connections, 0);
    cr_assert_eq(test_reports.count, 0);
    test_http_close(&client);
    test_http_end(server);
}

Test(http_events, a_client_that_reads_now_and_then_is_not_dead)
{
    weft_http_server *server = begin_quiet(NULL);
    quiet_seen.large = quiet_seen.deaf = true;
    struct test_client client = open_quiet(server);
    for (int i = 0; i < 10; i++) {
        static char some[100000];
        test_http_pass(&client, WEFT_S(29));
        cr_assert_gt(read(client.fd, some, sizeof(some)), 0);
    }
    cr_assert_eq(quiet_seen.ends, 0);
    test_http_pass(&client, WEFT_S(61));
    cr_assert_eq(quiet_seen.ends, 1);
    cr_assert_eq(quiet_seen.ended, -ECANCELED);
    test_http_close(&client);
    test_http_end(server);
}

/* A Unix socket: what it says to wait is memory, of which a short event takes more than a long one frees. */
Test(http_events, a_client_that_falls_behind_is_not_dead)
{
    weft_http_server *server = begin_quiet(NULL);
    quiet_seen.deaf = true;
    struct test_client client = open_quiet(server);
    for (int i = 0; i < 100; i++) {
        char some[10];
        test_http_pass(&client, WEFT_S(1));
        weft_http_event_send(quiet_seen.request, &(struct weft_http_event){.data = "x"});
        cr_assert_gt(read(client.fd, some, sizeof(some)), 0);
    }
    cr_assert_eq(quiet_seen.ends, 0);
    test_http_close(&client);
    test_http_end(server);
}

Test(http_events, a_comment_is_not_added_to_what_waits)
{
    weft_http_server *server = begin_quiet(NULL);
    quiet_seen.large = quiet_seen.deaf = true;
    struct test_client client = open_quiet(server);
    test_http_pass(&client, WEFT_S(25));
    client.deaf = false;
    test_http_turn(&client);
    cr_assert_gt(client.len, 1000000);
    cr_assert_eq(beats(&client), 0);
    test_http_pass(&client, WEFT_S(10));
    cr_assert_eq(beats(&client), 1);
    test_http_close(&client);
    test_http_end(server);
}

Test(http_events, a_handler_that_is_kept_learns_of_a_dead_client_when_it_writes)
{
    weft_http_server *server =
        begin_quiet(&(struct weft_http_server_options){.on_disconnect = WEFT_HTTP_KEEP_HANDLER});
    struct test_client client = open_quiet(server);
    client.deaf = true;
    test_http_pass(&client, WEFT_S(300));
    cr_assert_eq(quiet_seen.ends, 0);
    weft_http_server_stop(server);
    client.deaf = false;
    test_http_to_end(&client);
    cr_assert_eq(quiet_seen.ends, 1);
    cr_assert_eq(test_reports.count, 0);
    test_http_close(&client);
    test_http_end(server);
}

/* ---- Memory ---- */

/* One allocation fails, the n-th; true if it came to that. */
static bool beat_without(weft_http_server *server, size_t n)
{
    weft_test_heap_fail_at(n);
    struct test_client client = open_quiet(server);
    weft_test_run(weft_sleep(WEFT_S(40))); /* if it fails, no time passes */
    test_http_turn(&client);
    bool failed = weft_test_heap_failed();
    weft_test_heap_fail_at(0);
    cr_assert(failed || beats(&client) == 2);
    test_http_close(&client);
    test_http_pass(&(struct test_client){.fd = -1, .deaf = true}, WEFT_S(20));
    return failed;
}

Test(http_events, a_heartbeat_survives_every_lack_of_memory)
{
    weft_http_server *server = begin_quiet(NULL);
    size_t n = 1;
    while (beat_without(server, n)) {
        cr_assert_eq(weft_http_server_stats(server).active, 0, "allocation %zu", n);
        n++;
    }
    cr_assert(n > 5, "%zu", n);
    test_http_end(server);
}

/* One allocation fails, the n-th; true if it came to that. */
static bool send_without(size_t n)
{
    struct test_client client = test_http_connect(); /* to one() */
    weft_test_heap_fail_at(n);
    test_http_say(&client, ASK "\r\n");
    bool failed = weft_test_heap_failed();
    weft_test_heap_fail_at(0);
    test_http_to_end(&client);
    const char *body = test_http_body(client.received);
    cr_assert(failed || (body && strstr(body, seen.comment ? ": x\n\n" : "data: x\n\n")));
    test_http_close(&client);
    return failed;
}

Test(http_events, survive_every_lack_of_memory)
{
    weft_http_server *server = begin();
    for (int comments = 0; comments < 2; comments++) {
        seen.comment = comments ? "x" : NULL;
        seen.event.data = "x";
        size_t n = 1;
        while (send_without(n))
            n++;
        cr_assert(n > 3, "%zu", n);
    }
    test_http_end(server);
}

static int started;

struct careless {
    WEFT_FRAME;
    weft_http_request *request;
};

/* Does not look whether it could begin. */
static WEFT_ASYNC(careless)
{
    static const struct weft_http_events_options options = {.retry = WEFT_S(1)};
    WEFT_BEGIN;
    started = weft_http_events_start_with(self->request, &options);
    seen.status = weft_http_event_send(self->request, &seen.event);
    if (seen.status < 0)
        WEFT_FAIL(seen.status);
    WEFT_END;
}

Test(http_events, what_follows_a_start_that_failed_fails)
{
    weft_http_server *server = begin();
    weft_http_route(server, "/careless", careless);
    seen.event.data = "x";
    bool failed = true;
    for (size_t n = 1; failed; n++) {
        struct test_client client = test_http_connect();
        started = seen.status = 0;
        weft_test_heap_fail_at(n);
        test_http_say(&client, "GET /careless HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        failed = weft_test_heap_failed();
        weft_test_heap_fail_at(0);
        test_http_to_end(&client);
        if (started < 0) {
            cr_assert_lt(seen.status, 0, "allocation %zu", n);
            cr_assert_eq(test_http_status(client.received), 500, "%s", client.received);
        }
        test_http_close(&client);
    }
    test_http_end(server);
}

/* SPDX-License-Identifier: MIT */
/* Server-sent events: their lines, what is refused, the last id, the server's stop, lack of memory. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

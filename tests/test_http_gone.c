/* SPDX-License-Identifier: MIT */
/* Requests that are used when their handler has ended: refused, and no stranger's. */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <weft/http_cookie.h>
#include <weft/http_form.h>
#include <weft/http_middleware.h>
#include <weft/http_static.h>
#include <weft/http_upload.h>
#include <weft/task.h>

#include "net/http/handle.h"
#include "tests/support/child.h"
#include "tests/support/http.h"
#include "tests/support/http_handlers.h"
#include "tests/support/loop.h"

TestSuite(http_gone, .init = weft_test_loop_begin, .timeout = 60);

#define HOST "Host: x\r\n\r\n"

static struct {
    weft_http_request *request; /* the last handler's */
    weft_http_request *all[128];
    size_t count;
    weft_future *gate; /* handlers of /hold wait for it */
    int wrote;
} left;

struct leave {
    WEFT_FRAME;
    weft_http_request *request;
};

static WEFT_ASYNC(leave)
{
    WEFT_BEGIN;
    left.request = left.all[left.count++] = self->request;
    if (left.gate)
        WEFT_AWAIT(weft_ref(left.gate));
    WEFT_AWAIT(weft_http_respond(self->request, 200, NULL, "mine", 4));
    WEFT_END;
}

struct goes_on {
    WEFT_FRAME;
    weft_http_request *request;
};

static WEFT_ASYNC(goes_on)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_ref(left.gate));
    left.wrote = weft_http_write(self->request, "leaked", 6);
    WEFT_AWAIT(weft_http_respond(self->request, 200, NULL, "leaked", 6));
    WEFT_END;
}

struct starts {
    WEFT_FRAME;
    weft_http_request *request;
};

static WEFT_ASYNC(starts)
{
    WEFT_BEGIN;
    weft_unref(weft_spawn(goes_on, .request = self->request));
    WEFT_AWAIT(weft_http_respond(self->request, 200, NULL, "started", 7));
    WEFT_END;
}

static weft_http_server *begin(void)
{
    weft_http_server *server = test_http_begin(NULL);
    memset(&left, 0, sizeof(left));
    cr_assert_eq(weft_http_route(server, "/leave", leave), 0);
    cr_assert_eq(weft_http_route(server, "/start", starts), 0);
    return server;
}

static void open_gate(void)
{
    cr_assert_eq(weft_future_resolve(left.gate, weft_value_i64(0), NULL), 0);
    weft_unref(left.gate);
    left.gate = NULL;
}

/* A request whose handler has ended, while a stranger's handler waits with the same memory. */
static weft_http_request *stale(struct test_client *stranger)
{
    struct test_client client = test_http_connect();
    test_http_say(&client, "GET /leave?mine HTTP/1.1\r\n" HOST);
    cr_assert_not_null(strstr(client.received, "mine"));
    test_http_close(&client);
    weft_http_request *gone = left.request;
    left.gate = weft_future_new();
    *stranger = test_http_connect();
    test_http_say(stranger, "POST /leave?secret=1 HTTP/1.1\r\nContent-Length: 4\r\n" HOST "body");
    cr_assert_eq(left.count, 2);
    return gone;
}

static void must_be_reported(const char *function)
{
    cr_assert_str_eq(test_reports.what, "HTTP request used after its handler's end", "%s",
                     function);
    cr_assert_str_eq(test_reports.task, function);
    cr_assert_eq(test_reports.status, WEFT_ECLOSED);
    cr_assert_eq(test_reports.count, 1, "%s", function);
    memset(&test_reports, 0, sizeof(test_reports));
}

static bool is_closed(weft_future *future)
{
    return weft_test_run(future) == WEFT_ECLOSED;
}

#define MUST(function, condition)    \
    do {                             \
        cr_assert(condition);        \
        must_be_reported(#function); \
    } while (0)

Test(http_gone, every_call_is_refused_and_reported_and_a_stranger_hears_nothing)
{
    weft_http_server *server = begin();
    struct test_client stranger;
    weft_http_request *gone = stale(&stranger);
    const char *name = "n", *value = "v";
    char buffer[8] = "";

    MUST(weft_http_request_method, !*weft_http_request_method(gone));
    MUST(weft_http_request_target, !*weft_http_request_target(gone));
    MUST(weft_http_request_path, !*weft_http_request_path(gone));
    MUST(weft_http_request_tail, !*weft_http_request_tail(gone));
    MUST(weft_http_request_param, !weft_http_request_param(gone, "id"));
    MUST(weft_http_request_pattern, !*weft_http_request_pattern(gone));
    MUST(weft_http_request_version, !*weft_http_request_version(gone));
    MUST(weft_http_request_stream, !weft_http_request_stream(gone));
    MUST(weft_http_request_peer, strcmp(weft_http_request_peer(gone), "?") == 0);
    MUST(weft_http_request_query, !weft_http_request_query(gone, "secret"));
    MUST(weft_http_request_query_string, !weft_http_request_query_string(gone));
    MUST(weft_http_request_header, !weft_http_request_header(gone, "Host"));
    MUST(weft_http_request_header_at, !weft_http_request_header_at(gone, 0, &name, &value));
    MUST(weft_http_request_length, weft_http_request_length(gone) == WEFT_ECLOSED);
    MUST(weft_http_request_is_stopping, weft_http_request_is_stopping(gone));
    MUST(weft_http_request_stopping, is_closed(weft_http_request_stopping(gone)));
    MUST(weft_http_read_body, is_closed(weft_http_read_body(gone)));
    MUST(weft_http_read, is_closed(weft_http_read(gone, buffer, sizeof(buffer))));
    MUST(weft_http_add_header, weft_http_add_header(gone, "X-Leaked", "1") == WEFT_ECLOSED);
    MUST(weft_http_respond, is_closed(weft_http_respond(gone, 200, NULL, "leaked", 6)));
    MUST(weft_http_respondf, is_closed(weft_http_respondf(gone, 200, NULL, "%s", "leaked")));
    MUST(weft_http_respond_status, is_closed(weft_http_respond_status(gone, 404)));
    MUST(weft_http_start, weft_http_start(gone, 200, NULL, 6) == WEFT_ECLOSED);
    MUST(weft_http_write, weft_http_write(gone, "leaked", 6) == WEFT_ECLOSED);
    MUST(weft_http_drain, is_closed(weft_http_drain(gone)));
    MUST(weft_http_send_file, is_closed(weft_http_send_file(gone, "/", "etc/passwd", NULL)));
    MUST(weft_http_request_cookie, !weft_http_request_cookie(gone, "a"));
    MUST(weft_http_set_cookie,
         weft_http_set_cookie(gone, &(struct weft_http_cookie){.name = "a"}) == WEFT_ECLOSED);
    MUST(weft_http_read_form, is_closed(weft_http_read_form(gone)));
    MUST(weft_http_request_trailer, !weft_http_request_trailer(gone, "a"));
    MUST(weft_http_add_trailer, weft_http_add_trailer(gone, "a", "b") == WEFT_ECLOSED);
    MUST(weft_http_read_upload, is_closed(weft_http_read_upload(gone, NULL)));
    MUST(weft_http_next, is_closed(weft_http_next(gone)));
    MUST(weft_http_answer_status, weft_http_answer_status(gone) == WEFT_ECLOSED);
    MUST(weft_http_end, is_closed(weft_http_end(gone)));

    cr_assert_str_eq(name, "n");
    cr_assert_str_eq(value, "v");
    cr_assert_str_eq(buffer, "");
    cr_assert_str_eq(weft_http_request_query_string(left.request), "secret=1");
    cr_assert(weft_test_run(weft_http_read_body(left.request)) == 0, "it has its body");
    open_gate();
    cr_assert_str_eq(test_http_say(&stranger, ""),
                     "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nmine");
    test_http_close(&stranger);
    test_http_end(server);
}

Test(http_gone, a_task_that_outlives_its_handler_fails_and_writes_to_nobody)
{
    weft_http_server *server = begin();
    struct test_client client = test_http_connect();
    left.gate = weft_future_new();
    test_http_say(&client, "GET /start HTTP/1.1\r\n" HOST);
    cr_assert_str_eq(test_http_body(client.received), "started");
    struct test_client stranger = test_http_connect();
    test_http_say(&stranger, "GET /leave HTTP/1.1\r\n" HOST);
    open_gate();
    test_http_turn(&stranger);
    test_http_turn(&client);
    cr_assert_eq(left.wrote, WEFT_ECLOSED);
    cr_assert_str_eq(test_http_body(client.received), "started");
    cr_assert_str_eq(test_http_body(stranger.received), "mine");
    cr_assert_eq(test_reports.count, 3, "write, respond, and the task that failed by it");
    test_http_close(&client);
    test_http_close(&stranger);
    test_http_end(server);
}

Test(http_gone, the_next_request_on_the_same_connection_is_another_one)
{
    weft_http_server *server = begin();
    struct test_client client = test_http_connect();
    test_http_say(&client, "GET /leave HTTP/1.1\r\n" HOST);
    weft_http_request *first = left.request;
    left.gate = weft_future_new();
    test_http_say(&client, "GET /leave?second HTTP/1.1\r\n" HOST);
    cr_assert_neq(left.request, first);
    MUST(weft_http_request_query_string, !weft_http_request_query_string(first));
    cr_assert_str_eq(weft_http_request_query_string(left.request), "second");
    open_gate();
    test_http_turn(&client);
    test_http_close(&client);
    test_http_end(server);
}

Test(http_gone, more_requests_at_once_than_memory_is_kept_for_are_all_told_apart)
{
    enum { MANY = 100 };
    struct test_client clients[MANY];
    weft_http_server *server = begin();
    left.gate = weft_future_new();
    for (size_t i = 0; i < MANY; i++) {
        clients[i] = test_http_connect();
        test_http_say(&clients[i], "GET /leave HTTP/1.1\r\n" HOST);
    }
    cr_assert_eq(left.count, (size_t)MANY);
    for (size_t i = 0; i < MANY; i++)
        for (size_t k = 0; k < i; k++)
            cr_assert_neq(left.all[i], left.all[k]);
    open_gate();
    for (size_t i = 0; i < MANY; i++) {
        test_http_turn(&clients[i]);
        cr_assert_str_eq(test_http_body(clients[i].received), "mine");
        test_http_close(&clients[i]);
    }
    for (size_t i = 0; i < MANY; i++)
        MUST(weft_http_write, weft_http_write(left.all[i], "leaked", 6) == WEFT_ECLOSED);
    test_http_end(server);
}

Test(http_gone, a_slot_that_has_had_all_generations_is_given_out_no_more)
{
    weft_http_server *server = begin();
    char *answer = test_http_ask("GET /leave HTTP/1.0\r\n\r\n");
    free(answer);
    uint32_t used = weft__http_slots->used;
    struct weft__http_slot *slot = &weft__http_slots->at[0];
    uintptr_t generations = ((uintptr_t)1 << WEFT__HTTP_GENERATION_BITS) - 1;
    slot->handle |= (generations - 1) << WEFT__HTTP_SLOT_BITS;
    slot->handle &= ~((uintptr_t)1 << WEFT__HTTP_SLOT_BITS);
    uintptr_t last = slot->handle;
    free(test_http_ask("GET /leave HTTP/1.0\r\n\r\n"));
    cr_assert_eq((uintptr_t)left.request, last);
    free(test_http_ask("GET /leave HTTP/1.0\r\n\r\n"));
    cr_assert_eq(weft__http_slots->used, used + 1, "another slot");
    cr_assert_neq((uintptr_t)left.request & (WEFT__HTTP_MOST_SLOTS - 1), 0);
    cr_assert_null(weft__http_slots->at[0].exchange);
    MUST(weft_http_drain, is_closed(weft_http_drain(left.request)));
    test_http_end(server);
}

/* So that what looks for the use of freed memory finds a text that was kept too long. */
Test(http_gone, in_debug_mode_the_memory_of_a_request_ends_with_it)
{
    for (int debug = 0; debug < 2; debug++) {
        weft_loop_free(test_loop);
        test_loop =
            weft_loop_new(&(struct weft_loop_options){.clock = WEFT_CLOCK_VIRTUAL, .debug = debug});
        weft_http_server *server = begin();
        free(test_http_ask("GET /leave HTTP/1.0\r\n\r\n"));
        cr_assert_eq(weft__http_slots->at[0].exchange == NULL, debug);
        weft_http_server_free(server);
    }
    weft_test_loop_end();
}

Test(http_gone, a_request_of_a_loop_that_is_gone_is_none_of_the_next_loop)
{
    weft_http_server *server = begin();
    free(test_http_ask("GET /leave HTTP/1.0\r\n\r\n"));
    weft_http_request *gone = left.request;
    test_http_end(server);
    cr_assert_eq(weft_http_write(gone, "leaked", 6), WEFT_ECLOSED, "on a thread without a loop");
    weft_test_loop_begin();
    cr_assert_eq(weft_http_write(gone, "leaked", 6), WEFT_ECLOSED, "without HTTP");
    server = begin();
    struct test_client stranger;
    stale(&stranger);
    memset(&test_reports, 0, sizeof(test_reports));
    MUST(weft_http_write, weft_http_write(gone, "leaked", 6) == WEFT_ECLOSED);
    open_gate();
    test_http_turn(&stranger);
    cr_assert_str_eq(test_http_body(stranger.received), "mine");
    test_http_close(&stranger);
    test_http_end(server);
}

static void *write_elsewhere(void *ret)
{
    *(int *)ret = weft_http_write(left.request, "x", 1);
    return NULL;
}

static void write_in_child(void *arg)
{
    (void)arg;
    CHILD_EXPECT(weft_http_write(left.request, "x", 1) == WEFT_EFORK);
}

/* A number keeps the low bits of its loop's. If they were 0, they would be those of no loop. */
Test(http_gone, a_request_of_any_loop_is_refused_as_another_threads_or_another_processs)
{
    weft_loop_free(test_loop);
    while (weft__new_loop_id() % 65536 < 65535)
        ;
    weft_test_loop_begin();
    weft_http_server *server = begin();
    struct test_client client = test_http_connect();
    left.gate = weft_future_new();
    test_http_say(&client, "GET /leave HTTP/1.1\r\n" HOST);
    pthread_t thread;
    int status = 0;
    cr_assert_eq(pthread_create(&thread, NULL, write_elsewhere, &status), 0);
    cr_assert_eq(pthread_join(thread, NULL), 0);
    cr_assert_eq(status, WEFT_ETHREAD);
    weft_test_in_child(write_in_child, NULL);
    open_gate();
    test_http_turn(&client);
    cr_assert_str_eq(test_http_body(client.received), "mine");
    test_http_close(&client);
    test_http_end(server);
}

/* SPDX-License-Identifier: MIT */
#include "tests/support/http_client.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <weft/http_server.h>

#include "net/stream/stream.h"
#include "tests/support/loop.h"

weft_http_session *test_session;
char test_base[64];
struct test_seen test_seen;
int test_failure;
char test_message[512];

static weft_http_server *server;
static struct weft_listener *raw;
static char raw_url[64], unix_address[64];
static weft_event *gate;

void test_open_gate(void)
{
    cr_assert_eq(weft_event_set(gate), 0);
}

/* ---- The server ---- */

struct handler {
    WEFT_FRAME;
    weft_http_request *request;
    weft_bytes *body;
    char *text;
    size_t len;
    int64_t left;
};

static const char piece[4096] = "";

static int number(const weft_http_request *request, const char *name)
{
    const char *value = weft_http_request_query(request, name);
    return value ? atoi(value) : 0;
}

/* All that the request says, and its body. */
static void describe(struct handler *self)
{
    const char *name, *value;
    FILE *out = open_memstream(&self->text, &self->len);
    fprintf(out, "%s %s\n", weft_http_request_method(self->request),
            weft_http_request_target(self->request));
    for (size_t i = 0; weft_http_request_header_at(self->request, i, &name, &value); i++)
        fprintf(out, "%s: %s\n", name, value);
    fprintf(out, "\n");
    fwrite(self->body->data, 1, self->body->len, out);
    fclose(out);
}

static WEFT_ASYNC(handler)
{
    WEFT_BEGIN;
    test_seen.requests++;
    if (strcmp(weft_http_request_path(self->request), "/hello") == 0) {
        WEFT_AWAIT(weft_http_respond(self->request, 200, "text/plain", "hello", 5));
    } else if (strcmp(weft_http_request_path(self->request), "/echo") == 0) {
        WEFT_AWAIT_INTO(self->body, weft_http_read_body(self->request));
        describe(self);
        WEFT_AWAIT(weft_http_respond(self->request, 200, "text/plain", self->text, self->len));
    } else if (strcmp(weft_http_request_path(self->request), "/status") == 0) {
        WEFT_AWAIT(weft_http_respondf(self->request, number(self->request, "code"), NULL,
                                      "status %d", number(self->request, "code")));
    } else if (strcmp(weft_http_request_path(self->request), "/go") == 0) {
        weft_http_add_header(self->request, "Location",
                             weft_http_request_query(self->request, "to"));
        WEFT_AWAIT(
            weft_http_respond(self->request, number(self->request, "code"), NULL, "elsewhere", 9));
    } else if (strcmp(weft_http_request_path(self->request), "/slow") == 0) {
        WEFT_AWAIT(weft_sleep(WEFT_MS(number(self->request, "ms"))));
        WEFT_AWAIT(weft_http_respond(self->request, 200, NULL, "slow", 4));
    } else if (strcmp(weft_http_request_path(self->request), "/big") == 0) {
        self->left = number(self->request, "len");
        weft_http_start(self->request, 200, NULL, WEFT_HTTP_UNKNOWN_LENGTH);
        while (self->left > 0) {
            self->len = self->left < 4096 ? (size_t)self->left : 4096;
            self->left -= (int64_t)self->len;
            if (weft_http_write(self->request, piece, self->len) < 0)
                WEFT_FAIL(-EIO);
            test_seen.written += (int64_t)self->len;
            WEFT_AWAIT(weft_http_drain(self->request));
        }
        WEFT_AWAIT(weft_http_end(self->request));
    } else if (strcmp(weft_http_request_path(self->request), "/together") == 0) {
        if (++test_seen.together >= number(self->request, "n"))
            test_open_gate();
        WEFT_AWAIT(weft_event_wait(gate));
        WEFT_AWAIT(weft_http_respond(self->request, 200, NULL, "together", 8));
    } else if (strcmp(weft_http_request_path(self->request), "/count") == 0) {
        if (number(self->request, "held"))
            WEFT_AWAIT(weft_event_wait(gate));
        self->text = malloc(4096);
        for (self->left = 0;; self->left += (int64_t)self->len) {
            WEFT_AWAIT_INTO(self->len, weft_http_read(self->request, self->text, 4096));
            if (self->len == 0)
                break;
        }
        WEFT_AWAIT(weft_http_respondf(self->request, 200, NULL, "%lld", (long long)self->left));
    } else if (strcmp(weft_http_request_path(self->request), "/cookie") == 0) {
        weft_http_add_header(self->request, "Set-Cookie", "c=1; path=/");
        WEFT_AWAIT(weft_http_respond(self->request, 200, NULL, "", 0));
    } else if (strcmp(weft_http_request_path(self->request), "/fail") == 0) {
        if (weft_http_request_query(self->request, "after"))
            weft_http_add_header(self->request, "Retry-After",
                                 weft_http_request_query(self->request, "after"));
        if (test_seen.requests <= number(self->request, "times"))
            WEFT_AWAIT(weft_http_respond(self->request, 503, NULL, "not yet", 7));
        else
            WEFT_AWAIT(weft_http_respond(self->request, 200, NULL, "at last", 7));
    } else {
        WEFT_AWAIT(weft_http_respond_status(self->request, 404));
    }

    WEFT_FINALLY;
    test_seen.cancelled += WEFT_OUTCOME == -ECANCELED;
    weft_bytes_free(self->body);
    free(self->text);
    WEFT_END;
}

/* ---- The raw server ---- */

static struct {
    const char *text;
    size_t len;
    enum test_manner manner;
} script;

struct raw_answer {
    WEFT_FRAME;
    weft_stream *stream;
    weft_bytes *head;
};

static void reset(weft_stream *stream)
{
    const struct linger at_once = {.l_onoff = 1};
    (void)setsockopt(stream->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
}

static WEFT_ASYNC(raw_answer)
{
    WEFT_BEGIN;
    test_seen.requests++;
    if (script.manner != TEST_CLOSES_UNREAD)
        WEFT_AWAIT_INTO(self->head, weft_read_until(self->stream, "\r\n\r\n", 4, 0));
    weft_write(self->stream, script.text, script.len);
    if (script.manner == TEST_HANGS)
        WEFT_AWAIT(weft_sleep(WEFT_S(1000000)));
    if (script.manner == TEST_RESETS)
        reset(self->stream);

    WEFT_FINALLY;
    weft_bytes_free(self->head);
    WEFT_END;
}

const char *test_raw_server(const char *text, size_t len, enum test_manner manner)
{
    script.text = text;
    script.len = len;
    script.manner = manner;
    if (!raw)
        raw = weft_listen("127.0.0.1:0", raw_answer);
    cr_assert_not_null(raw);
    snprintf(raw_url, sizeof(raw_url), "http://127.0.0.1:%d/", weft_listener_port(raw));
    return raw_url;
}

/* ---- The stage ---- */

static void begin(void)
{
    gate = weft_event_new();
    server = weft_http_server_new(NULL);
    cr_assert_not_null(server);
    cr_assert_eq(weft_http_route(server, "/...", handler), 0);
    cr_assert_eq(weft_http_server_listen(server, "127.0.0.1:0"), 0);
    snprintf(unix_address, sizeof(unix_address), "unix:@weft-http-client-%d", (int)getpid());
    cr_assert_eq(weft_http_server_listen(server, unix_address), 0);
    snprintf(test_base, sizeof(test_base), "http://127.0.0.1:%d", weft_http_server_port(server));
    test_client_options((struct weft_http_session_options){0});
}

void test_client_begin(void)
{
    weft_test_loop_begin();
    begin();
}

void test_client_begin_real(void)
{
    weft_test_loop_begin_real();
    begin();
}

void test_client_options(struct weft_http_session_options options)
{
    options.base_url = options.base_url ? options.base_url : test_base;
    weft_http_session_free(test_session);
    test_session = weft_http_session_new(&options);
    cr_assert_not_null(test_session);
}

void test_client_use_unix(struct weft_http_session_options options)
{
    options.unix_socket = unix_address;
    test_client_options(options);
}

void test_client_end(void)
{
    weft_http_session_free(test_session);
    test_session = NULL;
    weft_listener_free(raw);
    raw = NULL;
    weft_http_server_free(server);
    weft_event_free(gate);
    weft_test_loop_end();
}

weft_http_response *test_response(weft_future *future)
{
    weft_value value = {0};
    test_failure = weft_test_run(weft_ref(future));
    const char *message = weft_message(future);
    snprintf(test_message, sizeof(test_message), "%s", message ? message : "");
    if (test_failure == 0)
        cr_assert_eq(weft_future_take(future, &value), 0);
    weft_unref(future);
    return value.ptr;
}

void test_gets(const char *url, const char *body)
{
    weft_http_response *response = test_response(weft_http_get(test_session, url));
    cr_assert_not_null(response, "%s: %s", weft_error_name(test_failure), test_message);
    cr_assert_str_eq(weft_http_body(response, NULL), body);
    weft_http_response_free(response);
}

int test_fails(weft_future *future)
{
    weft_http_response *response = test_response(future);
    cr_assert_null(response);
    return test_failure;
}

const char *test_url(const char *format, ...)
{
    static char urls[4][512];
    static unsigned turn;
    char *url = urls[turn++ % 4];
    va_list args;
    va_start(args, format);
    vsnprintf(url, sizeof(urls[0]), format, args);
    va_end(args);
    return url;
}

/* SPDX-License-Identifier: MIT */
/* The HTTP server over TLS. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <weft/connect.h>
#include <weft/http_server.h>
#include <weft/tls.h>

#include "tests/support/heap.h"
#include "tests/support/loop.h"
#include "tests/support/net.h"
#include "tests/support/tls.h"

static weft_http_server *server;
static weft_tls_context *ours, *theirs;
static char address[40];

enum { LARGE = 300000 };

struct answers {
    WEFT_FRAME;
    weft_http_request *request;
    weft_bytes *body;
};

static WEFT_ASYNC(answers)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->body, weft_http_read_body(self->request));
    WEFT_AWAIT(weft_http_respondf(self->request, 200, NULL, "%s;", self->body->data));
    WEFT_FINALLY;
    weft_bytes_free(self->body);
    WEFT_END;
}

struct large {
    WEFT_FRAME;
    weft_http_request *request;
    char *text;
};

static WEFT_ASYNC(large)
{
    WEFT_BEGIN;
    self->text = calloc(1, LARGE);
    memset(self->text, 'x', LARGE - 1);
    self->text[LARGE - 1] = ';';
    WEFT_AWAIT(weft_http_respond(self->request, 200, NULL, self->text, LARGE));
    WEFT_FINALLY;
    free(self->text);
    WEFT_END;
}

struct tells_name {
    WEFT_FRAME;
    weft_http_request *request;
};

static const char *name_of(const weft_http_request *request)
{
    const struct weft_tls_details *details = weft_tls_info(weft_http_request_stream(request));
    return details ? details->server_name : "plain";
}

static WEFT_ASYNC(tells_name)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_http_respondf(self->request, 200, NULL, "%s;", name_of(self->request)));
    WEFT_END;
}

static void begin(void)
{
    test_tls_begin();
    theirs = test_client_context(NULL);
    ours = test_server_context(NULL);
    server = weft_http_server_new(NULL);
    cr_assert_not_null(server);
    weft_http_route(server, "/", answers);
    weft_http_route(server, "/large", large);
    weft_http_route(server, "/name", tells_name);
    cr_assert_eq(weft_http_server_listen_tls(server, "127.0.0.1:0", ours), 0);
    snprintf(address, sizeof(address), "127.0.0.1:%d", weft_http_server_port(server));
}

TestSuite(https, .init = begin, .timeout = 60);

static void end(void)
{
    weft_http_server_free(server);
    weft_tls_context_unref(ours);
    weft_tls_context_unref(theirs);
    test_tls_end();
}

static weft_stream *connected_as(const struct weft_connect_options *options, const char *where)
{
    weft_value value;
    weft_future *connect = weft_connect_with(options, where);
    cr_assert_eq(test_wait_for(weft_ref(connect)), 0, "%s", test_message);
    cr_assert_eq(weft_future_take(connect, &value), 0);
    weft_unref(connect);
    return value.ptr;
}

static weft_stream *connected(void)
{
    return connected_as(&(struct weft_connect_options){.tls = theirs, .server_name = "example.org"},
                        address);
}

/* Up to the ';' that ends an answer. */
static weft_bytes *answer(weft_stream *stream)
{
    int status;
    weft_bytes *bytes = weft_test_bytes(weft_read_until(stream, ";", 1, 1 << 20), &status);
    cr_assert_not_null(bytes, "%d", status);
    return bytes;
}

static void say(weft_stream *stream, const char *text)
{
    cr_assert_eq(weft_write(stream, text, strlen(text)), 0);
}

Test(https, serves_several_requests_on_a_connection)
{
    weft_stream *stream = connected();
    for (int i = 0; i < 3; i++) {
        say(stream, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody");
        weft_bytes *got = answer(stream);
        cr_assert_eq(strncmp(got->data, "HTTP/1.1 200 OK\r\n", 17), 0);
        cr_assert_not_null(strstr(got->data, "\r\n\r\nbody;"));
        weft_bytes_free(got);
    }
    weft_stream_free(stream);
    end();
}

Test(https, sends_what_is_larger_than_a_record)
{
    weft_stream *stream = connected();
    say(stream, "GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
    weft_bytes *got = answer(stream);
    cr_assert_gt(got->len, (size_t)LARGE);
    weft_bytes_free(got);
    weft_stream_free(stream);
    end();
}

static void expect_name(weft_stream *stream, const char *name)
{
    char wanted[64];
    snprintf(wanted, sizeof(wanted), "\r\n\r\n%s;", name);
    say(stream, "GET /name HTTP/1.1\r\nHost: x\r\n\r\n");
    weft_bytes *got = answer(stream);
    cr_assert_not_null(strstr(got->data, wanted), "%s", got->data);
    weft_bytes_free(got);
    weft_stream_free(stream);
}

Test(https, a_handler_can_tell_how_its_request_came)
{
    char plain[64];
    snprintf(plain, sizeof(plain), "unix:@weft-https-%d", (int)getpid());
    cr_assert_eq(weft_http_server_listen(server, plain), 0);
    expect_name(connected(), "example.org");
    expect_name(connected_as(NULL, plain), "plain");
    end();
}

Test(https, who_speaks_plainly_reaches_no_handler)
{
    weft_stream *stream = connected_as(NULL, address);
    char rest[64];
    say(stream, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    while (weft_test_count(weft_read(stream, rest, sizeof(rest))) > 0)
        cr_assert_null(strstr(rest, "HTTP"));
    cr_assert_eq(weft_http_server_stats(server).requests, 0);
    weft_stream_free(stream);
    end();
}

Test(https, a_context_that_is_none_is_refused)
{
    cr_assert_eq(weft_http_server_listen_tls(server, "127.0.0.1:0", NULL), -EINVAL);
    weft_http_server_stop(server);
    cr_assert_eq(weft_http_server_listen_tls(server, "127.0.0.1:0", ours), WEFT_ECLOSED);
    end();
}

Test(https, a_server_that_stops_tells_its_clients)
{
    weft_stream *stream = connected();
    say(stream, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbo");
    while (weft_http_server_stats(server).active == 0)
        weft_test_turn();
    weft_future *drain = weft_http_server_drain(server);
    say(stream, "dy");
    weft_bytes *got = answer(stream);
    cr_assert_not_null(strstr(got->data, "\r\nConnection: close\r\n"));
    weft_bytes_free(got);
    weft_stream_free(stream);
    cr_assert_eq(test_wait_for(drain), 0);
    end();
}

Test(https, listening_survives_every_lack_of_memory)
{
    for (size_t n = 1, failed = 1; failed; n++) {
        weft_test_heap_fail_at(n);
        int status = weft_http_server_listen_tls(server, "127.0.0.1:0", ours);
        failed = (size_t)weft_test_heap_failed();
        weft_test_heap_fail_at(0);
        cr_assert(status == (failed ? -ENOMEM : 0), "allocation %zu: %d", n, status);
    }
    end();
}

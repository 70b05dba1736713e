/* SPDX-License-Identifier: MIT */
#include "tests/support/http_handlers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct test_handled test_handled;

static char mebibyte[1 << 20];

static const char *or_none(const char *text)
{
    return text ? text : "(none)";
}

static bool asks(const weft_http_request *request, const char *name, const char *value)
{
    const char *said = weft_http_request_query(request, name);
    return said && strcmp(said, value) == 0;
}

struct hello {
    WEFT_FRAME;
    weft_http_request *request;
    const char *text;
};

static WEFT_ASYNC(hello)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_http_respond(self->request, 200, "text/plain", self->text, strlen(self->text)));
    WEFT_END;
}

struct describe {
    WEFT_FRAME;
    weft_http_request *request;
};

static WEFT_ASYNC(describe)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_http_respondf(
        self->request, 200, "text/plain", "%s %s|%s|%s|%s|%s|%s|%s|%lld",
        weft_http_request_method(self->request), weft_http_request_target(self->request),
        weft_http_request_path(self->request), weft_http_request_tail(self->request),
        or_none(weft_http_request_query_string(self->request)),
        or_none(weft_http_request_query(self->request, "q")),
        or_none(weft_http_request_header(self->request, "x-test")),
        weft_http_request_version(self->request),
        (long long)weft_http_request_length(self->request)));
    WEFT_END;
}

struct echo {
    WEFT_FRAME;
    weft_http_request *request;
    weft_bytes *body;
};

static WEFT_ASYNC(echo)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->body, weft_http_read_body(self->request));
    WEFT_AWAIT(
        weft_http_respond(self->request, 200, "text/plain", self->body->data, self->body->len));
    WEFT_FINALLY;
    weft_bytes_free(self->body);
    WEFT_END;
}

struct count {
    WEFT_FRAME;
    weft_http_request *request;
    char buffer[1000];
    size_t len, total;
};

static WEFT_ASYNC(count)
{
    WEFT_BEGIN;
    do {
        WEFT_CATCH_INTO(test_handled.status, self->len,
                        weft_http_read(self->request, self->buffer, sizeof(self->buffer)));
        if (test_handled.status < 0)
            WEFT_FAIL(test_handled.status);
        self->total += self->len;
    } while (self->len);
    WEFT_AWAIT(weft_http_respondf(self->request, 200, NULL, "%zu", self->total));
    WEFT_END;
}

struct sleeper {
    WEFT_FRAME;
    weft_http_request *request;
    int status;
};

static weft_ns wanted(const weft_http_request *request)
{
    const char *ms = weft_http_request_query(request, "ms");
    return WEFT_MS(ms ? atoi(ms) : 0);
}

static WEFT_ASYNC(sleeper)
{
    WEFT_BEGIN;
    WEFT_CATCH(self->status, weft_sleep(wanted(self->request)));
    test_handled.cancelled += self->status == -ECANCELED;
    if (self->status < 0)
        WEFT_FAIL(self->status);
    test_handled.ended++;
    WEFT_AWAIT(weft_http_respond(self->request, 200, "text/plain", "slept", 5));
    WEFT_END;
}

struct chunks {
    WEFT_FRAME;
    weft_http_request *request;
};

static WEFT_ASYNC(chunks)
{
    WEFT_BEGIN;
    weft_http_start(self->request, 200, "text/plain", WEFT_HTTP_UNKNOWN_LENGTH);
    weft_http_write(self->request, "one", 3);
    WEFT_AWAIT(weft_http_drain(self->request));
    WEFT_AWAIT(weft_sleep(wanted(self->request)));
    weft_http_write(self->request, "two", 3);
    weft_http_write(self->request, "", 0);
    weft_http_write(self->request, "three", 5);
    WEFT_AWAIT(weft_http_end(self->request));
    WEFT_END;
}

struct sized {
    WEFT_FRAME;
    weft_http_request *request;
};

static const char *said(const weft_http_request *request)
{
    const char *say = weft_http_request_query(request, "say");
    return say ? say : "";
}

static WEFT_ASYNC(sized)
{
    WEFT_BEGIN;
    weft_http_start(self->request, 200, "text/plain", 12);
    test_handled.status =
        weft_http_write(self->request, said(self->request), strlen(said(self->request)));
    WEFT_END;
}

struct endless {
    WEFT_FRAME;
    weft_http_request *request;
};

static WEFT_ASYNC(endless)
{
    WEFT_BEGIN;
    weft_http_start(self->request, 200, NULL, WEFT_HTTP_UNKNOWN_LENGTH);
    while (!weft_http_request_is_stopping(self->request)) {
        test_handled.status = weft_http_write(self->request, mebibyte, 65536);
        if (test_handled.status < 0)
            WEFT_FAIL(test_handled.status);
        test_handled.writes++;
        WEFT_CATCH(test_handled.status, weft_http_drain(self->request));
        if (test_handled.status < 0)
            WEFT_FAIL(test_handled.status);
    }
    WEFT_END;
}

struct events {
    WEFT_FRAME;
    weft_http_request *request;
};

static WEFT_ASYNC(events)
{
    WEFT_BEGIN;
    weft_http_start(self->request, 200, "text/event-stream", WEFT_HTTP_UNKNOWN_LENGTH);
    WEFT_AWAIT(weft_http_drain(self->request));
    while (!weft_http_request_is_stopping(self->request)) {
        WEFT_AWAIT(weft_sleep(WEFT_MS(200)));
        test_handled.status = weft_http_write(self->request, "data: x\n\n", 9);
        WEFT_CATCH(test_handled.status, weft_http_drain(self->request));
        if (test_handled.status < 0)
            WEFT_FAIL(test_handled.status);
    }
    WEFT_END;
}

struct failing {
    WEFT_FRAME;
    weft_http_request *request;
};

static WEFT_ASYNC(failing)
{
    WEFT_BEGIN;
    if (asks(self->request, "when", "before"))
        WEFT_FAIL(-EIO, "before");
    if (asks(self->request, "when", "nothing"))
        WEFT_RETURN(0);
    if (asks(self->request, "when", "after")) {
        WEFT_AWAIT(weft_http_respond(self->request, 200, NULL, "well", 4));
        WEFT_FAIL(-EIO, "after");
    }
    weft_http_start(self->request, 200, NULL, WEFT_HTTP_UNKNOWN_LENGTH);
    weft_http_write(self->request, "partial", 7);
    WEFT_FAIL(-EIO, "middle");
    WEFT_END;
}

struct headers {
    WEFT_FRAME;
    weft_http_request *request;
};

static int bad_headers(weft_http_request *request)
{
    static const char *const bad[][2] = {
        {"X-A", "a\r\nX-B: b"}, {"X-A", "a\nb"},     {"X-A", "a\rb"},
        {"X-A", "\x7f"},        {"", "a"},           {"X A", "a"},
        {"X:A", "a"},           {"X-A\r\n", "a"},    {"Content-Length", "3"},
        {"content-type", "a"},  {"Connection", "x"}, {"Transfer-Encoding", "chunked"},
    };
    int refused = 0;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        refused += weft_http_add_header(request, bad[i][0], bad[i][1]) == -EINVAL;
    return refused;
}

static WEFT_ASYNC(headers)
{
    WEFT_BEGIN;
    test_handled.status = bad_headers(self->request);
    weft_http_add_header(self->request, "X-One", "1");
    weft_http_add_header(self->request, "Set-Cookie", "a=b");
    weft_http_add_header(self->request, "Set-Cookie", "c=d; e");
    if (asks(self->request, "close", "yes"))
        weft_http_add_header(self->request, "Connection", "close");
    WEFT_AWAIT(weft_http_respond(self->request, 201, NULL, "made", 4));
    WEFT_END;
}

struct big {
    WEFT_FRAME;
    weft_http_request *request;
};

static WEFT_ASYNC(big)
{
    WEFT_BEGIN;
    weft_unref(weft_http_respond(self->request, 200, NULL, mebibyte, sizeof(mebibyte)));
    WEFT_END;
}

struct swallow {
    WEFT_FRAME;
    weft_http_request *request;
    weft_bytes *body;
};

static WEFT_ASYNC(swallow)
{
    WEFT_BEGIN;
    WEFT_CATCH_INTO(test_handled.status, self->body, weft_http_read_body(self->request));
    weft_bytes_free(self->body);
    WEFT_AWAIT(weft_http_respond(self->request, 200, NULL, "fine", 4));
    WEFT_END;
}

struct late {
    WEFT_FRAME;
    weft_http_request *request;
    char buffer[100];
    size_t len;
};

static WEFT_ASYNC(late)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_http_respond(self->request, 200, NULL, "early", 5));
    do
        WEFT_AWAIT_INTO(self->len, weft_http_read(self->request, self->buffer, 100));
    while (self->len);
    WEFT_END;
}

struct drop {
    WEFT_FRAME;
    weft_http_request *request;
};

static WEFT_ASYNC(drop)
{
    WEFT_BEGIN;
    weft_unref(weft_http_read_body(self->request));
    if (asks(self->request, "wait", "yes"))
        WEFT_AWAIT(weft_sleep(WEFT_MS(10)));
    WEFT_AWAIT(weft_http_respond(self->request, 200, NULL, "dropped", 7));
    WEFT_END;
}

struct twice {
    WEFT_FRAME;
    weft_http_request *request;
    weft_bytes *body;
};

static WEFT_ASYNC(twice)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->body, weft_http_read_body(self->request));
    WEFT_CATCH(test_handled.status, weft_http_read_body(self->request));
    WEFT_AWAIT(weft_http_respondf(self->request, 200, NULL, "%s", self->body->data));
    WEFT_FINALLY;
    weft_bytes_free(self->body);
    WEFT_END;
}

struct long_texts {
    WEFT_FRAME;
    weft_http_request *request;
};

/* Texts of that length, all the same letter. */
static const char *letters(char letter, size_t len)
{
    static char text[26][300];
    char *to = text[letter - 'a'];
    memset(to, letter, len);
    to[len] = 0;
    return to;
}

static WEFT_ASYNC(long_texts)
{
    WEFT_BEGIN;
    weft_http_add_header(self->request, "X",
                         letters('x', (size_t)(wanted(self->request) / 1000000)));
    weft_http_start(self->request, 431, letters('c', (size_t)(wanted(self->request) / 1000000)),
                    WEFT_HTTP_UNKNOWN_LENGTH);
    weft_http_write(self->request, letters('d', (size_t)(wanted(self->request) / 1000000)),
                    (size_t)(wanted(self->request) / 1000000));
    WEFT_AWAIT(weft_http_end(self->request));
    WEFT_END;
}

struct misuse {
    WEFT_FRAME;
    weft_http_request *request;
};

static WEFT_ASYNC(misuse)
{
    WEFT_BEGIN;
    weft_http_add_header(self->request, "Set-Cookie", "secret");
    test_handled.writes = weft_http_write(self->request, "x", 1) == -EINVAL;
    test_handled.status = weft_http_start(self->request, 99, NULL, 5);
    test_handled.writes += weft_http_write(self->request, "x", 1) == -EINVAL;
    test_handled.writes += weft_http_start(self->request, 200, NULL, 5) == -EALREADY;
    WEFT_AWAIT(weft_http_end(self->request));
    WEFT_END;
}

void test_http_handlers(weft_http_server *server)
{
    for (size_t i = 0; i < sizeof(mebibyte); i++)
        mebibyte[i] = (char)('a' + i % 26);
    weft_http_route(server, "GET /hello", hello, .text = "hello");
    weft_http_route(server, "/describe", describe);
    weft_http_route(server, "GET /describe/...", describe);
    weft_http_route(server, "POST /echo", echo);
    weft_http_route(server, "POST /count", count);
    weft_http_route(server, "/sleep", sleeper);
    weft_http_route(server, "GET /chunks", chunks);
    weft_http_route(server, "GET /sized", sized);
    weft_http_route(server, "GET /endless", endless);
    weft_http_route(server, "GET /events", events);
    weft_http_route(server, "GET /fail", failing);
    weft_http_route(server, "GET /headers", headers);
    weft_http_route(server, "GET /big", big);
    weft_http_route(server, "POST /swallow", swallow);
    weft_http_route(server, "POST /late", late);
    weft_http_route(server, "GET /long", long_texts);
    weft_http_route(server, "GET /misuse", misuse);
    weft_http_route(server, "POST /drop", drop);
    weft_http_route(server, "POST /twice", twice);
}

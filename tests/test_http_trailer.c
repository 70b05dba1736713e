/* SPDX-License-Identifier: MIT */
/* Fields behind bodies in chunks, both ways. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft/task.h>

#include "tests/support/heap.h"
#include "tests/support/http.h"
#include "tests/support/loop.h"

TestSuite(http_trailer, .init = weft_test_loop_begin, .timeout = 60);

#define HOST "Host: x\r\nConnection: close\r\n\r\n"

static int early, status;

struct reads {
    WEFT_FRAME;
    weft_http_request *request;
    weft_bytes *body;
};

static const char *or_none(const char *text)
{
    return text ? text : "(none)";
}

static WEFT_ASYNC(reads)
{
    WEFT_BEGIN;
    early = weft_http_request_trailer(self->request, "X-Sum") != NULL;
    WEFT_AWAIT_INTO(self->body, weft_http_read_body(self->request));
    WEFT_AWAIT(weft_http_respondf(self->request, 200, NULL, "%s|%s|%s|%s", self->body->data,
                                  or_none(weft_http_request_trailer(self->request, "x-sum")),
                                  or_none(weft_http_request_trailer(self->request, "Host")),
                                  or_none(weft_http_request_header(self->request, "X-Sum"))));
    WEFT_FINALLY;
    weft_bytes_free(self->body);
    WEFT_END;
}

struct writes {
    WEFT_FRAME;
    weft_http_request *request;
    int64_t length;
};

static int add(weft_http_request *request, const char *name, const char *value)
{
    int added = weft_http_add_trailer(request, name, value);
    status = status ? status : added;
    return added;
}

static WEFT_ASYNC(writes)
{
    WEFT_BEGIN;
    cr_assert_eq(weft_http_add_trailer(self->request, "X-Early", "1"), -EINVAL);
    weft_http_start(self->request, 200, NULL, self->length);
    add(self->request, "X-One", "1");
    weft_http_write(self->request, "body", 4);
    add(self->request, "X-Two", "2");
    WEFT_AWAIT(weft_http_end(self->request));
    cr_assert_eq(weft_http_add_trailer(self->request, "X-Late", "1"), -EINVAL);
    WEFT_END;
}

struct wrong {
    WEFT_FRAME;
    weft_http_request *request;
};

static WEFT_ASYNC(wrong)
{
    WEFT_BEGIN;
    weft_http_start(self->request, 200, NULL, WEFT_HTTP_UNKNOWN_LENGTH);
    cr_assert_eq(weft_http_add_trailer(self->request, "X\r\n", "1"), -EINVAL);
    cr_assert_eq(weft_http_add_trailer(self->request, "", "1"), -EINVAL);
    cr_assert_eq(weft_http_add_trailer(self->request, NULL, "1"), -EINVAL);
    cr_assert_eq(weft_http_add_trailer(self->request, "X", NULL), -EINVAL);
    cr_assert_eq(weft_http_add_trailer(self->request, "X", "1\r\nY: 2"), -EINVAL);
    cr_assert_eq(weft_http_add_trailer(self->request, "Content-Length", "1"), -EINVAL);
    cr_assert_eq(weft_http_add_trailer(self->request, "transfer-encoding", "x"), -EINVAL);
    cr_assert_eq(weft_http_add_trailer(self->request, "Set-Cookie", "a=b"), -EINVAL);
    WEFT_END;
}

static weft_http_server *begin(void)
{
    weft_http_server *server = test_http_begin(NULL);
    early = status = 0;
    weft_http_route(server, "POST /read", reads);
    weft_http_route(server, "GET /write", writes, .length = WEFT_HTTP_UNKNOWN_LENGTH);
    weft_http_route(server, "GET /four", writes, .length = 4);
    weft_http_route(server, "GET /wrong", wrong);
    return server;
}

static void must_answer(const char *request, const char *expected)
{
    char *answer = test_http_ask(request);
    cr_assert_str_eq(test_http_body(answer), expected, "%s", answer);
    free(answer);
}

#define CHUNKED "POST /read HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" HOST "3\r\nabc\r\n0\r\n"

Test(http_trailer, of_a_request_are_known_when_its_body_was_read)
{
    weft_http_server *server = begin();
    must_answer(CHUNKED "X-Sum: 17\r\nX-Sum: 18\r\n\r\n", "abc|17|(none)|(none)");
    cr_assert_not(early);
    must_answer(CHUNKED "Host: evil\r\n\r\n", "abc|(none)|(none)|(none)");
    must_answer(CHUNKED "\r\n", "abc|(none)|(none)|(none)");
    must_answer("POST /read HTTP/1.1\r\nContent-Length: 3\r\nX-Sum: head\r\n" HOST "abc",
                "abc|(none)|(none)|head");
    test_http_end(server);
}

Test(http_trailer, of_an_answer_are_sent_behind_its_last_chunk)
{
    weft_http_server *server = begin();
    must_answer("GET /write HTTP/1.1\r\n" HOST, "4\r\nbody\r\n0\r\nX-One: 1\r\nX-Two: 2\r\n\r\n");
    cr_assert_eq(status, 0);
    test_http_end(server);
}

Test(http_trailer, of_one_answer_are_not_the_next_ones)
{
    weft_http_server *server = begin();
    struct test_client client = test_http_connect();
    test_http_say(&client, "GET /write HTTP/1.1\r\nHost: x\r\n\r\n");
    size_t before = client.len;
    test_http_say(&client, "GET /chunks HTTP/1.1\r\nHost: x\r\n\r\n");
    cr_assert_null(strstr(client.received + before, "X-One"));
    test_http_close(&client);
    test_http_end(server);
}

Test(http_trailer, are_dropped_where_there_is_no_place_for_them)
{
    weft_http_server *server = begin();
    must_answer("GET /write HTTP/1.0\r\n\r\n", "body");
    must_answer("HEAD /write HTTP/1.1\r\n" HOST, "");
    cr_assert_eq(status, 0);
    must_answer("GET /four HTTP/1.1\r\n" HOST, "body");
    cr_assert_eq(status, -EINVAL);
    test_http_end(server);
}

Test(http_trailer, that_may_be_none_are_refused)
{
    weft_http_server *server = begin();
    must_answer("GET /wrong HTTP/1.1\r\n" HOST, "0\r\n\r\n");
    test_http_end(server);
}

/* One allocation fails, the n-th; true if it came to that. */
static bool write_without(size_t n)
{
    struct test_client client = test_http_connect();
    weft_test_heap_fail_at(n);
    cr_assert_eq(weft_http_add_trailer(NULL, "X", "1"), WEFT_ECLOSED);
    test_http_say(&client, "GET /write HTTP/1.1\r\n" HOST);
    bool failed = weft_test_heap_failed();
    weft_test_heap_fail_at(0);
    test_http_to_end(&client);
    cr_assert(failed || strstr(client.received, "X-Two: 2"));
    test_http_close(&client);
    return failed;
}

Test(http_trailer, survive_every_lack_of_memory)
{
    weft_http_server *server = begin();
    size_t n = 1;
    while (write_without(n)) {
        cr_assert_eq(weft_http_server_stats(server).active, 0, "allocation %zu", n);
        n++;
    }
    cr_assert(n > 3);
    test_http_end(server);
}

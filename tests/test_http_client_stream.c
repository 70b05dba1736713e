/* SPDX-License-Identifier: MIT */
/* Bodies in pieces: streamed downloads, and uploads from files, streams and functions. */
#define _XOPEN_SOURCE 700
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <weft/stream.h>
#include <weft/testing.h>

#include "net/http_client/response.h"
#include "net/http_client/transfer.h"
#include "tests/support/http_client.h"
#include "tests/support/loop.h"

static void begin(void)
{
    test_client_begin();
    test_client_use_unix((struct weft_http_session_options){0});
}

static void use_tcp(void)
{
    test_client_options((struct weft_http_session_options){0});
}

TestSuite(http_client_stream, .init = begin, .timeout = 60);

static char buffer[1 << 20];

static weft_http_response *open_stream(const char *url)
{
    const struct weft_http_fetch_options options = {.flags = WEFT_HTTP_STREAM};
    weft_http_response *response =
        test_response(weft_http_fetch(test_session, "GET", url, &options));
    cr_assert_not_null(response, "%s: %s", weft_error_name(test_failure), test_message);
    return response;
}

/* How many bytes, or the failure. */
static int64_t read_some(weft_http_response *response, size_t size)
{
    weft_future *future = weft_http_response_read(response, buffer, size);
    int64_t got = weft_test_run(weft_ref(future));
    if (got == 0)
        got = weft_future_value(future).i64;
    weft_unref(future);
    return got;
}

/* To the end; how many there were, or the failure. */
static int64_t read_all(weft_http_response *response, size_t size)
{
    int64_t got, all = 0;
    while ((got = read_some(response, size)) > 0)
        all += got;
    return got < 0 ? got : all;
}

Test(http_client_stream, a_streamed_body_is_read_piece_by_piece)
{
    static const size_t sizes[] = {1000, 4096, 100000, sizeof(buffer)};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        weft_http_response *response = open_stream("/big?len=1000000");
        cr_assert_eq(weft_http_status(response), 200);
        cr_assert_str_eq(weft_http_body(response, NULL), "");
        cr_assert_null(weft_http_take_body(response));
        cr_assert_eq(read_all(response, sizes[i]), 1000000);
        cr_assert_eq(read_some(response, 10), 0);
        weft_http_response_free(response);
    }
    test_client_end();
}

Test(http_client_stream, an_empty_body_ends_at_once)
{
    weft_http_response *response = open_stream("/big?len=0");
    cr_assert_eq(read_some(response, 10), 0);
    weft_http_response_free(response);
    test_client_end();
}

Test(http_client_stream, who_does_not_read_makes_the_server_wait)
{
    weft_http_response *response = open_stream("/big?len=100000000");
    cr_assert_eq(weft_testing_run_until_blocked(test_loop), 0);
    cr_assert(response->transfer->is_paused);
    cr_assert_leq(response->body->len, 192 << 10);
    int64_t first = read_some(response, 100);
    cr_assert_eq(first, 100);
    cr_assert_eq(weft_testing_run_until_blocked(test_loop), 0);
    cr_assert(response->transfer->is_paused);
    cr_assert_eq(read_all(response, sizeof(buffer)), 100000000 - 100);
    weft_http_response_free(response);
    test_client_end();
}

Test(http_client_stream, a_read_that_is_cancelled_takes_nothing)
{
    char mine[8] = "";
    use_tcp();
    weft_http_response *response =
        open_stream(test_raw_server("HTTP/1.1 200 OK\r\n\r\n", 19, TEST_HANGS));
    weft_future *read = weft_http_response_read(response, mine, sizeof(mine));
    cr_assert_eq(weft_testing_run_until_blocked(test_loop), 0);
    weft_future *second = weft_http_response_read(response, mine, sizeof(mine));
    cr_assert_eq(weft_future_status(second), -EBUSY);
    weft_unref(second);
    cr_assert(weft_cancel(read));
    cr_assert_eq(weft_test_run(read), -ECANCELED);
    read = weft_http_response_read(response, mine, sizeof(mine));
    cr_assert(!weft_is_done(read));
    weft_http_response_free(response);
    cr_assert_eq(weft_test_run(read), WEFT_ECLOSED);
    test_client_end();
}

Test(http_client_stream, what_came_before_a_failure_is_read_before_it)
{
    static const char text[] = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello";
    use_tcp();
    weft_http_response *response =
        open_stream(test_raw_server(text, sizeof(text) - 1, TEST_CLOSES));
    cr_assert_eq(weft_testing_run_until_blocked(test_loop), 0);
    cr_assert_eq(read_some(response, 3), 3);
    cr_assert_eq(read_some(response, 30), 2);
    cr_assert_eq(read_some(response, 30), WEFT_ETRUNCATED);
    cr_assert_eq(read_some(response, 30), WEFT_ETRUNCATED);
    weft_http_response_free(response);
    test_client_end();
}

Test(http_client_stream, a_stream_has_the_deadline_of_its_request)
{
    static const char text[] = "HTTP/1.1 200 OK\r\n\r\nhello";
    use_tcp();
    const struct weft_http_fetch_options options = {.flags = WEFT_HTTP_STREAM,
                                                    .timeouts.total = WEFT_S(7)};
    weft_http_response *response = test_response(weft_http_fetch(
        test_session, "GET", test_raw_server(text, sizeof(text) - 1, TEST_HANGS), &options));
    cr_assert_eq(read_some(response, 30), 5);
    weft_ns begin = weft_now();
    cr_assert_eq(read_some(response, 30), -ETIMEDOUT);
    cr_assert_eq(weft_now() - begin, WEFT_S(7));
    weft_http_response_free(response);
    test_client_end();
}

Test(http_client_stream, a_stream_keeps_its_place_until_it_has_ended)
{
    test_client_use_unix((struct weft_http_session_options){.max_requests = 1});
    weft_http_response *response = open_stream("/big?len=10000000");
    weft_future *next = weft_http_get(test_session, "/hello");
    cr_assert_eq(weft_testing_run_until_blocked(test_loop), 0);
    cr_assert(!weft_is_done(next));
    cr_assert_eq(weft_http_session_get_stats(test_session).waiting, 1);
    weft_http_response_free(response);
    response = test_response(next);
    cr_assert_not_null(response);
    weft_http_response_free(response);
    test_client_end();
}

/* ---- Uploads ---- */

static char *make_file(size_t size)
{
    static char path[64];
    snprintf(path, sizeof(path), "/tmp/weft-http-client-XXXXXX");
    int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    cr_assert_eq(ftruncate(fd, (off_t)size), 0);
    close(fd);
    return path;
}

static int64_t count(const struct weft_http_content *body)
{
    const struct weft_http_fetch_options options = {.body = *body};
    weft_http_response *response =
        test_response(weft_http_fetch(test_session, "PUT", "/count", &options));
    int64_t counted = response ? atoll(weft_http_body(response, NULL)) : test_failure;
    weft_http_response_free(response);
    return counted;
}

Test(http_client_stream, a_file_is_sent_whole)
{
    static const size_t sizes[] = {0, 1, 65536, 300000};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        char *path = make_file(sizes[i]);
        cr_assert_eq(count(&(struct weft_http_content){.path = path}), (int64_t)sizes[i]);
        unlink(path);
    }
    cr_assert_eq(count(&(struct weft_http_content){.path = "/nowhere"}), -ENOENT);
    test_client_end();
}

Test(http_client_stream, memory_is_sent_whole)
{
    static char data[3 << 20];
    cr_assert_eq(count(&(struct weft_http_content){.data = data, .len = sizeof(data)}),
                 sizeof(data));
    cr_assert_eq(count(&(struct weft_http_content){.data = data}), 0);
    test_client_end();
}

Test(http_client_stream, of_several_bodies_the_first_is_sent)
{
    static char data[100];
    char *path = make_file(sizeof(data));
    cr_assert_eq(count(&(struct weft_http_content){.data = data, .len = 5, .path = path}), 5);
    cr_assert_eq(count(&(struct weft_http_content){.data = data, .path = "/nowhere"}), 0);
    unlink(path);
    test_client_end();
}

static struct {
    int64_t left;  /* to be given */
    int64_t extra; /* given more than was asked for */
    int failure;   /* instead of the end */
    weft_ns pause;
    int calls, under_way;
} source;

struct give {
    WEFT_FRAME;
    void *buffer;
    size_t size;
};

static WEFT_ASYNC(give)
{
    WEFT_BEGIN;
    cr_assert_eq(source.under_way++, 0);
    source.calls++;
    if (source.pause)
        WEFT_AWAIT(weft_sleep(source.pause));
    if (source.left == 0 && source.failure)
        WEFT_FAIL(source.failure, "no more");
    if ((int64_t)self->size > source.left)
        self->size = (size_t)source.left;
    memset(self->buffer, 'x', self->size);
    source.left -= (int64_t)self->size;
    WEFT_RETURN((int64_t)self->size + source.extra);

    WEFT_FINALLY;
    source.under_way--;
    WEFT_END;
}

static weft_future *read_source(void *arg, void *to, size_t size)
{
    cr_assert_eq(arg, &source);
    return weft_spawn(give, .buffer = to, .size = size);
}

static const struct weft_http_content from_source = {.source = read_source, .arg = &source};

Test(http_client_stream, a_function_is_asked_piece_by_piece)
{
    source.left = 1000000;
    cr_assert_eq(count(&from_source), 1000000);
    cr_assert_geq(source.calls, 10);
    source.left = 5;
    source.pause = WEFT_S(1);
    cr_assert_eq(count(&from_source), 5);
    source.left = 0;
    cr_assert_eq(count(&from_source), 0);
    test_client_end();
}

Test(http_client_stream, a_length_that_is_said_is_kept_to)
{
    struct weft_http_content body = from_source;
    body.len = 100000;
    source.left = 200000;
    cr_assert_eq(count(&body), 100000);
    source.left = 99999;
    cr_assert_eq(count(&body), WEFT_EOF);
    test_client_end();
}

Test(http_client_stream, what_fails_in_a_function_fails_the_request)
{
    source.left = 100000;
    source.failure = -EIO;
    cr_assert_eq(count(&from_source), -EIO);
    source.failure = 0;
    source.extra = 1 << 20;
    cr_assert_eq(count(&from_source), -EINVAL);
    test_client_end();
}

static weft_future *return_null(void *arg, void *to, size_t size)
{
    (void)arg;
    (void)to;
    (void)size;
    return NULL;
}

Test(http_client_stream, a_function_that_returns_null_fails_the_request)
{
    cr_assert_eq(count(&(struct weft_http_content){.source = return_null}), -EINVAL);
    test_client_end();
}

Test(http_client_stream, a_cancel_waits_for_the_read_of_the_source)
{
    const struct weft_http_fetch_options options = {.body = from_source};
    source.left = 1000000;
    source.pause = WEFT_S(1);
    weft_future *request = weft_http_fetch(test_session, "POST", "/count", &options);
    cr_assert_eq(weft_testing_run_until_blocked(test_loop), 0);
    cr_assert_eq(source.under_way, 1);
    cr_assert(weft_cancel(request));
    cr_assert_eq(weft_test_run(request), -ECANCELED);
    cr_assert_eq(source.under_way, 0);
    test_client_end();
}

Test(http_client_stream, a_stream_is_sent_to_its_end)
{
    weft_stream *ends[2];
    cr_assert_eq(weft_testing_stream_pair(&ends[0], &ends[1]), 0);
    cr_assert_eq(weft_write(ends[0], buffer, 100000), 0);
    cr_assert_eq(weft_write_eof(ends[0]), 0);
    cr_assert_eq(count(&(struct weft_http_content){.stream = ends[1]}), 100000);
    weft_stream_free(ends[0]);
    weft_stream_free(ends[1]);
    test_client_end();
}

Test(http_client_stream, a_download_can_be_an_upload)
{
    struct weft_http_content body = from_source;
    const struct weft_http_fetch_options options = {.flags = WEFT_HTTP_STREAM, .body = body};
    source.left = 500000;
    weft_http_response *response =
        test_response(weft_http_fetch(test_session, "POST", "/count", &options));
    cr_assert_not_null(response);
    cr_assert_eq(read_some(response, 30), 6);
    cr_assert_eq(memcmp(buffer, "500000", 6), 0);
    weft_http_response_free(response);
    test_client_end();
}

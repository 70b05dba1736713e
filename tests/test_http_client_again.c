/* SPDX-License-Identifier: MIT */
/* Bodies that libcurl sends a second time: on a connection that was idle, and turns out to be
   closed in the middle of the request. */
#define _XOPEN_SOURCE 700
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <weft/listen.h>

#include "net/http_client/setup.h"
#include "net/http_client/transfer.h"
#include "tests/support/http_client.h"
#include "tests/support/loop.h"
#include "tests/support/trace.h"

TestSuite(http_client_again, .init = test_client_begin_real, .timeout = 60);

enum { SIZE = 1 << 20 };

static char body[SIZE], path[64], url[64];
static weft_listener *listener;

/* The first connection serves a GET, reads so many bytes of what comes next, and ends. The others
   read a request whole, and say how many bytes of its body were right, up to the first wrong one. */
static size_t reads_before_the_end;
static int connections, right;

static char part[SIZE];

struct answer {
    WEFT_FRAME;
    weft_stream *stream;
    weft_bytes *head;
};

static WEFT_ASYNC(answer)
{
    static const char hello[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->head, weft_read_until(self->stream, "\r\n\r\n", 4, 0));
    if (connections++ == 0) {
        weft_write(self->stream, hello, sizeof(hello) - 1);
        WEFT_AWAIT(weft_read_exactly(self->stream, part, reads_before_the_end));
        WEFT_RETURN(0);
    }
    WEFT_AWAIT(weft_read_exactly(self->stream, part, SIZE));
    for (right = 0; right < SIZE && part[right] == body[right];)
        right++;
    weft_write(self->stream, hello, sizeof(hello) - 1);

    WEFT_FINALLY;
    weft_bytes_free(self->head);
    WEFT_END;
}

static void begin(size_t reads)
{
    for (size_t i = 0; i < SIZE; i++)
        body[i] = (char)(i * 2654435761u >> 13);
    reads_before_the_end = reads;
    connections = right = 0;
    weft_listener_free(listener);
    listener = weft_listen("127.0.0.1:0", answer);
    cr_assert_not_null(listener);
    snprintf(url, sizeof(url), "http://127.0.0.1:%d/", weft_listener_port(listener));
    test_client_options((struct weft_http_session_options){0});
    test_gets(url, "hello");
}

static void end(void)
{
    weft_listener_free(listener);
    listener = NULL;
    test_client_end();
}

static void make_file(void)
{
    snprintf(path, sizeof(path), "/tmp/weft-http-client-XXXXXX");
    int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, body, SIZE), SIZE);
    close(fd);
}

/* Of the second request: its head, some of its body, most of it, more than is read ahead. */
static const size_t places[] = {1, 50, 1000, 100000, 500000, SIZE - 1};

static void is_sent_again(const struct weft_http_fetch_options *options)
{
    weft_http_response *response =
        test_response(weft_http_fetch(test_session, "PUT", url, options));
    cr_assert_not_null(response, "%s: %s", weft_error_name(test_failure), test_message);
    cr_assert_eq(weft_http_status(response), 200);
    cr_assert_eq(right, SIZE);
    cr_assert_eq(connections, 2);
    weft_http_response_free(response);
}

Test(http_client_again, a_file_is_sent_from_its_beginning)
{
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        begin(places[i]);
        make_file();
        const struct weft_http_fetch_options options = {.body = {.path = path}};
        is_sent_again(&options);
        unlink(path);
    }
    end();
}

Test(http_client_again, memory_is_sent_from_its_beginning)
{
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        begin(places[i]);
        const struct weft_http_fetch_options options = {.body = {.data = body, .len = SIZE}};
        is_sent_again(&options);
    }
    end();
}

Test(http_client_again, a_streamed_response_comes_when_all_was_sent_again)
{
    begin(100000);
    make_file();
    const struct weft_http_fetch_options options = {.flags = WEFT_HTTP_STREAM,
                                                    .body = {.path = path}};
    is_sent_again(&options);
    unlink(path);
    end();
}

/* What can be read only once has a connection of its own, so that it need not be. */
static weft_future *read_source(void *arg, void *buffer, size_t size)
{
    size_t *at = arg;
    size_t len = size < SIZE - *at ? size : SIZE - *at;
    memcpy(buffer, body + *at, len);
    *at += len;
    weft_future *future = weft_future_new();
    (void)weft_future_resolve(future, weft_value_i64((int64_t)len), NULL);
    return future;
}

Test(http_client_again, a_source_is_read_once_on_a_connection_of_its_own)
{
    size_t at = 0;
    begin(1);
    const struct weft_http_fetch_options options = {
        .body = {.source = read_source, .arg = &at, .len = SIZE}};
    is_sent_again(&options);
    end();
}

/* After more and more ticks: before, while and after it is sent again. */
Test(http_client_again, a_cancel_finds_it_wherever_it_is)
{
    int cancelled = 0, ended = 0;
    begin(1);
    make_file();
    for (int ticks = 0; ended < 2; ticks += 1 + ticks / 4) {
        begin(1000);
        const struct weft_http_fetch_options options = {.body = {.path = path}};
        weft_future *request = weft_http_fetch(test_session, "PUT", url, &options);
        weft_test_ticks(ticks);
        weft_cancel(request);
        int status = weft_test_run(request);
        cr_assert(status == 0 || status == -ECANCELED, "%s", weft_error_name(status));
        cancelled += status == -ECANCELED;
        ended += status == 0;
        cr_assert_eq(weft_http_session_get_stats(test_session).active, 0);
        cr_assert_lt(ticks, 100000000);
    }
    cr_assert_gt(cancelled, 3);
    unlink(path);
    end();
}

/* ---- What depends on a moment, without a server ---- */

static struct weft__client_request request;
static struct weft__client_transfer transfer;

static void make_transfer(struct weft_http_content content)
{
    static char method[] = "PUT", text[] = "http://a/";
    request = (struct weft__client_request){.method = method, .url.text = text, .body = content};
    transfer = (struct weft__client_transfer){.request = &request, .low_speed = WEFT_FOREVER};
    transfer.event = weft_future_new();
    cr_assert_eq(weft__client_upload_init(&transfer.upload, &request, SIZE), 0);
}

static void free_transfer(void)
{
    weft__client_upload_fini(&transfer.upload);
    (void)weft_future_status(transfer.event);
    weft_unref(transfer.event);
}

static size_t given(char *buffer, size_t size)
{
    return weft__client_upload_read(buffer, 1, size, &transfer);
}

/* Each read is one future of the test's. */
static weft_future *reading;
static char *target;

static weft_future *read_later(void *arg, void *buffer, size_t size)
{
    (void)arg;
    cr_assert_geq(size, 4);
    target = buffer;
    reading = weft_future_new();
    return weft_ref(reading);
}

static void read_comes(const char text[4])
{
    memcpy(target, text, 4);
    (void)weft_future_resolve(reading, weft_value_i64(4), NULL);
    weft_unref(reading);
    reading = NULL;
    weft_test_ticks(10);
}

Test(http_client_again, a_piece_that_was_read_for_the_connection_before_is_dropped)
{
    char got[8];
    make_transfer((struct weft_http_content){.path = "as of a file", .source = read_later});
    weft_future *feeder = weft__client_upload_feed(&transfer, NULL);
    weft_test_ticks(10);
    read_comes("1st ");
    cr_assert_eq(given(got, sizeof(got)), 4);
    weft_test_ticks(10);
    cr_assert_not_null(reading);
    cr_assert(weft__client_upload_rewind(&transfer.upload));
    read_comes("2nd ");
    cr_assert_eq(given(got, sizeof(got)), CURL_READFUNC_PAUSE);
    cr_assert_not_null(reading);
    read_comes("1st ");
    cr_assert_eq(given(got, sizeof(got)), 4);
    cr_assert_eq(memcmp(got, "1st ", 4), 0);
    cr_assert_eq(transfer.upload.given, 4);
    weft_cancel(feeder);
    cr_assert_eq(weft_test_run(feeder), -ECANCELED);
    weft_unref(reading);
    free_transfer();
    test_client_end();
}

static int connect_again(void)
{
    return weft__client_on_connected(&transfer, NULL, NULL, 0, 0);
}

/* libcurl was given some, and has not written any of it: it does not ask to go back. */
Test(http_client_again, what_was_given_is_given_again_to_the_next_connection)
{
    static char got[SIZE];
    make_transfer((struct weft_http_content){.data = body, .len = SIZE});
    cr_assert_eq(given(got, SIZE), SIZE);
    cr_assert(transfer.upload.is_sent);
    cr_assert_eq(connect_again(), CURL_PREREQFUNC_OK);
    cr_assert(!transfer.upload.is_sent);
    cr_assert_eq(given(got, SIZE), SIZE);
    free_transfer();
    test_client_end();
}

Test(http_client_again, what_can_be_read_only_once_is_not_sent_from_its_middle)
{
    static char got[8];
    make_transfer((struct weft_http_content){.source = read_source, .len = SIZE});
    cr_assert_eq(connect_again(), CURL_PREREQFUNC_OK);
    transfer.upload.len = 4;
    cr_assert_eq(given(got, sizeof(got)), 4);
    cr_assert_eq(weft__client_upload_seek(&transfer, 0, SEEK_SET), CURL_SEEKFUNC_CANTSEEK);
    cr_assert_eq(connect_again(), CURL_PREREQFUNC_ABORT);
    cr_assert_eq(weft_future_status(transfer.event), -ECONNRESET);
    free_transfer();
    test_client_end();
}

Test(http_client_again, libcurl_goes_nowhere_but_to_the_beginning)
{
    make_transfer((struct weft_http_content){.data = body, .len = SIZE});
    cr_assert_eq(weft__client_upload_seek(&transfer, 5, SEEK_SET), CURL_SEEKFUNC_CANTSEEK);
    cr_assert_eq(weft__client_upload_seek(&transfer, 0, SEEK_CUR), CURL_SEEKFUNC_CANTSEEK);
    cr_assert_eq(weft__client_upload_seek(&transfer, 0, SEEK_SET), CURL_SEEKFUNC_OK);
    free_transfer();
    test_client_end();
}

/* SPDX-License-Identifier: MIT */
/* Compressed answers of the HTTP server that do not go well: cancelled, broken off, out of memory, slow. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft/combine.h>
#include <weft/http_compress.h>

#include "net/http/coding/codec.h"
#include "net/zlib/codec.h"
#include "tests/support/gate.h"
#include "tests/support/heap.h"
#include "tests/support/http.h"
#include "tests/support/http_handlers.h"
#include "tests/support/loop.h"
#include "tests/support/pool.h"
#include "tests/support/zlib.h"

TestSuite(http_compress_end, .init = weft_test_loop_begin, .timeout = 60);

#define GZIP "Accept-Encoding: gzip\r\n"

/* ---- A codec that fails, or waits ---- */

static int runs_left; /* before it fails */
static struct gate gate;
static atomic_bool gated; /* each run on a worker waits for the gate */
static pthread_t loop_thread;

static void *begin_none(enum weft__http_coding coding, int level, int64_t len)
{
    (void)coding, (void)level, (void)len;
    return NULL;
}

static int run_own(void *state, struct weft__http_codec_io *io, enum weft__http_flush flush)
{
    if (gated && !pthread_equal(pthread_self(), loop_thread))
        gate_pass(&gate);
    if (runs_left-- <= 0)
        return -EIO;
    return weft__zlib_codec.run(state, io, flush);
}

static struct weft__http_codec codec;

struct codes {
    WEFT_FRAME;
    weft_http_request *request;
};

static WEFT_ASYNC(codes)
{
    struct weft__http_encoding encoding = {&codec, 6, 1024, 8192, NULL, NULL};
    WEFT_BEGIN;
    weft__companion_http_encoding_set(self->request, &encoding);
    WEFT_AWAIT(weft_http_next(self->request));
    WEFT_FINALLY;
    weft__companion_http_encoding_clear(self->request);
    WEFT_END;
}

static weft_http_server *begin_with(int runs)
{
    weft_http_server *server = test_http_begin(NULL);
    codec = weft__zlib_codec;
    codec.run = run_own;
    runs_left = runs;
    loop_thread = pthread_self();
    gate_init(&gate);
    test_zlib_handlers(server);
    cr_assert_eq(weft_http_use(server, codes), 0);
    return server;
}

/* ---- Failures ---- */

Test(http_compress_end, an_answer_in_one_piece_that_cannot_be_compressed_is_sent_as_it_is)
{
    weft_http_server *server = begin_with(0);
    static const size_t sizes[] = {2000, 20000, 200000};
    for (int begins = 1; begins >= 0; begins--) {
        for (size_t i = 0; i < 3; i++) {
            char line[64];
            snprintf(line, sizeof(line), "GET /whole?n=%zu&add=ETag:%%20%%22a%%22", sizes[i]);
            struct test_answer answer = test_zlib_ask(line, GZIP);
            test_zlib_expect(&answer, NULL, sizes[i]);
            cr_assert_str_eq(test_zlib_header(&answer, "ETag"), "\"a\"");
            cr_assert_str_eq(test_zlib_header(&answer, "Vary"), "Accept-Encoding");
            cr_assert_str_eq(test_zlib_header(&answer, "Content-Type"),
                             "text/plain; charset=utf-8");
            test_zlib_free(&answer);
        }
        codec.begin = begin_none;
    }
    struct test_answer answer = test_zlib_ask("GET /pieces?n=20000&say=yes", GZIP);
    test_zlib_expect(&answer, NULL, 20000);
    cr_assert_str_eq(test_zlib_header(&answer, "Content-Length"), "20000");
    test_zlib_free(&answer);
    cr_assert_eq(test_reports.count, 0);
    test_http_end(server);
}

static void must_break_off(const char *line, int runs)
{
    char text[200];
    weft_http_server *server = begin_with(runs);
    struct test_client client = test_http_connect();
    snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: x\r\n" GZIP "\r\n", line);
    test_http_say(&client, text);
    while (!client.ended)
        test_http_turn(&client);
    cr_assert_null(strstr(client.received, "\r\n0\r\n\r\n"), "it must not look whole");
    cr_assert_eq(test_reports.count, 1, "%s, %d: %zu reports, %s", line, runs, test_reports.count,
                 test_reports.what);
    cr_assert_eq(test_reports.status, -EIO);
    cr_assert_str_eq(test_reports.task, "pieces");
    test_http_close(&client);
    test_http_end(server);
    test_reports.count = 0;
    weft_test_loop_begin();
}

Test(http_compress_end, a_stream_that_cannot_be_compressed_any_more_is_broken_off_and_reported)
{
    must_break_off("/pieces?n=2000", 0);
    must_break_off("/pieces?n=200000&by=20000", 0);
    must_break_off("/pieces?n=200000&by=20000", 3);
    must_break_off("/pieces?n=200000&by=20000&drain=no", 3);
    must_break_off("/pieces?n=200000&by=200000&drain=no", 2);
    weft_test_loop_end();
}

struct leaves {
    WEFT_FRAME;
    weft_http_request *request;
};

static WEFT_ASYNC(leaves)
{
    WEFT_BEGIN;
    weft_http_start(self->request, 200, "text/plain", WEFT_HTTP_UNKNOWN_LENGTH);
    cr_assert_eq(weft_http_write(self->request, test_zlib_text(20000), 20000), 0);
    weft_unref(weft_http_end(self->request));
    WEFT_END;
}

Test(http_compress_end, a_failure_after_the_handler_is_reported_by_its_name)
{
    weft_http_server *server = begin_with(0);
    weft_http_route(server, "GET /leaves", leaves);
    gated = true;
    struct test_client client = test_http_connect();
    test_http_say(&client, "GET /leaves HTTP/1.1\r\nHost: x\r\n" GZIP "\r\n");
    cr_assert_eq(weft_http_server_stats(server).active, 0);
    gate_open(&gate);
    while (!client.ended)
        test_http_turn(&client);
    cr_assert_eq(test_reports.count, 1);
    cr_assert_str_eq(test_reports.what, "HTTP answer broken off");
    cr_assert_str_eq(test_reports.task, "leaves");
    cr_assert_eq(test_reports.status, -EIO);
    test_http_close(&client);
    test_http_end(server);
}

Test(http_compress_end, a_handler_that_ends_first_is_answered_for_all_the_same)
{
    weft_http_server *server = begin_with(1000);
    weft_http_route(server, "GET /leaves", leaves);
    struct test_answer answer = test_zlib_ask("GET /leaves", GZIP);
    test_zlib_expect(&answer, "gzip", 20000);
    test_zlib_free(&answer);
    test_http_end(server);
}

Test(http_compress_end, more_or_less_than_promised_is_refused_as_ever)
{
    weft_http_server *server = test_zlib_begin();
    static const char *const lines[] = {"/pieces?n=3000&say=less", "/pieces?n=3000&say=more",
                                        "/pieces?n=90000&say=less&by=30000",
                                        "/pieces?n=90000&say=more&by=30000"};
    for (size_t i = 0; i < 4; i++) {
        char text[200];
        struct test_client client = test_http_connect();
        snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: x\r\n" GZIP "\r\n", lines[i]);
        test_http_say(&client, text);
        while (!client.ended)
            test_http_turn(&client);
        cr_assert(client.reset || !strstr(client.received, "\r\n0\r\n"), "%s", lines[i]);
        cr_assert_eq(test_reports.count, i + 1);
        cr_assert_eq(test_reports.status, i % 2 ? WEFT_EPROTO : WEFT_ELIMIT);
        test_http_close(&client);
    }
    test_http_end(server);
}

/* ---- Cancel ---- */

static void say_and_enter(struct test_client *client, const char *path)
{
    char text[200];
    snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: x\r\n" GZIP "\r\n", path);
    gated = true;
    test_http_say(client, text);
    gate_wait_entered(&gate);
}

static const char *const both[] = {"/whole?n=300000", "/pieces?n=300000&by=300000"};

Test(http_compress_end, an_abort_tells_the_job_and_waits_for_it)
{
    for (size_t i = 0; i < 2; i++) {
        weft_http_server *server = begin_with(1000);
        struct test_client client = test_http_connect();
        say_and_enter(&client, both[i]);
        weft_http_server_abort(server);
        test_http_turn(&client);
        gate_open(&gate); /* this slice; the next one is not begun */
        cr_assert_eq(weft_test_run(weft_http_server_drain(server)), 0);
        test_http_turn(&client);
        cr_assert(client.ended);
        cr_assert_eq(test_reports.count, 0);
        test_http_close(&client);
        test_http_end(server);
        if (i == 0)
            weft_test_loop_begin();
    }
}

Test(http_compress_end, a_loop_that_ends_meanwhile_leaves_nothing)
{
    for (size_t i = 0; i < 2; i++) {
        weft_http_server *server = begin_with(1000);
        struct test_client client = test_http_connect();
        say_and_enter(&client, both[i]);
        gated = false;
        gate_open(&gate);
        test_http_close(&client);
        test_http_end(server);
        if (i == 0)
            weft_test_loop_begin();
    }
}

Test(http_compress_end, a_client_that_goes_away_meanwhile_leaves_nothing)
{
    for (size_t i = 0; i < 2; i++) {
        weft_http_server *server = begin_with(1000);
        struct test_client client = test_http_connect(), other;
        say_and_enter(&client, both[i]);
        test_http_close(&client);
        other = test_http_connect();
        test_http_turn(&other);
        gated = false;
        gate_open(&gate);
        while (weft_http_server_stats(server).connections > 1)
            test_http_turn(&other);
        cr_assert_eq(test_reports.count, 0);
        test_http_close(&other);
        test_http_end(server);
        if (i == 0)
            weft_test_loop_begin();
    }
}

struct impatient {
    WEFT_FRAME;
    weft_http_request *request;
    bool in_pieces;
    weft_future *sent;
    int status;
};

static weft_future *send_it(const weft_http_request *request, bool in_pieces)
{
    weft_http_request *handle = (weft_http_request *)(uintptr_t)request;
    if (!in_pieces)
        return weft_http_respond(handle, 200, "text/plain", test_zlib_text(50000), 50000);
    weft_http_start(handle, 200, "text/plain", WEFT_HTTP_UNKNOWN_LENGTH);
    cr_assert_eq(weft_http_write(handle, test_zlib_text(50000), 50000), 0);
    return weft_http_drain(handle);
}

static WEFT_ASYNC(impatient)
{
    WEFT_BEGIN;
    self->sent = send_it(self->request, self->in_pieces);
    cr_assert_not(weft_is_done(self->sent));
    WEFT_CATCH(self->status, weft_http_drain(self->request));
    cr_assert_eq(self->status, -EBUSY);
    weft_cancel(self->sent);
    WEFT_CATCH(self->status, self->sent);
    cr_assert_eq(self->status, -ECANCELED);
    gated = false;
    gate_open(&gate);
    WEFT_AWAIT(weft_http_drain(self->request));
    WEFT_END;
}

Test(http_compress_end, who_stops_waiting_does_not_stop_the_answer)
{
    weft_http_server *server = begin_with(1000);
    weft_http_route(server, "GET /impatient", impatient);
    weft_http_route(server, "GET /pieces/impatient", impatient, .in_pieces = true);
    for (int i = 0; i < 2; i++) {
        gated = true;
        struct test_answer answer =
            test_zlib_ask(i ? "GET /pieces/impatient" : "GET /impatient", GZIP);
        test_zlib_expect(&answer, "gzip", 50000);
        test_zlib_free(&answer);
    }
    test_http_end(server);
}

/* ---- Slow clients ---- */

struct noise {
    WEFT_FRAME;
    weft_http_request *request;
    bool drains;
    int status;
};

/* What does not shrink: as much goes to the client as is written. */
static const char *make_noise(void)
{
    static char noise[65536];
    unsigned seed = 1;
    for (size_t i = 0; i < sizeof(noise); i++)
        noise[i] = (char)((seed = seed * 1103515245 + 12345) >> 16);
    return noise;
}

static WEFT_ASYNC(noise)
{
    WEFT_BEGIN;
    test_handled.writes = 0;
    weft_http_start(self->request, 200, "text/plain", WEFT_HTTP_UNKNOWN_LENGTH);
    for (;;) {
        self->status = weft_http_write(self->request, make_noise(), 65536);
        if (self->status < 0)
            break;
        test_handled.writes++;
        if (self->drains)
            WEFT_CATCH(self->status, weft_http_drain(self->request));
        if (self->status < 0)
            break;
    }
    test_handled.status = self->status;
    WEFT_END;
}

Test(http_compress_end, a_client_that_does_not_read_holds_the_handler_and_is_given_up)
{
    weft_http_server *server = test_zlib_begin();
    weft_http_route(server, "GET /noise", noise, .drains = true);
    struct test_client client = test_http_connect();
    client.deaf = true;
    test_handled.status = 1;
    test_http_say(&client, "GET /noise HTTP/1.1\r\nHost: x\r\n" GZIP "\r\n");
    int writes = -1;
    while (writes != test_handled.writes || test_handled.status != -ETIMEDOUT) {
        writes = test_handled.writes;
        test_http_pass(&client, WEFT_S(1));
        cr_assert_lt(test_handled.writes, 100, "backpressure");
    }
    test_http_close(&client);
    test_http_end(server);
}

Test(http_compress_end, who_never_drains_is_refused_at_the_limit)
{
    weft_http_server *server = test_zlib_begin();
    weft_http_route(server, "GET /noise", noise);
    struct test_client client = test_http_connect();
    client.deaf = true;
    test_http_say(&client, "GET /noise HTTP/1.1\r\nHost: x\r\n" GZIP "\r\n");
    cr_assert_eq(test_handled.status, -ENOBUFS);
    cr_assert_lt(test_handled.writes, 1000);
    test_http_close(&client);
    test_http_end(server);
}

Test(http_compress_end, a_server_that_stops_sends_what_is_under_way)
{
    weft_http_server *server = begin_with(1000);
    struct test_client client = test_http_connect();
    say_and_enter(&client, "/pieces?n=100000&by=50000");
    weft_http_server_stop(server);
    gated = false;
    gate_open(&gate);
    while (!client.ended)
        test_http_turn(&client);
    struct test_answer answer = test_zlib_read(client.received, client.len);
    test_zlib_expect(&answer, "gzip", 100000);
    test_zlib_free(&answer);
    test_http_close(&client);
    test_http_end(server);
}

/* ---- The lane ---- */

Test(http_compress_end, large_answers_are_compressed_in_the_lane_that_was_given)
{
    weft_pool *pool = use_pool(NULL);
    weft_lane *lane = weft_lane_new(pool, &(struct weft_lane_options){.name = "zip"});
    weft_http_server *server = test_http_begin(NULL);
    test_zlib_handlers(server);
    weft_http_use(server, weft_http_compress, .lane = lane);
    static const char *const lines[] = {"GET /whole?n=8192", "GET /whole?n=8193",
                                        "GET /pieces?n=8192&by=4096", "GET /pieces?n=9000&by=4500"};
    static const unsigned jobs[] = {0, 1, 1, 2};
    for (size_t i = 0; i < 4; i++) {
        struct weft_lane_stats stats;
        struct test_answer answer = test_zlib_ask(lines[i], GZIP);
        test_zlib_free(&answer);
        weft_lane_get_stats(lane, &stats);
        cr_assert_eq(stats.completed, jobs[i], "%s: %llu", lines[i],
                     (unsigned long long)stats.completed);
    }
    weft_lane_unref(lane);
    test_http_end(server);
}

/* ---- Out of memory ---- */

static void pass_some_time(struct test_client *client)
{
    int status = weft_test_run(weft_sleep(WEFT_S(1)));
    cr_assert(status == 0 || status == -ENOMEM);
    test_http_turn(client);
}

/* One allocation fails, the n-th; true if it came to that. What looks whole is whole. */
static bool ask_without(weft_http_server *server, const char *path, size_t n, size_t len)
{
    char text[200];
    struct test_client client = test_http_connect();
    snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" GZIP "\r\n",
             path);
    weft_test_heap_fail_at(n);
    test_http_say(&client, text);
    while (!client.ended) /* no time passes while a job is out */
        pass_some_time(&client);
    bool failed = weft_test_heap_failed();
    weft_test_heap_fail_at(0);
    if (test_http_status(client.received) == 200) {
        struct test_answer answer = test_zlib_read(client.received, client.len);
        cr_assert(failed || answer.whole, "%s", answer.head);
        if (answer.whole && !client.reset)
            test_zlib_expect(&answer,
                             test_zlib_header(&answer, "Content-Encoding")[0] ? "gzip" : NULL, len);
        test_zlib_free(&answer);
    }
    cr_assert_eq(weft_http_server_stats(server).active, 0, "allocation %zu", n);
    test_http_close(&client);
    return failed;
}

Test(http_compress_end, survives_every_lack_of_memory)
{
    static const struct {
        const char *path;
        size_t len;
    } kinds[] = {{"/whole?n=4000&add=ETag:%20%22a%22", 4000},
                 {"/whole?n=70000&add=ETag:%20%22a%22", 70000},
                 {"/pieces?n=4000&say=yes", 4000},
                 {"/pieces?n=70000&by=35000", 70000},
                 {"/pieces?n=70000&by=7000&drain=no", 70000}};
    weft_http_server *server = test_zlib_begin();
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        size_t n = 1;
        while (ask_without(server, kinds[i].path, n, kinds[i].len))
            n++;
        cr_assert_gt(n, 5);
    }
    test_http_end(server);
}

struct tagged {
    WEFT_FRAME;
    weft_http_request *request;
};

/* The lines of the head leave room for the type, and for nothing more. */
static WEFT_ASYNC(tagged)
{
    static const char tag[] = "\"0123456789012345678901234567890123456789012345678\"";
    WEFT_BEGIN;
    if (weft_http_add_header(self->request, "ETag", tag) < 0)
        WEFT_FAIL(-ENOMEM);
    WEFT_AWAIT(weft_http_respond(self->request, 200, "text/plain; charset=utf-8",
                                 test_zlib_text(20000), 20000));
    WEFT_END;
}

Test(http_compress_end, without_memory_for_a_line_of_the_head_an_answer_is_sent_as_it_is)
{
    bool failed = true;
    for (size_t n = 1; failed; n++) {
        weft_http_server *server = test_zlib_begin();
        weft_http_route(server, "GET /tagged", tagged);
        failed = ask_without(server, "/tagged", n, 20000);
        test_http_end(server);
        test_reports.count = 0;
        weft_test_loop_begin();
    }
    weft_test_loop_end();
}

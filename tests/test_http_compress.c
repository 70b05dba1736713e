/* SPDX-License-Identifier: MIT */
/* Compressed answers of the HTTP server: which ones, and what they say. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <weft/http_compress.h>
#include <weft/http_events.h>
#include <weft/http_static.h>

#include "net/http/coding/coding.h"
#include "tests/support/http.h"
#include "tests/support/http_handlers.h"
#include "tests/support/loop.h"
#include "tests/support/zlib.h"

TestSuite(http_compress, .init = weft_test_loop_begin, .timeout = 60);

#define GZIP "Accept-Encoding: gzip\r\n"

/* ---- What a client wants ---- */

static struct weft__http_wish wished(const char *a, const char *b)
{
    struct weft__http_header headers[] = {
        {"accept-encoding", a, 15, (uint32_t)strlen(a)},
        {"Accept", "gzip", 6, 4},
        {"Accept-Encoding", b ? b : "", 15, (uint32_t)(b ? strlen(b) : 0)}};
    struct weft__http_request request = {.headers = headers, .header_count = b ? 3 : 2};
    return weft__http_wished_coding(&request);
}

static void must_wish(const char *said, enum weft__http_coding coding, bool insists)
{
    struct weft__http_wish wish = wished(said, NULL);
    cr_assert_eq(wish.coding, coding, "%s: %d", said, (int)wish.coding);
    cr_assert_eq(wish.insists, insists, "%s", said);
}

Test(http_compress, the_coding_of_the_greatest_weight_is_taken)
{
    must_wish("gzip", WEFT__HTTP_GZIP, false);
    must_wish("GZip", WEFT__HTTP_GZIP, false);
    must_wish("x-gzip", WEFT__HTTP_GZIP, false);
    must_wish("deflate", WEFT__HTTP_DEFLATE, false);
    must_wish("gzip, deflate, br, zstd", WEFT__HTTP_GZIP, false);
    must_wish("deflate, gzip", WEFT__HTTP_GZIP, false);
    must_wish("gzip;q=0.5, deflate;q=0.8", WEFT__HTTP_DEFLATE, false);
    must_wish("gzip ; q=0.001 ,", WEFT__HTTP_GZIP, false);
    must_wish("gzip;Q=1.000", WEFT__HTTP_GZIP, false);
    must_wish("*", WEFT__HTTP_GZIP, false);
    must_wish("gzip;q=0, *", WEFT__HTTP_DEFLATE, false);
    cr_assert_eq(wished("br", "gzip").coding, WEFT__HTTP_GZIP, "several lines are one list");
}

Test(http_compress, a_coding_that_is_not_wanted_is_not_sent)
{
    must_wish("", WEFT__HTTP_IDENTITY, false);
    must_wish("br", WEFT__HTTP_IDENTITY, false);
    must_wish("gzip;q=0", WEFT__HTTP_IDENTITY, false);
    must_wish("gzip;q=0.000, deflate;q=0", WEFT__HTTP_IDENTITY, false);
    must_wish("identity, gzip;q=0.9", WEFT__HTTP_IDENTITY, false);
    must_wish("identity;q=0.5, gzip;q=0.5", WEFT__HTTP_GZIP, false);
    must_wish("gzipped, notgzip", WEFT__HTTP_IDENTITY, false);
    cr_assert_eq(wished("identity", "*;q=0.5").coding, WEFT__HTTP_IDENTITY);
}

Test(http_compress, a_client_may_refuse_the_answer_as_it_is)
{
    must_wish("gzip, identity;q=0", WEFT__HTTP_GZIP, true);
    must_wish("gzip;q=0.1, *;q=0", WEFT__HTTP_GZIP, true);
    must_wish("identity, *;q=0", WEFT__HTTP_IDENTITY, false);
    must_wish("identity;q=0", WEFT__HTTP_IDENTITY, true);
    must_wish("*;q=0", WEFT__HTTP_IDENTITY, true);
}

Test(http_compress, a_malformed_weight_is_no_wish)
{
    static const char *const wrong[] = {"gzip;q=",   "gzip;q=2",  "gzip;q=1.001", "gzip;q=0.12345",
                                        "gzip;q=-1", "gzip;q=x",  "gzip;level=9", "gzip;q=01",
                                        "gzip;",     "gzip;q=.5", "gzip;q=1;a",   "gzip;q=0,5"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        must_wish(wrong[i], WEFT__HTTP_IDENTITY, false);
}

Test(http_compress, types_that_shrink_are_known)
{
    static const char *const yes[] = {
        "text/plain",    "text/html; charset=utf-8", "TEXT/CSS",         "application/json",
        "image/svg+xml", "application/problem+json", "application/wasm", "font/ttf"};
    static const char *const no[] = {"image/png",
                                     "video/mp4",
                                     "application/gzip",
                                     "text/event-stream",
                                     "Text/Event-Stream;x=y",
                                     "application/octet-stream",
                                     "font/woff2",
                                     "text/",
                                     "",
                                     "application/jso"};
    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
        cr_assert(weft__http_is_compressible(yes[i], NULL), "%s", yes[i]);
    for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
        cr_assert_not(weft__http_is_compressible(no[i], NULL), "%s", no[i]);
    cr_assert_not(weft__http_is_compressible(NULL, NULL));
    cr_assert(
        weft__http_is_compressible("application/x-b; v=1", " application/x-a application/x-b"));
    cr_assert_not(weft__http_is_compressible("application/x", "application/x-a"));
}

/* ---- Answers ---- */

static void must_be(const char *line, const char *headers, const char *coding, size_t n)
{
    struct test_answer answer = test_zlib_ask(line, headers);
    test_zlib_expect(&answer, coding, n);
    test_zlib_free(&answer);
}

Test(http_compress, answers_in_one_piece_are_compressed_and_tell_their_length)
{
    weft_http_server *server = test_zlib_begin();
    static const size_t sizes[] = {1024, 8192, 8193, 65536, 65537, 2000000};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        char line[64], length[32];
        snprintf(line, sizeof(line), "GET /whole?n=%zu", sizes[i]);
        struct test_answer answer = test_zlib_ask(line, GZIP);
        test_zlib_expect(&answer, "gzip", sizes[i]);
        cr_assert_lt(answer.raw, sizes[i]);
        snprintf(length, sizeof(length), "%zu", answer.raw);
        cr_assert_str_eq(test_zlib_header(&answer, "Content-Length"), length);
        cr_assert_str_eq(test_zlib_header(&answer, "Vary"), "Accept-Encoding");
        cr_assert_str_eq(test_zlib_header(&answer, "Content-Type"), "text/plain; charset=utf-8");
        test_zlib_free(&answer);
        must_be(line, "Accept-Encoding: deflate\r\n", "deflate", sizes[i]);
        must_be(line, "", NULL, sizes[i]);
    }
    test_http_end(server);
}

Test(http_compress, answers_in_pieces_are_compressed_as_a_stream)
{
    weft_http_server *server = test_zlib_begin();
    static const char *const hows[] = {"by=7", "by=1000&drain=no", "by=100000&say=yes",
                                       "by=1000000"};
    static const size_t sizes[] = {1024, 8192, 9000, 300000};
    for (size_t i = 0; i < sizeof(hows) / sizeof(hows[0]); i++) {
        for (size_t j = 0; j < sizeof(sizes) / sizeof(sizes[0]); j++) {
            char line[64];
            snprintf(line, sizeof(line), "GET /pieces?%s&n=%zu", hows[i], sizes[j]);
            struct test_answer answer = test_zlib_ask(line, GZIP);
            test_zlib_expect(&answer, "gzip", sizes[j]);
            cr_assert_str_eq(test_zlib_header(&answer, "Transfer-Encoding"), "chunked");
            cr_assert_str_eq(test_zlib_header(&answer, "Content-Length"), "");
            cr_assert_lt(answer.raw, sizes[j]);
            test_zlib_free(&answer);
        }
    }
    must_be("GET /pieces?n=0", GZIP, "gzip", 0);
    test_http_end(server);
}

Test(http_compress, an_old_client_gets_a_stream_until_the_connection_closes)
{
    weft_http_server *server = test_zlib_begin();
    must_be("GET /pieces?n=100000 HTTP/1.0", GZIP, "gzip", 100000);
    must_be("GET /pieces?n=100000&say=yes HTTP/1.0", GZIP, "gzip", 100000);
    struct test_client client = test_http_connect();
    test_http_say(&client, "GET /whole?n=5000 HTTP/1.0\r\nConnection: keep-alive\r\n" GZIP "\r\n");
    cr_assert_not(client.ended);
    test_http_close(&client);
    test_http_end(server);
}

Test(http_compress, a_connection_goes_on_after_answers_of_all_kinds)
{
    weft_http_server *server = test_zlib_begin();
    struct test_client client = test_http_connect();
    static const char *const lines[] = {"/whole?n=20000", "/pieces?n=20000", "/whole?n=3000",
                                        "/pieces?n=3000", "/whole?n=10",     "/hello"};
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        char text[200];
        snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: x\r\n" GZIP "\r\n", lines[i]);
        test_http_send(&client, text, strlen(text));
    }
    while (client.len < 5 || memcmp(client.received + client.len - 5, "hello", 5) != 0)
        test_http_turn(&client);
    cr_assert_eq(weft_http_server_stats(server).requests, 6);
    test_http_close(&client);
    test_http_end(server);
}

Test(http_compress, what_is_small_or_does_not_shrink_is_left_alone)
{
    weft_http_server *server = test_zlib_begin();
    static const char *const lines[] = {
        "GET /whole?n=1023",
        "GET /whole?n=5000&type=image/png",
        "GET /pieces?n=5000&type=application/octet-stream",
        "GET /pieces?n=1000&say=yes",
    };
    static const size_t sizes[] = {1023, 5000, 5000, 1000};
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct test_answer answer = test_zlib_ask(lines[i], GZIP);
        test_zlib_expect(&answer, NULL, sizes[i]);
        cr_assert_str_eq(test_zlib_header(&answer, "Vary"), "", "it never depends on the client");
        test_zlib_free(&answer);
    }
    test_http_end(server);
}

Test(http_compress, what_is_coded_or_partial_or_not_to_be_transformed_is_left_alone)
{
    weft_http_server *server = test_zlib_begin();
    static const char *const adds[] = {"Content-Encoding:%20br",
                                       "Content-Range:%20bytes%200-4999/9000",
                                       "Cache-Control:%20max-age=5,%20No-Transform"};
    for (size_t i = 0; i < sizeof(adds) / sizeof(adds[0]); i++) {
        char line[200];
        snprintf(line, sizeof(line), "GET /%s?n=5000&add=%s", i % 2 ? "pieces" : "whole", adds[i]);
        struct test_answer answer = test_zlib_ask(line, "Accept-Encoding: gzip, *;q=0\r\n");
        cr_assert_eq(answer.len, 5000);
        cr_assert_str_neq(test_zlib_header(&answer, "Content-Encoding"), "gzip");
        cr_assert_str_eq(test_zlib_header(&answer, "Vary"), "");
        test_zlib_free(&answer);
    }
    must_be("GET /whole?n=5000&status=206", GZIP, NULL, 5000);
    must_be("GET /whole?n=5000&add=Cache-Control:%20no-cache", GZIP, "gzip", 5000);
    must_be("GET /whole?n=5000&status=404", GZIP, "gzip", 5000);
    test_http_end(server);
}

Test(http_compress, who_refuses_the_answer_as_it_is_gets_all_that_may_be_compressed)
{
    weft_http_server *server = test_zlib_begin();
    must_be("GET /whole?n=10&type=image/png", GZIP "Accept-Encoding: identity;q=0\r\n", "gzip", 10);
    must_be("GET /pieces?n=10&say=yes", "Accept-Encoding: deflate, *;q=0\r\n", "deflate", 10);
    must_be("GET /whole?n=10&type=none", "Accept-Encoding: gzip, *;q=0\r\n", "gzip", 10);
    must_be("GET /whole?n=20000&type=none", "Accept-Encoding: gzip, *;q=0\r\n", "gzip", 20000);
    must_be("GET /whole?n=0", GZIP "Accept-Encoding: identity;q=0\r\n", NULL, 0);
    must_be("GET /whole?n=5000", "Accept-Encoding: *;q=0\r\n", NULL, 5000);
    test_http_end(server);
}

Test(http_compress, a_strong_tag_gets_weak_and_ranges_are_not_offered)
{
    weft_http_server *server = test_zlib_begin();
    static const char *const kinds[] = {"whole?n=2000", "whole?n=20000", "pieces?n=2000"};
    for (size_t i = 0; i < 3; i++) {
        char line[100];
        snprintf(line, sizeof(line), "GET /%s&add=ETag:%%20%%22a%%22", kinds[i]);
        struct test_answer answer = test_zlib_ask(line, GZIP);
        cr_assert_str_eq(test_zlib_header(&answer, "ETag"), "W/\"a\"");
        test_zlib_free(&answer);
        answer = test_zlib_ask(line, "");
        cr_assert_str_eq(test_zlib_header(&answer, "ETag"), "\"a\"");
        cr_assert_str_eq(test_zlib_header(&answer, "Vary"), "Accept-Encoding");
        test_zlib_free(&answer);
        snprintf(line, sizeof(line), "GET /%s&add=Accept-Ranges:%%20bytes", kinds[i]);
        answer = test_zlib_ask(line, GZIP);
        cr_assert_str_eq(test_zlib_header(&answer, "Accept-Ranges"), "");
        test_zlib_free(&answer);
    }
    struct test_answer answer = test_zlib_ask("GET /whole?add=ETag:%20W/%22a%22", GZIP);
    cr_assert_str_eq(test_zlib_header(&answer, "ETag"), "W/\"a\"");
    test_zlib_free(&answer);
    test_http_end(server);
}

Test(http_compress, a_304_has_the_tag_and_the_vary_of_a_200)
{
    weft_http_server *server = test_zlib_begin();
    const char *line = "GET /whole?n=0&status=304&add=ETag:%20%22a%22";
    struct test_answer answer = test_zlib_ask(line, GZIP);
    cr_assert_eq(answer.status, 304);
    cr_assert_str_eq(test_zlib_header(&answer, "ETag"), "W/\"a\"");
    cr_assert_str_eq(test_zlib_header(&answer, "Vary"), "Accept-Encoding");
    cr_assert_str_eq(test_zlib_header(&answer, "Content-Encoding"), "");
    test_zlib_free(&answer);
    answer = test_zlib_ask(line, "");
    cr_assert_str_eq(test_zlib_header(&answer, "ETag"), "\"a\"");
    test_zlib_free(&answer);
    test_http_end(server);
}

Test(http_compress, a_vary_of_the_handler_is_kept)
{
    weft_http_server *server = test_zlib_begin();
    struct test_answer answer =
        test_zlib_ask("GET /whole?add=Vary:%20Origin,%20accept-encoding", GZIP);
    cr_assert_eq(test_http_count(answer.head, "Vary:"), 1);
    test_zlib_free(&answer);
    answer = test_zlib_ask("GET /whole?add=Vary:%20Origin", GZIP);
    cr_assert_eq(test_http_count(answer.head, "Vary:"), 2);
    test_zlib_free(&answer);
    test_http_end(server);
}

static void drop_line(char *head, const char *name)
{
    char *line = strstr(head, name);
    if (line)
        memmove(line, strchr(line, '\n') + 1, strlen(strchr(line, '\n') + 1) + 1);
}

Test(http_compress, head_has_the_head_of_get)
{
    weft_http_server *server = test_zlib_begin();
    static const char *const paths[] = {"/whole?n=2000", "/whole?n=20000", "/pieces?n=2000",
                                        "/whole?n=100", "/pieces?n=20000&say=yes"};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        char line[100];
        snprintf(line, sizeof(line), "GET %s&add=ETag:%%20%%22a%%22", paths[i]);
        struct test_answer get = test_zlib_ask(line, GZIP);
        snprintf(line, sizeof(line), "HEAD %s&add=ETag:%%20%%22a%%22", paths[i]);
        struct test_answer head = test_zlib_ask(line, GZIP);
        cr_assert_eq(head.raw, 0);
        if (strstr(get.head, "gzip")) /* it may leave out what it would have to work for */
            drop_line(get.head, "Content-Length");
        drop_line(get.head, "Date");
        drop_line(head.head, "Date");
        cr_assert_eq(strlen(head.head), strlen(get.head), "%s%s", head.head, get.head);
        cr_assert_not_null(strstr(get.head, test_zlib_header(&head, "ETag")));
        test_zlib_free(&get);
        test_zlib_free(&head);
    }
    test_http_end(server);
}

/* ---- Time ---- */

Test(http_compress, what_is_written_is_on_its_way_soon_though_nobody_drains)
{
    weft_http_server *server = test_zlib_begin();
    struct test_client client = test_http_connect();
    test_http_say(&client, "GET /little HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" GZIP "\r\n");
    for (size_t n = 5; n <= 20; n += 5) {
        test_http_pass(&client, WEFT_MS(20));
        struct test_answer answer = test_zlib_read(client.received, client.len);
        cr_assert_eq(answer.len, n);
        cr_assert_eq(memcmp(answer.body, test_zlib_text(n), n), 0);
        test_zlib_free(&answer);
        test_http_pass(&client, WEFT_MS(980));
    }
    cr_assert(client.ended);
    test_http_close(&client);
    test_http_end(server);
}

struct events {
    WEFT_FRAME;
    weft_http_request *request;
};

static WEFT_ASYNC(events)
{
    static char data[5001];
    WEFT_BEGIN;
    memcpy(data, test_zlib_text(5000), 5000);
    weft_http_events_start(self->request);
    weft_http_event_send(self->request, &(struct weft_http_event){.data = data});
    WEFT_END;
}

Test(http_compress, events_are_sent_as_they_are)
{
    weft_http_server *server = test_zlib_begin();
    weft_http_route(server, "GET /feed", events);
    struct test_answer answer = test_zlib_ask("GET /feed", GZIP);
    cr_assert_str_eq(test_zlib_header(&answer, "Content-Encoding"), "");
    cr_assert_eq(strncmp(answer.body, "data: ", 6), 0);
    cr_assert_eq(memcmp(answer.body + 6, test_zlib_text(5000), 5000), 0);
    test_zlib_free(&answer);
    test_http_end(server);
}

/* A folder with a file of so many bytes that nobody has touched since 2001, served below /f/. */
struct served {
    char folder[32], path[64];
    weft_http_server *server;
};

static void serve_file(struct served *served, size_t len)
{
    struct timespec times[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};
    snprintf(served->folder, sizeof(served->folder), "/tmp/weft-zip-XXXXXX");
    cr_assert_not_null(mkdtemp(served->folder));
    snprintf(served->path, sizeof(served->path), "%s/large.txt", served->folder);
    FILE *file = fopen(served->path, "w");
    cr_assert_not_null(file);
    cr_assert_eq(fwrite(test_zlib_text(len), 1, len, file), len);
    fclose(file);
    cr_assert_eq(utimensat(AT_FDCWD, served->path, times, 0), 0);
    served->server = test_zlib_begin();
    weft_http_route(served->server, "GET /f/...", weft_http_files, .root = served->folder);
}

static void end_serving(struct served *served)
{
    unlink(served->path);
    rmdir(served->folder);
    test_http_end(served->server);
}

Test(http_compress, files_are_compressed_but_not_their_parts)
{
    struct served served;
    serve_file(&served, 700000);
    must_be("GET /f/large.txt", GZIP, "gzip", 700000);
    must_be("GET /f/large.txt", "", NULL, 700000);
    must_be("GET /f/large.txt", GZIP "Range: bytes=0-299999\r\n", NULL, 300000);
    struct test_answer answer =
        test_zlib_ask("GET /f/large.txt", GZIP "Range: bytes=0-0,9000-\r\n");
    cr_assert_eq(answer.status, 206);
    cr_assert_str_eq(test_zlib_header(&answer, "Content-Encoding"), "");
    test_zlib_free(&answer);
    end_serving(&served);
}

/* Who has the beginning of a compressed body would continue it with bytes of the file. */
Test(http_compress, a_date_does_not_continue_what_is_compressed)
{
#define PART "Range: bytes=0-299999\r\nIf-Range: Sun, 09 Sep 2001 01:46:40 GMT\r\n"
    struct served served;
    serve_file(&served, 700000);
    must_be("GET /f/large.txt", PART, NULL, 300000);
    must_be("GET /f/large.txt", GZIP PART, "gzip", 700000);
    must_be("GET /f/large.txt", "Accept-Encoding: identity\r\n" PART, NULL, 300000);
    end_serving(&served);
#undef PART
}

/* ---- As one says ---- */

Test(http_compress, level_size_and_types_are_what_one_says)
{
    weft_http_server *server = test_http_begin(NULL);
    test_zlib_handlers(server);
    cr_assert_eq(weft_http_use(server, weft_http_compress, .level = 1, .min_size = 100,
                               .types = "application/x-mine"),
                 0);
    cr_assert_eq(weft_http_use(server, weft_http_compress, .level = 9), 0);
    must_be("GET /whole?n=100", GZIP, "gzip", 100);
    must_be("GET /whole?n=99", GZIP, NULL, 99);
    must_be("GET /whole?n=500&type=application/x-mine", GZIP, "gzip", 500);
    struct test_answer fast = test_zlib_ask("GET /whole?n=100000", GZIP);
    test_http_end(server);
    weft_test_loop_begin();
    server = test_zlib_begin();
    struct test_answer normal = test_zlib_ask("GET /whole?n=100000", GZIP);
    cr_assert_gt(fast.raw, normal.raw);
    test_zlib_free(&fast);
    test_zlib_free(&normal);
    test_http_end(server);
}

Test(http_compress, a_level_that_there_is_not_fails_the_request)
{
    weft_http_server *server = test_http_begin(NULL);
    cr_assert_eq(weft_http_use(server, weft_http_compress, .level = 10), 0);
    char *answer = test_http_ask("GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    cr_assert_eq(test_http_status(answer), 500);
    cr_assert_eq(test_reports.status, -EINVAL);
    cr_assert_str_eq(test_reports.task, "weft_http_compress");
    free(answer);
    test_http_end(server);
}

Test(http_compress, without_it_nothing_is_compressed)
{
    weft_http_server *server = test_http_begin(NULL);
    test_zlib_handlers(server);
    struct test_answer answer = test_zlib_ask("GET /whole?n=5000", GZIP);
    test_zlib_expect(&answer, NULL, 5000);
    cr_assert_str_eq(test_zlib_header(&answer, "Vary"), "");
    test_zlib_free(&answer);
    test_http_end(server);
}

/* ---- Of no type ---- */

struct typeless {
    WEFT_FRAME;
    weft_http_request *request;
    size_t n;
};

static WEFT_ASYNC(typeless)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_http_respond(self->request, 200, NULL, test_zlib_text(self->n), self->n));
    WEFT_END;
}

Test(http_compress, an_answer_without_a_type_is_compressed_for_who_insists)
{
    weft_http_server *server = test_zlib_begin();
    weft_http_route(server, "GET /typeless/short", typeless, .n = 8192);
    weft_http_route(server, "GET /typeless/long", typeless, .n = 20000);
    for (int i = 0; i < 2; i++) {
        struct test_answer answer = test_zlib_ask(i ? "GET /typeless/long" : "GET /typeless/short",
                                                  "Accept-Encoding: gzip, identity;q=0\r\n");
        test_zlib_expect(&answer, "gzip", i ? 20000 : 8192);
        cr_assert_str_eq(test_zlib_header(&answer, "Content-Type"), "");
        test_zlib_free(&answer);
    }
    test_http_end(server);
}

Test(http_compress, a_part_varies_as_the_whole_would)
{
    static const char *const lines[] = {"GET /whole?n=5000&status=206",
                                        "GET /whole?n=5000&status=206&type=multipart/byteranges",
                                        "GET /whole?n=5000&status=206&type=image/png"};
    weft_http_server *server = test_zlib_begin();
    for (size_t i = 0; i < 3; i++) {
        struct test_answer answer = test_zlib_ask(lines[i], GZIP);
        test_zlib_expect(&answer, NULL, 5000);
        cr_assert_str_eq(test_zlib_header(&answer, "Vary"), i < 2 ? "Accept-Encoding" : "");
        test_zlib_free(&answer);
    }
    test_http_end(server);
}

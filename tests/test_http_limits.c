/* SPDX-License-Identifier: MIT */
/* The limits of the HTTP request parser: what is just small enough, and one more of it. */
#include <criterion/criterion.h>

#include "tests/support/http_reading.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GET "GET / HTTP/1.1\r\nHost: a\r\n"
#define CHUNKED "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"

/* front, `count` times `middle`, back; to be freed. */
static struct message build(const char *front, const char *middle, size_t count, const char *back)
{
    char *data = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&data, &len);
    fputs(front, out);
    for (size_t i = 0; i < count; i++)
        fputs(middle, out);
    fputs(back, out);
    fclose(out);
    return (struct message){data, len};
}

static void must_fit(struct message message, const struct weft__http_limits *limits)
{
    char *transcript = read_every_way(message, limits);
    cr_assert_not_null(strstr(transcript, "done, 0 left"), "%s", transcript);
    free(transcript);
    free((void *)message.data);
}

static void must_not_fit(struct message message, const struct weft__http_limits *limits, int status)
{
    must_refuse(message, limits, status);
    free((void *)message.data);
}

Test(http_limits, head_may_be_as_long_as_the_limit)
{
    const struct weft__http_limits limits = {.head_bytes = 64};
    const size_t room = 64 - strlen(GET "X: \r\n\r\n");
    must_fit(build(GET "X: ", "x", room, "\r\n\r\n"), &limits);
    must_fit(build(GET "X: ", "\t", room - 1, "x\r\n\r\n"), &limits);
    must_fit(build("\r\n" GET "X: ", "x", room - 2, "\r\n\r\n"), &limits);
    must_not_fit(build(GET "X: ", "x", room + 1, "\r\n\r\n"), &limits, 431);
    must_not_fit(build(GET "X: ", "\t", room, "x\r\n\r\n"), &limits, 431);
    must_not_fit(build("\r\n" GET "X: ", "x", room - 1, "\r\n\r\n"), &limits, 431);
}

Test(http_limits, head_without_an_end_is_refused_at_the_first_byte_too_many)
{
    const struct weft__http_limits limits = {.head_bytes = 64};
    static const char *const endings[] = {"y", "\r", "\n", "\r\n", "\t", "\x01"};
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        must_not_fit(build(GET "X: ", "x", 64 - strlen(GET "X: "), endings[i]), &limits, 431);
    must_not_fit(build(GET "X: ", "x", 63 - strlen(GET "X: "), "\r\n"), &limits, 431);
    must_not_fit(build(GET "X: ", "x", 63 - strlen(GET "X: "), "\rx"), &limits, 431);
}

Test(http_limits, request_line_may_be_as_long_as_the_limit)
{
    const struct weft__http_limits limits = {.request_line_bytes = 32};
    const size_t room = 32 - strlen("GET / HTTP/1.1");
    must_fit(build("GET /", "x", room, " HTTP/1.1\r\nHost: a\r\n\r\n"), &limits);
    must_fit(build("\r\nGET /", "x", room, " HTTP/1.1\r\nHost: a\r\n\r\n"), &limits);
    must_not_fit(build("GET /", "x", room + 1, " HTTP/1.1\r\nHost: a\r\n\r\n"), &limits, 414);
    must_not_fit(build("\r\nGET /", "x", room + 1, " HTTP/1.1\r\nHost: a\r\n\r\n"), &limits, 414);
    must_not_fit(build("", "x", 33, ""), &limits, 414);
    must_not_fit(build("", "x", 32, "\n"), &limits, 414);
    must_not_fit(build("", "x", 32, "\t"), &limits, 414);
}

Test(http_limits, request_line_longer_than_the_head_is_a_long_line)
{
    const struct weft__http_limits limits = {.head_bytes = 32};
    must_not_fit(build("GET /", "x", 32, " HTTP/1.1\r\n"), &limits, 414);
}

Test(http_limits, so_many_fields_and_no_more)
{
    const struct weft__http_limits limits = {.headers = 5};
    must_fit(build(GET, "X: y\r\n", 4, "\r\n"), &limits);
    must_not_fit(build(GET, "X: y\r\n", 5, "\r\n"), &limits, 431);
}

Test(http_limits, trailers_count_as_fields_even_if_dropped)
{
    const struct weft__http_limits limits = {.headers = 5};
    must_fit(build(CHUNKED "0\r\n", "X: y\r\n", 3, "\r\n"), &limits);
    must_fit(build(CHUNKED "0\r\n", "Host: y\r\n", 3, "\r\n"), &limits);
    must_not_fit(build(CHUNKED "0\r\n", "X: y\r\n", 4, "\r\n"), &limits, 431);
    must_not_fit(build(CHUNKED "0\r\n", "Host: y\r\n", 4, "\r\n"), &limits, 431);
}

Test(http_limits, trailers_count_as_head)
{
    const struct weft__http_limits limits = {.head_bytes = 100};
    const size_t room = 100 - strlen(CHUNKED "X: \r\n\r\n");
    must_fit(build(CHUNKED "1\r\nx\r\n0\r\nX: ", "x", room, "\r\n\r\n"), &limits);
    must_not_fit(build(CHUNKED "1\r\nx\r\n0\r\nX: ", "x", room + 1, "\r\n\r\n"), &limits, 431);
}

Test(http_limits, body_may_be_as_long_as_the_limit)
{
    const struct weft__http_limits limits = {.body_bytes = 12};
    must_fit(build("POST / HTTP/1.0\r\nContent-Length: 12\r\n\r\n", "x", 12, ""), &limits);
    must_not_fit(build("POST / HTTP/1.0\r\nContent-Length: 13\r\n\r\n", "x", 13, ""), &limits, 413);
    must_fit(build(CHUNKED, "4\r\nabcd\r\n", 3, "0\r\n\r\n"), &limits);
    must_not_fit(build(CHUNKED, "4\r\nabcd\r\n", 3, "1\r\nx\r\n0\r\n\r\n"), &limits, 413);
    must_not_fit(build(CHUNKED "d\r\n", "x", 13, "\r\n0\r\n\r\n"), &limits, 413);
}

Test(http_limits, chunk_line_may_be_as_long_as_the_limit)
{
    const struct weft__http_limits limits = {.chunk_line_bytes = 20};
    must_fit(build(CHUNKED "0;", "x", 18, "\r\n\r\n"), &limits);
    must_not_fit(build(CHUNKED "0;", "x", 19, "\r\n\r\n"), &limits, 400);
    must_fit(build(CHUNKED, "0", 16, "\r\n\r\n"), &limits);
    must_not_fit(build(CHUNKED, "0", 17, "\r\n\r\n"), &limits, 400);
}

Test(http_limits, extensions_of_all_chunks_together_may_be_as_long_as_a_head)
{
    const struct weft__http_limits limits = {.head_bytes = 90};
    must_fit(build(CHUNKED, "1;123456789\r\nx\r\n", 10, "0\r\n\r\n"), &limits);
    must_not_fit(build(CHUNKED, "1;123456789\r\nx\r\n", 10, "0;1\r\n\r\n"), &limits, 400);
}

Test(http_limits, defaults_are_as_documented)
{
    struct weft__http_parser parser;
    weft__http_parser_init(&parser, NULL);
    cr_assert_eq(parser.limits.head_bytes, 16 * 1024);
    cr_assert_eq(parser.limits.request_line_bytes, 8 * 1024);
    cr_assert_eq(parser.limits.headers, 100);
    cr_assert_eq(parser.limits.body_bytes, 1024 * 1024);
    cr_assert_eq(parser.limits.chunk_line_bytes, 256);
    cr_assert_geq(weft__http_parser_memory(&parser), 16 * 1024);
}

Test(http_limits, a_huge_head_limit_is_cut)
{
    struct weft__http_parser parser;
    weft__http_parser_init(&parser, &(struct weft__http_limits){.head_bytes = SIZE_MAX});
    cr_assert_eq(parser.limits.head_bytes, (size_t)1 << 30);
}

/* A parser at HEAD of a request with that body framing; the memory is to be freed. */
static void *read_head(struct weft__http_parser *parser, const char *head)
{
    size_t used;
    weft__http_parser_init(parser, &(struct weft__http_limits){.body_bytes = 10});
    void *memory = malloc(weft__http_parser_memory(parser));
    weft__http_parser_begin(parser, memory);
    cr_assert_eq(weft__http_parser_feed(parser, head, strlen(head), &used), WEFT__HTTP_HEAD);
    cr_assert_eq(used, strlen(head));
    return memory;
}

#define LONG_POST "POST / HTTP/1.0\r\nContent-Length: 5000000000\r\n\r\n"

Test(http_limits, feed_of_nothing_after_the_head_tells_what_comes)
{
    static const struct {
        const char *head;
        enum weft__http_event event;
    } rows[] = {
        {GET "\r\n", WEFT__HTTP_DONE},
        {CHUNKED, WEFT__HTTP_NEED_MORE},
        {"POST / HTTP/1.0\r\nContent-Length: 10\r\n\r\n", WEFT__HTTP_NEED_MORE},
        {LONG_POST, WEFT__HTTP_ERROR},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct weft__http_parser parser;
        size_t used;
        void *memory = read_head(&parser, rows[i].head);
        cr_assert_eq(weft__http_parser_feed(&parser, NULL, 0, &used), rows[i].event);
        cr_assert_eq(used, 0);
        free(memory);
    }
}

Test(http_limits, body_limit_can_be_lifted_for_one_request)
{
    struct weft__http_parser parser;
    size_t used;
    void *memory = read_head(&parser, LONG_POST);
    weft__http_parser_set_body_limit(&parser, WEFT__HTTP_UNLIMITED);
    cr_assert_eq(weft__http_parser_feed(&parser, "abc", 3, &used), WEFT__HTTP_BODY);
    cr_assert_eq(used, 3);

    weft__http_parser_begin(&parser, memory);
    weft__http_parser_feed(&parser, LONG_POST, strlen(LONG_POST), &used);
    cr_assert_eq(weft__http_parser_feed(&parser, "abc", 3, &used), WEFT__HTTP_ERROR);
    cr_assert_eq(parser.error_status, 413);
    free(memory);
}

Test(http_limits, body_limit_can_be_lowered_for_one_request)
{
    struct weft__http_parser parser;
    size_t used;
    void *memory = read_head(&parser, CHUNKED);
    weft__http_parser_set_body_limit(&parser, 2);
    cr_assert_eq(weft__http_parser_feed(&parser, "3\r\n", 3, &used), WEFT__HTTP_ERROR);
    cr_assert_eq(parser.error_status, 413);
    free(memory);
}

Test(http_limits, chunks_without_limit_never_overflow)
{
    static const char huge[] = "fffffffffffffff0\r\n";
    struct weft__http_parser parser;
    size_t used;
    void *memory = read_head(&parser, CHUNKED);
    weft__http_parser_set_body_limit(&parser, WEFT__HTTP_UNLIMITED);
    cr_assert_eq(weft__http_parser_feed(&parser, "10\r\n0123456789abcdef\r\n", 22, &used),
                 WEFT__HTTP_BODY);
    cr_assert_eq(weft__http_parser_feed(&parser, "\r\n", 2, &used), WEFT__HTTP_NEED_MORE);
    cr_assert_eq(weft__http_parser_feed(&parser, huge, strlen(huge), &used), WEFT__HTTP_ERROR);
    cr_assert_eq(parser.error_status, 413);
    free(memory);
}

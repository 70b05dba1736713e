/* SPDX-License-Identifier: MIT */
/*
 * Each feed is a heap block of just that size, so that a sanitizer sees a read beyond it.
 */
#include "tests/support/http_reading.h"

#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One reading of one message. */
struct reading {
    struct weft__http_parser parser;
    void *memory;
    char *body;
    size_t body_len;
    size_t left;
    bool over;
    FILE *out;
    char *transcript;
    size_t transcript_len;
};

static void print_slice(FILE *out, const char *label, struct weft__http_slice slice)
{
    if (slice.data != NULL)
        fprintf(out, " %s=%.*s", label, (int)slice.len, slice.data);
}

static void print_fields(FILE *out, char sign, const struct weft__http_header *fields, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        cr_assert_eq(strlen(fields[i].name), fields[i].name_len);
        cr_assert_eq(strlen(fields[i].value), fields[i].value_len);
        fprintf(out, "%c%s=%s\n", sign, fields[i].name, fields[i].value);
    }
}

static void print_head(FILE *out, const struct weft__http_request *request)
{
    cr_assert_eq(strlen(request->method.data), request->method.len);
    cr_assert_eq(strlen(request->target.data), request->target.len);
    fprintf(out, "%s %s 1.%d", request->method.data, request->target.data, request->minor_version);
    print_slice(out, "path", request->path);
    print_slice(out, "query", request->query);
    print_slice(out, "host", request->host);
    fputs(request->keep_alive ? " keep" : " close", out);
    fputs(request->chunked ? " chunked" : "", out);
    if (request->has_content_length)
        fprintf(out, " length=%llu", (unsigned long long)request->content_length);
    fputs(request->expect_continue ? " continue\n" : "\n", out);
    print_fields(out, '+', request->headers, request->header_count);
}

static void start_reading(struct reading *reading, size_t len,
                          const struct weft__http_limits *limits)
{
    *reading = (struct reading){.left = len};
    weft__http_parser_init(&reading->parser, limits);
    reading->memory = malloc(weft__http_parser_memory(&reading->parser));
    reading->out = open_memstream(&reading->transcript, &reading->transcript_len);
    weft__http_parser_begin(&reading->parser, reading->memory);
}

static void add_body(struct reading *reading, struct weft__http_slice piece)
{
    cr_assert_gt(piece.len, 0);
    reading->body = realloc(reading->body, reading->body_len + piece.len);
    memcpy(reading->body + reading->body_len, piece.data, piece.len);
    reading->body_len += piece.len;
}

static void print_end(struct reading *reading, enum weft__http_event event)
{
    if (reading->body_len > 0)
        fprintf(reading->out, "body=%.*s\n", (int)reading->body_len, reading->body);
    if (event == WEFT__HTTP_DONE) {
        print_fields(reading->out, '-', reading->parser.request.trailers,
                     reading->parser.request.trailer_count);
        fprintf(reading->out, "done, %zu left\n", reading->left);
    } else {
        cr_assert_not_null(reading->parser.error_reason);
        cr_assert_not(reading->parser.request.keep_alive);
        fprintf(reading->out, "%d %s, %zu left\n", reading->parser.error_status,
                reading->parser.error_reason, reading->left);
    }
    reading->over = true;
}

/* One feed of the parser and all its events. */
static void feed(struct reading *reading, const char *data, size_t len)
{
    char *copy = len > 0 ? malloc(len) : NULL;
    size_t at = 0;
    enum weft__http_event event = WEFT__HTTP_NEED_MORE;
    if (len > 0)
        memcpy(copy, data, len);
    do {
        size_t used = SIZE_MAX;
        event = weft__http_parser_feed(&reading->parser, copy == NULL ? NULL : copy + at, len - at,
                                       &used);
        cr_assert_leq(used, len - at);
        at += used;
        reading->left -= used;
        if (event == WEFT__HTTP_HEAD)
            print_head(reading->out, &reading->parser.request);
        else if (event == WEFT__HTTP_BODY)
            add_body(reading, reading->parser.body);
        else if (event == WEFT__HTTP_NEED_MORE)
            cr_assert_eq(at, len);
        else
            print_end(reading, event);
    } while (event == WEFT__HTTP_HEAD || event == WEFT__HTTP_BODY);
    free(copy);
}

/* The transcript, to be freed. */
static char *end_reading(struct reading *reading)
{
    if (!reading->over)
        fprintf(reading->out, "unfinished, %zu left\n", reading->left);
    fclose(reading->out);
    free(reading->memory);
    free(reading->body);
    return reading->transcript;
}

/* Read in three pieces, cut at `one` and `two`. */
char *read_cut(struct message message, const struct weft__http_limits *limits, size_t one,
               size_t two)
{
    const size_t cuts[] = {0, one, two, message.len};
    struct reading reading;
    start_reading(&reading, message.len, limits);
    for (size_t i = 0; i < 3 && !reading.over; i++)
        feed(&reading, message.data + cuts[i], cuts[i + 1] - cuts[i]);
    return end_reading(&reading);
}

char *read_bytewise(struct message message, const struct weft__http_limits *limits)
{
    struct reading reading;
    start_reading(&reading, message.len, limits);
    for (size_t i = 0; i < message.len && !reading.over; i++)
        feed(&reading, message.data + i, 1);
    if (!reading.over)
        feed(&reading, NULL, 0);
    return end_reading(&reading);
}

static void must_equal(char *transcript, const char *expected, struct message message, size_t one,
                       size_t two)
{
    cr_assert_str_eq(transcript, expected, "cut at %zu and %zu:\n%.*s\ngave:\n%s\nnot:\n%s", one,
                     two, (int)message.len, message.data, transcript, expected);
    free(transcript);
}

char *read_every_way(struct message message, const struct weft__http_limits *limits)
{
    char *whole = read_cut(message, limits, 0, 0);
    must_equal(read_bytewise(message, limits), whole, message, 1, 2);
    for (size_t one = 0; one <= message.len; one++) {
        size_t last = message.len <= 60 ? message.len : one;
        for (size_t two = one; two <= last; two++)
            must_equal(read_cut(message, limits, one, two), whole, message, one, two);
    }
    return whole;
}

void must_read(struct message message, const struct weft__http_limits *limits, const char *expected)
{
    must_equal(read_every_way(message, limits), expected, message, 0, 0);
}

/* The last line of the transcript is the refusal; only its status is compared. */
void must_refuse(struct message message, const struct weft__http_limits *limits, int status)
{
    char *transcript = read_every_way(message, limits);
    char *last = transcript;
    for (char *at = transcript; at[1] != '\0'; at++)
        last = *at == '\n' ? at + 1 : last;
    cr_assert_eq(strtol(last, NULL, 10), status, "%.*s\nmust be refused with %d, was:\n%s",
                 (int)message.len, message.data, status, transcript);
    free(transcript);
}

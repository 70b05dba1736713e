/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer target of the HTTP request parser.
 *
 * The input is what a client sends: one request after the other. It is read whole, byte by byte and
 * in pieces whose sizes follow from a hash of the input, with default and with tiny limits. All
 * readings must give the same digest of events. Besides, what is accepted must be what it looks
 * like: lines end with CR LF only, the body is as long as announced or what a second, plain decoder
 * makes of the chunks, texts are clean, escapes decode, and the request written out again in its
 * plainest form reads as the same request.
 */
#include "net/http/parser/parser.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Unlike assert, never compiled out. */
#define MUST(condition)                                             \
    do {                                                            \
        if (!(condition)) {                                         \
            fprintf(stderr, "line %d: %s\n", __LINE__, #condition); \
            abort();                                                \
        }                                                           \
    } while (0)

struct digest {
    uint64_t head; /* of the request at HEAD */
    uint64_t all;
};

/* One reading of the input. */
struct reading {
    struct weft__http_parser parser;
    void *memory;
    const char *input;
    size_t begin; /* where the current request begins in the input */
    size_t at;
    size_t head_len;
    uint64_t body_len;
    uint64_t body_hash;
    struct digest digest;
};

static void mix(uint64_t *hash, const void *data, size_t len)
{
    const unsigned char *bytes = data;
    for (size_t i = 0; i < len; i++)
        *hash = (*hash ^ bytes[i]) * 0x100000001b3;
}

static void mix_number(uint64_t *hash, uint64_t number)
{
    mix(hash, &number, sizeof number);
}

static void mix_slice(uint64_t *hash, struct weft__http_slice slice)
{
    mix_number(hash, slice.data == NULL ? UINT64_MAX : slice.len);
    mix(hash, slice.data, slice.len);
}

static void mix_fields(uint64_t *hash, const struct weft__http_header *fields, size_t count)
{
    mix_number(hash, count);
    for (size_t i = 0; i < count; i++) {
        mix_slice(hash, (struct weft__http_slice){fields[i].name, fields[i].name_len});
        mix_slice(hash, (struct weft__http_slice){fields[i].value, fields[i].value_len});
    }
}

static uint64_t head_digest(const struct weft__http_request *r)
{
    uint64_t hash = 1;
    mix_number(&hash, (uint64_t)r->method_id);
    mix_slice(&hash, r->method);
    mix_slice(&hash, r->target);
    mix_slice(&hash, r->path);
    mix_slice(&hash, r->query);
    mix_slice(&hash, r->host);
    mix_number(&hash, (uint64_t)r->minor_version);
    mix_number(&hash, r->keep_alive);
    mix_number(&hash, r->chunked);
    mix_number(&hash, r->expect_continue);
    mix_number(&hash, r->has_content_length);
    mix_number(&hash, r->content_length);
    mix_fields(&hash, r->headers, r->header_count);
    return hash;
}

/* NUL-terminated, and no control character but tabs. */
static void check_text(const char *text, size_t len)
{
    MUST(strlen(text) == len);
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        MUST((c >= 0x20 && c != 0x7f) || c == '\t');
    }
}

static void check_fields(const struct weft__http_header *fields, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *value = fields[i].value;
        size_t len = fields[i].value_len;
        check_text(fields[i].name, fields[i].name_len);
        check_text(value, len);
        MUST(fields[i].name_len > 0);
        MUST(strpbrk(fields[i].name, " \t:,;\"()<>@/[]{}?=\\") == NULL);
        MUST(len == 0 ||
             (strchr(" \t", value[0]) == NULL && strchr(" \t", value[len - 1]) == NULL));
    }
}

static size_t count_fields(const struct weft__http_request *r, const char *name)
{
    size_t count = 0;
    for (size_t i = 0; i < r->header_count; i++) {
        struct weft__http_slice key = {r->headers[i].name, r->headers[i].name_len};
        count += weft__http_equal(key, name, strlen(name));
    }
    return count;
}

static void check_framing(const struct weft__http_request *r)
{
    size_t codings = count_fields(r, "transfer-encoding");
    size_t lengths = count_fields(r, "content-length");
    size_t hosts = count_fields(r, "host");
    MUST(codings + lengths <= 1);
    MUST(r->chunked == (codings == 1));
    MUST(r->has_content_length == (lengths == 1));
    MUST(r->has_content_length || r->content_length == 0);
    MUST(hosts == 1 || (hosts == 0 && r->minor_version == 0));
    MUST(!r->chunked || r->minor_version == 1);
    if (lengths == 1) {
        const char *value = weft__http_find_header(r, "content-length")->value;
        MUST(strspn(value, "0123456789") == strlen(value));
        MUST(strtoull(value, NULL, 10) == r->content_length);
    }
    if (codings == 1) {
        struct weft__http_slice value = {weft__http_find_header(r, "transfer-encoding")->value, 0};
        value.len = strlen(value.data);
        MUST(weft__http_equal(value, "chunked", 7));
    }
}

static void check_escapes(const struct weft__http_request *r)
{
    char *buf = malloc(r->target.len + 1);
    struct weft__http_slice query = r->query;
    struct weft__http_slice name;
    struct weft__http_slice value;
    MUST(weft__http_decode_path(r->path, buf, r->path.len + 1, NULL) == 0);
    MUST(r->path.len > 0 && (buf[0] == '/' || strcmp(buf, "*") == 0));
    while (weft__http_query_next(&query, &name, &value)) {
        MUST(weft__http_decode_form(name, buf, name.len + 1, NULL) == 0);
        MUST(weft__http_query_get(r->query, buf, buf, r->target.len + 1, NULL) == 0);
        MUST(weft__http_decode_form(value, buf, value.len + 1, NULL) == 0);
    }
    free(buf);
}

/* The bytes that were taken as the head: every CR LF whole, one empty line at the end. */
static void check_raw_head(const char *raw, size_t len)
{
    size_t begin = len >= 2 && memcmp(raw, "\r\n", 2) == 0 ? 2 : 0;
    MUST(len - begin >= strlen("A / HTTP/1.0\r\n\r\n"));
    MUST(memcmp(raw + len - 4, "\r\n\r\n", 4) == 0);
    for (size_t i = begin; i < len; i++) {
        MUST(raw[i] != '\0');
        MUST(raw[i] != '\n' || (i > begin && raw[i - 1] == '\r'));
        MUST(raw[i] != '\r' || (i + 1 < len && raw[i + 1] == '\n'));
        MUST(raw[i] != '\n' || i + 1 == len || strchr(" \t\n", raw[i + 1]) == NULL);
        MUST(raw[i] != '\n' || i + 1 == len || raw[i + 1] != '\r' || i + 3 == len);
    }
}

/* Write the head out in its plainest form; it must read as the same. */
static void check_round_trip(const struct weft__http_request *r,
                             const struct weft__http_limits *limits)
{
    struct weft__http_parser parser;
    char *text = NULL;
    size_t len = 0;
    size_t used = 0;
    FILE *out = open_memstream(&text, &len);
    fprintf(out, "%s %s HTTP/1.%d\r\n", r->method.data, r->target.data, r->minor_version);
    for (size_t i = 0; i < r->header_count; i++)
        fprintf(out, "%s:%s\r\n", r->headers[i].name, r->headers[i].value);
    fputs("\r\n", out);
    fclose(out);
    weft__http_parser_init(&parser, limits);
    void *memory = malloc(weft__http_parser_memory(&parser));
    weft__http_parser_begin(&parser, memory);
    MUST(weft__http_parser_feed(&parser, text, len, &used) == WEFT__HTTP_HEAD);
    MUST(used == len);
    MUST(head_digest(&parser.request) == head_digest(r));
    free(memory);
    free(text);
}

static void on_head(struct reading *reading)
{
    const struct weft__http_request *r = &reading->parser.request;
    MUST(reading->parser.head_len == reading->at - reading->begin);
    MUST(reading->parser.head_len <= reading->parser.limits.head_bytes);
    MUST(r->header_count <= reading->parser.limits.headers);
    check_text(r->method.data, r->method.len);
    check_text(r->target.data, r->target.len);
    check_fields(r->headers, r->header_count);
    check_raw_head(reading->input + reading->begin, reading->parser.head_len);
    check_framing(r);
    check_escapes(r);
    reading->head_len = reading->parser.head_len;
    reading->digest.head = head_digest(r);
    mix_number(&reading->digest.all, reading->digest.head);
}

static void on_body(struct reading *reading)
{
    struct weft__http_slice piece = reading->parser.body;
    MUST(piece.len > 0);
    reading->body_len += piece.len;
    MUST(reading->body_len <= reading->parser.limits.body_bytes);
    mix(&reading->body_hash, piece.data, piece.len);
}

/* The end of the line at `at`, which must be there. */
static const char *line_end(const char *at, const char *end)
{
    const char *found = memmem(at, (size_t)(end - at), "\r\n", 2);
    MUST(found != NULL);
    return found;
}

/* A second, plain decoder: it must find the same body and the same end. */
static void check_chunks(const struct reading *reading)
{
    const char *at = reading->input + reading->begin + reading->head_len;
    const char *end = reading->input + reading->at;
    uint64_t hash = 1;
    uint64_t total = 0;
    for (;;) {
        char *size_end;
        const char *next = line_end(at, end);
        MUST(weft__http_is(*at, WEFT__HTTP_HEX));
        uint64_t size = strtoull(at, &size_end, 16);
        MUST(size_end == next || *size_end == ';');
        at = next + 2;
        if (size == 0)
            break;
        MUST(size <= (size_t)(end - at));
        mix(&hash, at, size);
        total += size;
        at += size;
        MUST(line_end(at, end) == at);
        at += 2;
    }
    while (line_end(at, end) != at)
        at = line_end(at, end) + 2;
    MUST(at + 2 == end);
    MUST(total == reading->body_len && hash == reading->body_hash);
}

static void on_done(struct reading *reading)
{
    const struct weft__http_request *r = &reading->parser.request;
    size_t taken = reading->at - reading->begin;
    MUST(head_digest(r) == reading->digest.head);
    MUST(r->chunked || reading->body_len == r->content_length);
    MUST(r->chunked || taken == reading->parser.head_len + reading->body_len);
    if (r->chunked)
        check_chunks(reading);
    MUST(r->header_count + r->trailer_count <= reading->parser.limits.headers);
    check_fields(r->trailers, r->trailer_count);
    mix_fields(&reading->digest.all, r->trailers, r->trailer_count);
    mix_number(&reading->digest.all, reading->at);
    mix_number(&reading->digest.all, reading->body_len);
    mix_number(&reading->digest.all, reading->body_hash);
    weft__http_parser_begin(&reading->parser, reading->memory);
    reading->begin = reading->at;
    reading->body_len = 0;
    reading->body_hash = 1;
}

static void on_error(struct reading *reading)
{
    static const int statuses[] = {400, 413, 414, 417, 431, 501, 505};
    int status = reading->parser.error_status;
    size_t used = 1;
    bool known = false;
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
        known |= status == statuses[i];
    MUST(known);
    MUST(reading->parser.error_reason != NULL && !reading->parser.request.keep_alive);
    MUST(weft__http_parser_feed(&reading->parser, "GET", 3, &used) == WEFT__HTTP_ERROR);
    MUST(used == 0);
    mix_number(&reading->digest.all, (uint64_t)status);
    mix(&reading->digest.all, reading->parser.error_reason, strlen(reading->parser.error_reason));
    mix_number(&reading->digest.all, reading->at);
}

/* One feed of `len` bytes, from a block of just that size; false: refused. */
static bool feed(struct reading *reading, size_t len)
{
    char *piece = malloc(len);
    size_t done = 0;
    enum weft__http_event event;
    memcpy(piece, reading->input + reading->at, len);
    do {
        size_t used = SIZE_MAX;
        event = weft__http_parser_feed(&reading->parser, piece + done, len - done, &used);
        MUST(used <= len - done);
        done += used;
        reading->at += used;
        if (event == WEFT__HTTP_HEAD) {
            on_head(reading);
        } else if (event == WEFT__HTTP_BODY) {
            MUST(used > 0);
            on_body(reading);
        } else if (event == WEFT__HTTP_DONE) {
            on_done(reading);
        } else if (event == WEFT__HTTP_ERROR) {
            on_error(reading);
        } else {
            MUST(done == len);
        }
    } while (event != WEFT__HTTP_NEED_MORE && event != WEFT__HTTP_ERROR);
    free(piece);
    return event != WEFT__HTTP_ERROR;
}

/* Read the input in pieces of 1 to `largest` bytes, as `seed` says. */
static uint64_t read_in_pieces(const char *input, size_t len,
                               const struct weft__http_limits *limits, size_t largest,
                               uint64_t seed)
{
    struct reading reading = {.input = input, .body_hash = 1, .digest = {1, 1}};
    weft__http_parser_init(&reading.parser, limits);
    reading.memory = malloc(weft__http_parser_memory(&reading.parser));
    weft__http_parser_begin(&reading.parser, reading.memory);
    while (reading.at < len) {
        size_t piece = 1 + (size_t)(seed >> 33) % largest;
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        if (!feed(&reading, piece < len - reading.at ? piece : len - reading.at))
            break;
    }
    mix_number(&reading.digest.all, reading.at);
    mix_number(&reading.digest.all, reading.body_hash);
    free(reading.memory);
    return reading.digest.all;
}

static void check_first_head(const char *input, size_t len, const struct weft__http_limits *limits)
{
    struct weft__http_parser parser;
    size_t used;
    weft__http_parser_init(&parser, limits);
    void *memory = malloc(weft__http_parser_memory(&parser));
    weft__http_parser_begin(&parser, memory);
    if (weft__http_parser_feed(&parser, input, len, &used) == WEFT__HTTP_HEAD)
        check_round_trip(&parser.request, limits);
    free(memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct weft__http_limits limits[] = {
        {0},
        {.head_bytes = 120,
         .request_line_bytes = 40,
         .headers = 4,
         .body_bytes = 12,
         .chunk_line_bytes = 12},
    };
    const char *input = (const char *)data;
    uint64_t seed = 1;
    mix(&seed, data, size);
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        uint64_t whole = read_in_pieces(input, size, &limits[i], size + 1, UINT64_MAX);
        MUST(read_in_pieces(input, size, &limits[i], 1, seed) == whole);
        MUST(read_in_pieces(input, size, &limits[i], 7, seed) == whole);
        MUST(read_in_pieces(input, size, &limits[i], 100, seed) == whole);
        check_first_head(input, size, &limits[i]);
    }
    return 0;
}

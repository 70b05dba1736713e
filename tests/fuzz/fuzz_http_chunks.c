/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer target of the decoder of chunked bodies.
 *
 * The first byte says which limits hold and how the rest is cut; the rest is a body and what comes behind it.
 * A second decoder, small and slow, reads it by the grammar (RFC 9112, 7.1), a character at a time from
 * memory where all of it lies. Both must find the same body, the same trailers, and the same end, or refuse
 * the same byte for the same reason; and so must every other cut into pieces.
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

static const char head[] = "PUT / HTTP/1.1\r\nHost:a\r\nTransfer-Encoding:chunked\r\n\r\n";

enum { HEAD = sizeof(head) - 1, HEADERS = 2 };

/* What was read. */
struct outcome {
    int status;  /* DONE, MORE, or of the refusal */
    size_t used; /* of the input: up to the end, or to what was refused */
    char *body;  /* one behind the other */
    size_t body_len;
    char *trailers; /* "name\nvalue\n" for each */
    size_t trailers_len;
};

enum { MORE = 0, DONE = 1 };

static void add(char **text, size_t *len, const char *data, size_t size)
{
    *text = realloc(*text, *len + size + 1);
    MUST(*text);
    if (size)
        memcpy(*text + *len, data, size);
    *len += size;
}

static void add_trailer(struct outcome *to, const char *name, size_t name_len, const char *value,
                        size_t value_len)
{
    add(&to->trailers, &to->trailers_len, name, name_len);
    add(&to->trailers, &to->trailers_len, "\n", 1);
    add(&to->trailers, &to->trailers_len, value, value_len);
    add(&to->trailers, &to->trailers_len, "\n", 1);
}

static void free_outcome(struct outcome *outcome)
{
    free(outcome->body);
    free(outcome->trailers);
}

static void must_be_same(const struct outcome *a, const struct outcome *b)
{
    MUST(a->status == b->status);
    MUST(a->used == b->used);
    MUST(a->body_len == b->body_len);
    MUST(!a->body_len || !memcmp(a->body, b->body, a->body_len));
    MUST(a->status != DONE || a->trailers_len == b->trailers_len);
    MUST(a->status != DONE || !a->trailers_len ||
         !memcmp(a->trailers, b->trailers, a->trailers_len));
}

/* ---- The slow one: each part returns whether it goes on, or sets the status ---- */

struct slow {
    const char *text;
    size_t len, at;
    const struct weft__http_limits *limits;
    size_t line_begin;   /* of the line of this chunk */
    size_t extensions;   /* bytes of all of them */
    size_t trailer_size; /* bytes of all lines of trailers */
    size_t trailers;
    struct outcome *to;
};

static bool refuse(struct slow *s, int status)
{
    s->to->status = status;
    return false;
}

/* Is there another byte? If not, that is the outcome. */
static bool peek(struct slow *s, char *c)
{
    if (s->at == s->len)
        return refuse(s, MORE);
    *c = s->text[s->at];
    return true;
}

static bool take(struct slow *s, char wanted)
{
    char c;
    if (!peek(s, &c))
        return false;
    if (c != wanted)
        return refuse(s, 400);
    s->at++;
    return true;
}

static bool is_text(char c)
{
    return c == '\t' || ((unsigned char)c >= ' ' && c != 127);
}

static int digit_value(char c)
{
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";
    const char *found = c ? strchr(digits, c) : NULL;
    return found ? (int)((found - digits) % 16) : -1;
}

static bool has_room_in_line(const struct slow *s)
{
    return s->at - s->line_begin < s->limits->chunk_line_bytes;
}

static bool slow_size(struct slow *s, uint64_t *size)
{
    char c;
    size_t digits = 0;
    *size = 0;
    for (;; s->at++, digits++) {
        if (!peek(s, &c))
            return false;
        int value = digit_value(c);
        if (value < 0)
            break;
        if (digits == 16 || !has_room_in_line(s))
            return refuse(s, 400);
        *size = *size * 16 + (uint64_t)value;
    }
    return digits > 0 || refuse(s, 400);
}

/* ";" and anything up to the end of the line. */
static bool slow_extensions(struct slow *s)
{
    char c;
    if (!peek(s, &c))
        return false;
    if (c == '\r')
        return true;
    if (c != ';' || !has_room_in_line(s))
        return refuse(s, 400);
    for (s->at++;; s->at++) {
        if (!peek(s, &c))
            return false;
        if (c == '\r')
            return true;
        if (!is_text(c) || !has_room_in_line(s) || s->extensions == s->limits->head_bytes)
            return refuse(s, 400);
        s->extensions++;
    }
}

static bool slow_data(struct slow *s, uint64_t size)
{
    size_t there = s->len - s->at < size ? s->len - s->at : (size_t)size;
    add(&s->to->body, &s->to->body_len, s->text + s->at, there);
    s->at += there;
    if (there < size)
        return refuse(s, MORE);
    return take(s, '\r') && take(s, '\n');
}

/* Chunks up to the last one, which has no bytes. */
static bool slow_chunks(struct slow *s)
{
    uint64_t size, total = 0;
    do {
        s->line_begin = s->at;
        if (!slow_size(s, &size) || !slow_extensions(s) || !take(s, '\r'))
            return false;
        char c;
        if (!peek(s, &c))
            return false;
        if (c == '\n' && size > s->limits->body_bytes - total)
            return refuse(s, 413);
        if (!take(s, '\n'))
            return false;
        total += size;
        if (size && !slow_data(s, size))
            return false;
    } while (size);
    return true;
}

/* The text of a line, up to its CR LF, and over that. */
static bool slow_line(struct slow *s, size_t *begin, size_t *len)
{
    char c;
    *begin = s->at;
    for (;; s->at++) {
        if (!peek(s, &c))
            return false;
        if (HEAD + s->trailer_size == s->limits->head_bytes)
            return refuse(s, 431);
        if (c == '\r')
            break;
        if (!is_text(c))
            return refuse(s, 400);
        s->trailer_size++;
    }
    *len = s->at++ - *begin;
    s->trailer_size++;
    if (!peek(s, &c))
        return false;
    if (HEAD + s->trailer_size == s->limits->head_bytes)
        return refuse(s, 431);
    s->trailer_size++;
    return take(s, '\n');
}

static bool is_token(const char *text, size_t len)
{
    static const char others[] = "!#$%&'*+-.^_`|~";
    for (size_t i = 0; i < len; i++)
        if (!(text[i] >= '0' && text[i] <= '9') &&
            !((text[i] | 32) >= 'a' && (text[i] | 32) <= 'z') &&
            !(text[i] && strchr(others, text[i])))
            return false;
    return len > 0;
}

static bool slow_field(struct slow *s, const char *line, size_t len)
{
    const char *colon = memchr(line, ':', len), *end = line + len;
    if (HEADERS + s->trailers == s->limits->headers)
        return refuse(s, 431);
    if (!colon || !is_token(line, (size_t)(colon - line)))
        return refuse(s, 400);
    const char *value = colon + 1;
    while (value < end && (*value == ' ' || *value == '\t'))
        value++;
    while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    s->trailers++;
    struct weft__http_slice name = {line, (size_t)(colon - line)};
    if (weft__http_may_be_trailer(name))
        add_trailer(s->to, name.data, name.len, value, (size_t)(end - value));
    return true;
}

static bool slow_trailers(struct slow *s)
{
    size_t begin, len;
    while (slow_line(s, &begin, &len)) {
        if (!len)
            return refuse(s, DONE);
        if (!slow_field(s, s->text + begin, len))
            break;
    }
    return false;
}

static struct outcome read_slowly(const char *text, size_t len,
                                  const struct weft__http_limits *limits)
{
    struct outcome outcome = {0};
    struct slow slow = {.text = text, .len = len, .limits = limits, .to = &outcome};
    if (slow_chunks(&slow))
        slow_trailers(&slow);
    outcome.used = slow.at;
    return outcome;
}

/* ---- The one that is tested ---- */

struct reading {
    struct weft__http_parser parser;
    void *memory;
    struct outcome outcome;
};

static void begin(struct reading *reading, const struct weft__http_limits *limits)
{
    size_t used;
    weft__http_parser_init(&reading->parser, limits);
    reading->memory = malloc(weft__http_parser_memory(&reading->parser));
    MUST(reading->memory);
    weft__http_parser_begin(&reading->parser, reading->memory);
    MUST(weft__http_parser_feed(&reading->parser, head, HEAD, &used) == WEFT__HTTP_HEAD);
    MUST(used == HEAD);
}

static void note_end(struct reading *reading, enum weft__http_event event)
{
    const struct weft__http_request *r = &reading->parser.request;
    struct outcome *outcome = &reading->outcome;
    outcome->status = event == WEFT__HTTP_DONE    ? DONE
                      : event == WEFT__HTTP_ERROR ? reading->parser.error_status
                                                  : MORE;
    for (size_t i = 0; event == WEFT__HTTP_DONE && i < r->trailer_count; i++)
        add_trailer(outcome, r->trailers[i].name, r->trailers[i].name_len, r->trailers[i].value,
                    r->trailers[i].value_len);
}

/* A piece, in memory of just its size; false: it is over. */
static bool feed(struct reading *reading, const char *data, size_t len)
{
    enum weft__http_event event;
    size_t done = 0;
    char *piece = malloc(len);
    MUST(piece);
    memcpy(piece, data, len);
    do {
        size_t used = SIZE_MAX;
        event = weft__http_parser_feed(&reading->parser, piece + done, len - done, &used);
        MUST(used <= len - done);
        done += used;
        if (event == WEFT__HTTP_BODY) {
            const struct weft__http_slice *body = &reading->parser.body;
            MUST(body->len > 0 && body->data >= piece && body->data + body->len == piece + done);
            add(&reading->outcome.body, &reading->outcome.body_len, body->data, body->len);
        }
    } while (event == WEFT__HTTP_BODY);
    MUST(event != WEFT__HTTP_NEED_MORE || done == len);
    reading->outcome.used += done;
    note_end(reading, event);
    free(piece);
    return event == WEFT__HTTP_NEED_MORE;
}

/* In pieces of 1 to `largest` bytes. */
static struct outcome read_in_pieces(const char *text, size_t len,
                                     const struct weft__http_limits *limits, size_t largest)
{
    struct reading reading = {.outcome = {.status = MORE}};
    uint64_t seed = largest;
    bool goes_on = true;
    begin(&reading, limits);
    for (size_t at = 0; at < len && goes_on;) {
        size_t piece = largest > len ? len : 1 + (size_t)(seed >> 33) % largest;
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        piece = piece < len - at ? piece : len - at;
        goes_on = feed(&reading, text + at, piece);
        at += piece;
    }
    free(reading.memory);
    return reading.outcome;
}

/* ---- Both ---- */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct weft__http_limits choice[] = {
        {16384, 8192, 100, 1024 * 1024, 256},
        {16384, 8192, 100, WEFT__HTTP_UNLIMITED, 256},
        {HEAD + 20, 40, HEADERS + 2, 12, 12},
        {HEAD, 40, HEADERS, 5, 1},
    };
    if (!size)
        return 0;
    const struct weft__http_limits *limits = &choice[data[0] % 4];
    const size_t pieces[] = {size + 1, 1, 3, 1 + (size_t)data[0] / 4};
    const char *text = (const char *)data + 1;
    struct outcome expected = read_slowly(text, size - 1, limits);
    for (size_t i = 0; i < sizeof(pieces) / sizeof(*pieces); i++) {
        struct outcome outcome = read_in_pieces(text, size - 1, limits, pieces[i]);
        must_be_same(&expected, &outcome);
        free_outcome(&outcome);
    }
    free_outcome(&expected);
    return 0;
}

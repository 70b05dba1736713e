/* SPDX-License-Identifier: MIT */
/*
 * HTTP/1.x request parser: strict, incremental, no I/O.
 *
 * The bug class here is request smuggling: two parsers in a row that disagree on where a message
 * ends. Hence the rule of this file: a message whose framing could be read in two ways is refused,
 * and so is whatever RFC 9112 lets a recipient repair (bare LF, folded lines, a repeated
 * Content-Length, spaces before a colon). After a refusal nothing more is read.
 *
 * Shape. The head is line by line: read_line copies text into the caller's block until CR LF, eight
 * bytes at a time; net/http/parser/head.c makes sense of a line that is complete. The body is byte by byte
 * only in the frames of chunks (net/http/parser/chunks.c); what is inside is handed out as it lies in the fed
 * data.
 *
 *     REQUEST_LINE ──► FIELDS ──HEAD──► BODY_START ──┬─► SIZED_BODY ─────────────────► END
 *       ▲ one empty                                  ├────────────────────────────────────▲
 *       └ line allowed                               └─► CHUNK_SIZE ─► [CHUNK_EXTENSION] ─┼─┐
 *                                                          ▲                              │ ▼
 *              CHUNK_END_LF ◄── CHUNK_END_CR ◄── CHUNK_DATA ◄── size > 0 ◄─── CHUNK_LINE_LF
 *                   └──────────────────────────────────────┘     size = 0 ──► TRAILERS ──► END
 *
 * Any state goes to FAILURE by weft__http_fail(), which sets the status; END and FAILURE stay until
 * begin.
 *
 * Why the cut of the feeds cannot matter: a decision depends on the state and on the next byte, or
 * on a whole line; never on where the data ends. A byte that would pass a limit is refused as it
 * comes, before anything else is said about it.
 *
 * Invariants: line_start <= head_len <= limits.head_bytes; trailer_count + header_count <=
 * field_count <= limits.headers; body_seen <= body_limit.
 */
#include "net/http/parser/inside.h"

#include <assert.h>
#include <string.h>

/* A step's result if there is no event yet. */
enum { GO_ON = -1 };

/* Copy up to the first control character or `end`, and maybe more of what is before `end`; returns where
 * it stopped. */
static const char *copy_text(char *to, const char *at, const char *end)
{
    for (; end - at >= 8; to += 8, at += 8) {
        memcpy(to, at, 8);
        uint64_t found = weft__http_controls(at);
        if (found)
            return at + __builtin_ctzll(found) / 8;
    }
    while (at != end && !weft__http_is_control(*at))
        *to++ = *at++;
    return at;
}

bool weft__http_fail(struct weft__http_parser *p, int status, const char *reason)
{
    p->state = WEFT__AT_FAILURE;
    p->error_status = status;
    p->error_reason = reason;
    p->request.keep_alive = false;
    return false;
}

static bool head_too_large(struct weft__http_parser *p)
{
    return p->state == WEFT__AT_REQUEST_LINE ? weft__http_fail(p, 414, "request line too long")
                                             : weft__http_fail(p, 431, "header too large");
}

/* How much text may still come, before a line end or an error must. */
static size_t text_room(const struct weft__http_parser *p)
{
    size_t room = p->limits.head_bytes - p->head_len;
    if (p->state == WEFT__AT_REQUEST_LINE) {
        size_t line_room = p->limits.request_line_bytes - (p->head_len - p->line_start);
        room = line_room < room ? line_room : room;
    }
    return room;
}

/* Take one control character, or text that has no room; false: refused. */
static bool take_special(struct weft__http_parser *p, char c)
{
    if (p->head_len == p->limits.head_bytes)
        return head_too_large(p);
    if (p->saw_cr)
        return c == '\n' || weft__http_fail(p, 400, "CR without LF");
    if (c == '\r') {
        p->saw_cr = true;
        p->head[p->head_len++] = '\0';
        return true;
    }
    if (text_room(p) == 0)
        return head_too_large(p);
    if (c != '\t')
        return weft__http_fail(p, 400,
                               c == '\n' ? "LF without CR" : "control character in the head");
    p->head[p->head_len++] = c;
    return true;
}

/* The text of the line, as far as it is there and has room. */
static void read_text(struct weft__http_parser *p, const char **at, const char *end)
{
    size_t room = text_room(p);
    const char *text = *at;
    *at = copy_text(p->head + p->head_len, text, (size_t)(end - text) > room ? text + room : end);
    p->head_len += (size_t)(*at - text);
}

/* Both bytes of the line's end at once, if they are there and have room. */
static bool read_line_end(struct weft__http_parser *p, const char **at, const char *end)
{
    if (end - *at < 2 || (*at)[0] != '\r' || (*at)[1] != '\n' ||
        p->limits.head_bytes - p->head_len < 2)
        return false;
    p->head[p->head_len] = '\0';
    p->head_len += 2;
    *at += 2;
    return true;
}

/* Read on in the current line; true: it is complete. False: no more data, or refused. */
static bool read_line(struct weft__http_parser *p, const char **at, const char *end)
{
    while (*at != end) {
        bool line_end = p->saw_cr;
        if (!line_end) {
            read_text(p, at, end);
            if (read_line_end(p, at, end))
                return true;
            if (*at == end)
                return false;
        }
        if (!take_special(p, **at))
            return false;
        (*at)++;
        if (line_end) {
            p->saw_cr = false;
            p->head_len++;
            return true;
        }
    }
    return false;
}

static int take_request_line(struct weft__http_parser *p, char *line, size_t len)
{
    if (len == 0) {
        if (p->saw_empty_line) {
            weft__http_fail(p, 400, "empty request line");
            return WEFT__HTTP_ERROR;
        }
        p->saw_empty_line = true;
        return GO_ON;
    }
    if (!weft__http_parse_request_line(p, line, len))
        return WEFT__HTTP_ERROR;
    p->state = WEFT__AT_FIELDS;
    return GO_ON;
}

static int take_header(struct weft__http_parser *p, char *line, size_t len)
{
    if (len > 0)
        return weft__http_parse_header(p, line, len) ? GO_ON : WEFT__HTTP_ERROR;
    if (!weft__http_judge_head(p))
        return WEFT__HTTP_ERROR;
    p->state = WEFT__AT_BODY_START;
    return WEFT__HTTP_HEAD;
}

static int take_trailer(struct weft__http_parser *p, char *line, size_t len)
{
    if (len > 0)
        return weft__http_parse_trailer(p, line, len) ? GO_ON : WEFT__HTTP_ERROR;
    p->state = WEFT__AT_END;
    return WEFT__HTTP_DONE;
}

static int step_line(struct weft__http_parser *p, const char **at, const char *end)
{
    if (!read_line(p, at, end))
        return p->state == WEFT__AT_FAILURE ? WEFT__HTTP_ERROR : WEFT__HTTP_NEED_MORE;
    char *line = p->head + p->line_start;
    size_t len = p->head_len - p->line_start - 2;
    p->line_start = p->head_len;
    switch (p->state) {
    case WEFT__AT_REQUEST_LINE:
        return take_request_line(p, line, len);
    case WEFT__AT_FIELDS:
        return take_header(p, line, len);
    default:
        return take_trailer(p, line, len);
    }
}

static int start_body(struct weft__http_parser *p)
{
    if (p->request.chunked) {
        p->state = WEFT__AT_CHUNK_SIZE;
        return GO_ON;
    }
    if (p->request.content_length > p->body_limit) {
        weft__http_fail(p, 413, "body too large");
        return WEFT__HTTP_ERROR;
    }
    p->body_left = p->request.content_length;
    p->state = p->body_left > 0 ? WEFT__AT_SIZED_BODY : WEFT__AT_END;
    return GO_ON;
}

static int step_data(struct weft__http_parser *p, const char **at, const char *end)
{
    size_t len = (size_t)(end - *at);
    if (len == 0)
        return WEFT__HTTP_NEED_MORE;
    len = p->body_left < len ? (size_t)p->body_left : len;
    p->body = (struct weft__http_slice){*at, len};
    *at += len;
    p->body_left -= len;
    if (p->body_left == 0)
        p->state = p->state == WEFT__AT_SIZED_BODY ? WEFT__AT_END : WEFT__AT_CHUNK_END_CR;
    return WEFT__HTTP_BODY;
}

static int step_frame(struct weft__http_parser *p, const char **at, const char *end)
{
    if (*at == end)
        return WEFT__HTTP_NEED_MORE;
    if (!weft__http_parse_frame_byte(p, **at))
        return WEFT__HTTP_ERROR;
    (*at)++;
    return GO_ON;
}

static int step(struct weft__http_parser *p, const char **at, const char *end)
{
    switch ((enum weft__http_parser_state)p->state) {
    case WEFT__AT_REQUEST_LINE:
    case WEFT__AT_FIELDS:
    case WEFT__AT_TRAILERS:
        return step_line(p, at, end);
    case WEFT__AT_BODY_START:
        return start_body(p);
    case WEFT__AT_SIZED_BODY:
    case WEFT__AT_CHUNK_DATA:
        return step_data(p, at, end);
    case WEFT__AT_CHUNK_SIZE:
    case WEFT__AT_CHUNK_EXTENSION:
    case WEFT__AT_CHUNK_LINE_LF:
    case WEFT__AT_CHUNK_END_CR:
    case WEFT__AT_CHUNK_END_LF:
        return step_frame(p, at, end);
    case WEFT__AT_END:
        return WEFT__HTTP_DONE;
    case WEFT__AT_FAILURE:
        break;
    }
    return WEFT__HTTP_ERROR;
}

static size_t or_default(size_t value, size_t fallback)
{
    return value != 0 ? value : fallback;
}

void weft__http_parser_init(struct weft__http_parser *p, const struct weft__http_limits *limits)
{
    static const struct weft__http_limits none = {0};
    const size_t largest_head = (size_t)1 << 30;
    limits = limits != NULL ? limits : &none;
    memset(p, 0, sizeof *p);
    p->limits = (struct weft__http_limits){
        .head_bytes = or_default(limits->head_bytes, 16 * 1024),
        .request_line_bytes = or_default(limits->request_line_bytes, 8 * 1024),
        .headers = or_default(limits->headers, 100),
        .body_bytes = limits->body_bytes != 0 ? limits->body_bytes : 1024 * 1024,
        .chunk_line_bytes = or_default(limits->chunk_line_bytes, 256),
    };
    if (p->limits.head_bytes > largest_head)
        p->limits.head_bytes = largest_head;
}

size_t weft__http_parser_memory(const struct weft__http_parser *p)
{
    return p->limits.headers * sizeof *p->fields + p->limits.head_bytes;
}

void weft__http_parser_begin(struct weft__http_parser *p, void *memory)
{
    memset(&p->request, 0, sizeof *p - offsetof(struct weft__http_parser, request));
    p->body_limit = p->limits.body_bytes;
    p->fields = memory;
    p->head = (char *)memory + p->limits.headers * sizeof *p->fields;
}

enum weft__http_event weft__http_parser_feed(struct weft__http_parser *p, const char *data,
                                             size_t len, size_t *ret_used)
{
    const char *start = data != NULL ? data : "";
    const char *at = start;
    const char *end = start + len;
    int event;
    assert(p->head != NULL && (data != NULL || len == 0));
    do {
        event = step(p, &at, end);
    } while (event == GO_ON);
    *ret_used = (size_t)(at - start);
    return (enum weft__http_event)event;
}

void weft__http_parser_set_body_limit(struct weft__http_parser *p, uint64_t bytes)
{
    assert(p->state == WEFT__AT_BODY_START);
    p->body_limit = bytes;
}

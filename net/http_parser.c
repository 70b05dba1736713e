/* SPDX-License-Identifier: MIT */
/*
 * HTTP/1.x request parser: strict, incremental, no I/O.
 *
 * The bug class here is request smuggling: two parsers in a row that disagree on where a message
 * ends. Hence the rule of this file: a message whose framing could be read in two ways is refused,
 * and so is whatever RFC 9112 lets a recipient repair (bare LF, folded lines, a repeated
 * Content-Length, spaces before a colon). After a refusal nothing more is read.
 *
 * Shape. The head is line by line: read_line copies text into the caller's block until CR LF, then
 * parse_request_line or parse_field works on a line that is complete, is followed by a NUL in place
 * of its CR, and holds no control character but tabs. The body is byte by byte only in the frames
 * of chunks; what is inside is handed out as it lies in the fed data.
 *
 *     REQUEST_LINE ──► FIELDS ──HEAD──► BODY_START ──┬─► SIZED_BODY ─────────────────► FINISHED
 *       ▲ one empty                                  ├────────────────────────────────────▲
 *       └ line allowed                               └─► CHUNK_SIZE ─► [CHUNK_EXTENSION] ─┼─┐
 *                                                          ▲                              │ ▼
 *              CHUNK_END_LF ◄── CHUNK_END_CR ◄── CHUNK_DATA ◄── size > 0 ◄─── CHUNK_LINE_LF
 *                   └──────────────────────────────────────┘     size = 0 ──► TRAILERS ──► FINISHED
 *
 * Any state goes to FAILED by fail(), which sets the status; FINISHED and FAILED stay until begin.
 *
 * Why the cut of the feeds cannot matter: a decision depends on the state and on the next byte, or
 * on a whole line; never on where the data ends. A byte that would pass a limit is refused as it
 * comes, before anything else is said about it.
 *
 * Invariants: line_start <= head_len <= limits.head_bytes; trailer_count + header_count <=
 * field_count <= limits.headers; body_seen <= body_limit.
 */
#include "net/http_parser.h"

#include <assert.h>
#include <string.h>

enum state {
    REQUEST_LINE,
    FIELDS,
    BODY_START,
    SIZED_BODY,
    CHUNK_SIZE,
    CHUNK_EXTENSION,
    CHUNK_LINE_LF,
    CHUNK_DATA,
    CHUNK_END_CR,
    CHUNK_END_LF,
    TRAILERS,
    FINISHED,
    FAILED
};

/* What Transfer-Encoding has said, over all its lines; judged at the end of the head. */
enum {
    CODING_CHUNKED = 1,
    CODING_OTHER = 2,
    CODING_MALFORMED = 4 /* an empty element, a parameter of chunked, anything after chunked */
};

/* A step's result if there is no event yet. */
enum { GO_ON = -1 };

/* So many digits fit 64 bits; no overflow to check. */
enum { CHUNK_SIZE_DIGITS = 16 };

#define TEXT(literal) (literal), sizeof(literal) - 1

static bool fail(struct weft__http_parser *p, int status, const char *reason)
{
    p->state = FAILED;
    p->error_status = status;
    p->error_reason = reason;
    p->request.keep_alive = false;
    return false;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_control(char c)
{
    return (unsigned char)c < 0x20 || c == 0x7f;
}

/* Does any of the eight bytes hold a control character? Exact as a yes or no, not as to which. */
static bool any_control(uint64_t word)
{
    const uint64_t ones = UINT64_MAX / 255;
    const uint64_t tops = ones * 0x80;
    uint64_t below_space = (word - ones * 0x20) & ~word;
    uint64_t del = word ^ (ones * 0x7f);
    return ((below_space | ((del - ones) & ~del)) & tops) != 0;
}

/* Copy up to the first control character or `end`; returns where it stopped. */
static const char *copy_text(char *to, const char *at, const char *end)
{
    while (end - at >= 8) {
        uint64_t word;
        memcpy(&word, at, sizeof word);
        if (any_control(word))
            break;
        memcpy(to, &word, sizeof word);
        to += sizeof word;
        at += sizeof word;
    }
    while (at != end && !is_control(*at))
        *to++ = *at++;
    return at;
}

static bool head_too_large(struct weft__http_parser *p)
{
    return p->state == REQUEST_LINE ? fail(p, 414, "request line too long")
                                    : fail(p, 431, "header too large");
}

/* How much text may still come, before a line end or an error must. */
static size_t text_room(const struct weft__http_parser *p)
{
    size_t room = p->limits.head_bytes - p->head_len;
    if (p->state == REQUEST_LINE) {
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
        return c == '\n' || fail(p, 400, "CR without LF");
    if (c == '\r') {
        p->saw_cr = true;
        p->head[p->head_len++] = '\0';
        return true;
    }
    if (text_room(p) == 0)
        return head_too_large(p);
    if (c != '\t')
        return fail(p, 400, c == '\n' ? "LF without CR" : "control character in the head");
    p->head[p->head_len++] = c;
    return true;
}

/* Read on in the current line; true: it is complete. False: no more data, or refused. */
static bool read_line(struct weft__http_parser *p, const char **at, const char *end)
{
    while (*at != end) {
        if (!p->saw_cr) {
            size_t room = text_room(p);
            const char *stop = (size_t)(end - *at) > room ? *at + room : end;
            const char *text = *at;
            *at = copy_text(p->head + p->head_len, text, stop);
            p->head_len += (size_t)(*at - text);
            if (*at == end)
                return false;
        }
        bool line_end = p->saw_cr;
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

static bool parse_target(struct weft__http_parser *p)
{
    struct weft__http_request *r = &p->request;
    struct weft__http_target parts;
    if (r->method_id == WEFT__HTTP_METHOD_OTHER && strcmp(r->method.data, "CONNECT") == 0) {
        return weft__http_is_authority(r->target) ? fail(p, 501, "CONNECT is not supported")
                                                  : fail(p, 400, "malformed request target");
    }
    if (r->method_id == WEFT__HTTP_METHOD_OPTIONS && strcmp(r->target.data, "*") == 0) {
        r->path = r->target;
        return true;
    }
    if (!weft__http_split_target(r->target, &parts))
        return fail(p, 400, "malformed request target");
    r->path = parts.path;
    r->query = parts.query;
    r->host = parts.host;
    return true;
}

static bool parse_version(struct weft__http_parser *p, const char *at, size_t len)
{
    if (len != 8 || memcmp(at, "HTTP/", 5) != 0 || at[6] != '.' || at[5] < '0' || at[5] > '9' ||
        at[7] < '0' || at[7] > '9')
        return fail(p, 400, "malformed HTTP version");
    if (at[5] != '1' || at[7] > '1')
        return fail(p, 505, "only HTTP/1.0 and HTTP/1.1 are spoken here");
    p->request.minor_version = at[7] - '0';
    return true;
}

/* method SP target SP version, with exactly one space each. */
static bool parse_request_line(struct weft__http_parser *p, char *line, size_t len)
{
    struct weft__http_request *r = &p->request;
    char *end = line + len;
    char *at = line;
    while (weft__http_is(*at, WEFT__HTTP_TCHAR))
        at++;
    if (at == line || *at != ' ')
        return fail(p, 400, "malformed method");
    r->method = (struct weft__http_slice){line, (size_t)(at - line)};
    *at++ = '\0';
    r->method_id = weft__http_method_id(line);

    char *target_end = memchr(at, ' ', (size_t)(end - at));
    if (target_end == NULL)
        return fail(p, 400, "malformed request line");
    r->target = (struct weft__http_slice){at, (size_t)(target_end - at)};
    *target_end++ = '\0';
    return parse_version(p, target_end, (size_t)(end - target_end)) && parse_target(p);
}

static bool note_host(struct weft__http_parser *p, struct weft__http_slice value)
{
    if (p->saw_host)
        return fail(p, 400, "more than one Host");
    p->saw_host = true;
    if (!weft__http_is_authority(value))
        return fail(p, 400, "malformed Host");
    if (p->request.host.data == NULL)
        p->request.host = value;
    return true;
}

/* Digits and nothing else; a repeated one is refused even if it says the same. */
static bool note_content_length(struct weft__http_parser *p, struct weft__http_slice value)
{
    uint64_t length = 0;
    if (p->request.has_content_length)
        return fail(p, 400, "more than one Content-Length");
    for (size_t i = 0; i < value.len; i++) {
        uint64_t digit = (uint64_t)(value.data[i] - '0'); /* huge if below '0' */
        if (digit > 9 || length > ((uint64_t)INT64_MAX - digit) / 10)
            return fail(p, 400, "malformed Content-Length");
        length = length * 10 + digit;
    }
    p->request.has_content_length = true;
    p->request.content_length = length;
    return value.len > 0 || fail(p, 400, "malformed Content-Length");
}

static uint8_t read_coding(struct weft__http_slice element)
{
    size_t len = 0;
    while (len < element.len && weft__http_is(element.data[len], WEFT__HTTP_TCHAR))
        len++;
    if (weft__http_equal((struct weft__http_slice){element.data, len}, TEXT("chunked")))
        return len == element.len ? CODING_CHUNKED : CODING_MALFORMED;
    return len > 0 ? CODING_OTHER : CODING_MALFORMED;
}

static void note_transfer_encoding(struct weft__http_parser *p, struct weft__http_slice value)
{
    struct weft__http_slice element;
    while (weft__http_list_next(&value, &element)) {
        if (p->codings & CODING_CHUNKED)
            p->codings |= CODING_MALFORMED;
        p->codings |= read_coding(element);
    }
}

static void note_expect(struct weft__http_parser *p, struct weft__http_slice value)
{
    if (weft__http_equal(value, TEXT("100-continue")))
        p->saw_continue = true;
    else
        p->saw_other_expectation = true;
}

/* The few fields that decide how this message is read. Lengths first: most fields are none. */
static bool note_field(struct weft__http_parser *p, const struct weft__http_header *field)
{
    struct weft__http_slice name = {field->name, field->name_len};
    struct weft__http_slice value = {field->value, field->value_len};
    if (name.len == 4 && weft__http_equal(name, TEXT("host")))
        return note_host(p, value);
    if (name.len == 14 && weft__http_equal(name, TEXT("content-length")))
        return note_content_length(p, value);
    if (name.len == 17 && weft__http_equal(name, TEXT("transfer-encoding"))) {
        note_transfer_encoding(p, value);
    } else if (name.len == 10 && weft__http_equal(name, TEXT("connection"))) {
        p->saw_close |= weft__http_list_has(value, "close");
        p->saw_keep_alive |= weft__http_list_has(value, "keep-alive");
    } else if (name.len == 6 && weft__http_equal(name, TEXT("expect"))) {
        note_expect(p, value);
    }
    return true;
}

/* name ":" blanks value blanks; the NUL behind the line stops every loop. */
static bool parse_field(struct weft__http_parser *p, char *line, size_t len,
                        struct weft__http_header *ret)
{
    char *end = line + len;
    char *colon = line;
    if (p->field_count == p->limits.headers)
        return fail(p, 431, "too many header fields");
    while (weft__http_is(*colon, WEFT__HTTP_TCHAR))
        colon++;
    if (colon == line || *colon != ':')
        return fail(p, 400, is_blank(*line) ? "folded header line" : "malformed header name");
    char *value = colon + 1;
    while (is_blank(*value))
        value++;
    while (end > value && is_blank(end[-1]))
        end--;
    *colon = '\0';
    *end = '\0';
    p->field_count++;
    *ret = (struct weft__http_header){
        .name = line,
        .value = value,
        .name_len = (uint32_t)(colon - line),
        .value_len = (uint32_t)(end - value),
    };
    return true;
}

static bool parse_header(struct weft__http_parser *p, char *line, size_t len)
{
    struct weft__http_header *field = &p->fields[p->request.header_count];
    if (!parse_field(p, line, len, field))
        return false;
    p->request.header_count++;
    return note_field(p, field);
}

static bool parse_trailer(struct weft__http_parser *p, char *line, size_t len)
{
    struct weft__http_header field;
    if (!parse_field(p, line, len, &field))
        return false;
    if (weft__http_may_be_trailer((struct weft__http_slice){field.name, field.name_len}))
        p->fields[p->request.header_count + p->request.trailer_count++] = field;
    return true;
}

/* Decide how the body is framed; whatever is ambiguous is refused (RFC 9112, 6.3). */
static bool judge_framing(struct weft__http_parser *p)
{
    struct weft__http_request *r = &p->request;
    if (p->codings == 0)
        return true;
    if (r->minor_version == 0)
        return fail(p, 400, "Transfer-Encoding in HTTP/1.0");
    if (r->has_content_length)
        return fail(p, 400, "both Content-Length and Transfer-Encoding");
    if ((p->codings & CODING_MALFORMED) || !(p->codings & CODING_CHUNKED))
        return fail(p, 400, "the transfer coding does not end with one chunked");
    if (p->codings & CODING_OTHER)
        return fail(p, 501, "unknown transfer coding");
    r->chunked = true;
    return true;
}

static bool judge_head(struct weft__http_parser *p)
{
    struct weft__http_request *r = &p->request;
    if (!judge_framing(p))
        return false;
    if (r->minor_version == 1) {
        if (!p->saw_host)
            return fail(p, 400, "no Host");
        if (p->saw_other_expectation)
            return fail(p, 417, "unknown expectation");
        r->expect_continue = p->saw_continue && (r->chunked || r->content_length > 0);
    }
    r->keep_alive = !p->saw_close && (r->minor_version == 1 || p->saw_keep_alive);
    r->headers = p->fields;
    r->trailers = p->fields + r->header_count;
    return true;
}

static int take_request_line(struct weft__http_parser *p, char *line, size_t len)
{
    if (len == 0) {
        if (p->saw_empty_line) {
            fail(p, 400, "empty request line");
            return WEFT__HTTP_ERROR;
        }
        p->saw_empty_line = true;
        return GO_ON;
    }
    if (!parse_request_line(p, line, len))
        return WEFT__HTTP_ERROR;
    p->state = FIELDS;
    return GO_ON;
}

static int take_header(struct weft__http_parser *p, char *line, size_t len)
{
    if (len > 0)
        return parse_header(p, line, len) ? GO_ON : WEFT__HTTP_ERROR;
    if (!judge_head(p))
        return WEFT__HTTP_ERROR;
    p->state = BODY_START;
    return WEFT__HTTP_HEAD;
}

static int take_trailer(struct weft__http_parser *p, char *line, size_t len)
{
    if (len > 0)
        return parse_trailer(p, line, len) ? GO_ON : WEFT__HTTP_ERROR;
    p->state = FINISHED;
    return WEFT__HTTP_DONE;
}

static int step_line(struct weft__http_parser *p, const char **at, const char *end)
{
    if (!read_line(p, at, end))
        return p->state == FAILED ? WEFT__HTTP_ERROR : WEFT__HTTP_NEED_MORE;
    char *line = p->head + p->line_start;
    size_t len = p->head_len - p->line_start - 2;
    p->line_start = p->head_len;
    switch (p->state) {
    case REQUEST_LINE:
        return take_request_line(p, line, len);
    case FIELDS:
        return take_header(p, line, len);
    default:
        return take_trailer(p, line, len);
    }
}

static int start_body(struct weft__http_parser *p)
{
    if (p->request.chunked) {
        p->state = CHUNK_SIZE;
        return GO_ON;
    }
    if (p->request.content_length > p->body_limit) {
        fail(p, 413, "body too large");
        return WEFT__HTTP_ERROR;
    }
    p->body_left = p->request.content_length;
    p->state = p->body_left > 0 ? SIZED_BODY : FINISHED;
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
        p->state = p->state == SIZED_BODY ? FINISHED : CHUNK_END_CR;
    return WEFT__HTTP_BODY;
}

static bool take_chunk_size(struct weft__http_parser *p, char c)
{
    if (weft__http_is(c, WEFT__HTTP_HEX)) {
        if (p->chunk_line_len == CHUNK_SIZE_DIGITS)
            return fail(p, 400, "chunk size too long");
        p->body_left = p->body_left * 16 + (unsigned)weft__http_hex_value(c);
        return true;
    }
    if (p->chunk_line_len == 0 || (c != '\r' && c != ';'))
        return fail(p, 400, "malformed chunk size");
    p->state = c == '\r' ? CHUNK_LINE_LF : CHUNK_EXTENSION;
    return true;
}

static bool take_chunk_extension(struct weft__http_parser *p, char c)
{
    if (c == '\r') {
        p->state = CHUNK_LINE_LF;
        return true;
    }
    if (is_control(c) && c != '\t')
        return fail(p, 400, "control character in a chunk extension");
    p->extension_len++;
    return p->extension_len <= p->limits.head_bytes || fail(p, 400, "chunk extensions too long");
}

static bool end_chunk_line(struct weft__http_parser *p)
{
    if (p->body_left > p->body_limit - p->body_seen)
        return fail(p, 413, "body too large");
    p->body_seen += p->body_left;
    p->state = p->body_left > 0 ? CHUNK_DATA : TRAILERS;
    return true;
}

static bool take_frame_byte(struct weft__http_parser *p, char c)
{
    switch (p->state) {
    case CHUNK_SIZE:
    case CHUNK_EXTENSION:
        if (c != '\r' && p->chunk_line_len == p->limits.chunk_line_bytes)
            return fail(p, 400, "chunk line too long");
        if (!(p->state == CHUNK_SIZE ? take_chunk_size(p, c) : take_chunk_extension(p, c)))
            return false;
        p->chunk_line_len++;
        return true;
    case CHUNK_LINE_LF:
        return c == '\n' ? end_chunk_line(p) : fail(p, 400, "CR without LF in a chunk line");
    case CHUNK_END_CR:
        p->state = CHUNK_END_LF;
        return c == '\r' || fail(p, 400, "chunk longer than its size");
    default:
        assert(p->state == CHUNK_END_LF);
        p->state = CHUNK_SIZE;
        p->chunk_line_len = 0;
        return c == '\n' || fail(p, 400, "chunk longer than its size");
    }
}

static int step_frame(struct weft__http_parser *p, const char **at, const char *end)
{
    if (*at == end)
        return WEFT__HTTP_NEED_MORE;
    if (!take_frame_byte(p, **at))
        return WEFT__HTTP_ERROR;
    (*at)++;
    return GO_ON;
}

static int step(struct weft__http_parser *p, const char **at, const char *end)
{
    switch ((enum state)p->state) {
    case REQUEST_LINE:
    case FIELDS:
    case TRAILERS:
        return step_line(p, at, end);
    case BODY_START:
        return start_body(p);
    case SIZED_BODY:
    case CHUNK_DATA:
        return step_data(p, at, end);
    case CHUNK_SIZE:
    case CHUNK_EXTENSION:
    case CHUNK_LINE_LF:
    case CHUNK_END_CR:
    case CHUNK_END_LF:
        return step_frame(p, at, end);
    case FINISHED:
        return WEFT__HTTP_DONE;
    case FAILED:
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
    struct weft__http_limits limits = p->limits;
    memset(p, 0, sizeof *p);
    p->limits = limits;
    p->body_limit = limits.body_bytes;
    p->fields = memory;
    p->head = (char *)memory + limits.headers * sizeof *p->fields;
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
    assert(p->state == BODY_START);
    p->body_limit = bytes;
}

/* SPDX-License-Identifier: MIT */
/*
 * What a head says: the request line, the fields, and how the body is framed.
 *
 * Each function works on a line that is complete, is followed by a NUL in place of its CR, and holds no
 * control character but tabs: the NUL stops every loop. Names and values stay where they are and get a
 * NUL behind them.
 */
#include "net/http/parser/inside.h"

#include <string.h>

/* What Transfer-Encoding has said, over all its lines; judged at the end of the head. */
enum {
    CODING_CHUNKED = 1,
    CODING_OTHER = 2,
    CODING_MALFORMED = 4 /* an empty element, a parameter of chunked, anything after chunked */
};

#define TEXT(literal) (literal), sizeof(literal) - 1

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool parse_target(struct weft__http_parser *p)
{
    struct weft__http_request *r = &p->request;
    struct weft__http_target parts;
    if (r->method_id == WEFT__HTTP_METHOD_OTHER && strcmp(r->method.data, "CONNECT") == 0) {
        return weft__http_is_authority(r->target)
                   ? weft__http_fail(p, 501, "CONNECT is not supported")
                   : weft__http_fail(p, 400, "malformed request target");
    }
    if (r->method_id == WEFT__HTTP_METHOD_OPTIONS && strcmp(r->target.data, "*") == 0) {
        r->path = r->target;
        return true;
    }
    if (!weft__http_split_target(r->target, &parts))
        return weft__http_fail(p, 400, "malformed request target");
    r->path = parts.path;
    r->query = parts.query;
    r->host = parts.host;
    return true;
}

static bool parse_version(struct weft__http_parser *p, const char *at, size_t len)
{
    if (len != 8 || memcmp(at, "HTTP/", 5) != 0 || at[6] != '.' || at[5] < '0' || at[5] > '9' ||
        at[7] < '0' || at[7] > '9')
        return weft__http_fail(p, 400, "malformed HTTP version");
    if (at[5] != '1' || at[7] > '1')
        return weft__http_fail(p, 505, "only HTTP/1.0 and HTTP/1.1 are spoken here");
    p->request.minor_version = at[7] - '0';
    return true;
}

/* method SP target SP version, with exactly one space each. */
bool weft__http_parse_request_line(struct weft__http_parser *p, char *line, size_t len)
{
    struct weft__http_request *r = &p->request;
    char *end = line + len;
    char *at = line;
    while (weft__http_is(*at, WEFT__HTTP_TCHAR))
        at++;
    if (at == line || *at != ' ')
        return weft__http_fail(p, 400, "malformed method");
    r->method = (struct weft__http_slice){line, (size_t)(at - line)};
    *at++ = '\0';
    r->method_id = weft__http_method_id(line);

    char *target_end = memchr(at, ' ', (size_t)(end - at));
    if (target_end == NULL)
        return weft__http_fail(p, 400, "malformed request line");
    r->target = (struct weft__http_slice){at, (size_t)(target_end - at)};
    *target_end++ = '\0';
    return parse_version(p, target_end, (size_t)(end - target_end)) && parse_target(p);
}

static bool note_host(struct weft__http_parser *p, struct weft__http_slice value)
{
    if (p->saw_host)
        return weft__http_fail(p, 400, "more than one Host");
    p->saw_host = true;
    if (!weft__http_is_authority(value))
        return weft__http_fail(p, 400, "malformed Host");
    if (p->request.host.data == NULL)
        p->request.host = value;
    return true;
}

/* Digits and nothing else; a repeated one is refused even if it says the same. */
static bool note_content_length(struct weft__http_parser *p, struct weft__http_slice value)
{
    uint64_t length = 0;
    if (p->request.has_content_length)
        return weft__http_fail(p, 400, "more than one Content-Length");
    for (size_t i = 0; i < value.len; i++) {
        uint64_t digit = (uint64_t)(value.data[i] - '0'); /* huge if below '0' */
        if (digit > 9 || length > ((uint64_t)INT64_MAX - digit) / 10)
            return weft__http_fail(p, 400, "malformed Content-Length");
        length = length * 10 + digit;
    }
    p->request.has_content_length = true;
    p->request.content_length = length;
    return value.len > 0 || weft__http_fail(p, 400, "malformed Content-Length");
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
        return weft__http_fail(p, 431, "too many header fields");
    while (weft__http_is(*colon, WEFT__HTTP_TCHAR))
        colon++;
    if (colon == line || *colon != ':')
        return weft__http_fail(p, 400,
                               is_blank(*line) ? "folded header line" : "malformed header name");
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

bool weft__http_parse_header(struct weft__http_parser *p, char *line, size_t len)
{
    struct weft__http_header *field = &p->fields[p->request.header_count];
    if (!parse_field(p, line, len, field))
        return false;
    p->request.header_count++;
    return note_field(p, field);
}

bool weft__http_parse_trailer(struct weft__http_parser *p, char *line, size_t len)
{
    struct weft__http_header field = {0};
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
        return weft__http_fail(p, 400, "Transfer-Encoding in HTTP/1.0");
    if (r->has_content_length)
        return weft__http_fail(p, 400, "both Content-Length and Transfer-Encoding");
    if ((p->codings & CODING_MALFORMED) || !(p->codings & CODING_CHUNKED))
        return weft__http_fail(p, 400, "the transfer coding does not end with one chunked");
    if (p->codings & CODING_OTHER)
        return weft__http_fail(p, 501, "unknown transfer coding");
    r->chunked = true;
    return true;
}

bool weft__http_judge_head(struct weft__http_parser *p)
{
    struct weft__http_request *r = &p->request;
    if (!judge_framing(p))
        return false;
    if (r->minor_version == 1) {
        if (!p->saw_host)
            return weft__http_fail(p, 400, "no Host");
        if (p->saw_other_expectation)
            return weft__http_fail(p, 417, "unknown expectation");
        r->expect_continue = p->saw_continue && (r->chunked || r->content_length > 0);
    }
    r->keep_alive = !p->saw_close && (r->minor_version == 1 || p->saw_keep_alive);
    r->headers = p->fields;
    r->trailers = p->fields + r->header_count;
    return true;
}

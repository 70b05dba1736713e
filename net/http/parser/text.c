/* SPDX-License-Identifier: MIT */
/*
 * The text of HTTP.
 *
 * Everything is decided by byte value, never by locale: <ctype.h> stays out. The class table is
 * written out as numbers, which a test derives again from the grammars of RFC 9110 (token) and
 * RFC 3986 (host, path, query). Bytes from 128 on have no class: a browser escapes them.
 *
 * Paths and queries take a few characters that RFC 3986 does not: browsers send them as they are
 * (the WHATWG URL standard escapes less), and none of them can change how a message is framed.
 */
#include "net/http/parser/text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

const uint8_t weft__http_class[256] = {
    /* 16 bytes a row; the upper half is zero */
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x1d, 0x00, 0x01, 0x1d, 0x01, 0x1d, 0x1d, 0x1c, 0x1c, 0x1d, 0x1d, 0x1c, 0x1d, 0x1d, 0x18,
    0x1f, 0x1f, 0x1f, 0x1f, 0x1f, 0x1f, 0x1f, 0x1f, 0x1f, 0x1f, 0x18, 0x1c, 0x00, 0x1c, 0x00, 0x10,
    0x18, 0x1f, 0x1f, 0x1f, 0x1f, 0x1f, 0x1f, 0x1d, 0x1d, 0x1d, 0x1d, 0x1d, 0x1d, 0x1d, 0x1d, 0x1d,
    0x1d, 0x1d, 0x1d, 0x1d, 0x1d, 0x1d, 0x1d, 0x1d, 0x1d, 0x1d, 0x1d, 0x18, 0x10, 0x18, 0x19, 0x1d,
    0x11, 0x1f, 0x1f, 0x1f, 0x1f, 0x1f, 0x1f, 0x1d, 0x1d, 0x1d, 0x1d, 0x1d, 0x1d, 0x1d, 0x1d, 0x1d,
    0x1d, 0x1d, 0x1d, 0x1d, 0x1d, 0x1d, 0x1d, 0x1d, 0x1d, 0x1d, 0x1d, 0x10, 0x19, 0x10, 0x1d, 0x00,
};

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

bool weft__http_has_control(const char *text, size_t len)
{
    for (; len >= 8 && !weft__http_controls(text); len -= 8)
        text += 8;
    for (; len > 0; text++, len--)
        if (weft__http_is_control(*text) && *text != '\t')
            return true;
    return false;
}

bool weft__http_is_token(const char *text)
{
    size_t len = 0;
    while (weft__http_is(text[len], WEFT__HTTP_TCHAR))
        len++;
    return len && !text[len];
}

bool weft__http_equal(struct weft__http_slice a, const char *b, size_t b_len)
{
    if (a.len != b_len)
        return false;
    for (size_t i = 0; i < b_len; i++)
        if (a.data[i] != b[i] && lower(a.data[i]) != lower(b[i]))
            return false;
    return true;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static struct weft__http_slice trim(struct weft__http_slice text)
{
    while (text.len > 0 && is_blank(text.data[0])) {
        text.data++;
        text.len--;
    }
    while (text.len > 0 && is_blank(text.data[text.len - 1]))
        text.len--;
    return text;
}

bool weft__http_list_next(struct weft__http_slice *list, struct weft__http_slice *ret)
{
    if (list->data == NULL)
        return false;
    const char *comma = memchr(list->data, ',', list->len);
    struct weft__http_slice element = *list;
    if (comma == NULL) {
        *list = (struct weft__http_slice){NULL, 0};
    } else {
        element.len = (size_t)(comma - list->data);
        list->data = comma + 1;
        list->len -= element.len + 1;
    }
    *ret = trim(element);
    return true;
}

bool weft__http_list_has(struct weft__http_slice list, const char *token)
{
    size_t token_len = strlen(token);
    struct weft__http_slice element;
    while (weft__http_list_next(&list, &element))
        if (element.len > 0 && weft__http_equal(element, token, token_len))
            return true;
    return false;
}

static bool is_escape(const char *at, const char *end)
{
    return end - at >= 3 && *at == '%' && weft__http_is(at[1], WEFT__HTTP_HEX) &&
           weft__http_is(at[2], WEFT__HTTP_HEX) && (at[1] != '0' || at[2] != '0');
}

const char *weft__http_skip_escaped(const char *at, const char *end, int class_bits)
{
    for (;;) {
        while (at != end && weft__http_is(*at, class_bits))
            at++;
        if (!is_escape(at, end))
            return at;
        at += 3;
    }
}

static bool is_ipv6(const char *text, size_t len)
{
    char copy[INET6_ADDRSTRLEN];
    struct in6_addr address;
    if (len >= sizeof copy)
        return false;
    memcpy(copy, text, len);
    copy[len] = '\0';
    return inet_pton(AF_INET6, copy, &address) == 1;
}

/* The end of a host name or of an address in brackets; NULL if there is none at `at`. */
static const char *skip_host(const char *at, const char *end)
{
    if (at == end || *at != '[') {
        const char *name_end = weft__http_skip_escaped(at, end, WEFT__HTTP_HOST);
        return name_end == at ? NULL : name_end;
    }
    const char *close = memchr(at, ']', (size_t)(end - at));
    if (close == NULL || !is_ipv6(at + 1, (size_t)(close - at - 1)))
        return NULL;
    return close + 1;
}

bool weft__http_is_authority(struct weft__http_slice text)
{
    const char *end = text.data + text.len;
    const char *at = skip_host(text.data, end);
    if (at == NULL || at == end)
        return at != NULL;
    if (*at++ != ':' || end - at > 5)
        return false;
    unsigned port = 0;
    for (; at != end; at++) {
        unsigned digit = (unsigned)(*at - '0'); /* huge if below '0' */
        if (digit > 9)
            return false;
        port = port * 10 + digit;
    }
    return port <= 65535;
}

static bool split_path(const char *at, const char *end, struct weft__http_target *ret)
{
    const char *path_end = weft__http_skip_escaped(at, end, WEFT__HTTP_PATH);
    ret->path = (struct weft__http_slice){at, (size_t)(path_end - at)};
    ret->query = (struct weft__http_slice){NULL, 0};
    if (path_end == end || *path_end != '?')
        return path_end == end;
    const char *query = path_end + 1;
    const char *query_end = weft__http_skip_escaped(query, end, WEFT__HTTP_QUERY);
    ret->query = (struct weft__http_slice){query, (size_t)(query_end - query)};
    return query_end == end;
}

static bool begins_with(struct weft__http_slice text, const char *prefix, size_t len)
{
    return text.len >= len &&
           weft__http_equal((struct weft__http_slice){text.data, len}, prefix, len);
}

bool weft__http_split_target(struct weft__http_slice text, struct weft__http_target *ret)
{
    const char *at = text.data;
    const char *end = at + text.len;
    ret->host = (struct weft__http_slice){NULL, 0};
    if (text.len > 0 && *at == '/')
        return split_path(at, end, ret);
    if (begins_with(text, "http://", 7))
        at += 7;
    else if (begins_with(text, "https://", 8))
        at += 8;
    else
        return false;
    ret->host.data = at;
    while (at != end && *at != '/' && *at != '?')
        at++;
    ret->host.len = (size_t)(at - ret->host.data);
    if (!weft__http_is_authority(ret->host) || !split_path(at, end, ret))
        return false;
    if (ret->path.len == 0)
        ret->path = (struct weft__http_slice){"/", 1};
    return true;
}

enum weft__http_method weft__http_method_id(const char *name)
{
    static const char methods[][8] = {
        [WEFT__HTTP_METHOD_GET] = "GET",       [WEFT__HTTP_METHOD_HEAD] = "HEAD",
        [WEFT__HTTP_METHOD_POST] = "POST",     [WEFT__HTTP_METHOD_PUT] = "PUT",
        [WEFT__HTTP_METHOD_DELETE] = "DELETE", [WEFT__HTTP_METHOD_OPTIONS] = "OPTIONS",
        [WEFT__HTTP_METHOD_PATCH] = "PATCH",   [WEFT__HTTP_METHOD_TRACE] = "TRACE",
    };
    char padded[8] = "";
    for (int i = 0; name[i]; i++) {
        if (i == sizeof padded - 1)
            return WEFT__HTTP_METHOD_OTHER;
        padded[i] = name[i];
    }
    for (int i = WEFT__HTTP_METHOD_GET; i <= WEFT__HTTP_METHOD_TRACE; i++)
        if (memcmp(padded, methods[i], sizeof padded) == 0)
            return (enum weft__http_method)i;
    return WEFT__HTTP_METHOD_OTHER;
}

const struct weft__http_header *weft__http_find(const struct weft__http_header *headers,
                                                size_t count, const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < count; i++) {
        struct weft__http_slice key = {headers[i].name, headers[i].name_len};
        if (weft__http_equal(key, name, len))
            return &headers[i];
    }
    return NULL;
}

bool weft__http_may_be_trailer(struct weft__http_slice name)
{
    static const char *const forbidden[] = {
        "authorization",
        "cache-control",
        "connection",
        "content-encoding",
        "content-length",
        "content-range",
        "content-type",
        "cookie",
        "expect",
        "host",
        "if-match",
        "if-modified-since",
        "if-none-match",
        "if-range",
        "if-unmodified-since",
        "keep-alive",
        "max-forwards",
        "pragma",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "range",
        "set-cookie",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "www-authenticate",
    };
    for (size_t i = 0; i < sizeof forbidden / sizeof forbidden[0]; i++)
        if (weft__http_equal(name, forbidden[i], strlen(forbidden[i])))
            return false;
    return true;
}

int weft__http_hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/*
 * The byte that the text at `*at` stands for; advances. -EINVAL as documented for decoding.
 * The caller has checked that there is something.
 */
static int decode_one(const char **at, const char *end, bool plus_is_space)
{
    const char *c = *at;
    int byte = (unsigned char)*c;
    *at = c + 1;
    if (byte == '+' && plus_is_space)
        return ' ';
    if (byte == '%') {
        if (end - c < 3 || !weft__http_is(c[1], WEFT__HTTP_HEX) ||
            !weft__http_is(c[2], WEFT__HTTP_HEX))
            return -EINVAL;
        byte = weft__http_hex_value(c[1]) * 16 + weft__http_hex_value(c[2]);
        *at = c + 3;
    }
    return byte == 0 ? -EINVAL : byte;
}

/* Reading is never behind writing, so `buf` may be the text itself. */
static int decode(struct weft__http_slice text, bool plus_is_space, char *buf, size_t cap,
                  size_t *ret_len)
{
    const char *at = text.data;
    const char *end = text.len > 0 ? at + text.len : at;
    size_t len = 0;
    while (at != end) {
        int byte = decode_one(&at, end, plus_is_space);
        if (byte < 0)
            return byte;
        if (len == cap)
            return -ENOSPC;
        buf[len++] = (char)byte;
    }
    if (len == cap)
        return -ENOSPC;
    buf[len] = '\0';
    if (ret_len != NULL)
        *ret_len = len;
    return 0;
}

int weft__http_decode_path(struct weft__http_slice text, char *buf, size_t cap, size_t *ret_len)
{
    return decode(text, false, buf, cap, ret_len);
}

int weft__http_decode_form(struct weft__http_slice text, char *buf, size_t cap, size_t *ret_len)
{
    return decode(text, true, buf, cap, ret_len);
}

/* Cut `text` at the first `separator`; false (and all of it in front) if there is none. */
static bool cut(struct weft__http_slice text, char separator, struct weft__http_slice *ret_front,
                struct weft__http_slice *ret_back)
{
    const char *at = text.len > 0 ? memchr(text.data, separator, text.len) : NULL;
    *ret_front = text;
    *ret_back = (struct weft__http_slice){NULL, 0};
    if (at == NULL)
        return false;
    ret_front->len = (size_t)(at - text.data);
    *ret_back = (struct weft__http_slice){at + 1, text.len - ret_front->len - 1};
    return true;
}

bool weft__http_query_next(struct weft__http_slice *query, struct weft__http_slice *ret_name,
                           struct weft__http_slice *ret_value)
{
    while (query->len > 0) {
        struct weft__http_slice piece;
        cut(*query, '&', &piece, query);
        if (piece.len > 0) {
            cut(piece, '=', ret_name, ret_value);
            return true;
        }
    }
    return false;
}

static bool decodes_to(struct weft__http_slice text, const char *name)
{
    const char *at = text.data;
    const char *end = text.len > 0 ? at + text.len : at;
    while (at != end) {
        int byte = decode_one(&at, end, true);
        if (*name == '\0' || byte != (unsigned char)*name++)
            return false;
    }
    return *name == '\0';
}

int weft__http_query_get(struct weft__http_slice query, const char *name, char *buf, size_t cap,
                         size_t *ret_len)
{
    struct weft__http_slice key;
    struct weft__http_slice value;
    while (weft__http_query_next(&query, &key, &value))
        if (decodes_to(key, name))
            return weft__http_decode_form(value, buf, cap, ret_len);
    return -ENOENT;
}

const char *weft__http_status_text(int status)
{
    static const struct {
        int status;
        const char *text;
    } phrases[] = {
        {100, "Continue"},
        {101, "Switching Protocols"},
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {203, "Non-Authoritative Information"},
        {204, "No Content"},
        {205, "Reset Content"},
        {206, "Partial Content"},
        {300, "Multiple Choices"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {303, "See Other"},
        {304, "Not Modified"},
        {307, "Temporary Redirect"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {402, "Payment Required"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {407, "Proxy Authentication Required"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {411, "Length Required"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {416, "Range Not Satisfiable"},
        {417, "Expectation Failed"},
        {421, "Misdirected Request"},
        {422, "Unprocessable Content"},
        {426, "Upgrade Required"},
        {428, "Precondition Required"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
    };
    for (size_t i = 0; i < sizeof phrases / sizeof phrases[0]; i++)
        if (phrases[i].status == status)
            return phrases[i].text;
    return "Unknown";
}

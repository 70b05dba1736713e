/* SPDX-License-Identifier: MIT */
/*
 * What an answer's head has to do with its coding (RFC 9110, 8.4, 8.8.3, 12.5.5).
 *
 * Whether an answer is coded depends on what it is: its status, type and length, and what its handler says of
 * it. One that could be has "Vary: Accept-Encoding", also when this client gets it as it is. One that is has a
 * weak tag, since other bytes than those of a strong one are sent; and does not offer ranges, which would be
 * parts of other bytes, too. A 304 must carry the tag and the Vary that a 200 would have; a 206 the Vary.
 *
 * Left alone: parts (206) and what has no body, what has a coding already, and what may not be transformed.
 */
#include "net/http/coding/coding.h"

#include <string.h>
#include <strings.h>

#include "net/http/server.h"

/* ---- Lines of a head ---- */

/* The line of that name at or behind `from`: where it begins; `len` at the end. */
static size_t find_line(const struct weft__http_lines *lines, const char *name, size_t from,
                        struct weft__http_slice *ret_value)
{
    size_t name_len = strlen(name);
    while (from < lines->len) {
        const char *line = lines->text + from;
        const char *end = memchr(line, '\r', lines->len - from);
        size_t len = (size_t)(end - line);
        if (len > name_len && line[name_len] == ':' && strncasecmp(line, name, name_len) == 0) {
            *ret_value =
                (struct weft__http_slice){line + name_len + 2, len - name_len - 2}; /* ": " */
            return from;
        }
        from += len + 2;
    }
    return lines->len;
}

static bool has_line(const struct weft__http_lines *lines, const char *name)
{
    struct weft__http_slice value;
    return find_line(lines, name, 0, &value) < lines->len;
}

static bool lists(const struct weft__http_lines *lines, const char *name, const char *element)
{
    struct weft__http_slice value;
    for (size_t at = 0; (at = find_line(lines, name, at, &value)) < lines->len; at++)
        if (weft__http_list_has(value, element))
            return true;
    return false;
}

static void remove_lines(struct weft__http_lines *lines, const char *name)
{
    struct weft__http_slice value;
    size_t at = 0;
    while ((at = find_line(lines, name, at, &value)) < lines->len) {
        char *behind = lines->text + at + strlen(name) + 2 + value.len + 2;
        size_t rest = (size_t)(lines->text + lines->len - behind);
        memmove(lines->text + at, behind, rest);
        lines->len = at + rest;
    }
}

/* There is room. */
static void weaken_tag(struct weft__http_lines *lines)
{
    struct weft__http_slice value;
    if (find_line(lines, "ETag", 0, &value) == lines->len || !value.len || value.data[0] != '"')
        return;
    size_t at = (size_t)(value.data - lines->text);
    memmove(lines->text + at + 2, lines->text + at, lines->len - at);
    memcpy(lines->text + at, "W/", 2);
    lines->len += 2;
}

static int add_vary(weft__http_exchange *request)
{
    struct weft__http_lines *lines = &request->headers;
    if (lists(lines, "Vary", "Accept-Encoding") || lists(lines, "Vary", "*"))
        return 0;
    return weft__http_add_line(lines, "Vary", "Accept-Encoding");
}

/* ---- Decisions ---- */

static bool may_not_be(const weft__http_exchange *request)
{
    const struct weft__http_lines *lines = &request->headers;
    return has_line(lines, "Content-Encoding") || lists(lines, "Cache-Control", "no-transform");
}

static bool is_left_alone(const weft__http_exchange *request)
{
    return request->status == 204 || request->status == 205 || request->status == 206 ||
           has_line(&request->headers, "Content-Range") || may_not_be(request);
}

/* Is it a part of what might have been coded? The type of several ones is not known: they may be. */
static bool is_part(const weft__http_exchange *request, const char *content_type)
{
    static const char several[] = "multipart/byteranges";
    return request->status == 206 && content_type && !may_not_be(request) &&
           (weft__http_is_compressible(content_type, request->encoding.types) ||
            strncmp(content_type, several, sizeof(several) - 1) == 0);
}

/* What a 200 would have said. Of its type nothing is known, but a weak tag is never wrong. */
static void look_after_304(weft__http_exchange *request, const struct weft__http_wish *wish)
{
    bool tagged = has_line(&request->headers, "ETag");
    if (tagged && add_vary(request) == 0 && wish->coding != WEFT__HTTP_IDENTITY &&
        weft__http_prepare_coding(request) == 0)
        weaken_tag(&request->headers);
}

static bool is_worth_it(const weft__http_exchange *request, const char *content_type, int64_t len)
{
    const struct weft__http_encoding *encoding = &request->encoding;
    return (len < 0 || (uint64_t)len >= encoding->min_size) &&
           weft__http_is_compressible(content_type, encoding->types);
}

bool weft__http_would_code(const weft__http_exchange *request, const char *content_type,
                           int64_t len)
{
    if (!request->encoding.codec || may_not_be(request))
        return false;
    struct weft__http_wish wish = weft__http_wished_coding(&request->parser.request);
    return wish.coding != WEFT__HTTP_IDENTITY &&
           (wish.insists || is_worth_it(request, content_type, len));
}

enum weft__http_coding weft__http_decide_coding(weft__http_exchange *request,
                                                const char *content_type, int64_t len)
{
    if (is_part(request, content_type) && add_vary(request) < 0)
        return WEFT__HTTP_IDENTITY; /* without memory it is sent as it is */
    if (is_left_alone(request))
        return WEFT__HTTP_IDENTITY;
    struct weft__http_wish wish = weft__http_wished_coding(&request->parser.request);
    if (request->status == 304) {
        look_after_304(request, &wish);
        return WEFT__HTTP_IDENTITY;
    }
    if (!is_worth_it(request, content_type, len) && !(wish.insists && len))
        return WEFT__HTTP_IDENTITY;
    return add_vary(request) == 0 ? wish.coding : WEFT__HTTP_IDENTITY;
}

int weft__http_prepare_coding(weft__http_exchange *request)
{
    return weft__http_reserve_lines(&request->headers, sizeof("W/"
                                                              "Content-Encoding: deflate\r\n"));
}

void weft__http_declare_coding(weft__http_exchange *request, enum weft__http_coding coding)
{
    weaken_tag(&request->headers);
    remove_lines(&request->headers, "Accept-Ranges");
    int added = weft__http_add_line(&request->headers, "Content-Encoding",
                                    coding == WEFT__HTTP_GZIP ? "gzip" : "deflate");
    (void)added; /* there was room */
}

/* ---- For companions ---- */

bool weft__companion_http_encoding_set(weft_http_request *handle,
                                       const struct weft__http_encoding *encoding)
{
    weft__http_exchange *request = weft__http_alive(handle);
    if (!request || request->encoding.codec)
        return false;
    request->encoding = *encoding;
    return true;
}

void weft__companion_http_encoding_clear(weft_http_request *handle)
{
    weft__http_exchange *request = weft__http_alive(handle);
    if (request)
        request->encoding.codec = NULL;
}

/* SPDX-License-Identifier: MIT */
/*
 * Cookies. Those of a request are taken apart when the first one is asked for, into a text that goes around
 * with the request: name, NUL, value, NUL; again and again.
 *
 * Strict on both ways: a value that a browser and a proxy could cut differently is neither sent nor read. A
 * pair of a request that is malformed is passed over, and those behind it are still read: cookies come from
 * several programs of one site, and one that is careless must not log people out of another.
 */
#include <weft/http_cookie.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/memory.h"
#include "core/text.h"
#include "net/http/server.h"

/* What a value may consist of: visible, and none of  " , ; \  */
static bool is_octet(char c)
{
    return c > ' ' && c < 0x7f && c != '"' && c != ',' && c != ';' && c != '\\';
}

static bool is_value(struct weft__http_slice value)
{
    for (size_t i = 0; i < value.len; i++)
        if (!is_octet(value.data[i]))
            return false;
    return true;
}

/* ---- Reading ---- */

static struct weft__http_slice trimmed(const char *begin, const char *end)
{
    while (begin < end && (*begin == ' ' || *begin == '\t'))
        begin++;
    while (end > begin && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    return (struct weft__http_slice){begin, (size_t)(end - begin)};
}

static bool is_token(struct weft__http_slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!weft__http_is(text.data[i], WEFT__HTTP_TCHAR))
            return false;
    return text.len > 0;
}

static char *copy(char *to, struct weft__http_slice text)
{
    memcpy(to, text.data, text.len);
    to[text.len] = 0;
    return to + text.len + 1;
}

/* One "name=value"; returns where the next one goes. */
static char *take_pair(char *to, const char *begin, const char *end)
{
    const char *equals = memchr(begin, '=', (size_t)(end - begin));
    if (!equals)
        return to;
    struct weft__http_slice name = trimmed(begin, equals), value = trimmed(equals + 1, end);
    if (value.len >= 2 && value.data[0] == '"' && value.data[value.len - 1] == '"') {
        value.data++;
        value.len -= 2;
    }
    return is_token(name) && is_value(value) ? copy(copy(to, name), value) : to;
}

static char *take_line(char *to, const char *line)
{
    for (;;) {
        const char *end = strchrnul(line, ';');
        to = take_pair(to, line, end);
        if (!*end)
            return to;
        line = end + 1;
    }
}

/* A pair needs no more room than it has in its line, its two separators being the NULs. */
static size_t room_for(const struct weft__http_request *parsed)
{
    size_t room = 0;
    for (size_t i = 0; i < parsed->header_count; i++)
        if (strcasecmp(parsed->headers[i].name, "Cookie") == 0)
            room += parsed->headers[i].value_len + 1;
    return room;
}

static int take_cookies(weft__http_exchange *request)
{
    const struct weft__http_request *parsed = &request->parser.request;
    size_t room = room_for(parsed);
    request->has_cookies = true;
    request->cookies_len = 0;
    if (!room)
        return 0;
    char *to = request->cookies = weft__malloc(room);
    request->has_cookies = to != NULL;
    if (!to)
        return -ENOMEM;
    for (size_t i = 0; i < parsed->header_count; i++)
        if (strcasecmp(parsed->headers[i].name, "Cookie") == 0)
            to = take_line(to, parsed->headers[i].value);
    request->cookies_len = (size_t)(to - request->cookies);
    return 0;
}

const char *weft_http_request_cookie(const weft_http_request *handle, const char *name)
{
    weft__http_exchange *request = WEFT__HTTP_REQUEST(handle);
    if (!request || (!request->has_cookies && take_cookies(request) < 0))
        return NULL;
    const char *at = request->cookies;
    const char *end = at ? at + request->cookies_len : at;
    while (at != end) {
        const char *value = at + strlen(at) + 1;
        if (strcmp(at, name) == 0)
            return value;
        at = value + strlen(value) + 1;
    }
    return NULL;
}

/* ---- Setting ---- */

/* Of a path or a domain: no end of it within. */
static bool is_attribute(const char *text)
{
    for (; *text; text++)
        if (*text == ';' || weft__http_is_control(*text))
            return false;
    return true;
}

static bool keeps_promises(const struct weft_http_cookie *cookie)
{
    bool secure = cookie->flags & WEFT_HTTP_COOKIE_SECURE;
    bool needs_secure = cookie->same_site == WEFT_HTTP_SAME_SITE_NONE ||
                        (cookie->flags & WEFT_HTTP_COOKIE_PARTITIONED) ||
                        strncasecmp(cookie->name, "__Secure-", 9) == 0;
    bool host = strncasecmp(cookie->name, "__Host-", 7) == 0;
    if (host && (cookie->domain || !cookie->path || strcmp(cookie->path, "/") != 0))
        return false;
    return secure || (!needs_secure && !host);
}

static int check(const struct weft_http_cookie *cookie)
{
    const unsigned known = WEFT_HTTP_COOKIE_SECURE | WEFT_HTTP_COOKIE_FOR_SCRIPTS |
                           WEFT_HTTP_COOKIE_DELETE | WEFT_HTTP_COOKIE_PARTITIONED;
    if (!cookie || (cookie->size && cookie->size != sizeof(*cookie)) || cookie->max_age < 0 ||
        (cookie->flags & ~known) || (unsigned)cookie->same_site > WEFT_HTTP_SAME_SITE_NONE)
        return -EINVAL;
    const char *value = cookie->value ? cookie->value : "";
    if (!cookie->name || !weft__http_is_token(cookie->name) ||
        !is_value((struct weft__http_slice){value, strlen(value)}))
        return -EINVAL;
    if (cookie->path && (cookie->path[0] != '/' || !is_attribute(cookie->path)))
        return -EINVAL;
    if (cookie->domain && (!cookie->domain[0] || !is_attribute(cookie->domain)))
        return -EINVAL;
    return keeps_promises(cookie) ? 0 : -EINVAL;
}

static char *written(const struct weft_http_cookie *cookie)
{
    static const char *const same_site[] = {"Lax", "Strict", "None"};
    char age[40] = "";
    long long seconds = cookie->max_age / WEFT_S(1);
    bool forget = cookie->flags & WEFT_HTTP_COOKIE_DELETE;
    if (forget || cookie->max_age)
        snprintf(age, sizeof(age), "; Max-Age=%lld", forget ? 0 : seconds);
    return weft__format("%s=%s%s%s%s%s%s; SameSite=%s%s%s%s", cookie->name,
                        cookie->value ? cookie->value : "", age, cookie->path ? "; Path=" : "",
                        cookie->path ? cookie->path : "", cookie->domain ? "; Domain=" : "",
                        cookie->domain ? cookie->domain : "", same_site[cookie->same_site],
                        cookie->flags & WEFT_HTTP_COOKIE_SECURE ? "; Secure" : "",
                        cookie->flags & WEFT_HTTP_COOKIE_FOR_SCRIPTS ? "" : "; HttpOnly",
                        cookie->flags & WEFT_HTTP_COOKIE_PARTITIONED ? "; Partitioned" : "");
}

int weft_http_set_cookie(weft_http_request *handle, const struct weft_http_cookie *cookie)
{
    weft__http_exchange *request = WEFT__HTTP_REQUEST(handle);
    int status = request ? check(cookie) : weft__http_gone();
    if (status == 0 && request->answer != WEFT__HTTP_NO_ANSWER)
        status = -EALREADY;
    if (status < 0)
        return status;
    char *text = written(cookie);
    status = text ? weft__http_add_header(request, "Set-Cookie", text) : -ENOMEM;
    weft__free(text);
    return status;
}

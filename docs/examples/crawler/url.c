/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "crawler.h"

/* A URL that is being put together. */
struct builder {
    char *text;
    size_t len;
    bool failed;
};

static void add(struct builder *url, const char *text, size_t len)
{
    if (len >= MOST_URL - url->len) {
        url->failed = true;
        return;
    }
    memcpy(url->text + url->len, text, len);
    url->len += len;
    url->text[url->len] = '\0';
}

size_t url_origin(const char *url)
{
    const char *host = strstr(url, "://");
    return host ? (size_t)(host - url) + 3 + strcspn(host + 3, "/?") : 0;
}

static bool has_prefix(const char *text, size_t len, const char *prefix)
{
    size_t prefix_len = strlen(prefix);
    return len >= prefix_len && strncasecmp(text, prefix, prefix_len) == 0;
}

/* Is there a scheme, "mailto:" or "x-y.z:"? */
static bool has_scheme(const char *link, size_t len)
{
    size_t i = 0;
    while (i < len && (isalnum((unsigned char)link[i]) || (i && strchr("+-.", link[i]) && link[i])))
        i++;
    return i > 0 && i < len && link[i] == ':' && isalpha((unsigned char)link[0]);
}

static size_t up_to(const char *text, size_t len, const char *ends)
{
    size_t i = 0;
    while (i < len && (!text[i] || !strchr(ends, text[i])))
        i++;
    return i;
}

/* "host[:port]", in small letters, without a default port; no user. */
static void add_host(struct builder *url, const char *host, size_t len, bool is_https)
{
    const char *usual = is_https ? ":443" : ":80";
    size_t usual_len = strlen(usual);
    if (!len || memchr(host, '@', len))
        url->failed = true;
    if (len > usual_len && memcmp(host + len - usual_len, usual, usual_len) == 0)
        len -= usual_len;
    for (size_t i = 0; i < len; i++) {
        char c = (char)tolower((unsigned char)host[i]);
        if (!isalnum((unsigned char)c) && !strchr("-._:[]", c))
            url->failed = true;
        add(url, &c, 1);
    }
}

/* A path and a query, with dot segments taken out; what may not stand there is escaped. */
static void add_path(struct builder *url, const char *path, size_t len)
{
    static const char hex[] = "0123456789ABCDEF";
    size_t origin = url->len;
    size_t path_len = up_to(path, len, "?");
    add(url, "/", 1);
    for (size_t at = 0; at < path_len && !url->failed;) {
        at += path[at] == '/';
        size_t segment = up_to(path + at, path_len - at, "/");
        bool is_last = at + segment == path_len;
        if (segment == 2 && memcmp(path + at, "..", 2) == 0) {
            url->len -= url->len > origin + 1;
            while (url->len > origin && url->text[url->len - 1] != '/')
                url->len--;
        } else if (!(segment == 1 && path[at] == '.')) {
            for (size_t i = at; i < at + segment; i++) {
                unsigned char c = (unsigned char)path[i];
                char escaped[3] = {'%', hex[c >> 4], hex[c & 15]};
                bool is_plain = c > ' ' && c < 0x7f && !strchr("\"<>\\^`{|}", c);
                add(url, is_plain ? path + i : escaped, is_plain ? 1 : 3);
            }
            if (!is_last)
                add(url, "/", 1);
        }
        at += segment;
    }
    url->text[url->len] = '\0';
    for (size_t i = path_len; i < len && !url->failed; i++) {
        unsigned char c = (unsigned char)path[i];
        char escaped[3] = {'%', hex[c >> 4], hex[c & 15]};
        bool is_plain = c > ' ' && c < 0x7f;
        add(url, is_plain ? path + i : escaped, is_plain ? 1 : 3);
    }
}

static void add_absolute(struct builder *url, const char *scheme, const char *rest, size_t len)
{
    size_t host_len = up_to(rest, len, "/?");
    add(url, scheme, strlen(scheme));
    add_host(url, rest, host_len, strcmp(scheme, "https://") == 0);
    add_path(url, rest + host_len, len - host_len);
}

bool url_resolve(const char *base, const char *link, size_t len, char ret[MOST_URL])
{
    struct builder url = {.text = ret};
    bool is_https = base && has_prefix(base, strlen(base), "https:");
    *ret = '\0';
    while (len && isspace((unsigned char)*link))
        link++, len--;
    while (len && isspace((unsigned char)link[len - 1]))
        len--;
    len = up_to(link, len, "#");
    if (has_prefix(link, len, "http://")) {
        add_absolute(&url, "http://", link + 7, len - 7);
    } else if (has_prefix(link, len, "https://")) {
        add_absolute(&url, "https://", link + 8, len - 8);
    } else if (!base || has_scheme(link, len)) {
        return false;
    } else if (has_prefix(link, len, "//")) {
        add_absolute(&url, is_https ? "https://" : "http://", link + 2, len - 2);
    } else {
        size_t origin = url_origin(base);
        size_t base_path = origin + strcspn(base + origin, "?");
        char path[2 * MOST_URL];
        int path_len;
        if (!len)
            base_path += strlen(base + base_path);
        else if (*link == '/')
            base_path = origin;
        else if (*link != '?')
            while (base_path > origin && base[base_path - 1] != '/')
                base_path--;
        path_len = snprintf(path, sizeof(path), "%.*s%.*s", (int)(base_path - origin),
                            base + origin, (int)len, link);
        add(&url, base, origin);
        if (path_len < 0 || (size_t)path_len >= sizeof(path))
            return false;
        add_path(&url, path, (size_t)path_len);
    }
    return !url.failed;
}

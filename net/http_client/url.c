/* SPDX-License-Identifier: MIT */
/*
 * URLs: libcurl's own parser, so that what weft decides by a host is what libcurl connects to.
 *
 * Two parsers that read one text in two ways are a known hole: a check by the one, a connection by
 * the other.
 */
#include "net/http_client/url.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "net/http_client/text.h"

#ifndef CURLU_PUNYCODE
#define CURLU_PUNYCODE 0
#endif

static int status_of(CURLUcode code)
{
    if (code == CURLUE_OK)
        return 0;
    return code == CURLUE_OUT_OF_MEMORY ? -ENOMEM : -EINVAL;
}

/* Take a part over into weft's memory. */
static int take_part(CURLU *handle, CURLUPart what, unsigned flags, char **ret)
{
    char *part = NULL;
    int status = status_of(curl_url_get(handle, what, &part, flags));
    if (status < 0)
        return status;
    *ret = weft__client_strdup(part);
    curl_free(part);
    return *ret ? 0 : -ENOMEM;
}

static int take_host(CURLU *handle, char **ret)
{
    int status = take_part(handle, CURLUPART_HOST, CURLU_PUNYCODE, ret);
    if (status == -EINVAL) /* without support for IDN */
        status = take_part(handle, CURLUPART_HOST, 0, ret);
    if (status < 0)
        return status;
    weft__client_lower(*ret);
    return **ret ? 0 : -EINVAL;
}

static int take_parts(CURLU *handle, struct weft__client_url *url)
{
    int status = take_host(handle, &url->host);
    if (status == 0)
        status = take_part(handle, CURLUPART_PORT, CURLU_DEFAULT_PORT, &url->port);
    if (status == 0)
        status = take_part(handle, CURLUPART_URL, 0, &url->text);
    return status;
}

/* 0 if the scheme is one of `schemes`, words between spaces. */
static int check_scheme(CURLU *handle, const char *schemes, bool *ret_is_tls)
{
    char *scheme = NULL;
    int status = status_of(curl_url_get(handle, CURLUPART_SCHEME, &scheme, 0));
    if (status < 0)
        return status;
    bool found = weft__client_has_word(schemes, scheme);
    *ret_is_tls = strcmp(scheme, "https") == 0;
    curl_free(scheme);
    return found ? 0 : -EINVAL;
}

static int finish(CURLU *handle, const char *schemes, int status, struct weft__client_url *ret)
{
    struct weft__client_url url = {0};
    if (status == 0)
        status = check_scheme(handle, schemes, &url.is_tls);
    if (status == 0)
        status = take_parts(handle, &url);
    curl_url_cleanup(handle);
    if (status < 0)
        weft__client_url_free(&url);
    else
        *ret = url;
    return status;
}

int weft__client_url_parse(const char *base, const char *text, struct weft__client_url *ret)
{
    CURLU *handle = curl_url();
    int status = handle ? 0 : -ENOMEM;
    if (status == 0 && base)
        status = status_of(curl_url_set(handle, CURLUPART_URL, base, CURLU_URLENCODE));
    if (status == 0)
        status = status_of(curl_url_set(handle, CURLUPART_URL, text, CURLU_URLENCODE));
    if (status == 0)
        status = status_of(curl_url_set(handle, CURLUPART_FRAGMENT, NULL, 0));
    return finish(handle, "http https", status, ret);
}

/* libcurl's own default of a proxy's port, but for https. */
static int set_proxy_port(CURLU *handle)
{
    char *port = NULL;
    bool is_tls = false;
    if (curl_url_get(handle, CURLUPART_PORT, &port, 0) == CURLUE_OK) {
        curl_free(port);
        return 0;
    }
    if (check_scheme(handle, "https", &is_tls) == -ENOMEM)
        return -ENOMEM;
    return status_of(curl_url_set(handle, CURLUPART_PORT, is_tls ? "443" : "1080", 0));
}

int weft__client_url_parse_proxy(const char *text, struct weft__client_url *ret)
{
    const unsigned flags = CURLU_NON_SUPPORT_SCHEME | CURLU_GUESS_SCHEME;
    CURLU *handle = curl_url();
    int status = handle ? 0 : -ENOMEM;
    if (status == 0)
        status = status_of(curl_url_set(handle, CURLUPART_URL, text, flags));
    if (status == 0)
        status = set_proxy_port(handle);
    return finish(handle, "http https socks4 socks4a socks5 socks5h", status, ret);
}

void weft__client_url_free(struct weft__client_url *url)
{
    weft__companion_free(url->text);
    weft__companion_free(url->host);
    weft__companion_free(url->port);
    *url = (struct weft__client_url){0};
}

bool weft__client_url_is_same_origin(const struct weft__client_url *a,
                                     const struct weft__client_url *b)
{
    return a->is_tls == b->is_tls && strcmp(a->host, b->host) == 0 && strcmp(a->port, b->port) == 0;
}

bool weft__client_url_is_numeric(const struct weft__client_url *url)
{
    struct in_addr address;
    return url->host[0] == '[' || inet_pton(AF_INET, url->host, &address) == 1;
}

/* "www.example.org" is below "example.org"; an address in numbers is only the same as itself. */
static bool is_at_or_below(const struct weft__client_url *url, const char *name, size_t len)
{
    const char *host = url->host + (url->host[0] == '[');
    size_t host_len = strcspn(host, "]");
    if (len > host_len || (len < host_len && weft__client_url_is_numeric(url)))
        return false;
    const char *end = host + host_len - len;
    return strncasecmp(end, name, len) == 0 && (len == host_len || end[-1] == '.');
}

bool weft__client_url_is_listed(const struct weft__client_url *url, const char *list)
{
    static const char gaps[] = ", \t";
    for (list += strspn(list, gaps); *list; list += strspn(list, gaps)) {
        size_t len = strcspn(list, gaps);
        const char *name = list + strspn(list, ".[");
        size_t name_len = (size_t)(list + len - name);
        if (len == 1 && *list == '*')
            return true;
        if (name_len > 0 && name[name_len - 1] == ']')
            name_len--;
        if (name_len > 0 && is_at_or_below(url, name, name_len))
            return true;
        list += len;
    }
    return false;
}

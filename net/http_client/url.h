/* SPDX-License-Identifier: MIT */
/* URLs of http and https, and what of them decides about connections. */
#ifndef WEFT_NET_HTTP_CLIENT_URL_H
#define WEFT_NET_HTTP_CLIENT_URL_H

#include <curl/curl.h>
#include <stdbool.h>

/** All owned. */
struct weft__client_url {
    char *text; /* without its fragment */
    char *host; /* as libcurl names it: lower case, an IPv6 address in brackets */
    char *port; /* digits, never empty */
    bool is_tls;
};

/** Parse `text`, which may be relative to `base` (NULL: must not be). 0, -EINVAL, -ENOMEM; `ret` is
 * untouched then. */
int weft__client_url_parse(const char *base, const char *text, struct weft__client_url *ret);

/** The host and port of a proxy, whatever its scheme. As weft__client_url_parse(); -EINVAL also for
 * a scheme that libcurl's proxies do not have. */
int weft__client_url_parse_proxy(const char *text, struct weft__client_url *ret);

void weft__client_url_free(struct weft__client_url *url);

/** The same scheme, host and port? */
bool weft__client_url_is_same_origin(const struct weft__client_url *a,
                                     const struct weft__client_url *b);

/** True for an address that needs no look-up. */
/** Is its host in a list of hosts, or below one of them; "*" is all. */
bool weft__client_url_is_listed(const struct weft__client_url *url, const char *list);

bool weft__client_url_is_numeric(const struct weft__client_url *url);

#endif

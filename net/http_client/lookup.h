/* SPDX-License-Identifier: MIT */
/* Names, looked up by weft before libcurl needs them. */
#ifndef WEFT_NET_HTTP_CLIENT_LOOKUP_H
#define WEFT_NET_HTTP_CLIENT_LOOKUP_H

#include <stdbool.h>
#include <weft/resolve.h>

#include "net/http_client/url.h"

/** What libcurl is told of names. All zero: nothing is to be known. */
struct weft__client_known {
    char *entries
        [2]; /* as CURLOPT_RESOLVE takes them, "+host:port:address,address"; owned, or NULL */
    bool has_several; /* addresses of one family */
    bool has_both_families;
};

/** Add what was found for the host of a URL; consumes the addresses. 0, -ENOMEM. */
int weft__client_known_add(struct weft__client_known *known, const struct weft__client_url *url,
                           weft_addresses *addresses);

void weft__client_known_free(struct weft__client_known *known);

#endif

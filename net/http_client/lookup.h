/* SPDX-License-Identifier: MIT */
/* Names, looked up by weft before libcurl needs them. */
#ifndef WEFT_NET_HTTP_CLIENT_LOOKUP_H
#define WEFT_NET_HTTP_CLIENT_LOOKUP_H

#include <weft/resolve.h>

#include "net/http_client/url.h"

/**
 * What CURLOPT_RESOLVE takes for the host of a URL, "+host:port:address,address": by
 * weft__companion_malloc(). Consumes the addresses. NULL: out of memory.
 */
char *weft__client_known(const struct weft__client_url *url, weft_addresses *addresses);

#endif

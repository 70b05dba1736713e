/* SPDX-License-Identifier: MIT */
/* Names, looked up by weft before libcurl needs them. */
#ifndef WEFT_NET_HTTP_CLIENT_LOOKUP_H
#define WEFT_NET_HTTP_CLIENT_LOOKUP_H

#include <weft/future.h>

#include "net/http_client/url.h"

/**
 * What CURLOPT_RESOLVE takes for the host of a URL, "+host:port:address,address"; the value is a
 * `char *` with a destructor. Fails with WEFT_ERESOLVE and a message, or as weft_to_thread().
 */
weft_future *weft__client_lookup(const struct weft__client_url *url);

#endif

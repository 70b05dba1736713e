/* SPDX-License-Identifier: MIT */
/* Certificates and keys: loaded on a worker, once for a session. See net/http_client/trust.c. */
#ifndef WEFT_NET_HTTP_CLIENT_TRUST_H
#define WEFT_NET_HTTP_CLIENT_TRUST_H

#include <curl/curl.h>
#include <stdbool.h>
#include <weft/future.h>
#include <weft/http_client.h>

struct weft__client_trust;

/** What is to be loaded, nothing of it done; NULL: out of memory. One reference. */
struct weft__client_trust *weft__client_trust_new(const struct weft_http_session_options *options);

/** NULL is nothing. Thread: any. */
void weft__client_trust_unref(struct weft__client_trust *trust);

/** True if there is nothing to load, or it is loaded. */
bool weft__client_trust_is_loaded(const struct weft__client_trust *trust);

/** Load it, or wait for who does. Fails with -ENOENT and the like, WEFT_ETLS (not certificates). */
weft_future *weft__client_trust_load(struct weft__client_trust *trust);

/** Let a transfer use it; it is borrowed until the handle goes. */
CURLcode weft__client_trust_apply(const struct weft__client_trust *trust, CURL *easy);

#endif

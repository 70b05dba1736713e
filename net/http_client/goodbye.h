/* SPDX-License-Identifier: MIT */
/* Did TLS end before the connection did? See net/http_client/goodbye.c. */
#ifndef WEFT_NET_HTTP_CLIENT_GOODBYE_H
#define WEFT_NET_HTTP_CLIENT_GOODBYE_H

#include <curl/curl.h>
#include <stdbool.h>

struct weft__client_goodbye;

/** Look out for that of the connection that the handle has now. 0, -ENOMEM; *ret stays as it is if
 * the connection is not of TLS, or nothing can be seen of it. */
int weft__client_goodbye_await(CURL *easy, struct weft__client_goodbye **ret);

/** Only for a connection that has ended; false for NULL. */
bool weft__client_goodbye_is_missing(const struct weft__client_goodbye *goodbye);

void weft__client_goodbye_unref(struct weft__client_goodbye *goodbye);

#endif

/* SPDX-License-Identifier: MIT */
/* What becomes of an attempt: a result, a redirect, another one. */
#ifndef WEFT_NET_HTTP_CLIENT_POLICY_H
#define WEFT_NET_HTTP_CLIENT_POLICY_H

#include <stdbool.h>
#include <weft/time.h>

#include "net/http_client/request.h"

enum weft__client_verdict { WEFT__CLIENT_DELIVER, WEFT__CLIENT_FOLLOW, WEFT__CLIENT_RETRY };

/** Of a response whose headers are there. `retry_after`: what it asks for, 0 if nothing. */
enum weft__client_verdict weft__client_judge(const struct weft__client_request *request, int status,
                                             bool has_location, weft_ns retry_after);

/** Is another attempt to be made after this failure? */
bool weft__client_may_retry(const struct weft__client_request *request, int failure);

/** Count an attempt; how long to wait before the next one. */
weft_ns weft__client_next_delay(struct weft__client_request *request, weft_ns retry_after);

#endif

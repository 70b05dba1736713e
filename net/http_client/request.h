/* SPDX-License-Identifier: MIT */
/* What is to be sent, over all of its attempts. See net/http_client/request.c. */
#ifndef WEFT_NET_HTTP_CLIENT_REQUEST_H
#define WEFT_NET_HTTP_CLIENT_REQUEST_H

#include <stdbool.h>
#include <weft/file.h>
#include <weft/http_client.h>

#include "net/http_client/fields.h"
#include "net/http_client/url.h"

/** All fields are [loop]. */
struct weft__client_request {
    weft_http_session *session; /* a reference */
    char *method;
    struct weft__client_url url;
    struct curl_slist *fields;
    unsigned flags;
    struct weft_http_content body; /* `path` and `type` are owned */
    size_t max_body;
    unsigned max_redirects, redirects;
    struct weft_http_timeouts timeouts;
    struct weft_http_retry retry;
    bool met_dead_connection; /* an idle one that the last attempt chose */
    bool avoids_idle;         /* so the next one has a connection of its own */
    unsigned attempt;         /* retries, from 0 */
    weft_ns delay;            /* before the next one */
    weft_ns deadline;         /* of `timeouts.total`; WEFT_FOREVER: none */
    char *user, *password;
};

/** 0, -EINVAL, -ENOMEM. */
int weft__client_request_new(weft_http_session *session, const char *method, const char *url,
                             const struct weft_http_fetch_options *options,
                             struct weft__client_request **ret);
void weft__client_request_free(struct weft__client_request *request);

bool weft__client_request_has_body(const struct weft__client_request *request);

/** Can its body be sent again? */
bool weft__client_request_is_repeatable(const struct weft__client_request *request);

/** Go where a redirect with that status leads. 0, WEFT_ELIMIT (too many), -EINVAL (not a URL of
 * HTTP), -ENOMEM. */
int weft__client_request_redirect(struct weft__client_request *request, int status,
                                  const char *location);

#endif

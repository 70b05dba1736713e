/* SPDX-License-Identifier: MIT */
/*
 * Policy: which responses are followed, what is tried again, and when.
 *
 * It is decided when the headers are there, before anybody has seen the response: so a streamed one
 * that is handed over is the last one.
 */
#include "net/http_client/policy.h"

#include <errno.h>
#include <weft/error.h>

#include "net/http_client/text.h"

static bool can_repeat(const struct weft__client_request *request)
{
    return request->attempt + 1 < request->retry.attempts &&
           !(request->flags & WEFT_HTTP_NO_RETRY) &&
           weft__client_has_word("GET HEAD PUT DELETE OPTIONS TRACE", request->method) &&
           weft__client_request_is_repeatable(request);
}

static bool is_redirect(const struct weft__client_request *request, int status)
{
    if (request->flags & WEFT_HTTP_NO_REDIRECTS)
        return false;
    if (status == 307 || status == 308)
        return weft__client_request_is_repeatable(request);
    return status == 301 || status == 302 || status == 303;
}

enum weft__client_verdict weft__client_judge(const struct weft__client_request *request, int status,
                                             bool has_location, weft_ns retry_after)
{
    bool is_worth_it = status == 429 || status == 502 || status == 503 || status == 504;
    if (has_location && is_redirect(request, status))
        return WEFT__CLIENT_FOLLOW;
    if (is_worth_it && can_repeat(request) && retry_after <= request->retry.max_delay)
        return WEFT__CLIENT_RETRY;
    return WEFT__CLIENT_DELIVER;
}

/* What another attempt can cure: no connection, or one that ended before the response did. */
bool weft__client_may_retry(const struct weft__client_request *request, int failure)
{
    static const int curable[] = {-ECONNREFUSED, -ECONNRESET,  -EPIPE,        -ETIMEDOUT,
                                  -EHOSTUNREACH, -ENETUNREACH, -ENETDOWN,     -EADDRNOTAVAIL,
                                  WEFT_ERESOLVE, WEFT_EOF,     -ECONNABORTED, WEFT_ETRUNCATED};
    bool is_curable = false;
    for (size_t i = 0; i < sizeof(curable) / sizeof(curable[0]); i++)
        is_curable = is_curable || failure == curable[i];
    return is_curable && can_repeat(request);
}

weft_ns weft__client_next_delay(struct weft__client_request *request, weft_ns retry_after)
{
    weft_ns max = request->retry.max_delay;
    weft_ns longest = request->delay < max ? request->delay : max;
    double part = 1 - weft__companion_random_fraction() / 2;
    weft_ns delay = (weft_ns)((double)longest * part);
    request->attempt++;
    request->delay = longest < max / 2 ? longest * 2 : max;
    return delay > retry_after ? delay : retry_after;
}

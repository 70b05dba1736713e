/* SPDX-License-Identifier: MIT */
/* Sessions from the inside. See net/http_client/session.c. */
#ifndef WEFT_NET_HTTP_CLIENT_SESSION_H
#define WEFT_NET_HTTP_CLIENT_SESSION_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stdint.h>
#include <weft/http_client.h>

#include "net/http_client/engine.h"
#include "net/http_client/limits.h"
#include "net/http_client/response.h"
#include "net/http_client/scout.h"
#include "net/http_client/trust.h"

/** Of the session's options, no zeroes left. [const] */
struct weft__client_defaults {
    unsigned flags;
    char *base_url, *proxy; /* owned; NULL: none */
    char *no_proxy;         /* owned; NULL: none */
    char *unix_socket;      /* owned; "/path" or "@name"; NULL: none */
    struct curl_slist *fields;
    size_t max_body;
    unsigned max_redirects;
    struct weft_http_timeouts timeouts;
    struct weft_http_retry retry;
};

/** All fields are [loop]. */
struct weft_http_session {
    size_t refs;         /* the user's, one of each request and each transfer */
    uint32_t loop_id;    /* [const] */
    unsigned generation; /* [const] */
    bool is_closed;      /* takes no more requests */
    bool is_freed;
    struct weft__client_defaults defaults;
    struct weft__client_url proxy; /* [const] where it is; all NULL: none */
    bool looks_up_behind_proxy;    /* [const] the proxy wants addresses, not names */
    struct weft__client_engine engine;
    struct weft__client_limits limits;
    struct weft__client_scouts scouts;
    struct weft__client_trust *trust;            /* a reference */
    CURLSH *share;                               /* owned: cookies and TLS sessions */
    struct weft__client_link *fetches, *streams; /* under way */
    size_t users;                                /* how many are in these lists */
    uint64_t requests;
    weft_future *closing; /* a reference: resolved when there are no users; NULL: nobody waits */
};

/** 0, or why it must not be used: -EINVAL, WEFT_ETHREAD …, WEFT_EFORK, WEFT_ECLOSED. */
int weft__client_session_check(weft_http_session *session, const char *function);

/** A future that has failed with a status of weft__client_session_check(). */
weft_future *weft__client_refuse(int status);

weft_http_session *weft__client_session_ref(weft_http_session *session);
void weft__client_session_unref(weft_http_session *session);

/** Is a request to there made by the session's proxy? */
bool weft__client_session_uses_proxy(const weft_http_session *session,
                                     const struct weft__client_url *url);

/** One more that uses it, and one less. */
void weft__client_session_enter(weft_http_session *session);
void weft__client_session_leave(weft_http_session *session);

/** What to return for a coroutine that was started eagerly, and has begun or has not. */
weft_future *weft__client_started(weft_future *task, bool begun);

/** A request's coroutine was cut off by the end of its session. See fetch.c. */
void weft__client_fetch_cut(struct weft__client_link *link);

#endif

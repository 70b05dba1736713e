/* SPDX-License-Identifier: MIT */
/*
 * Scouts: of the requests that are made at once, one goes ahead.
 *
 * Requests share a connection of HTTP/2, but only one that is there: started at once, each would
 * make its own, since nobody knows before the handshake which version it will be. So the first one
 * to a place is its scout, and those that come while it connects wait until it has: they use its
 * connection, or, if that is HTTP/1.1, make theirs.
 *
 *     no scout --a request--> it is the scout --connected, or failed--> no scout: the others go on
 *
 * Who has waited once goes, whatever it finds. Where the last answer was HTTP/1 nobody waits. The
 * place is a number that a host's name and port make; where two have the same one, requests to the
 * one may wait for a connection to the other: a delay, and nothing else.
 *
 * (Rejected: CURLOPT_PIPEWAIT, libcurl's own way; docs/design/http_client.md has the figures.)
 */
#include "net/http_client/scout.h"

#include <errno.h>

#include "net/http_client/session.h"

static uint32_t hash(const char *text, uint32_t value)
{
    for (; *text; text++)
        value = (value ^ (unsigned char)*text) * 16777619u;
    return value;
}

static uint32_t origin_of(const struct weft__client_url *url)
{
    return hash(url->port, hash(url->host, 2166136261u)) % WEFT__CLIENT_ORIGINS;
}

static uint64_t bit_of(uint32_t origin)
{
    return (uint64_t)1 << (origin % 64);
}

/* Can it share a connection, or have one that others share? */
static bool is_social(const struct weft__client_scouts *scouts,
                      const struct weft__client_request *request)
{
    uint32_t origin = origin_of(&request->url);
    unsigned flags = request->flags;
    if (flags & WEFT_HTTP_ONE_ONLY || !(request->url.is_tls || flags & WEFT_HTTP_TWO_ONLY))
        return false;
    if (flags & WEFT_HTTP_NEW_CONNECTION || request->avoids_idle)
        return false;
    return weft__client_request_is_repeatable(request) &&
           !(scouts->speaks_one[origin / 64] & bit_of(origin));
}

static struct weft__client_scout *find(const struct weft__client_scouts *scouts, uint32_t origin)
{
    struct weft__client_scout *scout = scouts->first;
    while (scout && scout->origin != origin)
        scout = scout->next;
    return scout;
}

weft_future *weft__client_scout_wait(struct weft__client_scouts *scouts,
                                     const struct weft__client_request *request)
{
    struct weft__client_scout *scout =
        is_social(scouts, request) ? find(scouts, origin_of(&request->url)) : NULL;
    return scout ? weft_event_wait(scout->is_back) : NULL;
}

int weft__client_scout_begin(struct weft__client_scout *scout, struct weft__client_scouts *scouts,
                             const struct weft__client_request *request)
{
    uint32_t origin = origin_of(&request->url);
    if (!is_social(scouts, request) || find(scouts, origin))
        return 0;
    weft_event *is_back = weft_event_new();
    if (!is_back)
        return -errno;
    *scout = (struct weft__client_scout){scouts, scouts->first, origin, is_back};
    scouts->first = scout;
    return 0;
}

void weft__client_scout_end(struct weft__client_scout *scout)
{
    if (!scout->scouts)
        return;
    struct weft__client_scout **at = &scout->scouts->first;
    while (*at != scout)
        at = &(*at)->next;
    *at = scout->next;
    int status =
        weft_event_set(scout->is_back); /* fails in a child that was forked: nobody waits */
    (void)status;
    weft_event_free(scout->is_back);
    *scout = (struct weft__client_scout){0};
}

void weft__client_scout_learn(struct weft__client_scouts *scouts,
                              const struct weft__client_request *request, int version)
{
    uint32_t origin = origin_of(&request->url);
    uint64_t *bits = &scouts->speaks_one[origin / 64];
    *bits = version < 20 ? *bits | bit_of(origin) : *bits & ~bit_of(origin);
}

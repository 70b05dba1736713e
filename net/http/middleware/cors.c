/* SPDX-License-Identifier: MIT */
/*
 * Middleware: cross-origin resource sharing, as the Fetch standard has it.
 *
 * An origin is compared with those of the list, letter for letter, as browsers send it: nothing is made of
 * patterns, since each of them was somebody's hole. With a list the answer depends on who asks, which Vary
 * tells caches, also when nobody asked. Credentials go with a list only: for "*" browsers refuse them,
 * and to send back whatever origin asks would let every page in with its visitor's cookies.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <weft/http_middleware.h>

#include "net/http/server.h"

static bool is_any(const struct weft_http_cors *cors)
{
    return strcmp(cors->origins, "*") == 0;
}

static bool lists(const char *list, const char *origin)
{
    size_t len = strlen(origin);
    if (!len || strchr(origin, ' '))
        return false;
    for (const char *at = list; (at = strstr(at, origin)) != NULL; at += len)
        if ((at == list || at[-1] == ' ') && (!at[len] || at[len] == ' '))
            return true;
    return false;
}

/* The first that fails counts. */
static void add(struct weft_http_cors *cors, const char *name, const char *value)
{
    if (value && cors->status == 0)
        cors->status = weft_http_add_header(cors->request, name, value);
}

static void grant(struct weft_http_cors *cors, const char *origin)
{
    add(cors, "Access-Control-Allow-Origin", is_any(cors) ? "*" : origin);
    if (cors->credentials && !is_any(cors))
        add(cors, "Access-Control-Allow-Credentials", "true");
}

static void grant_preflight(struct weft_http_cors *cors)
{
    add(cors, "Access-Control-Allow-Methods", cors->methods ? cors->methods : "GET, HEAD, POST");
    add(cors, "Access-Control-Allow-Headers", cors->headers);
    if (cors->max_age <= 0)
        return;
    char seconds[24];
    snprintf(seconds, sizeof(seconds), "%lld", (long long)(cors->max_age / WEFT_S(1)));
    add(cors, "Access-Control-Max-Age", seconds);
}

/* 0: it goes on; a status: it is answered here; or an error. */
static int judge(struct weft_http_cors *cors)
{
    if (!cors->origins)
        return -EINVAL;
    const char *origin = weft_http_request_header(cors->request, "Origin");
    bool preflight = origin && strcmp(weft_http_request_method(cors->request), "OPTIONS") == 0 &&
                     weft_http_request_header(cors->request, "Access-Control-Request-Method");
    bool granted = origin && (is_any(cors) || lists(cors->origins, origin));
    if (!is_any(cors))
        add(cors, "Vary", "Origin");
    if (granted)
        grant(cors, origin);
    if (granted && preflight)
        grant_preflight(cors);
    else if (granted)
        add(cors, "Access-Control-Expose-Headers", cors->expose);
    if (cors->status < 0)
        return cors->status;
    return preflight ? granted ? 204 : 403 : 0;
}

WEFT_ASYNC(weft_http_cors)
{
    WEFT_BEGIN;
    self->status = judge(self);
    if (self->status < 0)
        WEFT_FAIL(self->status);
    if (self->status)
        WEFT_AWAIT(weft_http_respond_status(self->request, self->status));
    else
        WEFT_AWAIT(weft_http_next(self->request));
    WEFT_END;
}

/* SPDX-License-Identifier: MIT */
/*
 * Middleware: a name for each request, in its context and in its answer.
 *
 * A name that came with the request is taken over only if it can do no harm in a log, a header or a query:
 * it is short and has no character that means something anywhere.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <weft/http_middleware.h>

#include "core/memory.h"
#include "core/random.h"
#include "net/http/server.h"
#include "net/net.h"

enum { LONGEST = 128 };

WEFT_CONTEXT_KEY_DEFINE(weft_http_id, const char *, weft__free);

static bool is_sound(const char *id)
{
    static const char sound[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.";
    size_t len = strspn(id, sound);
    return len && len <= LONGEST && !id[len];
}

static char *new_id(void)
{
    char text[33];
    weft_loop *loop = weft__here();
    unsigned long long high = weft__random(loop), low = weft__random(loop);
    snprintf(text, sizeof(text), "%016llx%016llx", high, low);
    return weft__strdup(text);
}

static int name_request(weft_http_request *request)
{
    const char *sent = weft_http_request_header(request, "X-Request-Id");
    char *id = sent && is_sound(sent) ? weft__strdup(sent) : new_id();
    if (!id)
        return -ENOMEM;
    int status = weft_http_add_header(request, "X-Request-Id", id);
    if (status < 0) {
        weft__free(id);
        return status;
    }
    return weft_context_set(weft_http_id, id);
}

static weft_future *named_next(weft_http_request *request)
{
    int status = name_request(request);
    return status < 0 ? weft__net_refused(status) : weft_http_next(request);
}

WEFT_ASYNC(weft_http_request_id)
{
    WEFT_BEGIN;
    WEFT_AWAIT(named_next(self->request));
    WEFT_END;
}

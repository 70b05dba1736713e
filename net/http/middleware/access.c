/* SPDX-License-Identifier: MIT */
/*
 * The access log's hook: told of every request when nothing more will happen to it, whoever answered.
 *
 * A function instead of a middleware, since middleware sees neither what the server refuses nor what
 * becomes of an answer after the handler. Who sets no hook pays for a look at a pointer.
 */
#include <weft/http_middleware.h>

#include "net/http/server.h"

static const char *or_empty(const char *text)
{
    return text ? text : "";
}

static const char *header(const struct weft__http_request *parsed, const char *name)
{
    const struct weft__http_header *found =
        parsed->headers ? weft__http_find_header(parsed, name) : NULL;
    return found ? found->value : "";
}

static int status_of(const weft__http_exchange *request)
{
    bool begun =
        request->answer != WEFT__HTTP_NO_ANSWER && request->answer != WEFT__HTTP_NOT_STARTED;
    return begun ? request->status : 0;
}

void weft__http_tell_access(const weft__http_exchange *request)
{
    const struct weft__http_request *parsed = &request->parser.request;
    weft_http_server *server = request->server;
    struct weft_http_access access = {
        .peer = weft_stream_peer(request->stream),
        .method = or_empty(parsed->method.data),
        .target = or_empty(parsed->target.data),
        .version = parsed->headers ? parsed->minor_version ? "HTTP/1.1" : "HTTP/1.0" : "",
        .pattern = parsed->headers && request->route ? request->route->path : "",
        .user_agent = header(parsed, "User-Agent"),
        .referer = header(parsed, "Referer"),
        .status = status_of(request),
        .complete = request->answer == WEFT__HTTP_ANSWERED,
        .bytes = (uint64_t)weft__http_written(request),
        .duration = weft_now() - request->began,
    };
    server->on_access(&access, server->on_access_arg);
}

void weft_http_on_access(weft_http_server *server, weft_http_access_fn *fn, void *arg)
{
    if (WEFT__ELSEWHERE(server->loop->id))
        return;
    server->on_access = fn;
    server->on_access_arg = arg;
}

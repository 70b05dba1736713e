/* SPDX-License-Identifier: MIT */
/*
 * A connection that goes on with another protocol (RFC 9110, 7.8).
 *
 *     handler: weft__http_upgrade() --101--> the stream is its own --it ends--> flush, linger, close
 *                                                                  --it fails--> reset
 *
 * The handler goes on in the connection's task, as for any request: so a server that stops, drains or
 * aborts counts, waits for and cancels it like the others. Whoever waits for the server's end besides its
 * peer's does so by an event of the server's, which is made when the first one asks.
 *
 * The parser has taken the head and nothing behind it, so that the bytes that follow are where the new
 * protocol reads them. A request with a body that is still to come is refused: its bytes would be taken for
 * the new protocol's. HTTP/1.0 knows no upgrade, and a client that lists "Upgrade" without naming it in
 * Connection meant it for nobody: it may have come through a proxy that does not know it.
 */
#include "net/http/upgrade.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <weft/event.h>

#include "net/http/server.h"
#include "net/net.h"

/* Over all lines of that name. */
static bool lists(const weft__http_exchange *request, const char *name, const char *element)
{
    const struct weft__http_request *parsed = &request->parser.request;
    for (size_t i = 0; i < parsed->header_count; i++) {
        const struct weft__http_header *header = &parsed->headers[i];
        if (strcasecmp(header->name, name) == 0 &&
            weft__http_list_has((struct weft__http_slice){header->value, header->value_len},
                                element))
            return true;
    }
    return false;
}

static int check(const weft__http_exchange *request, const char *protocol)
{
    if (request->answer != WEFT__HTTP_NO_ANSWER)
        return -EALREADY;
    if (request->body != WEFT__HTTP_BODY_NONE)
        return -EINVAL;
    bool asked = request->parser.request.minor_version == 1 &&
                 lists(request, "Connection", "upgrade") && lists(request, "Upgrade", protocol);
    return asked ? 0 : WEFT_EPROTO;
}

int weft__http_upgrade(weft_http_request *handle, const char *protocol, weft_stream **ret)
{
    weft__http_exchange *request = WEFT__HTTP_REQUEST(handle);
    int status = request ? check(request, protocol) : weft__http_gone();
    if (status == 0)
        status = weft__http_switch(request, protocol);
    if (status < 0)
        return status;
    request->answer = WEFT__HTTP_UPGRADED;
    request->close = true;
    request->file_at = (int64_t)request->stream->written; /* who writes there is counted by it */
    request->watched = false;
    weft__http_unwatch(request->connection);
    *ret = request->stream;
    return 0;
}

weft_future *weft_http_request_stopping(weft_http_request *handle)
{
    weft__http_exchange *request = WEFT__HTTP_REQUEST(handle);
    if (!request)
        return weft__http_gone_future();
    weft_http_server *server = request->server;
    if (server->stopping)
        return weft_ref(&request->stream->net->done);
    if (!server->stop_event)
        server->stop_event = weft_event_new();
    return server->stop_event ? weft_event_wait(server->stop_event) : weft__net_refused(-errno);
}

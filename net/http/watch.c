/* SPDX-License-Identifier: MIT */
/*
 * A client that goes away while its handler awaits something.
 *
 * A handler that does not end in its first step is watched: the connection waits for input that
 * nobody takes. If that wait meets the end of the stream or an error before the answer has ended, the
 * handler is cancelled. Bytes of a next request, or of a body that the handler does not read yet, only
 * make it wait for more, up to WATCHED bytes; a client that sends more than that ahead is watched no
 * longer.
 *
 * A stream has one reader, so the watch gives way while the handler reads the body, and comes back
 * after. Its callback may come after its end, and holds a reference to the connection for that.
 */
#include <errno.h>

#include "net/http/server.h"

enum { WATCHED = 16 * 1024 };

void weft__http_client_is_gone(weft__http_connection *connection)
{
    weft__http_exchange *request = connection->request;
    if (connection->server->options.on_disconnect == WEFT_HTTP_KEEP_HANDLER)
        return;
    request->gone = true;
    if (request->handler && request->answer != WEFT__HTTP_ANSWERED)
        weft_cancel_because(request->handler, "client went away");
}

static void on_input(weft_future *future, void *arg)
{
    weft__http_connection *connection = arg;
    int status = weft_future_status(future);
    if (connection->watching == future) {
        weft_unref(connection->watching);
        connection->watching = NULL;
        if (status == 0)
            weft__http_watch(connection);
        else if (connection->stream && weft__stream_input_ended(connection->stream))
            weft__http_client_is_gone(connection);
    }
    weft__http_connection_unref(connection);
}

void weft__http_watch(weft__http_connection *connection)
{
    size_t have;
    if (connection->server->options.on_disconnect == WEFT_HTTP_KEEP_HANDLER)
        return;
    connection->request->watched = true;
    weft__stream_peek(connection->stream, &have);
    if (connection->watching || connection->waiting || have >= WATCHED)
        return;
    weft_future *future = weft__stream_wait(connection->stream, have);
    connection->watching = weft_ref(future);
    connection->refs++;
    if (weft_then(future, on_input, connection) < 0) {
        weft__http_unwatch(connection);
        weft__observe(future);
        weft_unref(future);
        weft__http_connection_unref(connection);
    }
}

void weft__http_unwatch(weft__http_connection *connection)
{
    weft_future *watching = connection->watching;
    connection->watching = NULL;
    if (!watching)
        return;
    weft_cancel(watching);
    weft_unref(watching);
}

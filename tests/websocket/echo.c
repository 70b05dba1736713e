/* SPDX-License-Identifier: MIT */
/*
 * A WebSocket server for tests/websocket/client.py: what comes goes back. It prints its port. The texts "close",
 * "ping" and "stop" close with 4000, ask for a pong, and stop the server.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <weft/event.h>
#include <weft/http_server.h>
#include <weft/websocket.h>
#include <weft/weft.h>

static weft_event *stop; /* [loop] */

static const struct weft_websocket_options options = {
    .subprotocols = "echo.v2 echo.v1",
    .origins = "https://good.example",
    .max_message = 8 * 1024 * 1024,
};

struct echo {
    WEFT_FRAME;
    weft_http_request *request;
    weft_websocket *socket;
    struct weft_websocket_message *message;
};

static bool is(const struct echo *self, const char *text)
{
    return strcmp(self->message->data, text) == 0;
}

static WEFT_ASYNC(echo)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->socket, weft_websocket_accept(self->request, &options));
    for (;;) {
        WEFT_AWAIT_INTO(self->message, weft_websocket_receive(self->socket));
        if (!self->message)
            break;
        if (is(self, "stop"))
            weft_event_set(stop);
        if (is(self, "ping"))
            WEFT_AWAIT(weft_websocket_ping(self->socket));
        if (is(self, "close"))
            WEFT_AWAIT(weft_websocket_close(self->socket, 4000, "as told"));
        else
            weft_websocket_send(self->socket, self->message->kind, self->message->data,
                                self->message->len);
        weft_websocket_message_free(self->message);
        self->message = NULL;
        WEFT_AWAIT(weft_websocket_drain(self->socket));
    }
    WEFT_FINALLY;
    weft_websocket_message_free(self->message);
    weft_websocket_free(self->socket);
    WEFT_END;
}

struct serve {
    WEFT_FRAME;
    weft_http_server *server;
};

static WEFT_ASYNC(serve)
{
    WEFT_BEGIN;
    stop = weft_event_new();
    self->server = weft_http_serve("127.0.0.1:0", echo);
    if (!stop || !self->server)
        WEFT_FAIL(-ENOMEM);
    printf("%d\n", weft_http_server_port(self->server));
    fflush(stdout);
    WEFT_AWAIT(weft_event_wait(stop));
    WEFT_AWAIT(weft_http_server_shutdown(self->server, WEFT_S(10)));
    WEFT_FINALLY;
    weft_http_server_free(self->server);
    weft_event_free(stop);
    WEFT_END;
}

int main(void)
{
    return weft_run(serve);
}

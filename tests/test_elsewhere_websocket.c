/* SPDX-License-Identifier: MIT */
/* Calls of WebSockets on another thread, and in a forked child. */
#include <criterion/criterion.h>
#include <string.h>
#include <weft/task.h>

#include "net/http/websocket/websocket.h"
#include "tests/support/elsewhere.h"
#include "tests/support/http.h"
#include "tests/support/loop.h"

TestSuite(elsewhere_websocket, .init = weft_test_loop_begin, .timeout = 60);

struct stage {
    weft_websocket *socket;
};

struct holds {
    WEFT_FRAME;
    weft_http_request *request;
    struct stage *stage;
    struct weft_websocket_message *message;
};

static WEFT_ASYNC(holds)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->stage->socket, weft_websocket_accept(self->request, NULL));
    WEFT_AWAIT_INTO(self->message, weft_websocket_receive(self->stage->socket));
    weft_websocket_message_free(self->message);
    WEFT_FINALLY;
    weft_websocket_free(self->stage->socket);
    self->stage->socket = NULL;
    WEFT_END;
}

#define CALLS(X)                                                                             \
    X(F, weft_websocket_close, weft_websocket_close(s->socket, 1000, NULL))                  \
    X(S, weft_websocket_close_code, weft_websocket_close_code(s->socket))                    \
    X(Z, weft_websocket_close_reason, *weft_websocket_close_reason(s->socket))               \
    X(F, weft_websocket_drain, weft_websocket_drain(s->socket))                              \
    X(V, weft_websocket_free, weft_websocket_free(s->socket))                                \
    X(S, weft_websocket_end, weft_websocket_end(s->socket))                                  \
    X(Z, weft_websocket_pending, weft_websocket_pending(s->socket))                          \
    X(F, weft_websocket_ping, weft_websocket_ping(s->socket))                                \
    X(F, weft_websocket_receive, weft_websocket_receive(s->socket))                          \
    X(S, weft_websocket_send, weft_websocket_send(s->socket, WEFT_WEBSOCKET_BINARY, "x", 1)) \
    X(S, weft_websocket_start, weft_websocket_start(s->socket, WEFT_WEBSOCKET_BINARY))       \
    X(S, weft_websocket_write, weft_websocket_write(s->socket, "x", 1))                      \
    X(Z, weft_websocket_subprotocol, weft_websocket_subprotocol(s->socket))
CALLS(WEFT_TEST_CALL)
static const struct weft_test_call calls[] = {CALLS(WEFT_TEST_ENTRY)};

Test(elsewhere_websocket, calls_are_refused_named_and_change_nothing)
{
    weft_http_server *server = test_http_begin(NULL);
    struct stage s = {.socket = NULL};
    cr_assert_eq(weft_http_route(server, "/hold", holds, .stage = &s), 0);
    struct test_client client = test_http_connect();
    test_http_say(&client, "GET /hold HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
                           "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
    cr_assert_eq(test_http_status(client.received), 101);
    weft_test_elsewhere(calls, sizeof(calls) / sizeof(calls[0]), &s);
    cr_assert_not_null(s.socket, "the handler goes on");
    cr_assert_eq(strlen(test_http_body(client.received)), 0, "nothing was sent");
    test_http_close(&client);
    test_http_end(server);
    cr_assert_null(s.socket);
}

/* SPDX-License-Identifier: MIT */
/* WebSockets: receives that are given up, calls that make no sense, sockets that outlive their handler. */
#include <criterion/criterion.h>
#include <errno.h>
#include <weft/combine.h>
#include <weft/error.h>
#include <weft/websocket.h>

#include "tests/support/loop.h"
#include "tests/support/websocket.h"

TestSuite(websocket_misuse, .init = weft_test_loop_begin, .timeout = 60);

static struct {
    int ends;
    weft_websocket *socket;
} seen;

struct impatient {
    WEFT_FRAME;
    weft_http_request *request;
    weft_websocket *socket;
    weft_future *receive;
    struct weft_websocket_message *message;
    int status;
};

static WEFT_ASYNC(impatient)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->socket, weft_websocket_accept(self->request, NULL));
    WEFT_CATCH(self->status, weft_wait_for(weft_websocket_receive(self->socket), WEFT_S(1)));
    cr_assert_eq(self->status, -ETIMEDOUT);
    self->receive = weft_websocket_receive(self->socket);
    WEFT_CATCH(self->status, weft_websocket_receive(self->socket));
    cr_assert_eq(self->status, -EBUSY);
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    cr_assert(weft_is_done(self->receive));
    weft_unref(self->receive); /* with a message that nobody took */
    cr_assert_eq(weft_websocket_send(self->socket, WEFT_WEBSOCKET_TEXT, "\xff", 1), -EINVAL);
    cr_assert_eq(weft_websocket_send(self->socket, (enum weft_websocket_kind)3, "x", 1), -EINVAL);
    WEFT_CATCH(self->status, weft_websocket_close(self->socket, 1005, NULL));
    cr_assert_eq(self->status, -EINVAL);
    WEFT_CATCH(self->status, weft_websocket_close(self->socket, 1000, "\xff"));
    cr_assert_eq(self->status, -EINVAL);
    for (;;) {
        WEFT_AWAIT_INTO(self->message, weft_websocket_receive(self->socket));
        if (!self->message)
            break;
        weft_websocket_send(self->socket, self->message->kind, self->message->data,
                            self->message->len);
        weft_websocket_message_free(self->message);
        self->message = NULL;
    }
    WEFT_FINALLY;
    weft_websocket_free(self->socket);
    seen.ends++;
    WEFT_END;
}

Test(websocket_misuse, no_message_is_lost_by_a_cancel_and_misuse_is_refused)
{
    weft_http_server *server = test_http_begin(NULL);
    weft_http_route(server, "/impatient", impatient);
    struct test_client client = test_http_connect();
    test_http_say(&client, "GET /impatient HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
                           "Upgrade: websocket\r\n" VERSION KEY "\r\n");
    test_http_pass(&client, WEFT_MS(1100));
    test_websocket_say(&client, 0x81, "one");
    test_websocket_say(&client, 0x81, "two");
    test_http_pass(&client, WEFT_S(2));
    cr_assert_str_eq(test_websocket_heard(&client), "text(one) text(two) ");
    test_websocket_say(&client, 0x88, "");
    test_http_to_end(&client);
    cr_assert_str_eq(test_websocket_heard(&client), "text(one) text(two) close(1005) ");
    cr_assert_eq(seen.ends, 1);
    test_http_close(&client);
    test_http_end(server);
}

/* Leaves its socket to what goes on after it. */
struct careless {
    WEFT_FRAME;
    weft_http_request *request;
    weft_websocket *socket;
};

static WEFT_ASYNC(careless)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->socket, weft_websocket_accept(self->request, NULL));
    seen.socket = self->socket;
    WEFT_END;
}

Test(websocket_misuse, a_socket_whose_handler_has_ended_is_refused)
{
    weft_http_server *server = test_http_begin(NULL);
    weft_http_route(server, "/careless", careless);
    struct test_client client = test_http_connect();
    test_http_say(&client, "GET /careless HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
                           "Upgrade: websocket\r\n" VERSION KEY "\r\n");
    test_http_to_end(&client);
    cr_assert_eq(weft_websocket_send(seen.socket, WEFT_WEBSOCKET_TEXT, "x", 1), WEFT_ECLOSED);
    cr_assert_eq(weft_test_run(weft_websocket_receive(seen.socket)), WEFT_ECLOSED);
    cr_assert_eq(weft_test_run(weft_websocket_drain(seen.socket)), WEFT_ECLOSED);
    cr_assert_eq(weft_test_run(weft_websocket_ping(seen.socket)), WEFT_ECLOSED);
    cr_assert_eq(weft_test_run(weft_websocket_close(seen.socket, 0, NULL)), WEFT_ECLOSED);
    weft_websocket_free(seen.socket);
    test_http_close(&client);
    test_http_end(server);
}

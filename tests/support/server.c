/* SPDX-License-Identifier: MIT */
#include "tests/support/server.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "net/listen/listener.h"
#include "tests/support/loop.h"
#include "tests/support/net.h"

struct weft_test_server test_server;
static char poured[POURED];

WEFT_ASYNC(echo)
{
    WEFT_BEGIN;
    test_server.started++;
    weft_write(self->stream, self->greeting, strlen(self->greeting));
    while (!self->done) {
        WEFT_AWAIT_INTO(self->line, weft_read_line(self->stream, 0));
        if (!strcmp(self->line->data, "fail\n"))
            WEFT_FAIL(-EBADMSG, "asked to");
        weft_write(self->stream, self->line->data, self->line->len);
        self->done = !self->line->len || !strcmp(self->line->data, "quit\n");
        weft_bytes_free(self->line);
        self->line = NULL;
        WEFT_AWAIT(weft_drain(self->stream));
    }
    WEFT_FINALLY;
    weft_bytes_free(self->line);
    test_server.ended++;
    test_server.cancelled += weft_cancelling(weft_current_task()) > 0;
    WEFT_END;
}

weft_listener *weft_test_listen(const char *address)
{
    weft_listener *listener = weft_listen(address, echo, .greeting = "hello\n");
    cr_assert_not_null(listener, "%s: %s", address, strerror(errno));
    return listener;
}

weft_listener *weft_test_listen_with(const struct weft_listen_options *options)
{
    weft_listener *listener = weft_listen_with(options, "127.0.0.1:0", echo, .greeting = "hello\n");
    cr_assert_not_null(listener, "%s", strerror(errno));
    return listener;
}

int weft_test_client(const weft_listener *listener)
{
    return weft_test_client_at(listener, 0);
}

int weft_test_client_at(const weft_listener *listener, size_t index)
{
    const struct weft__address *address = &listener->sockets[index].listening.address;
    int fd = socket(address->u.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(connect(fd, &address->u.any, address->len), 0);
    cr_assert_eq(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

bool weft_test_client_gets(int fd, const char *text)
{
    char data[256];
    size_t len = 0;
    while (len < strlen(text)) {
        long got = weft_test_receive(fd, data + len, strlen(text) - len);
        if (got < 0)
            return false;
        len += (size_t)got;
        if (got == 0)
            weft_test_turn();
    }
    return !memcmp(data, text, len);
}

bool weft_test_client_ends(int fd)
{
    char byte;
    long got;
    while ((got = weft_test_receive(fd, &byte, 1)) == 0)
        weft_test_turn();
    return got == -1 || got == -ECONNRESET;
}

void weft_test_turn_until_open(const weft_listener *listener, size_t count)
{
    while (weft_listener_connections(listener) != count)
        weft_test_turn();
}

WEFT_ASYNC(pour)
{
    WEFT_BEGIN;
    weft_write(self->stream, poured, POURED);
    if (self->how == 1)
        weft_unref(weft_close(self->stream));
    if (self->how == 2)
        weft_stream_free(self->stream);
    WEFT_END;
}

void weft_test_poll(void)
{
    event_base_loop(weft_loop_base(test_loop), EVLOOP_ONCE | EVLOOP_NONBLOCK);
}

void weft_test_let_time_pass(void)
{
    cr_assert_eq(weft_test_run(weft_sleep(WEFT_S(2))), 0);
}

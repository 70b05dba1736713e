/* SPDX-License-Identifier: MIT */
#ifndef WEFT_TESTS_SERVER_H
#define WEFT_TESTS_SERVER_H

#include <stdbool.h>
#include <weft/listen.h>

/* Servers to test listeners with, and plain clients of them. */

/* What the echo tasks did. */
extern struct weft_test_server {
    int started, ended, cancelled;
} test_server;

/* Greets, then sends back every line until "quit" or the end; fails at "fail". */
struct echo {
    WEFT_FRAME;
    weft_stream *stream;
    const char *greeting;
    weft_bytes *line;
    bool done;
};
WEFT_ASYNC_DECLARE(echo);

/* Writes POURED bytes and is done with it. */
enum { POURED = 4 << 20 };

struct pour {
    WEFT_FRAME;
    weft_stream *stream;
    int how; /* 0: just end; 1: close and do not wait; 2: free */
};
WEFT_ASYNC_DECLARE(pour);

/* An echo server that greets with "hello". */
weft_listener *weft_test_listen(const char *address);
weft_listener *weft_test_listen_with(const struct weft_listen_options *options);

/* A plain client, connected: the kernel needs no accept() for that. */
int weft_test_client(const weft_listener *listener);

/* The same to one of several addresses. */
int weft_test_client_at(const weft_listener *listener, size_t index);

/* Turn the loop until the client has as much, and compare it. */
bool weft_test_client_gets(int client, const char *text);

/* Turn the loop until the client has the end of the connection; false: it has something else. */
bool weft_test_client_ends(int client);

/* Turn the loop until so many connections are open. */
void weft_test_turn_until_open(const weft_listener *listener, size_t count);

/* Poll, and do not run what is ready. */
void weft_test_poll(void);

/* Sleep for two seconds: virtual time passes only when somebody sleeps. */
void weft_test_let_time_pass(void);

#endif

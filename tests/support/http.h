/* SPDX-License-Identifier: MIT */
#ifndef WEFT_TESTS_HTTP_H
#define WEFT_TESTS_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <weft/http_server.h>

/*
 * An HTTP server under test, and clients that are plain sockets: raw bytes in, raw bytes out.
 * The loop's time is virtual and passes only in test_http_pass() and test_http_to_end().
 */

/* What clients connect to. */
extern const char *const test_http_address;

struct test_client {
    int fd;
    bool ended;     /* the server closed */
    bool reset;     /* by a reset */
    bool deaf;      /* it does not read */
    char *received; /* so far, NUL-terminated, without "Date: …" lines; owned */
    size_t len;
};

/* Begin a server with these options (NULL: defaults) and the handlers of support/http_handlers.c. */
weft_http_server *test_http_begin(const struct weft_http_server_options *options);

/* Free the server; fails the test unless everything is given back. */
void test_http_end(weft_http_server *server);

struct test_client test_http_connect(void);

/* The same by TCP, to a port of this machine. */
struct test_client test_http_connect_tcp(int port);

/* Send, letting the server read in between; false once the server takes no more. */
bool test_http_send(struct test_client *client, const void *data, size_t len);

/* Send a text, and let the server do what it can without waiting. Returns all that was received. */
const char *test_http_say(struct test_client *client, const char *text);

/* Let the server do what it can without waiting, and take what it sends. */
void test_http_turn(struct test_client *client);

/* Let time pass. */
void test_http_pass(struct test_client *client, weft_ns duration);

/* Let time pass until the server closes; returns how much did. Fails the test after ten minutes. */
weft_ns test_http_to_end(struct test_client *client);

void test_http_close(struct test_client *client);

/* A client of its own: send a text, wait for the end; what was received, to be freed. */
char *test_http_ask(const char *text);

/* The status code of an answer; 0: there is none. */
int test_http_status(const char *answer);

/* What follows the head of an answer; NULL: the head is not whole. */
const char *test_http_body(const char *answer);

/* How often `text` is in there. */
size_t test_http_count(const char *in, const char *text);

#endif

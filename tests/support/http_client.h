/* SPDX-License-Identifier: MIT */
#ifndef WEFT_TESTS_HTTP_CLIENT_H
#define WEFT_TESTS_HTTP_CLIENT_H

#include <weft/http_client.h>
#include <weft/weft.h>

/*
 * A session under test and a server for it, weft's own, in the same loop on virtual time. Each test
 * ends by test_client_end(), which frees both and the loop, and fails the test if anything is left.
 *
 * The server:
 *   /hello  "hello"                    /echo    the request's head as lines "Name: value", an empty
 *   /status?code=N  "status N"                  line, its body
 *   /go?code=N&to=URL  a redirect      /slow?ms=N  sleeps, then "slow"
 *   /big?len=N  so many 'x', streamed  /count   how many bytes the body has
 *   /together?n=N  waits until N of them are there, or for the gate, then "together"
 *   /count?held=1  reads nothing before the gate is open
 *   /cookie  sets c=1; path=/          /fail?times=N&after=S  503 so often, then "at last"
 */
void test_client_begin(void);
void test_client_begin_real(void); /* on the real clock */
void test_client_end(void);

/* Replace the session by one with these options; `base_url` is the server's, unless it is set. */
void test_client_options(struct weft_http_session_options options);

/*
 * The same by the server's unix socket, for bodies that do not fit into the kernel's buffers:
 * virtual time does not wait for TCP, which lets a full window open only after some milliseconds.
 */
void test_client_use_unix(struct weft_http_session_options options);

extern weft_http_session *test_session;
extern char test_base[64]; /* "http://127.0.0.1:PORT" */

/* What the server saw. */
extern struct test_seen {
    int requests;    /* begun */
    int together;    /* of /together */
    int64_t written; /* of /big, so far */
    int cancelled;   /* handlers whose client went away */
} test_seen;

void test_open_gate(void);

/* Wait for a request (consumed): its response, to be freed; NULL: it failed, see test_failure. */
weft_http_response *test_response(weft_future *future);

extern int test_failure;
extern char test_message[512];

/* GET from the session, whole: the body must be this one. */
void test_gets(const char *url, const char *body);

/* The status of a request (consumed) that fails. */
int test_fails(weft_future *future);

/* A URL of the server's, good until the next call but three. */
const char *test_url(const char *format, ...) WEFT_PRINTF(1, 2);

/*
 * A server that says what it is told to, whatever is asked: a text, and then it closes, resets, or
 * is silent for ever. On a port of its own; returns its URL, good until the end.
 */
enum test_manner { TEST_CLOSES, TEST_RESETS, TEST_HANGS, TEST_CLOSES_UNREAD };
const char *test_raw_server(const char *text, size_t len, enum test_manner manner);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef WEFT_TESTS_WEBSOCKET_H
#define WEFT_TESTS_WEBSOCKET_H

#include <stddef.h>
#include <stdint.h>

#include "tests/support/http.h"

/* A client of WebSockets under test. */

#define ASK                                                                  \
    "GET /socket HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\n" \
    "Upgrade: websocket\r\n"
#define VERSION "Sec-WebSocket-Version: 13\r\n"
#define KEY "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

/* A masked frame; returns how long it is. */
size_t test_websocket_make(char *to, uint8_t first, const void *payload, size_t len);

/* Send a frame, and let the server do what it can without waiting. */
void test_websocket_say(struct test_client *client, uint8_t first, const char *payload);

/* All frames that came, as "text(…) ping(…) close(1000 …) "; good until the next call. */
const char *test_websocket_heard(const struct test_client *client);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef WEFT_TESTS_DIAL_H
#define WEFT_TESTS_DIAL_H

#include <stdbool.h>
#include <stddef.h>

/*
 * A network in which an attempt to connect stays under way until the test says what becomes of it. Each
 * socket is an end of a socketpair whose buffer is full, so that the kernel does not find it writable.
 */

/* Use it from now on. */
void test_network_begin(void);

/* An attempt to reach this address, "192.0.2.1:80", fails at once. */
void test_network_refuses(const char *address, int error);

/* An attempt to reach this address has connected at once. */
void test_network_answers(const char *address);

/* The attempts so far, in their order: "192.0.2.1:80 [2001:db8::1]:80". */
const char *test_network_tried(void);

/* The attempt to reach this address connects; the test's end of the connection. */
int test_network_connects(const char *address);

/* … fails, with ECONNRESET. */
void test_network_fails(const char *address);

/* Its socket was closed by who opened it. */
bool test_network_is_closed(const char *address);

/* Close the test's ends. */
void test_network_end(void);

#endif

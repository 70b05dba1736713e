/* SPDX-License-Identifier: MIT */
#ifndef WEFT_TESTS_NGINX_H
#define WEFT_TESTS_NGINX_H

#include <stdbool.h>

/*
 * nginx in front of a server of the test's: HTTP/2 and TLS outside, HTTP/1.1 inside, nothing
 * buffered in either direction. What it passes on has the headers "X-Connection", a number for each
 * connection to nginx, and "X-Protocol", "HTTP/2.0" say.
 */

/* False: nginx or openssl are not installed, which is said. */
bool test_has_nginx(void);

/* Start it; `origin` is "http://127.0.0.1:PORT". After `requests` on a connection it says goodbye
 * to that (GOAWAY). Returns "https://localhost:PORT", good until the end. */
const char *test_nginx_start(const char *origin, int requests);

/* The certificate, to be trusted. */
const char *test_nginx_ca(void);

/* Kill it, and remove its files. */
void test_nginx_end(void);

#endif

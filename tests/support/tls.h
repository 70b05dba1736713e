/* SPDX-License-Identifier: MIT */
#ifndef WEFT_TESTS_TLS_H
#define WEFT_TESTS_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <weft/tls.h>
#include <weft/weft.h>

/*
 * TLS under test: certificates that are made for each test, so that none of them is ever out of
 * date, and two streams that are each other's peer. Each test ends by test_tls_end(), which frees
 * the loop and fails the test if anything is left.
 */

/* What a certificate is to be. Zero is the default of every field. */
struct test_make {
    const char *subject;       /* "example.org": its CN */
    const char *names;         /* "DNS:example.org,IP:127.0.0.1"; NULL: none */
    int from_days, until_days; /* from now; 0: -1 and 365 */
    bool is_ca;
    bool is_rsa;                    /* else it is an EC key */
    const struct test_cert *issuer; /* NULL: it signs itself */
};

/* A certificate, as PEM. */
struct test_cert {
    char *chain, *key;
    void *certificate, *private_key; /* X509, EVP_PKEY */
};

/* Freed by test_tls_end(). */
const struct test_cert *test_make(const struct test_make *what);

/* A CA, and a certificate for example.org by it: made by test_tls_begin(). */
extern const struct test_cert *test_ca, *test_server;

void test_tls_begin(void);
void test_tls_begin_real(void); /* on the real clock */
void test_tls_end(void);

/* A path in a folder of the test's, with this text in it; good until the next call but three. */
const char *test_file(const char *name, const char *text);

/* Contexts; the test fails unless they can be had. With NULL: `test_server`; who trusts `test_ca`.
 * */
weft_tls_context *test_server_context(const struct weft_tls_options *options);
weft_tls_context *test_client_context(const struct weft_tls_options *options);

/* The options of a server with this certificate. Static: good until the next call. */
struct weft_tls_options test_serving(const struct test_cert *cert);

/* Wait for a context (consumed); NULL: test_status and test_message say why. */
weft_tls_context *test_context(weft_future *future);

/* Wait for a future (consumed); its status. */
int test_wait_for(weft_future *future);

/* How the last of these has ended. */
extern int test_status;
extern char test_message[1024];

/* True if `text` is in the last message; the test prints it if not. */
bool test_says(const char *text);

/* Two streams with TLS between them, or on the way there. */
struct test_pair {
    weft_stream *client, *server;
    int client_status, server_status;
    char client_message[1024], server_message[1024];
};

/* Two streams without TLS. */
struct test_pair test_plain(void);

/* Make the handshake, and wait until both have ended. */
struct test_pair test_handshake(weft_tls_context *client, weft_tls_context *server,
                                const char *name);

/* The same, of streams that are there. */
void test_shake_hands(struct test_pair *pair, weft_tls_context *client, weft_tls_context *server,
                      const char *name);

/* Both have succeeded. */
bool test_agreed(const struct test_pair *pair);

/* A text goes through, and back. */
bool test_talks(struct test_pair *pair);

void test_free(struct test_pair *pair);

#endif

/* SPDX-License-Identifier: MIT */
/* TLS between two streams: what is agreed upon, and that bytes go through. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "net/tls/tls.h"
#include "tests/support/net.h"
#include "tests/support/tls.h"

TestSuite(tls, .init = test_tls_begin, .timeout = 60);

static weft_tls_context *client, *server;

static void make(const struct weft_tls_options *of_client, const struct weft_tls_options *of_server)
{
    client = test_client_context(of_client);
    server = test_server_context(of_server);
}

static void end(struct test_pair *pair)
{
    test_free(pair);
    weft_tls_context_unref(client);
    weft_tls_context_unref(server);
    test_tls_end();
}

static struct weft__tls *inside(const weft_stream *stream)
{
    return (struct weft__tls *)(void *)weft__companion_filter_of(stream, &weft__tls_filter_ops);
}

/* ---- Bytes ---- */

Test(tls, what_is_written_comes_out_on_the_other_side)
{
    make(NULL, NULL);
    struct test_pair pair = test_handshake(client, server, "example.org");
    cr_assert(test_agreed(&pair));
    for (int i = 0; i < 3; i++)
        cr_assert(test_talks(&pair));
    end(&pair);
}

Test(tls, what_is_on_the_wire_is_not_what_was_written)
{
    make(NULL, NULL);
    struct test_pair pair = test_handshake(client, server, "example.org");
    cr_assert(test_agreed(&pair));
    char wire[256];
    cr_assert_eq(weft_write(pair.client, "a secret that nobody sees", 25), 0);
    ssize_t len = recv(weft__companion_stream_fd(pair.server), wire, sizeof(wire), MSG_PEEK);
    cr_assert_gt(len, 25);
    cr_assert_null(memmem(wire, (size_t)len, "secret", 6));
    end(&pair);
}

static char *sent, *got;

static void fill(size_t size)
{
    sent = malloc(size);
    got = malloc(size);
    cr_assert(sent && got);
    for (size_t i = 0; i < size; i++)
        sent[i] = (char)(i * 7 + i / 251);
}

struct pour {
    WEFT_FRAME;
    weft_stream *stream;
    size_t size, piece, at, len;
    int status;
};

static WEFT_ASYNC(pour)
{
    WEFT_BEGIN;
    while (self->at < self->size) {
        self->len = self->size - self->at < self->piece ? self->size - self->at : self->piece;
        self->status = weft_write(self->stream, sent + self->at, self->len);
        if (self->status < 0)
            WEFT_FAIL(self->status);
        self->at += self->len;
        WEFT_AWAIT(weft_drain(self->stream));
    }
    WEFT_END;
}

static void pour_through(weft_stream *from, weft_stream *to, size_t size, size_t piece)
{
    weft_future *task = weft_spawn(pour, .stream = from, .size = size, .piece = piece);
    cr_assert_eq(weft_test_count(weft_read_exactly(to, got, size)), (int64_t)size);
    cr_assert_eq(test_wait_for(task), 0);
    cr_assert_eq(memcmp(got, sent, size), 0);
}

Test(tls, megabytes_go_through_both_ways_in_pieces_of_any_size)
{
    enum { SIZE = 3 << 20 };
    static const size_t pieces[] = {1 << 20, 16384, 16385, 5000};
    make(NULL, NULL);
    struct test_pair pair = test_handshake(client, server, "example.org");
    cr_assert(test_agreed(&pair));
    fill(SIZE);
    for (size_t i = 0; i < sizeof(pieces) / sizeof(*pieces); i++) {
        pour_through(pair.client, pair.server, SIZE, pieces[i]);
        pour_through(pair.server, pair.client, SIZE, pieces[i]);
    }
    free(sent);
    free(got);
    end(&pair);
}

Test(tls, bytes_that_are_left_inside_of_a_record_are_read_without_a_new_one)
{
    make(NULL, NULL);
    struct test_pair pair = test_handshake(client, server, "example.org");
    cr_assert(test_agreed(&pair));
    fill(16384);
    cr_assert_eq(
        weft_stream_set_limits(pair.server, &(struct weft_stream_limits){.read_high = 100}), 0);
    cr_assert_eq(weft_write(pair.client, sent, 16384), 0);
    for (size_t at = 0; at < 16384; at += 64)
        cr_assert_eq(weft_test_count(weft_read_exactly(pair.server, got + at, 64)), 64);
    cr_assert_eq(memcmp(got, sent, 16384), 0);
    free(sent);
    free(got);
    end(&pair);
}

Test(tls, pieces_of_one_write_go_in_one_record)
{
    make(NULL, NULL);
    struct test_pair pair = test_handshake(client, server, "example.org");
    cr_assert(test_agreed(&pair));
    char a[] = "head ", b[] = "and ", c[] = "body\n", wire[256];
    const struct iovec pieces[] = {{a, 5}, {NULL, 0}, {b, 4}, {c, 5}};
    cr_assert_eq(weft__stream_writev(pair.client, pieces, 4), 0);
    ssize_t len = recv(weft__companion_stream_fd(pair.server), wire, sizeof(wire), MSG_PEEK);
    cr_assert_eq(len, 5 + wire[4], "%zd", len); /* a record's head has its length at the end */
    cr_assert(weft_test_gives(weft_read_line(pair.server, 0), "head and body\n"));
    end(&pair);
}

Test(tls, pieces_that_do_not_fit_into_a_record_keep_their_order)
{
    make(NULL, NULL);
    struct test_pair pair = test_handshake(client, server, "example.org");
    cr_assert(test_agreed(&pair));
    enum { SIZE = 60000 };
    fill(SIZE);
    static const size_t cuts[] = {0, 10, 16384, 16394, 20000, 40000, 40001, SIZE};
    struct iovec pieces[7];
    for (size_t i = 0; i < 7; i++)
        pieces[i] = (struct iovec){sent + cuts[i], cuts[i + 1] - cuts[i]};
    cr_assert_eq(weft__stream_writev(pair.client, pieces, 7), 0);
    cr_assert_eq(weft_test_count(weft_read_exactly(pair.server, got, SIZE)), SIZE);
    cr_assert_eq(memcmp(got, sent, SIZE), 0);
    free(sent);
    free(got);
    end(&pair);
}

Test(tls, a_cancelled_read_loses_nothing)
{
    make(NULL, NULL);
    struct test_pair pair = test_handshake(client, server, "example.org");
    cr_assert(test_agreed(&pair));
    weft_future *line = weft_read_line(pair.server, 0);
    cr_assert_eq(weft_write(pair.client, "half ", 5), 0);
    weft_test_turn();
    weft_cancel(line);
    cr_assert_eq(test_wait_for(line), -ECANCELED);
    cr_assert_eq(weft_write(pair.client, "a line\n", 7), 0);
    cr_assert(weft_test_gives(weft_read_line(pair.server, 0), "half a line\n"));
    end(&pair);
}

static int changes;

static void count_changes(int is_sent, int version, int type, const void *data, size_t len,
                          SSL *ssl, void *arg)
{
    (void)version;
    (void)ssl;
    (void)arg;
    changes += !is_sent && type == SSL3_RT_HANDSHAKE && len &&
               *(const unsigned char *)data == SSL3_MT_KEY_UPDATE;
}

Test(tls, keys_are_changed_after_many_bytes_and_nobody_notices)
{
    make(NULL, NULL);
    struct test_pair pair = test_handshake(client, server, "example.org");
    cr_assert(test_agreed(&pair));
    SSL_set_msg_callback(inside(pair.client)->ssl, count_changes);
    SSL_set_msg_callback(inside(pair.server)->ssl, count_changes);
    for (int i = 0; i < 3; i++) {
        inside(pair.client)->protected_bytes = WEFT__TLS_KEY_BYTES;
        inside(pair.server)->protected_bytes = WEFT__TLS_KEY_BYTES;
        cr_assert(test_talks(&pair));
        cr_assert_lt(inside(pair.client)->protected_bytes, 100);
        cr_assert_eq(changes, 2 * (i + 1));
    }
    end(&pair);
}

Test(tls, a_peer_that_asks_for_new_keys_gets_them)
{
    make(NULL, NULL);
    struct test_pair pair = test_handshake(client, server, "example.org");
    cr_assert(test_agreed(&pair));
    for (int i = 0; i < 3; i++) {
        cr_assert(SSL_key_update(inside(pair.client)->ssl, SSL_KEY_UPDATE_REQUESTED));
        cr_assert(test_talks(&pair));
    }
    end(&pair);
}

/* ---- What is agreed upon ---- */

Test(tls, both_sides_know_what_was_agreed_upon)
{
    make(NULL, NULL);
    struct test_pair pair = test_plain();
    cr_assert_null(weft_tls_info(pair.client));
    test_shake_hands(&pair, client, server, "example.org");
    cr_assert(test_agreed(&pair));
    const struct weft_tls_details *info = weft_tls_info(pair.client);
    cr_assert_str_eq(info->version, "TLS 1.3");
    cr_assert_str_eq(info->cipher, "TLS_AES_256_GCM_SHA384");
    cr_assert_str_eq(info->alpn, "");
    cr_assert_str_eq(info->server_name, "example.org");
    cr_assert_str_eq(info->subject, "CN=a server");
    cr_assert_eq(strlen(info->fingerprint), 64);
    cr_assert_eq(info->name_count, 2);
    cr_assert_str_eq(info->names[0], "example.org");
    cr_assert_str_eq(info->names[1], "127.0.0.1");
    cr_assert(info->is_verified && !info->is_resumed);
    cr_assert_eq(weft_tls_info(pair.client), info);
    info = weft_tls_info(pair.server);
    cr_assert_str_eq(info->server_name, "example.org");
    cr_assert_str_eq(info->subject, "");
    cr_assert_str_eq(info->fingerprint, "");
    cr_assert(!info->is_verified && info->name_count == 0);
    end(&pair);
}

Test(tls, the_versions_that_were_set_are_spoken)
{
    make(&(struct weft_tls_options){.max_version = WEFT_TLS_1_2}, NULL);
    struct test_pair pair = test_handshake(client, server, "example.org");
    cr_assert(test_agreed(&pair) && test_talks(&pair));
    cr_assert_str_eq(weft_tls_info(pair.server)->version, "TLS 1.2");
    inside(pair.client)->protected_bytes = WEFT__TLS_KEY_BYTES; /* which TLS 1.2 cannot change */
    cr_assert(test_talks(&pair));
    end(&pair);
}

Test(tls, an_address_is_a_name_too)
{
    make(NULL, NULL);
    struct test_pair pair = test_handshake(client, server, "127.0.0.1");
    cr_assert(test_agreed(&pair));
    cr_assert_str_eq(weft_tls_info(pair.server)->server_name, ""); /* an address is not told */
    end(&pair);
}

Test(tls, a_name_may_end_with_a_dot)
{
    make(NULL, NULL);
    struct test_pair pair = test_handshake(client, server, "example.org.");
    cr_assert(test_agreed(&pair));
    cr_assert_str_eq(weft_tls_info(pair.server)->server_name, "example.org");
    end(&pair);
}

/* ---- The protocol on top ---- */

static const char *agreed_alpn(const char *of_client, const char *of_server)
{
    static char agreed[1024];
    make(&(struct weft_tls_options){.alpn = of_client},
         &(struct weft_tls_options){.alpn = of_server});
    struct test_pair pair = test_handshake(client, server, "example.org");
    snprintf(agreed, sizeof(agreed), "%s", pair.server_message);
    if (pair.client_status == 0 && pair.server_status == 0) {
        cr_assert_str_eq(weft_tls_info(pair.client)->alpn, weft_tls_info(pair.server)->alpn);
        snprintf(agreed, sizeof(agreed), "%s", weft_tls_info(pair.client)->alpn);
    }
    test_free(&pair);
    weft_tls_context_unref(client);
    weft_tls_context_unref(server);
    return agreed;
}

Test(tls, the_server_chooses_the_protocol_on_top)
{
    cr_assert_str_eq(agreed_alpn("http/1.1,h2", "h2,http/1.1"), "h2");
    cr_assert_str_eq(agreed_alpn("http/1.1", "h2,http/1.1"), "http/1.1");
    cr_assert_str_eq(agreed_alpn("h2", NULL), "");
    cr_assert_str_eq(agreed_alpn(NULL, "h2"), "");
    test_tls_end();
}

Test(tls, a_client_that_speaks_other_protocols_only_is_refused)
{
    make(&(struct weft_tls_options){.alpn = "h2"}, &(struct weft_tls_options){.alpn = "http/1.1"});
    struct test_pair pair = test_handshake(client, server, "example.org");
    cr_assert_eq(pair.server_status, WEFT_ETLS);
    cr_assert_not_null(strstr(pair.server_message, "ALPN"), "%s", pair.server_message);
    cr_assert_eq(pair.client_status, WEFT_ETLS);
    cr_assert_not_null(strstr(pair.client_message, "no application protocol"), "%s",
                       pair.client_message);
    end(&pair);
}

/* ---- Several certificates ---- */

static struct weft_tls_certificate several[5];

static void serve_several(void)
{
    const struct test_make whats[] = {
        {.subject = "first", .names = "DNS:first.test"},
        {.subject = "wild", .names = "DNS:*.wild.test"},
        {.subject = "exact", .names = "DNS:www.wild.test,DNS:other.test"},
        {.subject = "rsa", .names = "DNS:both.test", .is_rsa = true},
        {.subject = "ec", .names = "DNS:both.test"},
    };
    for (size_t i = 0; i < 5; i++) {
        struct test_make what = whats[i];
        what.issuer = test_ca;
        const struct test_cert *cert = test_make(&what);
        several[i] = (struct weft_tls_certificate){.chain = cert->chain, .key = cert->key};
    }
    server = test_server_context(
        &(struct weft_tls_options){.certificates = several, .certificate_count = 5});
}

static const char *shown_to(weft_tls_context *who, const char *name)
{
    static char subject[128];
    struct test_pair pair = test_handshake(who, server, name);
    cr_assert(test_agreed(&pair));
    snprintf(subject, sizeof(subject), "%s", weft_tls_info(pair.client)->subject);
    test_free(&pair);
    return subject;
}

Test(tls, the_certificate_is_that_of_the_name_exact_before_wildcard)
{
    serve_several();
    client = test_client_context(&(struct weft_tls_options){.flags = WEFT_TLS_ANY_NAME});
    cr_assert_str_eq(shown_to(client, "first.test"), "CN=first");
    cr_assert_str_eq(shown_to(client, "a.wild.test"), "CN=wild");
    cr_assert_str_eq(shown_to(client, "www.wild.test"), "CN=exact");
    cr_assert_str_eq(shown_to(client, "WWW.Wild.Test"), "CN=exact");
    cr_assert_str_eq(shown_to(client, "other.test"), "CN=exact");
    cr_assert_str_eq(shown_to(client, "a.b.wild.test"), "CN=first");
    cr_assert_str_eq(shown_to(client, "unknown.test"), "CN=first");
    cr_assert_str_eq(shown_to(client, NULL), "CN=first");
    cr_assert_str_eq(shown_to(client, "192.0.2.1"), "CN=first");
    struct test_pair none = {0};
    end(&none);
}

/* The certificate that a client gets which asks for what ours would not ask for. */
static const char *shown_to_openssl(const char *name)
{
    static char subject[64];
    BIO *ends[2];
    SSL_CTX *own = SSL_CTX_new(TLS_client_method()), *current = weft__tls_current(server);
    SSL *ssl[2] = {SSL_new(own), SSL_new(current)};
    cr_assert(BIO_new_bio_pair(&ends[0], 0, &ends[1], 0));
    for (int i = 0; i < 2; i++)
        SSL_set_bio(ssl[i], ends[i], ends[i]);
    SSL_set_connect_state(ssl[0]);
    SSL_set_accept_state(ssl[1]);
    cr_assert(SSL_set_tlsext_host_name(ssl[0], name));
    while (SSL_do_handshake(ssl[0]) != 1)
        (void)SSL_do_handshake(ssl[1]);
    weft__tls_subject(X509_get_subject_name(SSL_get0_peer_certificate(ssl[0])), subject,
                      sizeof(subject));
    SSL_free(ssl[0]);
    SSL_free(ssl[1]);
    SSL_CTX_free(own);
    SSL_CTX_free(current);
    return subject;
}

/* OpenSSL compares a name that begins with a dot with the ends of others. */
Test(tls, a_certificate_is_not_chosen_by_the_end_of_a_name)
{
    serve_several();
    cr_assert_str_eq(shown_to_openssl("www.wild.test"), "CN=exact");
    cr_assert_str_eq(shown_to_openssl(".wild.test"), "CN=first");
    cr_assert_str_eq(shown_to_openssl(".test"), "CN=first");
    struct test_pair none = {0};
    end(&none);
}

Test(tls, of_two_kinds_of_keys_for_a_name_the_client_gets_the_one_it_can_check)
{
    serve_several();
    client = test_client_context(&(struct weft_tls_options){
        .max_version = WEFT_TLS_1_2, .ciphers = "ECDHE-RSA-AES128-GCM-SHA256"});
    weft_tls_context *other = test_client_context(&(struct weft_tls_options){
        .max_version = WEFT_TLS_1_2, .ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256"});
    cr_assert_str_eq(shown_to(client, "both.test"), "CN=rsa");
    cr_assert_str_eq(shown_to(other, "both.test"), "CN=ec");
    weft_tls_context_unref(other);
    struct test_pair none = {0};
    end(&none);
}

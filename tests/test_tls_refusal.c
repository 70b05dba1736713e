/* SPDX-License-Identifier: MIT */
/* Handshakes that are refused, each with a message that says what is wrong, and with whom. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/net.h"
#include "tests/support/tls.h"

TestSuite(tls_refusal, .init = test_tls_begin, .timeout = 60);

static weft_tls_context *client, *server;
static struct test_pair pair;

static void end(void)
{
    test_free(&pair);
    weft_tls_context_unref(client);
    weft_tls_context_unref(server);
    test_tls_end();
}

/* A client that trusts `test_ca` meets a server with this certificate. */
static void meet(const struct test_cert *cert, const char *name)
{
    struct weft_tls_options serving = test_serving(cert);
    server = test_server_context(&serving);
    client = test_client_context(NULL);
    pair = test_handshake(client, server, name);
}

static bool client_says(int status, const char *text)
{
    if (pair.client_status == status && strstr(pair.client_message, text))
        return true;
    cr_log_error("client: %d \"%s\", not \"%s\"\n", pair.client_status, pair.client_message, text);
    return false;
}

static bool server_says(int status, const char *text)
{
    if (pair.server_status == status && strstr(pair.server_message, text))
        return true;
    cr_log_error("server: %d \"%s\", not \"%s\"\n", pair.server_status, pair.server_message, text);
    return false;
}

/* ---- Certificates of servers ---- */

Test(tls_refusal, a_wrong_host_is_refused_by_name)
{
    meet(test_server, "example.com");
    cr_assert(client_says(WEFT_ECERT, "TLS with example.com ("));
    cr_assert(client_says(WEFT_ECERT,
                          "the certificate is for example.org, 127.0.0.1, not for example.com"));
    cr_assert(server_says(WEFT_ETLS, "the client has refused: \"bad certificate\""));
    end();
}

Test(tls_refusal, a_wrong_address_is_refused_by_name)
{
    meet(test_server, "127.0.0.2");
    cr_assert(client_says(WEFT_ECERT, "is for example.org, 127.0.0.1, not for 127.0.0.2"));
    end();
}

Test(tls_refusal, the_common_name_is_no_name)
{
    meet(test_make(&(struct test_make){.subject = "example.org", .issuer = test_ca}),
         "example.org");
    cr_assert(
        client_says(WEFT_ECERT, "the certificate is for no name at all, not for example.org"));
    end();
}

Test(tls_refusal, a_wildcard_is_for_one_label)
{
    const struct test_cert *wild = test_make(
        &(struct test_make){.subject = "wild", .names = "DNS:*.example.org", .issuer = test_ca});
    meet(wild, "a.example.org");
    cr_assert(test_agreed(&pair));
    test_free(&pair);
    pair = test_handshake(client, server, "example.org");
    cr_assert(client_says(WEFT_ECERT, "is for *.example.org, not for example.org"));
    test_free(&pair);
    pair = test_handshake(client, server, "a.b.example.org");
    cr_assert(client_says(WEFT_ECERT, "is for *.example.org, not for a.b.example.org"));
    end();
}

Test(tls_refusal, a_wildcard_is_for_no_part_of_a_label)
{
    const struct test_cert *part = test_make(
        &(struct test_make){.subject = "part", .names = "DNS:a*.example.org", .issuer = test_ca});
    meet(part, "ab.example.org");
    cr_assert(client_says(WEFT_ECERT, "is for a*.example.org, not for ab.example.org"));
    end();
}

Test(tls_refusal, a_long_list_of_names_is_cut_off)
{
    char names[4096] = "DNS:a-name-that-is-0.example";
    for (int i = 1; i < 60; i++)
        snprintf(names + strlen(names), sizeof(names) - strlen(names),
                 ",DNS:a-name-that-is-%d.example", i);
    meet(test_make(&(struct test_make){.subject = "many", .names = names, .issuer = test_ca}),
         "example.org");
    cr_assert(client_says(WEFT_ECERT, "a-name-that-is-3.example, "));
    cr_assert(client_says(WEFT_ECERT, "…, not for example.org"));
    end();
}

Test(tls_refusal, an_expired_certificate_is_refused_with_its_time)
{
    meet(test_make(&(struct test_make){.subject = "old",
                                       .names = "DNS:example.org",
                                       .from_days = -20,
                                       .until_days = -10,
                                       .issuer = test_ca}),
         "example.org");
    cr_assert(
        client_says(WEFT_ECERT, "the certificate (CN=old) has expired: it was valid until 20"));
    cr_assert(server_says(WEFT_ETLS, "certificate expired"));
    end();
}

Test(tls_refusal, a_certificate_of_the_future_is_refused_with_its_time)
{
    meet(test_make(&(struct test_make){.subject = "new",
                                       .names = "DNS:example.org",
                                       .from_days = 10,
                                       .until_days = 20,
                                       .issuer = test_ca}),
         "example.org");
    cr_assert(
        client_says(WEFT_ECERT, "the certificate (CN=new) is not valid yet: it will be from 20"));
    end();
}

Test(tls_refusal, a_self_signed_certificate_is_refused)
{
    meet(test_make(&(struct test_make){.subject = "self", .names = "DNS:example.org"}),
         "example.org");
    cr_assert(client_says(WEFT_ECERT, "the certificate (CN=self) is self-signed"));
    cr_assert(server_says(WEFT_ETLS, "the client has refused: \"unknown CA\""));
    end();
}

Test(tls_refusal, a_self_signed_certificate_that_is_trusted_is_not)
{
    const struct test_cert *self =
        test_make(&(struct test_make){.subject = "self", .names = "DNS:example.org"});
    struct weft_tls_options serving = test_serving(self);
    server = test_server_context(&serving);
    client = test_client_context(&(struct weft_tls_options){.ca = self->chain});
    pair = test_handshake(client, server, "example.org");
    cr_assert(test_agreed(&pair) && test_talks(&pair));
    end();
}

Test(tls_refusal, an_unknown_issuer_is_named)
{
    const struct test_cert *other =
        test_make(&(struct test_make){.subject = "another CA", .is_ca = true});
    meet(test_make(
             &(struct test_make){.subject = "theirs", .names = "DNS:example.org", .issuer = other}),
         "example.org");
    cr_assert(client_says(WEFT_ECERT,
                          "the certificate (CN=theirs) was issued by somebody who is not "
                          "known (CN=another CA)"));
    end();
}

Test(tls_refusal, a_chain_that_brings_its_own_root_is_refused)
{
    char chain[8192];
    const struct test_cert *other =
        test_make(&(struct test_make){.subject = "another CA", .is_ca = true});
    const struct test_cert *theirs = test_make(
        &(struct test_make){.subject = "theirs", .names = "DNS:example.org", .issuer = other});
    snprintf(chain, sizeof(chain), "%s%s", theirs->chain, other->chain);
    struct test_cert both = *theirs;
    both.chain = chain;
    meet(&both, "example.org");
    cr_assert(client_says(WEFT_ECERT, "leads to a self-signed one (CN=another CA)"));
    end();
}

Test(tls_refusal, an_intermediate_that_is_sent_leads_to_the_one_that_is_trusted)
{
    char chain[8192];
    const struct test_cert *between =
        test_make(&(struct test_make){.subject = "between", .is_ca = true, .issuer = test_ca});
    const struct test_cert *leaf = test_make(
        &(struct test_make){.subject = "leaf", .names = "DNS:example.org", .issuer = between});
    meet(leaf, "example.org");
    cr_assert(
        client_says(WEFT_ECERT, "(CN=leaf) was issued by somebody who is not known (CN=between)"));
    test_free(&pair);
    weft_tls_context_unref(server);
    weft_tls_context_unref(client);
    snprintf(chain, sizeof(chain), "%s%s", leaf->chain, between->chain);
    struct test_cert both = *leaf;
    both.chain = chain;
    meet(&both, "example.org");
    cr_assert(test_agreed(&pair));
    end();
}

Test(tls_refusal, who_is_trusted_need_not_be_self_signed)
{
    const struct test_cert *between =
        test_make(&(struct test_make){.subject = "between", .is_ca = true, .issuer = test_ca});
    const struct test_cert *leaf = test_make(
        &(struct test_make){.subject = "leaf", .names = "DNS:example.org", .issuer = between});
    struct weft_tls_options serving = test_serving(leaf);
    server = test_server_context(&serving);
    client = test_client_context(&(struct weft_tls_options){.ca = between->chain});
    pair = test_handshake(client, server, "example.org");
    cr_assert(test_agreed(&pair));
    end();
}

Test(tls_refusal, who_is_no_ca_makes_no_certificates)
{
    const struct test_cert *leaf = test_make(
        &(struct test_make){.subject = "leaf", .names = "DNS:example.org", .issuer = test_server});
    char chain[8192];
    snprintf(chain, sizeof(chain), "%s%s", leaf->chain, test_server->chain);
    struct test_cert both = *leaf;
    both.chain = chain;
    meet(&both, "example.org");
    cr_assert_eq(pair.client_status, WEFT_ECERT);
    end();
}

Test(tls_refusal, whoever_wants_to_be_insecure_has_to_say_so)
{
    server = test_server_context(NULL);
    client = test_client_context(&(struct weft_tls_options){.flags = WEFT_TLS_ANY_NAME});
    pair = test_handshake(client, server, "example.com");
    cr_assert(test_agreed(&pair));
    cr_assert(weft_tls_info(pair.client)->is_verified);
    test_free(&pair);
    weft_tls_context_unref(client);
    const struct weft_tls_options insecure = {
        .flags = WEFT_TLS_INSECURE,
        .ca = test_make(&(struct test_make){.subject = "x", .is_ca = true})->chain};
    client = test_client_context(&insecure);
    pair = test_handshake(client, server, NULL);
    cr_assert(test_agreed(&pair) && test_talks(&pair));
    cr_assert(!weft_tls_info(pair.client)->is_verified);
    end();
}

/* ---- Certificates of clients ---- */

/* The server wants `flags` of a client that has a certificate, or none. */
static void meet_client(unsigned flags, const struct test_cert *cert, enum weft_tls_version version)
{
    server = test_server_context(&(struct weft_tls_options){.ca = test_ca->chain, .flags = flags});
    struct weft_tls_options options =
        cert ? test_serving(cert) : (struct weft_tls_options){.size = 0};
    options.max_version = version;
    client = test_client_context(&options);
    pair = test_handshake(client, server, "example.org");
}

Test(tls_refusal, a_client_certificate_is_checked_and_shown)
{
    const struct test_cert *mine =
        test_make(&(struct test_make){.subject = "a client", .issuer = test_ca});
    meet_client(WEFT_TLS_CLIENT_REQUIRED, mine, WEFT_TLS_DEFAULT_VERSION);
    cr_assert(test_agreed(&pair) && test_talks(&pair));
    cr_assert_str_eq(weft_tls_info(pair.server)->subject, "CN=a client");
    cr_assert(weft_tls_info(pair.server)->is_verified);
    end();
}

Test(tls_refusal, a_client_without_a_certificate_is_refused_where_one_is_required)
{
    meet_client(WEFT_TLS_CLIENT_REQUIRED, NULL, WEFT_TLS_1_2);
    cr_assert(server_says(WEFT_ECERT, "the client has shown no certificate"));
    cr_assert_eq(pair.client_status, WEFT_ETLS);
    end();
}

Test(tls_refusal, with_tls_1_3_a_client_hears_of_it_when_it_reads)
{
    char buffer[16];
    meet_client(WEFT_TLS_CLIENT_REQUIRED, NULL, WEFT_TLS_1_3);
    cr_assert(server_says(WEFT_ECERT, "the client has shown no certificate"));
    cr_assert_eq(pair.client_status, 0);
    cr_assert_eq(test_wait_for(weft_read(pair.client, buffer, 1)), WEFT_ETLS);
    cr_assert(test_says("the server has refused: \"certificate required\""));
    end();
}

Test(tls_refusal, a_client_without_a_certificate_passes_where_it_is_optional)
{
    meet_client(WEFT_TLS_CLIENT_OPTIONAL, NULL, WEFT_TLS_DEFAULT_VERSION);
    cr_assert(test_agreed(&pair) && test_talks(&pair));
    cr_assert(!weft_tls_info(pair.server)->is_verified);
    end();
}

Test(tls_refusal, a_client_certificate_of_somebody_else_is_refused_even_where_it_is_optional)
{
    const struct test_cert *self = test_make(&(struct test_make){.subject = "nobody"});
    meet_client(WEFT_TLS_CLIENT_OPTIONAL, self, WEFT_TLS_1_2);
    cr_assert(server_says(WEFT_ECERT, "the certificate (CN=nobody) is self-signed"));
    cr_assert(server_says(WEFT_ECERT, "TLS with unix:"));
    end();
}

/* ---- Versions, and what is no TLS ---- */

/* A hello as of a client of TLS 1.1; the same as of a server. */
static const unsigned char client_hello[] = {
    22, 3, 1, 0, 45, 1, 0, 0, 41, 3, 2, /* TLS 1.1, then 32 random bytes */
    1,  2, 3, 4, 5,  6, 7, 8, 1,  2, 3, 4, 5, 6, 7, 8, 1,  2, 3, 4,
    5,  6, 7, 8, 1,  2, 3, 4, 5,  6, 7, 8, 0, 0, 2, 0, 47, 1, 0}; /* no session, one cipher, no compression */
static const unsigned char server_hello[] = {22, 3, 2, 0, 42, 2, 0, 0, 38, 3, 2, /* TLS 1.1 */
                                             1,  2, 3, 4, 5,  6, 7, 8, 1,  2, 3,  4,
                                             5,  6, 7, 8, 1,  2, 3, 4, 5,  6, 7,  8,
                                             1,  2, 3, 4, 5,  6, 7, 8, 0,  0, 47, 0};

Test(tls_refusal, a_client_of_tls_1_1_is_refused_with_the_version)
{
    int peer;
    weft_stream *stream = weft_test_stream(&peer);
    server = test_server_context(NULL);
    weft_future *started = weft_start_tls(stream, server, NULL);
    weft_test_send(peer, client_hello, sizeof(client_hello));
    cr_assert_eq(test_wait_for(started), WEFT_ETLS);
    cr_assert(
        test_says("the client speaks TLS 1.1, and the oldest version spoken here is TLS 1.2"));
    unsigned char alert[64];
    cr_assert_eq(weft_test_receive(peer, alert, sizeof(alert)), 7); /* fatal: protocol version */
    cr_assert(alert[0] == 21 && alert[5] == 2 && alert[6] == 70);
    weft_stream_free(stream);
    close(peer);
    end();
}

Test(tls_refusal, a_server_of_tls_1_1_is_refused_with_the_version)
{
    int peer;
    weft_stream *stream = weft_test_stream(&peer);
    client = test_client_context(NULL);
    weft_future *started = weft_start_tls(stream, client, "example.org");
    weft_test_send(peer, server_hello, sizeof(server_hello));
    cr_assert_eq(test_wait_for(started), WEFT_ETLS);
    cr_assert(
        test_says("the server speaks TLS 1.1, and the oldest version spoken here is TLS 1.2"));
    cr_assert(test_says("TLS with example.org (unix:)"));
    weft_stream_free(stream);
    close(peer);
    end();
}

Test(tls_refusal, a_server_that_refuses_the_versions_is_told_apart)
{
    client = test_client_context(&(struct weft_tls_options){.max_version = WEFT_TLS_1_2});
    server = test_server_context(&(struct weft_tls_options){.min_version = WEFT_TLS_1_3});
    pair = test_handshake(client, server, "example.org");
    cr_assert(
        client_says(WEFT_ETLS, "the server speaks none of the versions from TLS 1.2 to TLS 1.2"));
    cr_assert(server_says(
        WEFT_ETLS, "the client speaks TLS 1.2, and the oldest version spoken here is TLS 1.3"));
    end();
}

Test(tls_refusal, http_without_tls_is_told_apart)
{
    int peer;
    weft_stream *stream = weft_test_stream(&peer);
    server = test_server_context(NULL);
    weft_future *started = weft_start_tls(stream, server, NULL);
    weft_test_send_text(peer, "GET / HTTP/1.1\r\n\r\n");
    cr_assert_eq(test_wait_for(started), WEFT_ETLS);
    cr_assert(test_says("is not TLS (http request)"));
    weft_stream_free(stream);
    close(peer);
    end();
}

Test(tls_refusal, a_server_that_speaks_no_tls_is_told_apart)
{
    int peer;
    weft_stream *stream = weft_test_stream(&peer);
    client = test_client_context(NULL);
    weft_future *started = weft_start_tls(stream, client, "example.org");
    weft_test_send_text(peer, "220 mail.example.org ESMTP\r\n");
    cr_assert_eq(test_wait_for(started), WEFT_ETLS);
    cr_assert(test_says("what the peer has sent is not TLS"));
    weft_stream_free(stream);
    close(peer);
    end();
}

Test(tls_refusal, no_cipher_in_common_is_said)
{
    server = test_server_context(&(struct weft_tls_options){
        .max_version = WEFT_TLS_1_2, .ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384"});
    client = test_client_context(&(struct weft_tls_options){
        .max_version = WEFT_TLS_1_2, .ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256"});
    pair = test_handshake(client, server, "example.org");
    cr_assert(server_says(WEFT_ETLS, "no shared cipher"));
    cr_assert(client_says(WEFT_ETLS, "the server has refused: \"handshake failure\""));
    end();
}

/* SPDX-License-Identifier: MIT */
/*
 * What a server chooses in a handshake: the sessions that may be resumed and a certificate, both by the
 * name that the client asks for, and the protocol on top.
 *
 * A session is for the name that it began with (RFC 6066, 3). OpenSSL does not see to that; but it resumes
 * a session in the context only that it began in, which is a hash here of what was asked for.
 *
 * OpenSSL keeps one certificate for each kind of key. All of those for the name are given to it, so
 * that it takes the one that the client can check.
 */
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>

#include "net/tls/tls.h"

int weft__tls_choose_sessions(SSL *ssl, int *alert, void *arg)
{
    const unsigned char *name;
    unsigned char digest[SSL_MAX_SID_CTX_LENGTH]; /* which is that of a SHA-256 */
    size_t len;
    (void)arg;
    if (!SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &name, &len))
        return SSL_CLIENT_HELLO_SUCCESS; /* its context is that of all who ask for none */
    if (EVP_Digest(name, len, digest, NULL, EVP_sha256(), NULL) &&
        SSL_set_session_id_context(ssl, digest, sizeof(digest)))
        return SSL_CLIENT_HELLO_SUCCESS;
    *alert = SSL_AD_INTERNAL_ERROR;
    return SSL_CLIENT_HELLO_ERROR;
}

int weft__tls_accept_name(SSL *ssl, int *alert, void *arg)
{
    (void)ssl;
    (void)alert;
    (void)arg;
    return SSL_TLSEXT_ERR_OK;
}

/* Give the connection all certificates that are for a name; of each kind the first one. How many.
 * */
static int use_those_for(SSL *ssl, const char *name, unsigned flags)
{
    const struct weft__tls_loaded *loaded = weft__tls_loaded_of(SSL_get_SSL_CTX(ssl));
    int count = 0;
    ERR_set_mark(); /* what is left in the queue would be taken for a failure of the handshake */
    for (size_t i = 0; i < loaded->count; i++) {
        const struct weft__tls_pair *pair = &loaded->pairs[i];
        if (X509_check_host(pair->certificate, name, 0, flags, NULL) == 1)
            count += SSL_use_cert_and_key(ssl, pair->certificate, pair->key, pair->chain, 0);
    }
    ERR_pop_to_mark();
    return count;
}

int weft__tls_choose_certificate(SSL *ssl, void *arg)
{
    (void)arg;
    const struct weft__tls_pair *first = weft__tls_loaded_of(SSL_get_SSL_CTX(ssl))->pairs;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    bool is_name = name && name[0] && name[0] != '.'; /* which would be any name that ends so */
    SSL_certs_clear(ssl);
    if (is_name && use_those_for(ssl, name, X509_CHECK_FLAG_NO_WILDCARDS))
        return 1;
    if (is_name && use_those_for(ssl, name, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS))
        return 1;
    return SSL_use_cert_and_key(ssl, first->certificate, first->key, first->chain, 1);
}

int weft__tls_choose_alpn(SSL *ssl, const unsigned char **ret, unsigned char *ret_len,
                          const unsigned char *offered, unsigned offered_len, void *arg)
{
    (void)arg;
    const struct weft__tls_loaded *loaded = weft__tls_loaded_of(SSL_get_SSL_CTX(ssl));
    unsigned char *chosen;
    if (SSL_select_next_proto(&chosen, ret_len, loaded->alpn, (unsigned)loaded->alpn_len, offered,
                              offered_len) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *ret = chosen;
    return SSL_TLSEXT_ERR_OK;
}

/* SPDX-License-Identifier: MIT */
/* What the TLS programs share: a certificate that is made on the spot, P-256, and an SSL_CTX of it. */
#ifndef BENCH_TLS_H
#define BENCH_TLS_H

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline void tls_must(int is_so, const char *what)
{
    if (!is_so) {
        fprintf(stderr, "%s failed\n", what);
        exit(1);
    }
}

static inline X509 *tls_certificate(EVP_PKEY *key)
{
    X509 *certificate = X509_new();
    X509_NAME *name = X509_get_subject_name(certificate);
    X509_set_version(certificate, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"bench", -1, -1, 0);
    X509_set_issuer_name(certificate, name);
    X509_set_pubkey(certificate, key);
    tls_must(X509_sign(certificate, key, EVP_sha256()), "X509_sign");
    return certificate;
}

/* The certificate and its key as one PEM text; of whom calls it. */
static inline char *tls_pem(void)
{
    char *data, *text;
    BIO *bio = BIO_new(BIO_s_mem());
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = tls_certificate(key);
    PEM_write_bio_X509(bio, certificate);
    PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
    size_t len = (size_t)BIO_get_mem_data(bio, &data);
    text = (char *)calloc(1, len + 1);
    tls_must(text != NULL, "calloc");
    memcpy(text, data, len);
    BIO_free(bio);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return text;
}

/* A server's, with the settings that weft has: an idle connection holds no buffers, and many records are read at once. */
static inline SSL_CTX *tls_server(void)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = tls_certificate(key);
    tls_must(SSL_CTX_use_cert_and_key(ctx, certificate, key, NULL, 1), "SSL_CTX_use_cert_and_key");
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return ctx;
}

#endif

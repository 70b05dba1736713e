/* SPDX-License-Identifier: MIT */
/*
 * What was agreed upon, as texts: made when it is first asked for, in one block of memory.
 *
 * The block is measured by writing it to nowhere first.
 */
#include <openssl/err.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "net/tls/tls.h"

enum { SUBJECT = 1024, DIGEST = 32 };

/* A block that is measured (NULL) or written. */
struct block {
    struct weft_tls_details *info;
    const char **names;
    char *texts;
    size_t size; /* of the texts so far */
    size_t name_count;
};

static const char *put(struct block *block, const char *text, size_t len)
{
    char *at = block->texts ? block->texts + block->size : NULL;
    block->size += len + 1;
    if (!at)
        return NULL;
    if (len)
        memcpy(at, text, len);
    at[len] = 0;
    return at;
}

static const char *put_text(struct block *block, const char *text)
{
    return put(block, text ? text : "", text ? strlen(text) : 0);
}

static void put_name(void *arg, const char *name)
{
    struct block *block = arg;
    const char *copy = put_text(block, name);
    if (block->names)
        block->names[block->name_count] = copy;
    block->name_count++;
}

static const char *put_fingerprint(struct block *block, const X509 *certificate)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    char text[2 * DIGEST + 1] = "";
    unsigned len = 0;
    if (certificate && X509_digest(certificate, EVP_sha256(), digest, &len) && len == DIGEST)
        for (size_t i = 0; i < DIGEST; i++)
            snprintf(text + 2 * i, 3, "%02x", digest[i]);
    return put_text(block, text);
}

static const char *version_text(const SSL *ssl)
{
    return SSL_version(ssl) == TLS1_3_VERSION ? "TLS 1.3" : "TLS 1.2";
}

static const char *server_name(const struct weft__tls *tls)
{
    return tls->is_server ? SSL_get_servername(tls->ssl, TLSEXT_NAMETYPE_host_name)
                          : tls->server_name;
}

static void write_peer(struct block *block, struct weft_tls_details *info, X509 *certificate)
{
    char subject[SUBJECT] = "";
    if (certificate)
        weft__tls_subject(X509_get_subject_name(certificate), subject, sizeof(subject));
    info->subject = put_text(block, subject);
    info->fingerprint = put_fingerprint(block, certificate);
    if (certificate)
        weft__tls_each_name(certificate, put_name, block);
}

/* Write everything, or measure it. */
static void write_all(const struct weft__tls *tls, struct block *block)
{
    const unsigned char *alpn;
    unsigned alpn_len;
    X509 *certificate = SSL_get0_peer_certificate(tls->ssl);
    struct weft_tls_details info = {0};
    SSL_get0_alpn_selected(tls->ssl, &alpn, &alpn_len);
    info.version = put_text(block, version_text(tls->ssl));
    info.cipher = put_text(block, SSL_get_cipher_name(tls->ssl));
    info.alpn = put(block, (const char *)alpn, alpn_len);
    info.server_name = put_text(block, server_name(tls));
    write_peer(block, &info, certificate);
    info.names = block->names;
    info.name_count = block->name_count;
    info.is_verified = certificate && SSL_get_verify_result(tls->ssl) == X509_V_OK &&
                       SSL_get_verify_mode(tls->ssl) != SSL_VERIFY_NONE;
    info.is_resumed = SSL_session_reused(tls->ssl);
    if (block->info)
        *block->info = info;
}

static struct weft_tls_details *make(const struct weft__tls *tls)
{
    struct block block = {0};
    write_all(tls, &block);
    size_t names = block.name_count * sizeof(char *);
    char *memory = weft__companion_malloc(sizeof(struct weft_tls_details) + names + block.size);
    if (!memory)
        return NULL;
    block = (struct block){
        .info = (struct weft_tls_details *)(void *)memory,
        .names = (const char **)(void *)(memory + sizeof(struct weft_tls_details)),
        .texts = memory + sizeof(struct weft_tls_details) + names,
    };
    write_all(tls, &block);
    return block.info;
}

const struct weft_tls_details *weft_tls_info(weft_stream *stream)
{
    if (!stream || weft__companion_is_elsewhere(weft__companion_stream_loop_id(stream), __func__))
        return NULL;
    struct weft__tls *tls =
        (struct weft__tls *)(void *)weft__companion_filter_of(stream, &weft__tls_filter_ops);
    if (!tls || tls->state != WEFT__TLS_OPEN)
        return NULL;
    if (!tls->info) {
        tls->info = make(tls);
        ERR_clear_error();
    }
    return tls->info;
}

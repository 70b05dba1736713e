/* SPDX-License-Identifier: MIT */
/*
 * Loading: from a setup to an SSL_CTX, on a worker. All that reads a file is here and in
 * net/tls/trust.c; what runs on the loop has it in memory.
 *
 * What we need besides goes with the SSL_CTX, as a thing of ours that it frees at its end: so a
 * connection that began before a reload keeps its certificates as long as it has its SSL_CTX.
 *
 * Settings, and why:
 *     no renegotiation         it would make a read wait for room to write, and has no use
 *     no stateful cache        tickets are state that the client keeps
 *     buffers are released     an idle connection holds none
 *     read ahead               one recv() for many records
 *     a chain may be partial   what is in `ca` is trusted, also if somebody else has signed it
 */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

#include "net/tls/tls.h"

static const unsigned char session_context[] = "weft";

/* Of TLS 1.2: a new key for each connection, and authenticated encryption. TLS 1.3 has no others.
 * */
static const char good_ciphers[] = "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:DHE+CHACHA20";

/* ---- What belongs to an SSL_CTX ---- */

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int loaded_index = -1; /* [const] after once */

static void free_pair(struct weft__tls_pair *pair)
{
    X509_free(pair->certificate);
    EVP_PKEY_free(pair->key);
    sk_X509_pop_free(pair->chain, X509_free);
}

static void free_loaded(struct weft__tls_loaded *loaded)
{
    for (size_t i = 0; loaded && i < loaded->count; i++)
        free_pair(&loaded->pairs[i]);
    weft__companion_free(loaded);
}

static void on_free(void *parent, void *loaded, CRYPTO_EX_DATA *data, int index, long number,
                    void *arg)
{
    (void)parent;
    (void)data;
    (void)index;
    (void)number;
    (void)arg;
    free_loaded(loaded);
}

static void make_index(void)
{
    loaded_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, on_free);
}

bool weft__tls_set_loaded(SSL_CTX *ctx, struct weft__tls_loaded *loaded)
{
    pthread_once(&once, make_index);
    if (loaded_index >= 0 && SSL_CTX_set_ex_data(ctx, loaded_index, loaded))
        return true;
    free_loaded(loaded);
    return false;
}

const struct weft__tls_loaded *weft__tls_loaded_of(const SSL_CTX *ctx)
{
    return SSL_CTX_get_ex_data(ctx, loaded_index);
}

/* ---- Certificates and keys ---- */

static bool add_to_chain(struct weft__tls_pair *pair, X509 *certificate)
{
    if (!pair->certificate) {
        pair->certificate = certificate;
        return true;
    }
    if (!pair->chain)
        pair->chain = sk_X509_new_null();
    if (pair->chain && sk_X509_push(pair->chain, certificate))
        return true;
    X509_free(certificate);
    return false;
}

static weft_result load_chain(struct weft__tls_pair *pair, const char *source)
{
    X509 *certificate;
    bool fits = true;
    BIO *bio = weft__tls_open(source);
    if (!bio)
        return weft__tls_load_failed(-errno, "cannot read the certificate", source);
    while (fits && (certificate = PEM_read_bio_X509(bio, NULL, weft__tls_password, NULL)))
        fits = add_to_chain(pair, certificate);
    bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    BIO_free(bio);
    if (!fits)
        return weft_err(-ENOMEM);
    if (!pair->certificate || !at_end)
        return weft__tls_load_failed(
            WEFT_ECERT, pair->certificate ? "a broken certificate" : "no certificate", source);
    ERR_clear_error();
    return (weft_result){0};
}

static weft_result load_key(struct weft__tls_pair *pair, const struct weft_tls_certificate *from)
{
    const char *source = from->key ? from->key : from->chain;
    BIO *bio = weft__tls_open(source);
    if (!bio)
        return weft__tls_load_failed(-errno, "cannot read the key", source);
    pair->key = PEM_read_bio_PrivateKey(bio, NULL, weft__tls_password, (void *)from->password);
    BIO_free(bio);
    if (!pair->key)
        return weft__tls_load_failed(WEFT_ECERT,
                                     from->password ? "no key that the password opens"
                                                    : "no private key that needs no password",
                                     source);
    if (!X509_check_private_key(pair->certificate, pair->key))
        return weft__tls_load_failed(WEFT_ECERT, "this is not the key of the certificate", source);
    return (weft_result){0};
}

/* The SSL_CTX has them, too: it says at once if they are too weak, say; and clients have no other.
 * */
static weft_result load_pair(SSL_CTX *ctx, struct weft__tls_pair *pair,
                             const struct weft_tls_certificate *from)
{
    weft_result result = load_chain(pair, from->chain);
    if (result.status == 0)
        result = load_key(pair, from);
    if (result.status == 0 &&
        !SSL_CTX_use_cert_and_key(ctx, pair->certificate, pair->key, pair->chain, 1))
        result =
            weft__tls_load_failed(WEFT_ECERT, "a certificate that OpenSSL refuses", from->chain);
    return result;
}

/* ---- Settings ---- */

static int version_of(enum weft_tls_version version, int standard)
{
    if (version == WEFT_TLS_DEFAULT_VERSION)
        return standard;
    return version == WEFT_TLS_1_2 ? TLS1_2_VERSION : TLS1_3_VERSION;
}

static int verify_mode(const struct weft__tls_setup *setup)
{
    unsigned flags = setup->options.flags;
    if (!setup->is_server)
        return flags & WEFT_TLS_INSECURE ? SSL_VERIFY_NONE : SSL_VERIFY_PEER;
    if (flags & WEFT_TLS_CLIENT_REQUIRED)
        return SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    return flags & WEFT_TLS_CLIENT_OPTIONAL ? SSL_VERIFY_PEER : SSL_VERIFY_NONE;
}

static int keep_session(SSL *ssl, SSL_SESSION *session)
{
    struct weft__tls *tls = weft__tls_of(ssl);
    weft_tls_context *context = tls->context;
    weft__companion_lock(&context->lock);
    bool kept = context->current == SSL_get_SSL_CTX(ssl) && tls->server_name[0] &&
                weft__tls_cache_put(&context->cache, tls->server_name, session);
    pthread_mutex_unlock(&context->lock);
    return kept;
}

static void set_resumption(SSL_CTX *ctx, const struct weft__tls_setup *setup)
{
    bool resumes = !(setup->options.flags & WEFT_TLS_NO_RESUMPTION);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    if (!resumes) {
        SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
        SSL_CTX_set_num_tickets(ctx, 0);
    } else if (!setup->is_server) {
        SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(ctx, keep_session);
    }
    if (setup->is_server) {
        SSL_CTX_set_client_hello_cb(ctx, weft__tls_choose_sessions, NULL);
        SSL_CTX_set_tlsext_servername_callback(ctx, weft__tls_accept_name);
    }
}

static weft_result set_up(SSL_CTX *ctx, const struct weft__tls_setup *setup)
{
    const struct weft_tls_options *options = &setup->options;
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    if (options->flags & WEFT_TLS_ALLOW_TRUNCATION)
        SSL_CTX_set_options(ctx, SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_read_ahead(ctx, 1);
    int mode = verify_mode(setup);
    SSL_CTX_set_verify(ctx, mode, mode == SSL_VERIFY_NONE ? NULL : weft__tls_on_verified);
    set_resumption(ctx, setup);
    X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(ctx), X509_V_FLAG_PARTIAL_CHAIN);
    if (!SSL_CTX_set_session_id_context(ctx, session_context, sizeof(session_context) - 1) ||
        !SSL_CTX_set_min_proto_version(ctx, version_of(options->min_version, TLS1_2_VERSION)) ||
        !SSL_CTX_set_max_proto_version(ctx, version_of(options->max_version, TLS1_3_VERSION)))
        return weft_err(WEFT_ETLS);
    if (!SSL_CTX_set_cipher_list(ctx, options->ciphers ? options->ciphers : good_ciphers))
        return weft_errf(-EINVAL, "no cipher of \"%s\" is known",
                         options->ciphers ? options->ciphers : good_ciphers);
    return (weft_result){0};
}

static weft_result set_alpn(SSL_CTX *ctx, const struct weft__tls_setup *setup,
                            struct weft__tls_loaded *loaded)
{
    const char *list = setup->options.alpn;
    loaded->alpn_len = list ? weft__tls_alpn(list, loaded->alpn, sizeof(loaded->alpn)) : 0;
    if (!loaded->alpn_len)
        return (weft_result){0};
    if (setup->is_server)
        SSL_CTX_set_alpn_select_cb(ctx, weft__tls_choose_alpn, NULL);
    else if (SSL_CTX_set_alpn_protos(ctx, loaded->alpn, (unsigned)loaded->alpn_len) != 0)
        return weft_err(-ENOMEM);
    return (weft_result){0};
}

/* ---- All of it ---- */

static weft_result load_trust(SSL_CTX *ctx, const struct weft__tls_setup *setup)
{
    unsigned flags = setup->options.flags;
    if (!setup->is_server && !(flags & (WEFT_TLS_INSECURE | WEFT_TLS_NO_SYSTEM_CA)))
        weft__tls_trust_system(ctx);
    if (!setup->options.ca)
        return (weft_result){0};
    return weft__tls_trust(ctx, setup->options.ca, setup->is_server);
}

static weft_result load_into(SSL_CTX *ctx, const struct weft__tls_setup *setup,
                             struct weft__tls_loaded *loaded)
{
    weft_result result = set_up(ctx, setup);
    if (result.status == 0)
        result = set_alpn(ctx, setup, loaded);
    for (size_t i = 0; i < loaded->count && result.status == 0; i++)
        result = load_pair(ctx, &loaded->pairs[i], &setup->certificates[i]);
    if (result.status == 0 && setup->is_server && loaded->count > 1)
        SSL_CTX_set_cert_cb(ctx, weft__tls_choose_certificate, NULL);
    return result.status == 0 ? load_trust(ctx, setup) : result;
}

static struct weft__tls_loaded *new_loaded(size_t count)
{
    size_t size = sizeof(struct weft__tls_loaded) + count * sizeof(struct weft__tls_pair);
    struct weft__tls_loaded *loaded = weft__companion_malloc(size);
    if (!loaded)
        return NULL;
    memset(loaded, 0, size);
    loaded->count = count;
    return loaded;
}

weft_result weft__tls_load(const struct weft__tls_setup *setup, SSL_CTX **ret)
{
    ERR_clear_error();
    SSL_CTX *ctx = SSL_CTX_new(setup->is_server ? TLS_server_method() : TLS_client_method());
    struct weft__tls_loaded *loaded = ctx ? new_loaded(setup->options.certificate_count) : NULL;
    if (!loaded || !weft__tls_set_loaded(ctx, loaded)) {
        SSL_CTX_free(ctx);
        return weft_err(-ENOMEM);
    }
    weft_result result = load_into(ctx, setup, loaded);
    if (result.status < 0)
        SSL_CTX_free(ctx);
    else
        *ret = ctx;
    ERR_clear_error();
    return result;
}

/* SPDX-License-Identifier: MIT */
/*
 * weft_tls from the inside: contexts and connections. net/tls/context.c and net/tls/engine.c have
 * the design comments.
 */
#ifndef WEFT_NET_TLS_TLS_H
#define WEFT_NET_TLS_TLS_H

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <weft/callback.h>
#include <weft/tls.h>
#include <weft/value.h>

#include "core/companion.h"
#include "net/stream/companion.h"
#include "net/stream/filter.h"

/* ---- What a context is made of ---- */

/** The options with defaults filled in, and copies of all texts, in one block of memory. [const] */
struct weft__tls_setup {
    size_t bytes; /* of the block */
    bool is_server;
    struct weft_tls_options options;
    struct weft_tls_certificate certificates[];
};

/** The copy; NULL: *ret_status is -EINVAL, and *ret_why says why, or -ENOMEM. */
struct weft__tls_setup *weft__tls_setup_new(const struct weft_tls_options *options, bool is_server,
                                            int *ret_status, const char **ret_why);

/** Passwords are wiped. NULL is nothing. */
void weft__tls_setup_free(struct weft__tls_setup *setup);

/** "h2,http/1.1" as TLS has it: a byte of length before each. How long that is; 0: it is no such
 * list. */
size_t weft__tls_alpn(const char *list, unsigned char *ret, size_t size);

/* ---- What is loaded ---- */

enum { WEFT__TLS_ALPN = 256 };

struct weft__tls_pair {
    X509 *certificate;
    EVP_PKEY *key;
    STACK_OF(X509) * chain; /* those behind the certificate; NULL: none */
};

/** What belongs to an SSL_CTX besides, and is freed with it. [const] */
struct weft__tls_loaded {
    size_t alpn_len;
    unsigned char alpn[WEFT__TLS_ALPN];
    size_t count;
    struct weft__tls_pair pairs[];
};

/** Read all files and make an SSL_CTX of them. In a job, or anywhere. */
weft_result weft__tls_load(const struct weft__tls_setup *setup, SSL_CTX **ret);

/** Add to what an SSL_CTX trusts: the system's certificates; those of a PEM file or text, and a
 * server tells clients so. */
void weft__tls_trust_system(SSL_CTX *ctx);
weft_result weft__tls_trust(SSL_CTX *ctx, const char *source, bool is_server);

/** Gives OpenSSL the password that it was called with, NULL: none; else it would ask on the
 * terminal. */
int weft__tls_password(char *buffer, int size, int writes, void *password);

/** A PEM file or text, to be read; NULL: errno says why not. */
BIO *weft__tls_open(const char *source);

/** The failure `status` over a source, by name if it is a file, and what OpenSSL has to say. */
weft_result weft__tls_load_failed(int status, const char *what, const char *source);

/** What belongs to an SSL_CTX: set (taken over; false: no memory), and look. */
bool weft__tls_set_loaded(SSL_CTX *ctx, struct weft__tls_loaded *loaded);
const struct weft__tls_loaded *weft__tls_loaded_of(const SSL_CTX *ctx);

/* ---- What OpenSSL asks in a handshake (net/tls/choose.c) ---- */

/** The sessions that may be resumed: those of the same name. `arg` is not used, here and below. */
int weft__tls_choose_sessions(SSL *ssl, int *alert, void *arg);

/** Any name will do; what it is goes with the session, so that it is known when that is resumed. */
int weft__tls_accept_name(SSL *ssl, int *alert, void *arg);

/** The certificates for the name that the client has asked for. */
int weft__tls_choose_certificate(SSL *ssl, void *arg);

/** The protocol on top. */
int weft__tls_choose_alpn(SSL *ssl, const unsigned char **ret, unsigned char *ret_len,
                          const unsigned char *offered, unsigned offered_len, void *arg);

/* ---- Sessions of clients ---- */

enum { WEFT__TLS_SESSIONS = 32 };

/** All [lock] of the context. */
struct weft__tls_cache {
    size_t next; /* slot to be used */
    struct {
        SSL_SESSION *session; /* NULL: none */
        char *name;
    } slots[WEFT__TLS_SESSIONS];
};

/** Keep a session (a reference is taken over with success), drop the oldest. False: no memory. */
bool weft__tls_cache_put(struct weft__tls_cache *cache, const char *name, SSL_SESSION *session);

/** The newest one for a name, with a reference; NULL: none. */
SSL_SESSION *weft__tls_cache_take(struct weft__tls_cache *cache, const char *name);

void weft__tls_cache_clear(struct weft__tls_cache *cache);

/* ---- Contexts ---- */

struct weft_tls_context {
    const struct weft__tls_ops *ops; /* first; [const] */
    bool is_server;                  /* [const] */
    unsigned generation;             /* [const] of the process that made it */
    struct weft__tls_setup *setup;   /* [const], owned */
    atomic_uint refs;                /* [atomic] as usual: the last one sees all the others did */
    pthread_mutex_t lock;
    SSL_CTX *current;             /* [lock] a reference; NULL: not loaded yet */
    struct weft__tls_cache cache; /* [lock] of sessions that began with `current` */
};

/** What connections begin with now: a reference. */
SSL_CTX *weft__tls_current(weft_tls_context *context);

/* ---- Connections ---- */

enum weft__tls_state { WEFT__TLS_HANDSHAKE, WEFT__TLS_OPEN, WEFT__TLS_FAILED };

/** TLS on a stream. All fields are [loop]. */
struct weft__tls {
    struct weft__stream_filter filter; /* first */
    enum weft__tls_state state;
    bool is_server;            /* [const] */
    bool receives;             /* it may recv(): within receive() */
    bool drained;              /* and the descriptor has no more for now */
    bool cut_off;              /* the descriptor is at its end */
    bool has_more;             /* see the filter's */
    int end;                   /* what reading ends with: 0: nothing yet; WEFT_EOF; a failure */
    int io;                    /* 0, or why the descriptor or the buffer failed OpenSSL */
    int offered;               /* the version in the peer's hello; 0: it has sent none */
    SSL *ssl;                  /* owned */
    weft_tls_context *context; /* a reference */
    weft_future *over;         /* done when the handshake is; a reference */
    struct weft_callback deadline;
    char *why;                     /* what is wrong; owned; NULL: nothing, or no memory for it */
    struct weft_tls_details *info; /* made when asked for; owned */
    uint64_t protected_bytes;      /* since the key was changed */
    char server_name[];            /* "" for servers */
};

extern const struct weft__stream_filter_ops weft__tls_filter_ops;
extern const struct weft__tls_ops weft__tls_context_ops;

/** After so many bytes, the key of a direction is changed: see net/tls/engine.c. */
#define WEFT__TLS_KEY_BYTES ((uint64_t)1 << 36)

/** The connection of an SSL. */
static inline struct weft__tls *weft__tls_of(const SSL *ssl)
{
    return SSL_get_app_data(ssl);
}

/** Empty OpenSSL's queue of errors: ERR_clear_error() goes through all of its places, full or not. */
static inline void weft__tls_clear_errors(void)
{
    if (ERR_peek_error())
        ERR_clear_error();
}

/** A BIO over the stream of a connection; NULL: no memory. */
BIO *weft__tls_bio_new(struct weft__tls *tls);

/** Free all but the stream's part. */
void weft__tls_free(struct weft__tls *tls);

/** A step of the handshake. 0: it goes on, or is done; else the failure, kept. */
int weft__tls_step(struct weft__tls *tls);

/** OpenSSL says that something is wrong: make it a status and a message, and keep them. Returns the
 * status. */
int weft__tls_failed(struct weft__tls *tls);

/** The same for a status of our own; `what` may be NULL. */
int weft__tls_fail(struct weft__tls *tls, int status, const char *what);

/** What OpenSSL calls for each certificate that it has checked; keeps what is wrong with one. */
int weft__tls_on_verified(int ok, X509_STORE_CTX *store);

/** Notes the version in the peer's hello. */
void weft__tls_on_message(int is_sent, int version, int type, const void *data, size_t len,
                          SSL *ssl, void *arg);

/** Call `fn` for each name of a certificate: hosts and addresses. `name` is good for the call. */
void weft__tls_each_name(X509 *certificate, void (*fn)(void *arg, const char *name), void *arg);

/** "CN=example.org,O=Example", cut off if need be. Returns `buffer`. */
const char *weft__tls_subject(const X509_NAME *subject, char *buffer, size_t size);

#endif

/* SPDX-License-Identifier: MIT */
/**
 * TLS on streams, by OpenSSL 3: a library of its own, `weft_tls` (not part of <weft/weft.h>).
 *
 *     struct ask { WEFT_FRAME; weft_stream *stream; weft_tls_context *tls; weft_bytes *line; };
 *
 *     static WEFT_ASYNC(ask)
 *     {
 *         WEFT_BEGIN;
 *         WEFT_AWAIT_INTO(self->tls, weft_tls_client_new(NULL));
 *         WEFT_AWAIT_INTO(self->stream, weft_connect("example.org:443"));
 *         WEFT_AWAIT(weft_start_tls(self->stream, self->tls, "example.org"));
 *         weft_write(self->stream, "GET / HTTP/1.0\r\nHost: example.org\r\n\r\n", 37);
 *         WEFT_AWAIT_INTO(self->line, weft_read_line(self->stream, 0));
 *         WEFT_FINALLY;
 *         weft_bytes_free(self->line);
 *         weft_stream_free(self->stream);
 *         weft_tls_context_unref(self->tls);
 *         WEFT_END;
 *     }
 *
 * A context is what connections have in common: certificates, whom to trust, what is spoken. It is
 * made once, on a worker, and used for any number of connections, on any number of loops. On a
 * stream TLS begins by weft_start_tls(), at once or after some plain text; from then on what is
 * read and written is protected, and all of <weft/stream.h> works as before: limits, drain, cancel,
 * close.
 *
 * A client checks the server's certificate and that it is for the name that was meant; nothing has
 * to be switched on for that. TLS 1.2 is the oldest version that is spoken. There is no
 * renegotiation, no compression and no early data.
 *
 * A refusal is WEFT_ECERT when it is about the peer's certificate, else WEFT_ETLS; the message says
 * what is wrong, and with whom. An end that the peer did not announce (by close_notify) is
 * WEFT_ETRUNCATED: somebody between may have cut off what was still to come. WEFT_EOF and a read of
 * 0 bytes are ends that the peer has meant.
 *
 * When weft runs out of memory in a write, the connection has failed with -ENOMEM: a part may be
 * sent. weft's allocator (<weft/memory.h>) is not OpenSSL's; who wants one there sets it before
 * anything else uses OpenSSL, by CRYPTO_set_mem_functions(), which is for the whole process.
 */
#ifndef WEFT_TLS_H
#define WEFT_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <weft/future.h>
#include <weft/macros.h>
#include <weft/stream.h>
#include <weft/time.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Certificates, whom to trust, and what is spoken: of clients, or of servers. */
typedef struct weft_tls_context weft_tls_context;

/* ---- Contexts ---- */

/**
 * A certificate with its key. Each is the path of a PEM file, or the PEM text itself: what has
 * "-----BEGIN" in it.
 */
struct weft_tls_certificate {
    const char *chain; /* the certificate, and behind it those that lead to one that is trusted */
    const char *key;   /* NULL: it is where the chain is */
    const char *password; /* of the key; NULL: it has none. Nobody is ever asked for one */
};

enum weft_tls_version { WEFT_TLS_DEFAULT_VERSION, WEFT_TLS_1_2, WEFT_TLS_1_3 };

/** To be or-ed. */
enum weft_tls_flags {
    WEFT_TLS_INSECURE = 1, /* clients: any certificate will do, whoever made it: for tests only */
    WEFT_TLS_ANY_NAME =
        2, /* clients: it must lead to one that is trusted, and may be for anybody */
    WEFT_TLS_NO_SYSTEM_CA = 4, /* clients: the system's certificates are not trusted, only `ca` */
    WEFT_TLS_CLIENT_OPTIONAL =
        8, /* servers: a client may show a certificate; one that does not lead
                                     to `ca` is refused */
    WEFT_TLS_CLIENT_REQUIRED = 16, /* servers: it must */
    WEFT_TLS_NO_RESUMPTION = 32,   /* every connection begins from nothing: no tickets */
    WEFT_TLS_ALLOW_TRUNCATION = 64 /* an end that was not announced is an end as any other; for who
                                      knows from elsewhere that all has come: by a length, say */
};

/** Zero is the default of every field. */
struct weft_tls_options {
    size_t size; /* sizeof(struct weft_tls_options), or 0 for "this version" */
    /*
     * A server has at least one: each connection gets the one that is for the name the client asked
     * for, an exact name before a wildcard; several for the same name may differ in the kind of
     * their keys. The first one is for all other names. A client shows its own when it is asked.
     */
    const struct weft_tls_certificate *certificates;
    size_t certificate_count; /* 0: one, if there is any */
    const char *ca;   /* those who are trusted besides the system's (servers: by whom clients'
                                 certificates are made): a PEM file, or the text itself */
    const char *alpn; /* what is spoken on top, most wanted first: "h2,http/1.1"; a server
                                 refuses who offers others only, and lets pass who offers none */
    const char
        *ciphers; /* of TLS 1.2, in OpenSSL's words; NULL: those with keys of their own for each
                            connection and authenticated encryption (ECDHE or DHE, with AES-GCM or
                            ChaCha20) */
    enum weft_tls_version min_version; /* default: TLS 1.2 */
    enum weft_tls_version max_version; /* default: the newest */
    unsigned flags;                    /* enum weft_tls_flags */
    weft_ns handshake_timeout;         /* 0: 30 s; WEFT_FOREVER: none */
    weft_ns
        close_timeout; /* how long weft_close() waits for the peer's end after all was sent; 0: 5 s;
                              less: not at all */
};

/**
 * A context for clients (ssl.create_default_context). The value is a `weft_tls_context *`.
 *
 * By default it trusts what the system trusts: the files that OpenSSL's settings name, and those of
 * SSL_CERT_FILE and SSL_CERT_DIR. All files are read now, on a worker; a handshake reads none.
 *
 * Sessions are resumed: a context remembers the last tickets of up to 32 servers, by the name that
 * was meant. One that was used with TLS 1.3 is not used again.
 *
 * Thread:    loop.
 * Ownership: returns one reference, never NULL. The value's destructor is weft_tls_context_unref().
 *            `options` (may be NULL) is copied.
 * Errors:    by the future: -EINVAL, what opening a file fails with, WEFT_ECERT (a certificate or a
 *            key that cannot be read, or do not belong together), WEFT_ETLS, -ENOMEM, -ECANCELED
 *            (at once: a worker that reads is left to itself), -EAGAIN (too many jobs wait in the
 *            lane "files"), -ESHUTDOWN, WEFT_ENOLOOP. The message names the file.
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *
weft_tls_client_new(const struct weft_tls_options *options);

/**
 * A context for servers; `options` has at least one certificate. The value is a
 * `weft_tls_context *`.
 *
 * Thread:    loop.
 * Ownership: as weft_tls_client_new().
 * Errors:    as weft_tls_client_new().
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *
weft_tls_server_new(const struct weft_tls_options *options);

/** One more reference; returns `context`. Thread: any. Since: 0.1 */
WEFT_PUBLIC weft_tls_context *weft_tls_context_ref(weft_tls_context *context);

/**
 * Give up a reference. Connections that use the context go on. NULL is nothing.
 *
 * Thread:    any.
 * Ownership: consumes the reference.
 * Errors:    none.
 * Since:     0.1
 */
WEFT_PUBLIC void weft_tls_context_unref(weft_tls_context *context);

/**
 * Read the files of a context again, on a worker: certificates that were renewed, say. Connections
 * that begin from then on have what was read; those that are open keep what they have. Tickets that
 * were given before are not accepted any more: who has one begins from nothing.
 *
 * If anything fails, the context stays as it was.
 *
 * Thread:    loop; of whichever loop.
 * Ownership: returns one reference, never NULL. The context is kept while it is read.
 * Errors:    by the future: as weft_tls_client_new(); WEFT_EFORK (the context is a parent's).
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_tls_reload(weft_tls_context *context);

/* ---- Connections ---- */

/**
 * Begin TLS on a stream (StreamWriter.start_tls), as client or as server, as the context is. It is
 * done after the handshake; there is no value.
 *
 * `server_name` is whom the client means: a host's name or an address as in "192.0.2.7" or
 * "2001:db8::7". The server's certificate must be for it. It may be NULL with WEFT_TLS_ANY_NAME or
 * WEFT_TLS_INSECURE. For servers it is NULL.
 *
 * Plain text may have gone before, both ways; what waits to be sent is sent first. But nothing may
 * have come that was not read: who can write to the connection without being the peer could have
 * put it there, to have it taken for what TLS protects. For a client it is a failure, WEFT_EPROTO,
 * and for a server, too, unless it is the beginning of a handshake.
 *
 * Until it is done a write fails with -EBUSY, and a read waits. When it fails, is cancelled, or
 * takes longer than `handshake_timeout`, the stream has failed with that; its owner frees it.
 *
 * Thread:    loop.
 * Ownership: returns one reference, never NULL. The stream stays its owner's. The context is kept
 *            as long as the stream needs it; the name is copied.
 * Errors:    by the future: WEFT_ECERT (the certificate: its name, its time, who made it),
 *            WEFT_ETLS (the versions, the ciphers, an alert of the peer's), WEFT_ETRUNCATED (the
 *            peer has gone in the middle of it), -ETIMEDOUT, WEFT_EPROTO (see above), -EBUSY (a
 *            read is under way, or it is TLS already), -EPIPE (after weft_write_eof()), -EINVAL (no
 *            name; not a name; a pipe), -ECONNRESET and other failures of the connection,
 *            WEFT_ECLOSED (the stream was closed meanwhile), -ENOMEM, -ECANCELED, WEFT_EFORK (the
 *            context is a parent's).
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *
weft_start_tls(weft_stream *stream, weft_tls_context *context, const char *server_name);

/** What was agreed upon. Texts are "" where there is nothing to tell, never NULL. */
struct weft_tls_details {
    const char *version;      /* "TLS 1.3" */
    const char *cipher;       /* "TLS_AES_256_GCM_SHA384" */
    const char *alpn;         /* "h2" */
    const char *server_name;  /* whom the client meant */
    const char *subject;      /* of the peer's certificate: "CN=example.org,O=Example" */
    const char *fingerprint;  /* the SHA-256 of that certificate: 64 hexadecimal digits */
    const char *const *names; /* for whom that is: "example.org", "*.example.org", "192.0.2.7" */
    size_t name_count;
    bool is_verified; /* there is a certificate, and it leads to one that is trusted */
    bool is_resumed;  /* by a ticket of an earlier connection */
};

/**
 * What was agreed upon.
 *
 * Thread:    loop.
 * Ownership: borrowed, as long as the stream is there.
 * Errors:    NULL: it is not TLS, its handshake is not done, it has failed, or out of memory.
 * Since:     0.1
 */
WEFT_PUBLIC const struct weft_tls_details *weft_tls_info(weft_stream *stream);

#ifdef __cplusplus
}
#endif

#endif

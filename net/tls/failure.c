/* SPDX-License-Identifier: MIT */
/*
 * Failures: from what OpenSSL says to a status and a message, "TLS with example.org
 * (192.0.2.7:443): the certificate is for example.com, not for example.org".
 *
 * A failure is for good, and for both directions. It is kept in the filter, where the stream's
 * reads and drains find the message.
 */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/sslerr.h>
#include <stdio.h>
#include <string.h>

#include "net/tls/tls.h"

enum { WHY = 1024, WHAT = 256, FIRST_ALERT = 1000 };

static const char *version_name(int version)
{
    switch (version) {
    case SSL3_VERSION:
        return "SSL 3";
    case TLS1_VERSION:
        return "TLS 1.0";
    case TLS1_1_VERSION:
        return "TLS 1.1";
    case TLS1_2_VERSION:
        return "TLS 1.2";
    case TLS1_3_VERSION:
        return "TLS 1.3";
    default:
        return "an unknown version";
    }
}

static int least(const struct weft__tls *tls)
{
    return (int)SSL_get_min_proto_version(tls->ssl);
}

static void describe_version(const struct weft__tls *tls, char what[WHAT])
{
    const char *peer = tls->is_server ? "client" : "server";
    if (tls->offered && tls->offered < least(tls))
        snprintf(what, WHAT, "the %s speaks %s, and the oldest version spoken here is %s", peer,
                 version_name(tls->offered), version_name(least(tls)));
    else
        snprintf(what, WHAT, "the %s speaks none of the versions from %s to %s", peer,
                 version_name(least(tls)), version_name((int)SSL_get_max_proto_version(tls->ssl)));
}

/* OpenSSL 3.0 does not know all of TLS 1.3's. */
static const char *alert_name(int alert)
{
    if (alert == SSL_AD_CERTIFICATE_REQUIRED)
        return "certificate required";
    return alert == SSL_AD_MISSING_EXTENSION ? "missing extension"
                                             : SSL_alert_desc_string_long(alert);
}

static int describe_alert(const struct weft__tls *tls, int alert, char what[WHAT])
{
    const char *peer = tls->is_server ? "client" : "server";
    if (alert == SSL_AD_PROTOCOL_VERSION)
        describe_version(tls, what);
    else
        snprintf(what, WHAT, "the %s has refused: \"%s\"", peer, alert_name(alert));
    return WEFT_ETLS;
}

static int describe_end(const struct weft__tls *tls, char what[WHAT])
{
    snprintf(what, WHAT, "%s",
             tls->state == WEFT__TLS_HANDSHAKE
                 ? "the peer has gone in the middle of the handshake"
                 : "the connection has ended without the peer's goodbye: what came may be cut off");
    return WEFT_ETRUNCATED;
}

/* The first error of OpenSSL's queue, which is what began it. Returns the status. */
static int describe(const struct weft__tls *tls, char what[WHAT])
{
    unsigned long error = ERR_peek_error();
    int reason = ERR_GET_REASON(error);
    const char *text = error ? ERR_reason_error_string(error) : NULL;
    if (ERR_GET_LIB(error) == ERR_LIB_SSL && reason > FIRST_ALERT)
        return describe_alert(tls, reason - FIRST_ALERT, what);
    switch (ERR_GET_LIB(error) == ERR_LIB_SSL ? reason : 0) {
    case SSL_R_UNEXPECTED_EOF_WHILE_READING:
        return describe_end(tls, what);
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_WRONG_SSL_VERSION:
    case SSL_R_VERSION_TOO_LOW:
        describe_version(tls, what);
        return WEFT_ETLS;
    case SSL_R_HTTP_REQUEST:
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_HTTPS_PROXY_REQUEST:
        snprintf(what, WHAT, "what the peer has sent is not TLS (%s)", text);
        return WEFT_ETLS;
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
        snprintf(what, WHAT, "the client has shown no certificate");
        return WEFT_ECERT;
    case SSL_R_NO_APPLICATION_PROTOCOL:
        snprintf(what, WHAT, "the client speaks none of the protocols that are spoken here (ALPN)");
        return WEFT_ETLS;
    default:
        snprintf(what, WHAT, "%s", text ? text : "OpenSSL does not say what is wrong");
        return reason == ERR_R_MALLOC_FAILURE ? -ENOMEM : WEFT_ETLS;
    }
}

/* "TLS with …: what"; NULL: no memory. */
static char *explain(const struct weft__tls *tls, const char *what)
{
    char *why = weft__companion_malloc(WHY);
    weft_stream *stream = tls->filter.stream;
    const char *peer = stream ? weft_stream_peer(stream) : "?";
    if (why && tls->server_name[0])
        snprintf(why, WHY, "TLS with %s (%s): %s", tls->server_name, peer, what);
    else if (why)
        snprintf(why, WHY, "TLS with %s: %s", peer, what);
    return why;
}

int weft__tls_fail(struct weft__tls *tls, int status, const char *what)
{
    char *why = explain(tls, what ? what : weft_strerror(status));
    bool in_handshake = tls->state == WEFT__TLS_HANDSHAKE;
    weft__companion_free(tls->why);
    tls->why = why;
    tls->state = WEFT__TLS_FAILED;
    tls->end = status;
    tls->filter.failure = status;
    tls->filter.why = why;
    weft_callback_cancel(&tls->deadline);
    if (in_handshake && !weft_is_done(tls->over))
        (void)(why ? weft_future_fail(tls->over, status, "%s", why)
                   : weft_future_fail(tls->over, status, NULL));
    return status;
}

int weft__tls_failed(struct weft__tls *tls)
{
    char what[WHAT];
    int status;
    if (tls->io < 0) {
        status = weft__tls_fail(tls, tls->io, NULL);
    } else if (tls->why) { /* a certificate was refused */
        status = weft__tls_fail(tls, WEFT_ECERT, tls->why);
    } else {
        status = describe(tls, what);
        status = weft__tls_fail(tls, status, what);
    }
    ERR_clear_error();
    return status;
}

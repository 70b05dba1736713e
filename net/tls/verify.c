/* SPDX-License-Identifier: MIT */
/*
 * What is noted while a handshake goes on, for the message if it fails: what is wrong with a
 * certificate, and which version the peer has spoken of.
 */
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "net/tls/tls.h"

enum { WHY = 768, NAMES = 256, SUBJECT = 128, TIME = 32 };

/* The first thing that is wrong is kept. */
static void note(struct weft__tls *tls, const char *format, ...) WEFT_PRINTF(2, 3);
static void note(struct weft__tls *tls, const char *format, ...)
{
    va_list args;
    char *why = tls->why ? NULL : weft__companion_malloc(WHY);
    if (!why)
        return;
    va_start(args, format);
    vsnprintf(why, WHY, format, args);
    va_end(args);
    tls->why = why;
}

struct list {
    char text[NAMES];
    size_t len;
};

/* As many names as there is room for. */
static void append(void *arg, const char *name)
{
    struct list *list = arg;
    const char *between = list->len ? ", " : "";
    size_t need = strlen(between) + strlen(name);
    if (list->len + need + sizeof(", …") > sizeof(list->text)) {
        if (list->text[list->len - (list->len > 0)] != '\xa6') /* the end of "…" */
            list->len += (size_t)snprintf(list->text + list->len, sizeof(list->text) - list->len,
                                          "%s…", between);
        return;
    }
    list->len += (size_t)snprintf(list->text + list->len, sizeof(list->text) - list->len, "%s%s",
                                  between, name);
}

static void note_wrong_name(struct weft__tls *tls, X509 *certificate)
{
    struct list list = {{0}, 0};
    weft__tls_each_name(certificate, append, &list);
    note(tls, "the certificate is for %s, not for %s", list.len ? list.text : "no name at all",
         tls->server_name);
}

static const char *time_text(const ASN1_TIME *at, char *buffer, size_t size)
{
    struct tm tm;
    if (!ASN1_TIME_to_tm(at, &tm) || !strftime(buffer, size, "%Y-%m-%d %H:%M:%S UTC", &tm))
        snprintf(buffer, size, "a time that cannot be read");
    return buffer;
}

static void note_bad(struct weft__tls *tls, X509_STORE_CTX *store, X509 *certificate)
{
    char subject[SUBJECT], issuer[SUBJECT], at[TIME];
    int error = X509_STORE_CTX_get_error(store);
    const char *what =
        X509_STORE_CTX_get_error_depth(store) ? "the issuer's certificate" : "the certificate";
    weft__tls_subject(X509_get_subject_name(certificate), subject, sizeof(subject));
    weft__tls_subject(X509_get_issuer_name(certificate), issuer, sizeof(issuer));
    switch (error) {
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        note_wrong_name(tls, certificate);
        break;
    case X509_V_ERR_CERT_HAS_EXPIRED:
        note(tls, "%s (%s) has expired: it was valid until %s", what, subject,
             time_text(X509_get0_notAfter(certificate), at, sizeof(at)));
        break;
    case X509_V_ERR_CERT_NOT_YET_VALID:
        note(tls, "%s (%s) is not valid yet: it will be from %s on", what, subject,
             time_text(X509_get0_notBefore(certificate), at, sizeof(at)));
        break;
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        note(tls, "the certificate (%s) is self-signed, and not one that is trusted", subject);
        break;
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
        note(tls, "the certificate leads to a self-signed one (%s) that is not trusted", subject);
        break;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        note(tls, "%s (%s) was issued by somebody who is not known (%s)", what, subject, issuer);
        break;
    default:
        note(tls, "%s (%s) was refused: %s", what, subject, X509_verify_cert_error_string(error));
    }
}

int weft__tls_on_verified(int ok, X509_STORE_CTX *store)
{
    const SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    X509 *certificate = X509_STORE_CTX_get_current_cert(store);
    if (ok || !ssl || !certificate)
        return ok;
    ERR_set_mark();
    note_bad(weft__tls_of(ssl), store, certificate);
    ERR_pop_to_mark();
    return 0;
}

void weft__tls_on_message(int is_sent, int version, int type, const void *data, size_t len,
                          SSL *ssl, void *arg)
{
    (void)version;
    const unsigned char *bytes = data;
    struct weft__tls *tls = arg;
    (void)ssl;
    bool is_hello = !is_sent && type == SSL3_RT_HANDSHAKE && len >= 6 &&
                    (bytes[0] == SSL3_MT_CLIENT_HELLO || bytes[0] == SSL3_MT_SERVER_HELLO);
    if (is_hello)
        tls->offered = bytes[4] << 8 | bytes[5];
}

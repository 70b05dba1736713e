/* SPDX-License-Identifier: MIT */
/*
 * The goodbye of TLS, its alert "close_notify".
 *
 * A response without a length ends with its connection. Anybody between can end that; but only the
 * server can say goodbye. libcurl 7.88.1 does not look at it: its OpenSSL reports such an end as
 * one of the system's without an error, which libcurl takes for the end of the body. (Other
 * versions fail with what OpenSSL says: see error.c.)
 *
 * So OpenSSL's information callback notes the alert. When libcurl says that the transfer is done
 * the connection is gone already: what was noted has a reference of the transfer, and one of the
 * connection. All is [loop]; the last connections are closed on a worker when no transfer is left.
 */
#include "net/http_client/goodbye.h"

#include <errno.h>
#include <pthread.h>
#include <stddef.h>

#include "net/http_client/text.h"

struct weft__client_goodbye {
    unsigned refs;
    bool is_said;
};

bool weft__client_goodbye_is_missing(const struct weft__client_goodbye *goodbye)
{
    return goodbye && !goodbye->is_said;
}

void weft__client_goodbye_unref(struct weft__client_goodbye *goodbye)
{
    if (goodbye && --goodbye->refs == 0)
        weft__companion_free(goodbye);
}

#ifdef WEFT__CLIENT_OPENSSL
#include <openssl/ssl.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int place = -1; /* of the note in an SSL; -1: none */

static void on_free(void *ssl, void *note, CRYPTO_EX_DATA *data, int index, long number, void *arg)
{
    (void)ssl;
    (void)data;
    (void)index;
    (void)number;
    (void)arg;
    weft__client_goodbye_unref(note);
}

static void find_place(void)
{
    const curl_version_info_data *info = curl_version_info(CURLVERSION_NOW);
    if (info->ssl_version && strncmp(info->ssl_version, "OpenSSL/3", 9) == 0)
        place = SSL_get_ex_new_index(0, NULL, NULL, NULL, on_free);
}

static void on_alert(const SSL *ssl, int where, int alert)
{
    struct weft__client_goodbye *note = SSL_get_ex_data(ssl, place);
    bool is_read = (where & SSL_CB_READ_ALERT) == SSL_CB_READ_ALERT;
    if (note && is_read && (alert & 0xff) == SSL_AD_CLOSE_NOTIFY)
        note->is_said = true;
}

static struct weft__client_goodbye *new_note(SSL *ssl)
{
    struct weft__client_goodbye *note = weft__client_alloc(sizeof(*note));
    if (!note)
        return NULL;
    note->refs = 1;
    note->is_said = SSL_get_shutdown(ssl) & SSL_RECEIVED_SHUTDOWN;
    if (SSL_set_ex_data(ssl, place, note)) {
        SSL_set_info_callback(ssl, on_alert);
        return note;
    }
    weft__companion_free(note);
    return NULL;
}

int weft__client_goodbye_await(CURL *easy, struct weft__client_goodbye **ret)
{
    struct curl_tlssessioninfo *info = NULL;
    pthread_once(&once, find_place);
    (void)curl_easy_getinfo(easy, CURLINFO_TLS_SSL_PTR, &info);
    if (place < 0 || !info || info->backend != CURLSSLBACKEND_OPENSSL || !info->internals)
        return 0;
    struct weft__client_goodbye *note = SSL_get_ex_data(info->internals, place);
    if (!note)
        note = new_note(info->internals);
    if (!note)
        return -ENOMEM;
    note->refs++;
    *ret = note;
    return 0;
}
#else
int weft__client_goodbye_await(CURL *easy, struct weft__client_goodbye **ret)
{
    (void)easy;
    (void)ret;
    return 0;
}
#endif

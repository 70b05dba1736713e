/* SPDX-License-Identifier: MIT */
/*
 * Setups: the options of a context, checked and copied, so that a worker can read them now, and
 * again for each reload. One block of memory: the struct, the certificates, the texts.
 */
#include <errno.h>
#include <string.h>

#include "net/tls/tls.h"

#define HANDSHAKE_TIMEOUT WEFT_S(30)
#define CLOSE_TIMEOUT WEFT_S(5)

enum {
    FOR_CLIENTS = WEFT_TLS_INSECURE | WEFT_TLS_ANY_NAME | WEFT_TLS_NO_SYSTEM_CA,
    FOR_SERVERS = WEFT_TLS_CLIENT_OPTIONAL | WEFT_TLS_CLIENT_REQUIRED,
    FOR_BOTH = WEFT_TLS_NO_RESUMPTION | WEFT_TLS_ALLOW_TRUNCATION
};

size_t weft__tls_alpn(const char *list, unsigned char *ret, size_t size)
{
    size_t len = 0;
    while (*list) {
        size_t one = strcspn(list, ",");
        if (!one || one > 255 || len + 1 + one > size)
            return 0;
        ret[len] = (unsigned char)one;
        memcpy(ret + len + 1, list, one);
        len += 1 + one;
        list += one;
        if (*list && !*++list) /* a comma, and nothing behind it */
            return 0;
    }
    return len;
}

/* ---- Checking ---- */

static size_t count_of(const struct weft_tls_options *options)
{
    if (!options->certificates)
        return 0;
    return options->certificate_count ? options->certificate_count : 1;
}

static const char *check_flags(const struct weft_tls_options *options, bool is_server)
{
    unsigned known = FOR_BOTH | (is_server ? (unsigned)FOR_SERVERS : (unsigned)FOR_CLIENTS);
    bool asks = options->flags & FOR_SERVERS;
    if (options->flags & ~known)
        return is_server ? "a flag that is not for servers" : "a flag that is not for clients";
    if (is_server && asks && !options->ca)
        return "to check the certificates of clients, `ca` is needed";
    if (is_server && !asks && options->ca)
        return "`ca` is for the certificates of clients, and none are asked for";
    return NULL;
}

static const char *check_version(const struct weft_tls_options *options)
{
    if ((unsigned)options->min_version > WEFT_TLS_1_3 ||
        (unsigned)options->max_version > WEFT_TLS_1_3)
        return "no such version";
    if (options->max_version && options->min_version > options->max_version)
        return "the oldest version is newer than the newest";
    return NULL;
}

/* NULL, or what is wrong. */
static const char *check(const struct weft_tls_options *options, bool is_server)
{
    unsigned char alpn[WEFT__TLS_ALPN];
    if (options->size && options->size != sizeof(*options))
        return "options of another version";
    for (size_t i = 0; i < count_of(options); i++)
        if (!options->certificates[i].chain)
            return "a certificate without a chain";
    if (is_server && !count_of(options))
        return "a server needs a certificate";
    if (options->alpn && !weft__tls_alpn(options->alpn, alpn, sizeof(alpn)))
        return "`alpn` is a list as in \"h2,http/1.1\", of less than 256 bytes";
    if (options->handshake_timeout < 0)
        return "`handshake_timeout` is negative";
    const char *why = check_flags(options, is_server);
    return why ? why : check_version(options);
}

/* ---- Copying ---- */

static size_t size_of(const char *text)
{
    return text ? strlen(text) + 1 : 0;
}

static const char *put(char **at, const char *text)
{
    char *to = *at;
    if (!text)
        return NULL;
    memcpy(to, text, size_of(text));
    *at += size_of(text);
    return to;
}

static size_t size_of_all(const struct weft_tls_options *options)
{
    size_t size = size_of(options->ca) + size_of(options->alpn) + size_of(options->ciphers);
    for (size_t i = 0; i < count_of(options); i++) {
        const struct weft_tls_certificate *one = &options->certificates[i];
        size += sizeof(*one) + size_of(one->chain) + size_of(one->key) + size_of(one->password);
    }
    return size;
}

static void copy(struct weft__tls_setup *setup, const struct weft_tls_options *options)
{
    size_t count = count_of(options);
    char *at = (char *)&setup->certificates[count];
    setup->options = *options;
    setup->options.certificates = setup->certificates;
    setup->options.certificate_count = count;
    setup->options.ca = put(&at, options->ca);
    setup->options.alpn = put(&at, options->alpn);
    setup->options.ciphers = put(&at, options->ciphers);
    for (size_t i = 0; i < count; i++) {
        const struct weft_tls_certificate *one = &options->certificates[i];
        setup->certificates[i].chain = put(&at, one->chain);
        setup->certificates[i].key = put(&at, one->key);
        setup->certificates[i].password = put(&at, one->password);
    }
}

struct weft__tls_setup *weft__tls_setup_new(const struct weft_tls_options *options, bool is_server,
                                            int *ret_status, const char **ret_why)
{
    static const struct weft_tls_options defaults;
    options = options ? options : &defaults;
    *ret_why = check(options, is_server);
    if (*ret_why) {
        *ret_status = -EINVAL;
        return NULL;
    }
    size_t bytes = sizeof(struct weft__tls_setup) + size_of_all(options);
    struct weft__tls_setup *setup = weft__companion_malloc(bytes);
    if (!setup) {
        *ret_status = -ENOMEM;
        return NULL;
    }
    setup->bytes = bytes;
    setup->is_server = is_server;
    copy(setup, options);
    if (!options->handshake_timeout)
        setup->options.handshake_timeout = HANDSHAKE_TIMEOUT;
    if (!options->close_timeout)
        setup->options.close_timeout = CLOSE_TIMEOUT;
    return setup;
}

void weft__tls_setup_free(struct weft__tls_setup *setup)
{
    if (!setup)
        return;
    OPENSSL_cleanse(setup, setup->bytes);
    weft__companion_free(setup);
}

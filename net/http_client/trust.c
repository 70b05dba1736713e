/* SPDX-License-Identifier: MIT */
/*
 * What a session trusts, and what it shows of itself.
 *
 * libcurl reads the CA certificates of the system when it first connects by TLS: on the loop, for
 * as long as OpenSSL takes for some 140 certificates (docs/design/http_client.md has the figure).
 * So a worker reads them into a store, which each connection's SSL_CTX then shares. That needs
 * OpenSSL, here and in libcurl; another TLS library is given the name of the file, and reads it on
 * the loop.
 *
 * The client's certificate and key are read by the same job. libcurl takes them from memory.
 *
 *     NEW --load--> LOADING --the job succeeded--> LOADED
 *                           --it failed----------> NEW: the next request tries again
 *
 * Requests wait by a shield: to cancel one cancels no other's. The job has a reference, so that it
 * may outlast the session.
 */
#include "net/http_client/trust.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>
#include <weft/combine.h>
#include <weft/job.h>
#include <weft/lane.h>
#include <weft/pool.h>

#ifdef WEFT__CLIENT_OPENSSL
#include <openssl/err.h>
#include <openssl/ssl.h>
#endif

#include "net/http_client/text.h"

enum { MAX_PEM = 1 << 20 };

struct file {
    char *data; /* owned */
    size_t len;
};

/** What is not [const] is the job's while it is LOADING, else [loop]. */
struct weft__client_trust {
    atomic_uint refs;                      /* the last one orders what others did: acq_rel */
    char *ca_file, *ca_dir;                /* [const] owned; NULL: none */
    char *cert_file, *key_file, *password; /* [const] owned; NULL: none */
    bool verifies;                         /* [const] */
    bool has_store;       /* [const] certificates are loaded here, not by libcurl */
    bool is_loaded;       /* [loop] */
    weft_future *loading; /* [loop] a reference; NULL: nobody loads */
    struct file cert, key;
#ifdef WEFT__CLIENT_OPENSSL
    X509_STORE *store; /* owned */
#endif
};

/* ---- Life ---- */

static bool uses_openssl(const curl_version_info_data *info)
{
#ifdef WEFT__CLIENT_OPENSSL
    return info->ssl_version && strncmp(info->ssl_version, "OpenSSL/3", 9) == 0;
#else
    (void)info;
    return false;
#endif
}

static bool copy(char **ret, const char *text)
{
    *ret = weft__client_strdup(text);
    return *ret || !text;
}

struct weft__client_trust *weft__client_trust_new(const struct weft_http_session_options *options)
{
    const curl_version_info_data *info = curl_version_info(CURLVERSION_NOW);
    struct weft__client_trust *trust = weft__client_alloc(sizeof(*trust));
    if (!trust)
        return NULL;
    const char *key = options->tls_key ? options->tls_key : options->tls_cert;
    atomic_init(&trust->refs, 1);
    trust->verifies = !(options->flags & WEFT_HTTP_INSECURE);
    trust->has_store = trust->verifies && uses_openssl(info);
    bool copied = copy(&trust->ca_file, options->ca_file ? options->ca_file : info->cainfo) &&
                  copy(&trust->ca_dir, options->ca_file ? NULL : info->capath) &&
                  copy(&trust->cert_file, options->tls_cert) && copy(&trust->key_file, key) &&
                  copy(&trust->password, options->tls_password);
    trust->is_loaded = !trust->has_store && !trust->cert_file;
    if (copied)
        return trust;
    weft__client_trust_unref(trust);
    return NULL;
}

static void forget(struct weft__client_trust *trust)
{
    weft__companion_free(trust->cert.data);
    weft__companion_free(trust->key.data);
    trust->cert = trust->key = (struct file){0};
#ifdef WEFT__CLIENT_OPENSSL
    X509_STORE_free(trust->store);
    trust->store = NULL;
#endif
}

void weft__client_trust_unref(struct weft__client_trust *trust)
{
    if (!trust || atomic_fetch_sub_explicit(&trust->refs, 1, memory_order_acq_rel) > 1)
        return;
    forget(trust);
    weft__companion_free(trust->ca_file);
    weft__companion_free(trust->ca_dir);
    weft__companion_free(trust->cert_file);
    weft__companion_free(trust->key_file);
    weft__companion_free(trust->password);
    weft__companion_free(trust);
}

/* ---- On a worker ---- */

static weft_result done(void)
{
    return (weft_result){0};
}

static int read_all(int fd, struct file *file)
{
    struct stat info;
    if (fstat(fd, &info) < 0)
        return -errno;
    if (!S_ISREG(info.st_mode) || info.st_size > MAX_PEM)
        return -EINVAL;
    size_t size = (size_t)info.st_size;
    file->data = weft__companion_malloc(size + 1);
    if (!file->data)
        return -ENOMEM;
    while (file->len < size) {
        ssize_t got = read(fd, file->data + file->len, size - file->len);
        if (got < 0)
            return -errno;
        if (got == 0)
            break;
        file->len += (size_t)got;
    }
    return 0;
}

static weft_result read_file(const char *path, struct file *file)
{
    if (!path)
        return done();
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int status = fd < 0 ? -errno : read_all(fd, file);
    if (fd >= 0)
        close(fd);
    return status < 0 ? weft_errf(status, "%s", path) : done();
}

#ifdef WEFT__CLIENT_OPENSSL
static weft_result load_store(struct weft__client_trust *trust)
{
    trust->store = X509_STORE_new();
    if (!trust->store)
        return weft_err(-ENOMEM);
    X509_STORE_set_flags(trust->store, X509_V_FLAG_TRUSTED_FIRST | X509_V_FLAG_PARTIAL_CHAIN);
    if (trust->ca_dir)
        (void)X509_STORE_load_path(trust->store, trust->ca_dir); /* read when they are asked for */
    if (!trust->ca_file || X509_STORE_load_file(trust->store, trust->ca_file) == 1)
        return done();
    ERR_clear_error();
    return weft_errf(access(trust->ca_file, R_OK) < 0 ? -errno : WEFT_ETLS,
                     "no CA certificates in %s", trust->ca_file);
}
#else
static weft_result load_store(struct weft__client_trust *trust)
{
    (void)trust;
    return done();
}
#endif

struct load_trust {
    struct weft__client_trust *trust; /* a reference */
};

static WEFT_BLOCKING(load_trust)
{
    struct weft__client_trust *trust = self->trust;
    weft_result result = trust->has_store ? load_store(trust) : done();
    if (result.status == 0)
        result = read_file(trust->cert_file, &trust->cert);
    if (result.status == 0)
        result = read_file(trust->key_file, &trust->key);
    if (result.status < 0)
        forget(trust);
    return result;
}

static void release(void *args)
{
    weft__client_trust_unref(((struct load_trust *)args)->trust);
}

/* ---- On the loop ---- */

bool weft__client_trust_is_loaded(const struct weft__client_trust *trust)
{
    return trust->is_loaded;
}

static void on_loaded(weft_future *job, void *arg)
{
    struct weft__client_trust *trust = arg;
    trust->is_loaded = weft_future_status(job) == 0;
    weft_unref(trust->loading);
    trust->loading = NULL;
    weft__client_trust_unref(trust);
}

static weft_future *start(struct weft__client_trust *trust)
{
    struct weft_job_options options = {.lane = weft_loop_lane(weft_loop_current(), "files"),
                                       .release = release};
    atomic_fetch_add_explicit(&trust->refs, 2, memory_order_relaxed); /* the job's, on_loaded()'s */
    weft_future *job = weft_offload(&options, load_trust, .trust = trust);
    trust->loading = weft_ref(job);
    int status = weft_then(weft_ref(job), on_loaded, trust);
    if (status == 0)
        return job;
    weft_unref(job); /* the reference that was not consumed */
    weft_unref(trust->loading);
    trust->loading = NULL;
    weft_cancel(job);
    weft_unref(job);
    weft__client_trust_unref(trust);
    return weft_future_failed(status, NULL);
}

weft_future *weft__client_trust_load(struct weft__client_trust *trust)
{
    weft_future *job = trust->loading ? weft_ref(trust->loading) : start(trust);
    return weft_shield(job);
}

/* ---- A transfer ---- */

#ifdef WEFT__CLIENT_OPENSSL
static CURLcode share_store(CURL *easy, void *context, void *trust)
{
    (void)easy;
    SSL_CTX_set1_cert_store(context, ((struct weft__client_trust *)trust)->store);
    return CURLE_OK;
}

static CURLcode apply_store(const struct weft__client_trust *trust, CURL *easy)
{
    CURLcode code = curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, share_store);
    if (code == CURLE_OK)
        code = curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, trust);
    if (code == CURLE_OK)
        code = curl_easy_setopt(easy, CURLOPT_CAINFO, NULL);
    if (code == CURLE_OK)
        code = curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    if (code == CURLE_OK)
        code = curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, 0L);
    return code;
}
#else
static CURLcode apply_store(const struct weft__client_trust *trust, CURL *easy)
{
    (void)trust;
    (void)easy;
    return CURLE_OK;
}
#endif

static CURLcode apply_ca(const struct weft__client_trust *trust, CURL *easy)
{
    long verifies = trust->verifies;
    CURLcode code = curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, verifies);
    if (code == CURLE_OK)
        code = curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, verifies ? 2L : 0L);
    if (code == CURLE_OK && trust->has_store)
        return apply_store(trust, easy);
    if (code == CURLE_OK && trust->ca_file)
        code = curl_easy_setopt(easy, CURLOPT_CAINFO, trust->ca_file);
    return code;
}

CURLcode weft__client_trust_apply(const struct weft__client_trust *trust, CURL *easy)
{
    struct curl_blob cert = {trust->cert.data, trust->cert.len, CURL_BLOB_NOCOPY};
    struct curl_blob key = {trust->key.data, trust->key.len, CURL_BLOB_NOCOPY};
    CURLcode code = apply_ca(trust, easy);
    if (code == CURLE_OK && cert.data)
        code = curl_easy_setopt(easy, CURLOPT_SSLCERT_BLOB, &cert);
    if (code == CURLE_OK && key.data)
        code = curl_easy_setopt(easy, CURLOPT_SSLKEY_BLOB, &key);
    if (code == CURLE_OK && trust->password)
        code = curl_easy_setopt(easy, CURLOPT_KEYPASSWD, trust->password);
    return code;
}

/* SPDX-License-Identifier: MIT */
#define _XOPEN_SOURCE 700
#include "tests/support/tls.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/loop.h"
#include "tests/support/net.h"

enum { MOST = 16 };

int test_status;
char test_message[1024];
const struct test_cert *test_ca, *test_server;

static struct test_cert made[MOST];
static size_t made_count;
static char folder[64];

/* ---- Certificates ---- */

static char *text_of(BIO *bio)
{
    char *data;
    long len = BIO_get_mem_data(bio, &data);
    char *text = calloc(1, (size_t)len + 1);
    cr_assert_not_null(text);
    memcpy(text, data, (size_t)len);
    BIO_free(bio);
    return text;
}

static char *certificate_text(X509 *certificate)
{
    BIO *bio = BIO_new(BIO_s_mem());
    cr_assert(PEM_write_bio_X509(bio, certificate));
    return text_of(bio);
}

static char *key_text(EVP_PKEY *key)
{
    BIO *bio = BIO_new(BIO_s_mem());
    cr_assert(PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL));
    return text_of(bio);
}

static void add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    cr_assert_not_null(extension, "%s", value);
    cr_assert(X509_add_ext(certificate, extension, -1));
    X509_EXTENSION_free(extension);
}

static void set_times(X509 *certificate, const struct test_make *what)
{
    int from = what->from_days || what->until_days ? what->from_days : -1;
    int until = what->from_days || what->until_days ? what->until_days : 365;
    cr_assert(X509_time_adj_ex(X509_getm_notBefore(certificate), from, 0, NULL));
    cr_assert(X509_time_adj_ex(X509_getm_notAfter(certificate), until, 0, NULL));
}

static void set_names(X509 *certificate, X509 *issuer, const struct test_make *what)
{
    const unsigned char *subject = (const unsigned char *)what->subject;
    X509_NAME *name = X509_get_subject_name(certificate);
    cr_assert(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, subject, -1, -1, 0));
    cr_assert(X509_set_issuer_name(certificate, X509_get_subject_name(issuer)));
    if (what->names)
        add_extension(certificate, issuer, NID_subject_alt_name, what->names);
}

const struct test_cert *test_make(const struct test_make *what)
{
    cr_assert_lt(made_count, MOST);
    struct test_cert *cert = &made[made_count];
    X509 *certificate = X509_new();
    EVP_PKEY *key = what->is_rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256");
    cr_assert(certificate && key);
    X509 *issuer = what->issuer ? what->issuer->certificate : certificate;
    cr_assert(X509_set_version(certificate, X509_VERSION_3));
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), (long)++made_count);
    set_times(certificate, what);
    set_names(certificate, issuer, what);
    cr_assert(X509_set_pubkey(certificate, key));
    add_extension(certificate, issuer, NID_basic_constraints,
                  what->is_ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
    EVP_PKEY *signer = what->issuer ? what->issuer->private_key : key;
    cr_assert(X509_sign(certificate, signer, EVP_sha256()));
    *cert = (struct test_cert){certificate_text(certificate), key_text(key), certificate, key};
    return cert;
}

static void free_certificates(void)
{
    while (made_count) {
        struct test_cert *cert = &made[--made_count];
        free(cert->chain);
        free(cert->key);
        X509_free(cert->certificate);
        EVP_PKEY_free(cert->private_key);
    }
}

/* ---- Begin and end ---- */

static void make_stage(void)
{
    test_ca = test_make(&(struct test_make){.subject = "weft's CA", .is_ca = true});
    test_server = test_make(&(struct test_make){
        .subject = "a server", .names = "DNS:example.org,IP:127.0.0.1", .issuer = test_ca});
}

void test_tls_begin(void)
{
    make_stage(); /* OpenSSL may open files that it keeps; before the census */
    weft_test_loop_begin();
}

void test_tls_begin_real(void)
{
    make_stage();
    weft_test_loop_begin_real();
}

static void remove_folder(void)
{
    if (!folder[0])
        return;
    DIR *dir = opendir(folder);
    cr_assert_not_null(dir);
    for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
        char path[384];
        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        if (entry->d_name[0] != '.')
            unlink(path);
    }
    closedir(dir);
    cr_assert_eq(rmdir(folder), 0);
    folder[0] = 0;
}

void test_tls_end(void)
{
    weft_test_loop_end();
    remove_folder();
    free_certificates();
}

const char *test_file(const char *name, const char *text)
{
    static char paths[4][384];
    static unsigned turn;
    char *path = paths[turn++ % 4];
    if (!folder[0]) {
        snprintf(folder, sizeof(folder), "/tmp/weft-tls-XXXXXX");
        cr_assert_not_null(mkdtemp(folder));
    }
    snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    cr_assert_geq(fputs(text, file), 0);
    cr_assert_eq(fclose(file), 0);
    return path;
}

/* ---- Waiting ---- */

int test_wait_for(weft_future *future)
{
    test_status = weft_test_run(weft_ref(future));
    const char *message = weft_message(future);
    snprintf(test_message, sizeof(test_message), "%s", message ? message : "");
    weft_unref(future);
    return test_status;
}

bool test_says(const char *text)
{
    if (strstr(test_message, text))
        return true;
    cr_log_error("\"%s\" does not say \"%s\"\n", test_message, text);
    return false;
}

weft_tls_context *test_context(weft_future *future)
{
    weft_value value = {0};
    if (test_wait_for(weft_ref(future)) == 0)
        cr_assert_eq(weft_future_take(future, &value), 0);
    weft_unref(future);
    return value.ptr;
}

struct weft_tls_options test_serving(const struct test_cert *cert)
{
    static struct weft_tls_certificate certificate;
    certificate = (struct weft_tls_certificate){.chain = cert->chain, .key = cert->key};
    return (struct weft_tls_options){.certificates = &certificate};
}

weft_tls_context *test_server_context(const struct weft_tls_options *options)
{
    struct weft_tls_options full = options ? *options : (struct weft_tls_options){0};
    if (!full.certificates)
        full.certificates = test_serving(test_server).certificates;
    weft_tls_context *context = test_context(weft_tls_server_new(&full));
    cr_assert_not_null(context, "%d %s", test_status, test_message);
    return context;
}

weft_tls_context *test_client_context(const struct weft_tls_options *options)
{
    struct weft_tls_options full = options ? *options : (struct weft_tls_options){0};
    full.flags |= WEFT_TLS_NO_SYSTEM_CA;
    if (!full.ca)
        full.ca = test_ca->chain;
    weft_tls_context *context = test_context(weft_tls_client_new(&full));
    cr_assert_not_null(context, "%d %s", test_status, test_message);
    return context;
}

/* ---- Pairs ---- */

struct test_pair test_plain(void)
{
    weft_stream *streams[2];
    weft_test_stream_pair(streams);
    return (struct test_pair){.client = streams[0], .server = streams[1]};
}

static int end_of(weft_future *future, char message[1024])
{
    int status = test_wait_for(future);
    snprintf(message, 1024, "%s", test_message);
    return status;
}

void test_shake_hands(struct test_pair *pair, weft_tls_context *client, weft_tls_context *server,
                      const char *name)
{
    weft_future *accepted = weft_start_tls(pair->server, server, NULL);
    weft_future *connected = weft_start_tls(pair->client, client, name);
    pair->client_status = end_of(connected, pair->client_message);
    if (pair->client_status < 0 && !weft_is_done(accepted)) {
        weft_stream_free(pair->client); /* it may have had nothing to say */
        pair->client = NULL;
    }
    pair->server_status = end_of(accepted, pair->server_message);
}

struct test_pair test_handshake(weft_tls_context *client, weft_tls_context *server,
                                const char *name)
{
    struct test_pair pair = test_plain();
    test_shake_hands(&pair, client, server, name);
    return pair;
}

bool test_agreed(const struct test_pair *pair)
{
    if (pair->client_status == 0 && pair->server_status == 0)
        return true;
    cr_log_error("client: %d %s; server: %d %s\n", pair->client_status, pair->client_message,
                 pair->server_status, pair->server_message);
    return false;
}

bool test_talks(struct test_pair *pair)
{
    return weft_write(pair->client, "how are you?\n", 13) == 0 &&
           weft_test_gives(weft_read_line(pair->server, 0), "how are you?\n") &&
           weft_write(pair->server, "fine\n", 5) == 0 &&
           weft_test_gives(weft_read_line(pair->client, 0), "fine\n");
}

void test_free(struct test_pair *pair)
{
    weft_stream_free(pair->client);
    weft_stream_free(pair->server);
    pair->client = pair->server = NULL;
}

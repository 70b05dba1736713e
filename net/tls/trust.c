/* SPDX-License-Identifier: MIT */
/*
 * Whom a context trusts, and how PEM is read.
 *
 * OpenSSL's own way to the system's certificates looks into their folder while a certificate is
 * being checked: files are read on the loop then. So the folder is read here, on a worker, whole:
 * what is named by a hash, "4042bcee.0". A file of the system's that cannot be read is one fewer to
 * trust.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/tls/tls.h"

static bool is_text(const char *source)
{
    return strstr(source, "-----BEGIN") != NULL;
}

BIO *weft__tls_open(const char *source)
{
    if (is_text(source)) {
        BIO *text = BIO_new_mem_buf(source, -1);
        errno = ENOMEM;
        return text;
    }
    FILE *file = fopen(source, "re");
    BIO *bio = file ? BIO_new_fp(file, BIO_CLOSE) : NULL;
    if (file && !bio) {
        fclose(file);
        errno = ENOMEM;
    }
    return bio;
}

weft_result weft__tls_load_failed(int status, const char *what, const char *source)
{
    unsigned long error = ERR_peek_last_error();
    const char *reason = error ? ERR_reason_error_string(error) : NULL;
    const char *name = is_text(source) ? "a text" : source;
    ERR_clear_error();
    if (reason && status == WEFT_ECERT)
        return weft_errf(status, "%s: %s (%s)", name, what, reason);
    return weft_errf(status, "%s: %s", name, what);
}

int weft__tls_password(char *buffer, int size, int writes, void *password)
{
    (void)writes;
    size_t len = password ? strnlen(password, (size_t)size + 1) : 0;
    if (!password || len > (size_t)size)
        return -1;
    memcpy(buffer, password, len);
    return (int)len;
}

/* Add all certificates of `bio`, and ask clients for those that lead to them. How many; -1: none
 * can be added. */
static int add_all(SSL_CTX *ctx, BIO *bio, bool as_names)
{
    int count = 0;
    X509 *certificate;
    X509_STORE *store = SSL_CTX_get_cert_store(ctx);
    while (count >= 0 &&
           (certificate = PEM_read_bio_X509_AUX(bio, NULL, weft__tls_password, NULL))) {
        bool added = X509_STORE_add_cert(store, certificate) &&
                     (!as_names || SSL_CTX_add_client_CA(ctx, certificate));
        count = added ? count + 1 : -1;
        X509_free(certificate);
    }
    return count;
}

weft_result weft__tls_trust(SSL_CTX *ctx, const char *source, bool is_server)
{
    ERR_clear_error();
    BIO *bio = weft__tls_open(source);
    if (!bio)
        return weft__tls_load_failed(-errno, "cannot read those who are trusted", source);
    int count = add_all(ctx, bio, is_server);
    bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    BIO_free(bio);
    if (count <= 0 || !at_end)
        return weft__tls_load_failed(WEFT_ECERT, count ? "a broken certificate" : "no certificate",
                                     source);
    ERR_clear_error();
    return (weft_result){0};
}

/* ---- The system's ---- */

static void trust_file(SSL_CTX *ctx, const char *path)
{
    BIO *bio = weft__tls_open(path);
    if (!bio)
        return;
    add_all(ctx, bio, false);
    BIO_free(bio);
    ERR_clear_error();
}

static bool is_hashed(const char *name)
{
    size_t digits = 0;
    while (isxdigit((unsigned char)name[digits]))
        digits++;
    return digits == 8 && name[digits] == '.' && isdigit((unsigned char)name[digits + 1]);
}

static void trust_folder(SSL_CTX *ctx, const char *folder)
{
    char path[4096];
    DIR *dir = opendir(folder);
    const struct dirent *entry;
    while (dir && (entry = readdir(dir))) {
        int len = snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        if (is_hashed(entry->d_name) && len > 0 && (size_t)len < sizeof(path))
            trust_file(ctx, path);
    }
    if (dir)
        closedir(dir);
}

static const char *setting(const char *variable, const char *standard)
{
    const char *value = secure_getenv(variable);
    return value ? value : standard;
}

void weft__tls_trust_system(SSL_CTX *ctx)
{
    char folder[4096];
    const char *folders = setting(X509_get_default_cert_dir_env(), X509_get_default_cert_dir());
    trust_file(ctx, setting(X509_get_default_cert_file_env(), X509_get_default_cert_file()));
    while (*folders) {
        size_t len = strcspn(folders, ":");
        snprintf(folder, sizeof(folder), "%.*s", (int)len, folders);
        if (len && len < sizeof(folder))
            trust_folder(ctx, folder);
        folders += folders[len] ? len + 1 : len;
    }
}

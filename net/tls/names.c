/* SPDX-License-Identifier: MIT */
/*
 * What a certificate says of whose it is. The peer has written that: what is no plain text is shown
 * as such.
 */
#include <arpa/inet.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "net/tls/tls.h"

enum { LONGEST_NAME = 256 };

static const char *address_text(const ASN1_OCTET_STRING *address, char *buffer, socklen_t size)
{
    const unsigned char *data = ASN1_STRING_get0_data(address);
    int len = ASN1_STRING_length(address);
    if (len != 4 && len != 16)
        return NULL;
    return inet_ntop(len == 4 ? AF_INET : AF_INET6, data, buffer, size);
}

static const char *host_text(const ASN1_IA5STRING *host, char *buffer, size_t size)
{
    const unsigned char *data = ASN1_STRING_get0_data(host);
    size_t len = (size_t)ASN1_STRING_length(host);
    if (len >= size)
        len = size - 1;
    for (size_t i = 0; i < len; i++)
        buffer[i] = (char)(data[i] > ' ' && data[i] < 127 ? data[i] : '?');
    buffer[len] = 0;
    return buffer;
}

void weft__tls_each_name(X509 *certificate, void (*fn)(void *arg, const char *name), void *arg)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        char buffer[LONGEST_NAME];
        const char *text = NULL;
        if (name->type == GEN_DNS)
            text = host_text(name->d.dNSName, buffer, sizeof(buffer));
        else if (name->type == GEN_IPADD)
            text = address_text(name->d.iPAddress, buffer, sizeof(buffer));
        if (text)
            fn(arg, text);
    }
    GENERAL_NAMES_free(names);
}

const char *weft__tls_subject(const X509_NAME *subject, char *buffer, size_t size)
{
    int len = 0;
    BIO *bio = BIO_new(BIO_s_mem());
    if (bio && X509_NAME_print_ex(bio, subject, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB) >= 0)
        len = BIO_read(bio, buffer, (int)size - 1);
    buffer[len > 0 ? len : 0] = 0;
    BIO_free(bio);
    return buffer;
}

/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer target of the address parser: what is accepted is printed, and the print must be
 * accepted as the same address. What is a name must be read alike as a host and a service.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/resolve/address.h"

/* Unlike assert, never compiled out. */
#define MUST(condition)                                             \
    do {                                                            \
        if (!(condition)) {                                         \
            fprintf(stderr, "line %d: %s\n", __LINE__, #condition); \
            abort();                                                \
        }                                                           \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_name(const struct weft__address_spec *spec, const char *text)
{
    struct weft__address_spec other;
    const char *service = strrchr(text, ':') + 1;
    size_t len = strlen(spec->host), bracketed = text[0] == '[';
    MUST(len > 0 && len < WEFT__HOST_NAME && strlen(spec->service) < WEFT__SERVICE_NAME);
    MUST(strncmp(spec->host, text + bracketed, len) == 0);
    MUST(text + bracketed + len + bracketed + 1 == service);
    MUST(!spec->service[0] || (strcmp(spec->service, service) == 0 && !spec->port));
    MUST(!bracketed || spec->service[0]);
    if (service[0] >= '0' && service[0] <= '9')
        MUST((unsigned long)spec->port == strtoul(service, NULL, 10));
    MUST(weft__address_parse_host(spec->host, service, &other) == 0);
    MUST(other.kind == spec->kind && other.port == spec->port);
    MUST(strcmp(other.host, spec->host) == 0 && strcmp(other.service, spec->service) == 0);
}

static void check_public(const struct weft__address_spec *spec, const char *text)
{
    weft_address address, again;
    char own[WEFT_ADDRESS_TEXT];
    if (spec->kind != WEFT__ADDRESS_PLAIN && spec->kind != WEFT__ADDRESS_FD) {
        MUST(weft_address_parse(text, &address) < 0);
        return;
    }
    MUST(weft_address_parse(text, &address) == 0);
    MUST(weft_address_format(&address, own, sizeof(own)) == (int)strlen(own));
    MUST(weft_address_parse(own, &again) == 0);
    MUST(weft_address_equal(&address, &again));
    MUST((weft_address_fd(&address) >= 0) == (spec->kind == WEFT__ADDRESS_FD));
}

static void check_address(const struct weft__address_spec *spec)
{
    char text[WEFT__ADDRESS_TEXT], again[WEFT__ADDRESS_TEXT];
    struct weft__address_spec other;
    MUST(spec->address.len > 0 && spec->address.len <= sizeof(spec->address.u));
    weft__address_format(&spec->address, text);
    MUST(strlen(text) < sizeof(text));
    MUST(weft__address_parse(text, &other) == 0);
    MUST(strcmp(weft__address_format(&other.address, again), text) == 0);
    MUST(weft__address_port(&other.address) == weft__address_port(&spec->address));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct weft__address_spec spec;
    char *text = malloc(size + 1);
    MUST(text);
    if (size)
        memcpy(text, data, size);
    text[size] = '\0';
    if (weft__address_parse(text, &spec) == 0) {
        if (spec.kind == WEFT__ADDRESS_NAME)
            check_name(&spec, text);
        else
            check_address(&spec);
        check_public(&spec, text);
    }
    free(text);
    return 0;
}

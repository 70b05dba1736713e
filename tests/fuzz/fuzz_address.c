/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer target of the address parser: what is accepted is printed, and the print must be
 * accepted as the same address.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/address.h"

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
    size_t len = strlen(spec->host);
    MUST(len > 0 && len < WEFT__HOST_NAME);
    MUST(strncmp(spec->host, text, len) == 0 && text[len] == ':');
    MUST((unsigned long)spec->port == strtoul(text + len + 1, NULL, 10));
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
    }
    free(text);
    return 0;
}

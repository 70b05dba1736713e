/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer target of the PROXY header's parser. Whatever the bytes are: every beginning of them is
 * either to go on, or ends as the whole does; what was said once is never taken back; and a header
 * is as long as the bytes without which it was not complete.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft/error.h>

#include "net/listen/proxy_header.h"

/* Unlike assert, never compiled out. */
#define MUST(condition)                                             \
    do {                                                            \
        if (!(condition)) {                                         \
            fprintf(stderr, "line %d: %s\n", __LINE__, #condition); \
            abort();                                                \
        }                                                           \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* In memory of exactly that size, so that a read beyond it is seen. */
static int parse(const uint8_t *data, size_t len, struct weft__proxy_header *ret)
{
    const char *why = NULL;
    char *bytes = malloc(len ? len : 1);
    MUST(bytes);
    if (len)
        memcpy(bytes, data, len);
    int status = weft__proxy_header_parse(bytes, len, ret, &why);
    MUST(status == 0 || status == -EAGAIN || status == WEFT_EPROTO);
    MUST((status == WEFT_EPROTO) == (why != NULL));
    free(bytes);
    return status;
}

static void check_address(const struct weft__address *address)
{
    char text[WEFT__ADDRESS_TEXT];
    MUST(address->len <= sizeof(address->u));
    weft__address_format(address, text);
    MUST(strlen(text) < sizeof(text));
}

static bool is_same(const struct weft__address *one, const struct weft__address *other)
{
    return one->len == other->len && !memcmp(&one->u, &other->u, one->len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct weft__proxy_header whole, part;
    int status = parse(data, size, &whole);
    size_t first = size; /* bytes without which it goes on */
    for (size_t len = 0; len < size && len < 512; len++) {
        int so_far = parse(data, len, &part);
        MUST(so_far == -EAGAIN || so_far == status);
        MUST(so_far == -EAGAIN || so_far == WEFT_EPROTO || part.len == whole.len);
        if (so_far == -EAGAIN)
            continue;
        first = first < len ? first : len;
    }
    if (status < 0)
        return 0;
    MUST(whole.len <= size && (whole.len == first || first >= 512));
    MUST(whole.len <= WEFT__PROXY_MOST);
    MUST(parse(data, whole.len, &part) == 0);
    MUST(is_same(&part.source, &whole.source) && is_same(&part.destination, &whole.destination));
    check_address(&whole.source);
    check_address(&whole.destination);
    return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * Which coding an answer gets: what the client says (RFC 9110, 12.5.3), and what is worth it.
 *
 * Each coding has the weight that the client gave it, else that of "*", else none: then it is not wanted,
 * but the answer as it is ("identity") may always be sent unless it is refused by name or by "*;q=0". Of
 * equal weights gzip comes first, then deflate, then identity. An element that is malformed is as if it were not
 * there: it costs bytes and never sends what a client cannot read.
 */
#include <string.h>
#include <strings.h>

#include "net/http/coding/coding.h"

enum { UNSAID = -1 };

/* Of "gzip", "deflate", "identity" and "*", in thousandths. */
struct weights {
    int gzip, deflate, identity, any;
};

/* "0", "0.5", "1.000"; -1: it is none. */
static int parse_weight(const char *at, size_t len)
{
    if (!len || len > 5 || (at[0] != '0' && at[0] != '1') || (len > 1 && at[1] != '.'))
        return -1;
    int weight = (at[0] - '0') * 1000;
    int unit = 100;
    for (size_t i = 2; i < len; i++, unit /= 10) {
        if (at[i] < '0' || at[i] > '9')
            return -1;
        weight += (at[i] - '0') * unit;
    }
    return weight <= 1000 ? weight : -1;
}

static struct weft__http_slice trim(struct weft__http_slice text)
{
    while (text.len && strchr(" \t", text.data[0]))
        text.data++, text.len--;
    while (text.len && strchr(" \t", text.data[text.len - 1]))
        text.len--;
    return text;
}

/* What follows the semicolon: "q=0.5"; -1: something else. */
static int weight_of(struct weft__http_slice text)
{
    text = trim(text);
    if (text.len < 2 || (text.data[0] | 0x20) != 'q' || text.data[1] != '=')
        return -1;
    return parse_weight(text.data + 2, text.len - 2);
}

static int *weight_for(struct weights *weights, struct weft__http_slice name)
{
    static const struct {
        const char *name;
        size_t at;
    } known[] = {{"gzip", offsetof(struct weights, gzip)},
                 {"x-gzip", offsetof(struct weights, gzip)},
                 {"deflate", offsetof(struct weights, deflate)},
                 {"identity", offsetof(struct weights, identity)},
                 {"*", offsetof(struct weights, any)}};
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (weft__http_equal(name, known[i].name, strlen(known[i].name)))
            return (int *)(void *)((char *)weights + known[i].at);
    return NULL;
}

static void read_element(struct weights *weights, struct weft__http_slice element)
{
    const char *semicolon = element.len ? memchr(element.data, ';', element.len) : NULL;
    size_t len = semicolon ? (size_t)(semicolon - element.data) : element.len;
    int weight = 1000;
    if (semicolon)
        weight = weight_of((struct weft__http_slice){semicolon + 1, element.len - len - 1});
    int *at = weight_for(weights, trim((struct weft__http_slice){element.data, len}));
    if (at && weight >= 0 && weight > *at)
        *at = weight;
}

static int said(int weight, int otherwise)
{
    return weight == UNSAID ? otherwise : weight;
}

static struct weft__http_wish choose(const struct weights *weights)
{
    int gzip = said(weights->gzip, weights->any), deflate = said(weights->deflate, weights->any);
    int identity = said(weights->identity, weights->any);
    struct weft__http_wish wish = {WEFT__HTTP_IDENTITY, identity == 0};
    int best = identity > 1 ? identity : 1; /* identity that is not named is wanted least */
    if (deflate >= best) {
        wish.coding = WEFT__HTTP_DEFLATE;
        best = deflate;
    }
    if (gzip >= best)
        wish.coding = WEFT__HTTP_GZIP;
    return wish;
}

struct weft__http_wish weft__http_wished_coding(const struct weft__http_request *request)
{
    struct weights weights = {UNSAID, UNSAID, UNSAID, UNSAID};
    for (size_t i = 0; i < request->header_count; i++) {
        const struct weft__http_header *header = &request->headers[i];
        struct weft__http_slice list = {header->value, header->value_len}, element;
        if (strcasecmp(header->name, "Accept-Encoding") != 0)
            continue;
        while (weft__http_list_next(&list, &element))
            read_element(&weights, element);
    }
    return choose(&weights);
}

/* ---- Types ---- */

static bool is_in(const char *types, const char *type, size_t len)
{
    for (size_t word; *types; types += word) {
        types += strspn(types, " ");
        word = strcspn(types, " ");
        if (word == len && len && strncasecmp(types, type, len) == 0)
            return true;
    }
    return false;
}

static bool ends_with(const char *type, size_t len, const char *end)
{
    size_t end_len = strlen(end);
    return len > end_len && strncasecmp(type + len - end_len, end, end_len) == 0;
}

/* Events are sent one by one, as they come: what is small and must not wait is not worth it. */
bool weft__http_is_compressible(const char *type, const char *more)
{
    static const char known[] =
        "application/javascript application/json application/json5 application/jsonl "
        "application/ld+json application/ndjson application/rtf application/sql application/toml "
        "application/vnd.ms-fontobject application/wasm application/x-javascript "
        "application/x-ndjson application/x-sh application/x-tar application/x-yaml "
        "application/xml application/yaml application/x-www-form-urlencoded font/otf font/ttf "
        "image/bmp image/x-icon";
    if (!type)
        return false;
    size_t len = strcspn(type, "; \t");
    if (is_in("text/event-stream", type, len))
        return false;
    return (len > 5 && strncasecmp(type, "text/", 5) == 0) || ends_with(type, len, "+json") ||
           ends_with(type, len, "+xml") || ends_with(type, len, "+text") ||
           is_in(known, type, len) || (more && is_in(more, type, len));
}

/* SPDX-License-Identifier: MIT */
/*
 * A strict, incremental parser of multipart/form-data (RFC 7578). No I/O, no allocation, no clock.
 *
 *     weft__http_multipart_init(&parser, content_type)          // once; false: it is of another type
 *     event = weft__http_multipart_feed(&parser, data, len, &used);
 *
 *     WEFT__MULTIPART_MORE     all of the data was used: feed more, or it is over
 *     WEFT__MULTIPART_PART     a part begins: parser.name, .filename, .content_type, until the next one
 *     WEFT__MULTIPART_DATA     parser.data is a piece of it: in the data that was fed, or the parser's
 *     WEFT__MULTIPART_END      the part is over
 *     WEFT__MULTIPART_ERROR    parser.reason says why; final
 *
 * How the bytes are cut into feeds changes nothing but where pieces are cut.
 */
#ifndef WEFT_NET_HTTP_MULTIPART_H
#define WEFT_NET_HTTP_MULTIPART_H

#include <stdbool.h>
#include <stddef.h>

#include "net/http/parser/text.h"

enum {
    WEFT__MULTIPART_BOUNDARY = 70, /* the longest that may be */
    WEFT__MULTIPART_HEAD = 4096    /* of a part, line ends included */
};

enum weft__multipart_event {
    WEFT__MULTIPART_MORE,
    WEFT__MULTIPART_PART,
    WEFT__MULTIPART_DATA,
    WEFT__MULTIPART_END,
    WEFT__MULTIPART_ERROR
};

struct weft__http_multipart {
    const char *name, *filename, *content_type; /* in `head`; NULL: it has none */
    struct weft__http_slice data;
    const char *reason;

    /* Inside. */
    int state;
    size_t matched; /* of the delimiter, at the end of what was fed */
    size_t delimiter_len;
    char delimiter[sizeof("\r\n--") + WEFT__MULTIPART_BOUNDARY];
    size_t head_len, line_start;
    char head[WEFT__MULTIPART_HEAD + 1];
};

/** False: it is not multipart/form-data with a boundary that may be one. */
bool weft__http_multipart_init(struct weft__http_multipart *parser, const char *content_type);

enum weft__multipart_event weft__http_multipart_feed(struct weft__http_multipart *parser,
                                                     const char *data, size_t len,
                                                     size_t *ret_used);

/** Nothing more will come: was that all? */
bool weft__http_multipart_is_whole(const struct weft__http_multipart *parser);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Between net/http/parser/parser.c, which has the design comment, net/http/parser/head.c and net/http/parser/chunks.c.
 */
#ifndef WEFT_NET_HTTP_PARSER_INSIDE_H
#define WEFT_NET_HTTP_PARSER_INSIDE_H

#include "net/http/parser/parser.h"

enum weft__http_parser_state {
    WEFT__AT_REQUEST_LINE,
    WEFT__AT_FIELDS,
    WEFT__AT_BODY_START,
    WEFT__AT_SIZED_BODY,
    WEFT__AT_CHUNK_SIZE,
    WEFT__AT_CHUNK_EXTENSION,
    WEFT__AT_CHUNK_LINE_LF,
    WEFT__AT_CHUNK_DATA,
    WEFT__AT_CHUNK_END_CR,
    WEFT__AT_CHUNK_END_LF,
    WEFT__AT_TRAILERS,
    WEFT__AT_END,
    WEFT__AT_FAILURE
};

/** The request is refused. Always false. */
bool weft__http_fail(struct weft__http_parser *parser, int status, const char *reason);

/* ---- head.c: false: refused. A line holds no control character but tabs, and ends with a NUL. */

bool weft__http_parse_request_line(struct weft__http_parser *parser, char *line, size_t len);
bool weft__http_parse_header(struct weft__http_parser *parser, char *line, size_t len);
bool weft__http_parse_trailer(struct weft__http_parser *parser, char *line, size_t len);

/** All lines are there: how the body is framed, and what else they say together. */
bool weft__http_judge_head(struct weft__http_parser *parser);

/* ---- chunks.c ---- */

/** A byte in one of the states from CHUNK_SIZE to CHUNK_END_LF, except CHUNK_DATA. False: refused. */
bool weft__http_parse_frame_byte(struct weft__http_parser *parser, char c);

#endif

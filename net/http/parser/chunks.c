/* SPDX-License-Identifier: MIT */
/*
 * The frames of chunks, byte by byte; net/http/parser/parser.c has the states. What is inside of a chunk is
 * handed out there.
 */
#include "net/http/parser/inside.h"

#include <assert.h>

/* So many digits fit 64 bits; no overflow to check. */
enum { CHUNK_SIZE_DIGITS = 16 };

static bool take_chunk_size(struct weft__http_parser *p, char c)
{
    if (weft__http_is(c, WEFT__HTTP_HEX)) {
        if (p->chunk_line_len == CHUNK_SIZE_DIGITS)
            return weft__http_fail(p, 400, "chunk size too long");
        p->body_left = p->body_left * 16 + (unsigned)weft__http_hex_value(c);
        return true;
    }
    if (p->chunk_line_len == 0 || (c != '\r' && c != ';'))
        return weft__http_fail(p, 400, "malformed chunk size");
    p->state = c == '\r' ? WEFT__AT_CHUNK_LINE_LF : WEFT__AT_CHUNK_EXTENSION;
    return true;
}

static bool take_chunk_extension(struct weft__http_parser *p, char c)
{
    if (c == '\r') {
        p->state = WEFT__AT_CHUNK_LINE_LF;
        return true;
    }
    if (weft__http_is_control(c) && c != '\t')
        return weft__http_fail(p, 400, "control character in a chunk extension");
    p->extension_len++;
    return p->extension_len <= p->limits.head_bytes ||
           weft__http_fail(p, 400, "chunk extensions too long");
}

static bool end_chunk_line(struct weft__http_parser *p)
{
    if (p->body_left > p->body_limit - p->body_seen)
        return weft__http_fail(p, 413, "body too large");
    p->body_seen += p->body_left;
    p->state = p->body_left > 0 ? WEFT__AT_CHUNK_DATA : WEFT__AT_TRAILERS;
    return true;
}

bool weft__http_parse_frame_byte(struct weft__http_parser *p, char c)
{
    switch (p->state) {
    case WEFT__AT_CHUNK_SIZE:
    case WEFT__AT_CHUNK_EXTENSION:
        if (c != '\r' && p->chunk_line_len == p->limits.chunk_line_bytes)
            return weft__http_fail(p, 400, "chunk line too long");
        if (!(p->state == WEFT__AT_CHUNK_SIZE ? take_chunk_size(p, c) : take_chunk_extension(p, c)))
            return false;
        p->chunk_line_len++;
        return true;
    case WEFT__AT_CHUNK_LINE_LF:
        return c == '\n' ? end_chunk_line(p)
                         : weft__http_fail(p, 400, "CR without LF in a chunk line");
    case WEFT__AT_CHUNK_END_CR:
        p->state = WEFT__AT_CHUNK_END_LF;
        return c == '\r' || weft__http_fail(p, 400, "chunk longer than its size");
    default:
        assert(p->state == WEFT__AT_CHUNK_END_LF);
        p->state = WEFT__AT_CHUNK_SIZE;
        p->chunk_line_len = 0;
        return c == '\n' || weft__http_fail(p, 400, "chunk longer than its size");
    }
}

/* SPDX-License-Identifier: MIT */
#ifndef WEFT_NET_HTTP_PARSER_H
#define WEFT_NET_HTTP_PARSER_H

/*
 * A strict, incremental parser of HTTP/1.x requests. No I/O, no allocation, no clock.
 *
 * One parser serves one connection. The caller owns a block of memory for the head of the request
 * that is being read (weft__http_parser_memory bytes); the parser copies the head there, and every
 * slice of the request points into it. Body bytes are never copied: BODY hands out slices of the
 * data just fed.
 *
 *     weft__http_parser_init(&parser, &limits);            // once
 *     weft__http_parser_begin(&parser, memory);            // before each request
 *     for (;;) {
 *         size_t used;
 *         event = weft__http_parser_feed(&parser, data, len, &used);
 *         data += used, len -= used;
 *         switch (event) {
 *         case WEFT__HTTP_NEED_MORE: // all of the data was used: read more, then go on
 *         case WEFT__HTTP_HEAD:      // parser.request is complete but for the trailers; the last
 *                                    // moment for weft__http_parser_set_body_limit
 *         case WEFT__HTTP_BODY:      // parser.body is a piece of the body
 *         case WEFT__HTTP_DONE:      // the request is over; data[0..len) belongs to the next one
 *         case WEFT__HTTP_ERROR:     // answer parser.error_status, then close
 *         }
 *     }
 *
 * Order of events: HEAD BODY* DONE, with NEED_MORE in between wherever the data ends; or ERROR at
 * any point, which is final. Each call returns after one event and may be made with no data at all:
 * after HEAD that tells whether the body is refused (ERROR 413), expected (NEED_MORE: the moment
 * for "100 Continue" if request.expect_continue) or absent (DONE).
 *
 * How the bytes are cut into feeds changes nothing but where BODY pieces are cut: same request,
 * same error, and the same number of bytes used in all.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/http/parser/text.h"

/** As a limit of the body: none. */
#define WEFT__HTTP_UNLIMITED UINT64_MAX

/** How large a request may be. Zero = the default in brackets. */
struct weft__http_limits {
    size_t head_bytes;         /* [16 KiB] leading empty line, request line, headers and trailers,
                                  line ends included; beyond: 431. At most 1 GiB */
    size_t request_line_bytes; /* [8 KiB] without its line end; beyond: 414 */
    size_t headers;            /* [100] header fields and trailer fields; beyond: 431 */
    uint64_t body_bytes;       /* [1 MiB] decoded; beyond: 413. WEFT__HTTP_UNLIMITED = no limit */
    size_t chunk_line_bytes;   /* [256] chunk size and extensions, without line end; beyond: 400.
                                  All extensions of a body together may have head_bytes */
};

enum weft__http_event {
    WEFT__HTTP_NEED_MORE,
    WEFT__HTTP_HEAD,
    WEFT__HTTP_BODY,
    WEFT__HTTP_DONE,
    WEFT__HTTP_ERROR
};

/**
 * A request as it was read. Complete and constant from HEAD on, except `trailers`, which is
 * complete at DONE. All of it lives in the memory given to weft__http_parser_begin.
 */
struct weft__http_request {
    enum weft__http_method method_id;
    struct weft__http_slice method; /* NUL-terminated */
    struct weft__http_slice target; /* as sent; NUL-terminated */
    struct weft__http_slice path;   /* undecoded, begins with '/'; "*" for `OPTIONS *` */
    struct weft__http_slice query;  /* undecoded, without '?'; data == NULL if there was no '?' */
    struct weft__http_slice host;   /* host[:port] of the target if it has one, else of the Host
                                       header; data == NULL if neither (HTTP/1.0 only) */
    int minor_version;              /* of HTTP/1.x: 0 or 1 */
    bool keep_alive;                /* may another request follow? (version and Connection) */
    bool chunked;
    bool expect_continue;    /* the client waits for "100 Continue" before it sends the body */
    uint64_t content_length; /* 0 if absent or chunked */
    bool has_content_length;
    const struct weft__http_header *headers;
    size_t header_count;
    const struct weft__http_header *trailers; /* without those that may not be trailers */
    size_t trailer_count;
};

/**
 * A parser. Belongs to whoever feeds it; not thread-safe, and bound to no thread.
 * Readers outside of the parser may look at `request`, `body`, `error_status` and `error_reason`.
 */
struct weft__http_parser {
    struct weft__http_limits limits; /* [const] the parser's own; defaults filled in */

    /* From here on all is zero when a request begins. */
    struct weft__http_request request;
    struct weft__http_slice body; /* at BODY: this piece, inside the data just fed */
    int error_status;             /* at ERROR: the status to answer with; else 0 */
    const char *error_reason;     /* at ERROR: static text for logs and for the client */

    /* The rest is the parser's own. */
    struct weft__http_header *fields;
    char *head;
    size_t head_len;    /* bytes of the head taken so far, line ends included */
    size_t line_start;  /* where in `head` the current line begins */
    size_t field_count; /* headers and trailers so far, also those that were ignored */
    uint64_t body_limit;
    uint64_t body_left; /* of the body, or of this chunk */
    uint64_t body_seen; /* the sizes of all chunks so far */
    size_t chunk_line_len;
    size_t extension_len; /* of all chunks of this body */
    uint8_t state;
    uint8_t codings; /* what Transfer-Encoding has said so far */
    bool saw_cr;
    bool saw_empty_line;
    bool saw_host;
    bool saw_close;
    bool saw_keep_alive;
    bool saw_continue;
    bool saw_other_expectation;
};

/**
 * Make a parser with these limits (NULL: all defaults). weft__http_parser_begin must follow.
 *
 * Thread:    any; one at a time.
 * Ownership: limits are copied. There is nothing to free.
 * Errors:    none. head_bytes above 1 GiB is taken as 1 GiB.
 */
void weft__http_parser_init(struct weft__http_parser *parser,
                            const struct weft__http_limits *limits);

/**
 * How many bytes weft__http_parser_begin needs with this parser's limits.
 *
 * Thread: any. Ownership: none. Errors: none.
 */
size_t weft__http_parser_memory(const struct weft__http_parser *parser);

/**
 * Get ready for the next request of the connection.
 *
 * What a former request pointed to is gone: its slices lie in the memory that is now written again.
 * A connection without a request in flight needs no memory; the server may take it from a pool when
 * the first byte arrives and call this then.
 *
 * Thread:    any; one at a time.
 * Ownership: `memory` stays the caller's, is aligned for a pointer, and is borrowed until the
 *            request is over and no longer looked at.
 * Errors:    none.
 */
void weft__http_parser_begin(struct weft__http_parser *parser, void *memory);

/**
 * Read on, up to the next event.
 *
 * `ret_used` is how much of the data is dealt with; feed the rest next. NEED_MORE uses all of it.
 * After DONE and ERROR it uses nothing and returns the same event again until
 * weft__http_parser_begin. `data` may be NULL if `len` is 0.
 *
 * Thread:    any; one at a time.
 * Ownership: borrows the data for the call; `parser->body` points into it.
 * Errors:    WEFT__HTTP_ERROR with error_status 400, 413, 414, 417, 431, 501 or 505. The end of
 * this message is then unknown: the connection must be closed after the answer.
 */
enum weft__http_event weft__http_parser_feed(struct weft__http_parser *parser, const char *data,
                                             size_t len, size_t *ret_used);

/**
 * Another limit for the body of this request alone; takes effect if set between HEAD and the next
 * feed. WEFT__HTTP_UNLIMITED is for bodies that are streamed. A Content-Length above the limit is
 * refused by the feed after HEAD, before anything of the body is read; a chunked body at the first
 * chunk that would pass the limit.
 *
 * Thread:    any; one at a time.
 * Ownership: none.
 * Errors:    none.
 */
void weft__http_parser_set_body_limit(struct weft__http_parser *parser, uint64_t bytes);

/**
 * Has nothing of a request arrived yet? True: the connection is idle and its end is a clean end.
 * False before DONE: the end of input means that the request was cut off.
 *
 * Thread: any; one at a time. Ownership: none. Errors: none.
 */
static inline bool weft__http_parser_is_idle(const struct weft__http_parser *parser)
{
    return parser->head_len == 0 && parser->error_status == 0;
}

/** The first header field of that name (compared without case), or NULL; see weft__http_find. */
static inline const struct weft__http_header *
weft__http_find_header(const struct weft__http_request *request, const char *name)
{
    return weft__http_find(request->headers, request->header_count, name);
}

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Frames of WebSockets (RFC 6455, 5): a parser that is fed with whatever bytes have come, and what is
 * needed to write them. Pure: no allocation, no stream, any thread.
 */
#ifndef WEFT_NET_HTTP_WEBSOCKET_FRAME_H
#define WEFT_NET_HTTP_WEBSOCKET_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum weft__websocket_opcode {
    WEFT__WEBSOCKET_CONTINUATION = 0,
    WEFT__WEBSOCKET_TEXT = 1,
    WEFT__WEBSOCKET_BINARY = 2,
    WEFT__WEBSOCKET_CLOSE = 8,
    WEFT__WEBSOCKET_PING = 9,
    WEFT__WEBSOCKET_PONG = 10
};

enum weft__websocket_event {
    WEFT__WEBSOCKET_NEED_MORE, /* all bytes were used */
    WEFT__WEBSOCKET_PIECE,     /* of a message: weft__websocket_take() must follow */
    WEFT__WEBSOCKET_MESSAGE,   /* its last piece was taken; `message` says which kind it was */
    WEFT__WEBSOCKET_PINGED,    /* with `control` */
    WEFT__WEBSOCKET_PONGED,    /* with `control` */
    WEFT__WEBSOCKET_CLOSED, /* with `code`; the reason is behind the first two bytes of `control` */
    WEFT__WEBSOCKET_ERROR   /* `code` and `why`; nothing else comes any more */
};

enum {
    WEFT__WEBSOCKET_MOST_HEADER = 14,
    WEFT__WEBSOCKET_MOST_CONTROL = 125,
    WEFT__WEBSOCKET_MOST_REASON = 123
};

/** A text that comes in pieces: what is missing of its last character. Zero: nothing. */
struct weft__utf8 {
    uint8_t left;      /* bytes */
    uint8_t low, high; /* what the next one must lie between, if any is left */
};

/** The next piece. False: it is none of UTF-8, whatever follows. */
bool weft__utf8_feed(struct weft__utf8 *state, const void *data, size_t len);

/** All of a text. */
bool weft__utf8_is_valid(const void *data, size_t len);

/** Zero all, then set the first two. Those without a comment are the parser's own. */
struct weft__websocket_parser {
    uint64_t max_message; /* bytes; 0: no limit */
    bool from_client;     /* frames have to be masked; else they must not be */

    uint8_t message; /* opcode of the one under way, or that is whole */
    uint8_t control[WEFT__WEBSOCKET_MOST_CONTROL]; /* unmasked payload of the last control frame */
    size_t control_len;
    uint16_t code;   /* 1005: the Close had none */
    const char *why; /* static text */
    const uint8_t *piece;
    size_t piece_len;

    uint8_t header[WEFT__WEBSOCKET_MOST_HEADER];
    size_t header_len;
    bool in_frame, in_message, failed;
    bool final; /* of the frame */
    uint8_t opcode, key[4];
    uint64_t left; /* of its payload */
    uint64_t at;   /* where in its payload that begins */
    uint64_t message_len;
    struct weft__utf8 text;
};

/** What the next bytes bring. With no bytes, what those before have brought. */
enum weft__websocket_event weft__websocket_feed(struct weft__websocket_parser *parser,
                                                const void *data, size_t len, size_t *ret_used);

/** After PIECE: unmask its `piece_len` bytes into `to`. False: a text that is none of UTF-8; the next
 * event is ERROR. */
bool weft__websocket_take(struct weft__websocket_parser *parser, void *to);

/** May a Close have this code (RFC 6455, 7.4, and what is registered since)? */
bool weft__websocket_is_code(unsigned code);

/** A frame's head; `key` is NULL for what a server sends. Returns how long it is. */
size_t weft__websocket_head(uint8_t to[WEFT__WEBSOCKET_MOST_HEADER], uint8_t opcode, bool final,
                            uint64_t len, const uint8_t key[4]);

/** Mask or unmask bytes that begin at `at` of the payload. The two may be the same. */
void weft__websocket_mask(void *to, const void *from, size_t len, const uint8_t key[4],
                          uint64_t at);

#endif

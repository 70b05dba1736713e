/* SPDX-License-Identifier: MIT */
/*
 * Frames of WebSockets: head, payload, and what their order may be.
 *
 *     head --whole--> payload --data--> PIECE, taken, again …, at the end of the last frame: MESSAGE
 *       ^               |  `--control--> kept, PINGED, PONGED or CLOSED
 *       '---------------'
 *
 * Each rule is looked at as soon as its bytes are there: reserved bits and opcodes at the first byte, the
 * mask at the second, the length of a message at each head, before any of its payload is kept, and a text
 * at each piece, so that a message that cannot become one is not waited for.
 *
 * The parser owns no memory for messages: it points to a piece of what it was fed with, and unmasks it into
 * where the message is put together. So each byte of a message is touched once.
 *
 * Masks and texts are gone through eight bytes at a time, texts as long as they are ASCII.
 */
#include "net/http/websocket/frame.h"

#include <string.h>

/* ---- UTF-8 ---- */

/* The first byte of a character (RFC 3629): how many follow, and the bounds of the second. */
static bool begin_character(struct weft__utf8 *state, uint8_t byte)
{
    state->low = 0x80;
    state->high = 0xBF;
    if (byte >= 0xC2 && byte <= 0xDF) {
        state->left = 1;
    } else if (byte >= 0xE0 && byte <= 0xEF) {
        state->left = 2;
        state->low = byte == 0xE0 ? 0xA0 : 0x80;
        state->high = byte == 0xED ? 0x9F : 0xBF; /* no surrogates */
    } else if (byte >= 0xF0 && byte <= 0xF4) {
        state->left = 3;
        state->low = byte == 0xF0 ? 0x90 : 0x80;
        state->high = byte == 0xF4 ? 0x8F : 0xBF;
    } else {
        return byte < 0x80;
    }
    return true;
}

static bool feed_byte(struct weft__utf8 *state, uint8_t byte)
{
    if (!state->left)
        return begin_character(state, byte);
    if (byte < state->low || byte > state->high)
        return false;
    state->left--;
    state->low = 0x80;
    state->high = 0xBF;
    return true;
}

static bool is_ascii(const uint8_t *eight)
{
    uint64_t word;
    memcpy(&word, eight, sizeof(word));
    return !(word & (UINT64_MAX / 255 * 0x80));
}

bool weft__utf8_feed(struct weft__utf8 *state, const void *data, size_t len)
{
    const uint8_t *bytes = data;
    size_t i = 0;
    while (i < len) {
        if (!state->left && len - i >= 8 && is_ascii(bytes + i))
            i += 8;
        else if (!feed_byte(state, bytes[i++]))
            return false;
    }
    return true;
}

bool weft__utf8_is_valid(const void *data, size_t len)
{
    struct weft__utf8 state = {0};
    return weft__utf8_feed(&state, data, len) && !state.left;
}

/* ---- Masks ---- */

void weft__websocket_mask(void *to, const void *from, size_t len, const uint8_t key[4], uint64_t at)
{
    const uint8_t *in = from;
    uint8_t *out = to;
    uint8_t turned[8];
    for (size_t i = 0; i < sizeof(turned); i++)
        turned[i] = key[(at + i) & 3];
    uint64_t mask, word;
    memcpy(&mask, turned, sizeof(mask));
    size_t i = 0;
    for (; i + sizeof(word) <= len; i += sizeof(word)) {
        memcpy(&word, in + i, sizeof(word));
        word ^= mask;
        memcpy(out + i, &word, sizeof(word));
    }
    for (; i < len; i++)
        out[i] = (uint8_t)(in[i] ^ turned[i & 7]);
}

/* ---- Heads ---- */

static enum weft__websocket_event refuse(struct weft__websocket_parser *parser, uint16_t code,
                                         const char *why)
{
    parser->failed = true;
    parser->code = code;
    parser->why = why;
    return WEFT__WEBSOCKET_ERROR;
}

static bool is_control(uint8_t opcode)
{
    return opcode & 8;
}

/* What is wrong with the first byte; NULL: nothing. */
static const char *blame_first(const struct weft__websocket_parser *parser, uint8_t byte)
{
    uint8_t opcode = byte & 15;
    if (byte & 0x70)
        return "a reserved bit is set";
    if (opcode > WEFT__WEBSOCKET_PONG ||
        (opcode > WEFT__WEBSOCKET_BINARY && opcode < WEFT__WEBSOCKET_CLOSE))
        return "a reserved opcode";
    if (is_control(opcode))
        return byte & 0x80 ? NULL : "a fragmented control frame";
    if (opcode == WEFT__WEBSOCKET_CONTINUATION)
        return parser->in_message ? NULL : "nothing to continue";
    return parser->in_message ? "a message within a message" : NULL;
}

static const char *blame_second(const struct weft__websocket_parser *parser, uint8_t byte)
{
    bool masked = byte & 0x80;
    if (masked != parser->from_client)
        return masked ? "a masked frame" : "a frame that is not masked";
    if (is_control(parser->header[0] & 15) && (byte & 0x7F) > WEFT__WEBSOCKET_MOST_CONTROL)
        return "a control frame that is too long";
    return NULL;
}

/* Of a head whose second byte is there. */
static size_t length_bytes(const struct weft__websocket_parser *parser)
{
    uint8_t len = parser->header[1] & 0x7F;
    return len == 127 ? 8 : len == 126 ? 2 : 0;
}

static size_t head_size(const struct weft__websocket_parser *parser)
{
    if (parser->header_len < 2)
        return parser->header_len + 1;
    return 2 + length_bytes(parser) + (parser->from_client ? 4 : 0);
}

static uint64_t payload_len(const struct weft__websocket_parser *parser)
{
    size_t bytes = length_bytes(parser);
    uint64_t len = 0;
    if (!bytes)
        return parser->header[1] & 0x7F;
    for (size_t i = 0; i < bytes; i++)
        len = len << 8 | parser->header[2 + i];
    return len;
}

static bool is_minimal(const struct weft__websocket_parser *parser, uint64_t len)
{
    size_t bytes = length_bytes(parser);
    return bytes == 0 || (bytes == 2 && len > 125) || (bytes == 8 && len > 0xFFFF);
}

static void begin_message(struct weft__websocket_parser *parser)
{
    parser->in_message = true;
    parser->message = parser->opcode;
    parser->message_len = 0;
    parser->text = (struct weft__utf8){0};
}

/* The head is whole. NEED_MORE: go on with the payload. */
static enum weft__websocket_event begin_frame(struct weft__websocket_parser *parser)
{
    uint64_t len = payload_len(parser);
    if (!is_minimal(parser, len) || len >> 63)
        return refuse(parser, 1002, "a length that is not one");
    parser->opcode = parser->header[0] & 15;
    parser->final = parser->header[0] & 0x80;
    if (parser->from_client)
        memcpy(parser->key, parser->header + 2 + length_bytes(parser), sizeof(parser->key));
    parser->in_frame = true;
    parser->left = len;
    parser->at = 0;
    parser->header_len = 0;
    if (is_control(parser->opcode)) {
        parser->control_len = 0;
        return WEFT__WEBSOCKET_NEED_MORE;
    }
    if (parser->opcode != WEFT__WEBSOCKET_CONTINUATION)
        begin_message(parser);
    if (parser->max_message && len > parser->max_message - parser->message_len)
        return refuse(parser, 1009, "the message is too long");
    if (len > INT64_MAX - parser->message_len)
        return refuse(parser, 1009, "the message is too long");
    parser->message_len += len;
    return WEFT__WEBSOCKET_NEED_MORE;
}

static enum weft__websocket_event feed_head(struct weft__websocket_parser *parser,
                                            const uint8_t *data, size_t len, size_t *used)
{
    while (*used < len) {
        parser->header[parser->header_len++] = data[(*used)++];
        const char *why = NULL;
        if (parser->header_len == 1)
            why = blame_first(parser, parser->header[0]);
        else if (parser->header_len == 2)
            why = blame_second(parser, parser->header[1]);
        if (why)
            return refuse(parser, 1002, why);
        if (parser->header_len > 1 && parser->header_len == head_size(parser))
            return begin_frame(parser);
    }
    return WEFT__WEBSOCKET_NEED_MORE;
}

/* ---- Payloads ---- */

bool weft__websocket_is_code(unsigned code)
{
    return (code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006) ||
           (code >= 3000 && code <= 4999);
}

static enum weft__websocket_event end_close(struct weft__websocket_parser *parser)
{
    const uint8_t *control = parser->control;
    if (!parser->control_len) {
        parser->code = 1005;
        return WEFT__WEBSOCKET_CLOSED;
    }
    if (parser->control_len == 1)
        return refuse(parser, 1002, "half of a close code");
    unsigned code = (unsigned)control[0] << 8 | control[1];
    if (!weft__websocket_is_code(code))
        return refuse(parser, 1002, "a close code that may not be sent");
    if (!weft__utf8_is_valid(control + 2, parser->control_len - 2))
        return refuse(parser, 1007, "the reason of a close is not UTF-8");
    parser->code = (uint16_t)code;
    return WEFT__WEBSOCKET_CLOSED;
}

static enum weft__websocket_event end_frame(struct weft__websocket_parser *parser)
{
    parser->in_frame = false;
    if (parser->opcode == WEFT__WEBSOCKET_PING)
        return WEFT__WEBSOCKET_PINGED;
    if (parser->opcode == WEFT__WEBSOCKET_PONG)
        return WEFT__WEBSOCKET_PONGED;
    if (parser->opcode == WEFT__WEBSOCKET_CLOSE)
        return end_close(parser);
    if (!parser->final)
        return WEFT__WEBSOCKET_NEED_MORE;
    parser->in_message = false;
    if (parser->text.left)
        return refuse(parser, 1007, "the text is not UTF-8");
    return WEFT__WEBSOCKET_MESSAGE;
}

static void unmask(struct weft__websocket_parser *parser, void *to, const void *from, size_t len)
{
    if (parser->from_client)
        weft__websocket_mask(to, from, len, parser->key, parser->at);
    else
        memcpy(to, from, len);
    parser->at += len;
    parser->left -= len;
}

static void feed_control(struct weft__websocket_parser *parser, const uint8_t *data, size_t len)
{
    unmask(parser, parser->control + parser->control_len, data, len);
    parser->control_len += len;
}

enum weft__websocket_event weft__websocket_feed(struct weft__websocket_parser *parser,
                                                const void *data, size_t len, size_t *ret_used)
{
    const uint8_t *bytes = data;
    enum weft__websocket_event event = WEFT__WEBSOCKET_NEED_MORE;
    *ret_used = 0;
    if (parser->failed)
        return WEFT__WEBSOCKET_ERROR;
    while (event == WEFT__WEBSOCKET_NEED_MORE) {
        if (parser->in_frame && !parser->left) {
            event = end_frame(parser);
            continue;
        }
        if (*ret_used == len)
            break;
        if (!parser->in_frame) {
            event = feed_head(parser, bytes, len, ret_used);
            continue;
        }
        uint64_t there = len - *ret_used;
        size_t now = (size_t)(there < parser->left ? there : parser->left);
        parser->piece = bytes + *ret_used;
        parser->piece_len = now;
        *ret_used += now;
        if (!is_control(parser->opcode))
            return WEFT__WEBSOCKET_PIECE;
        feed_control(parser, parser->piece, now);
    }
    return event;
}

bool weft__websocket_take(struct weft__websocket_parser *parser, void *to)
{
    size_t len = parser->piece_len;
    parser->piece_len = 0;
    unmask(parser, to, parser->piece, len);
    if (parser->message != WEFT__WEBSOCKET_TEXT || weft__utf8_feed(&parser->text, to, len))
        return true;
    refuse(parser, 1007, "the text is not UTF-8");
    return false;
}

/* ---- Writing ---- */

size_t weft__websocket_head(uint8_t to[WEFT__WEBSOCKET_MOST_HEADER], uint8_t opcode, bool final,
                            uint64_t len, const uint8_t key[4])
{
    size_t bytes = len > 0xFFFF ? 8 : len > 125 ? 2 : 0;
    uint8_t masked = key ? 0x80 : 0;
    to[0] = (uint8_t)((final ? 0x80 : 0) | opcode);
    to[1] = (uint8_t)(masked | (bytes == 8 ? 127 : bytes == 2 ? 126 : len));
    for (size_t i = 0; i < bytes; i++)
        to[2 + i] = (uint8_t)(len >> (8 * (bytes - 1 - i)));
    if (key)
        memcpy(to + 2 + bytes, key, 4);
    return 2 + bytes + (key ? 4 : 0);
}

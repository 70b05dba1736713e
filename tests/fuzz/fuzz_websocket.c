/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer target of the WebSocket frame parser. The first byte says who sends, how long messages may be,
 * and where the rest is cut. However it is cut, the same comes out; no message is longer than allowed, no
 * text is other than UTF-8, and what an event says fits its kind.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/http/websocket/frame.h"

/* Unlike assert, never compiled out. */
#define MUST(condition)                                             \
    do {                                                            \
        if (!(condition)) {                                         \
            fprintf(stderr, "line %d: %s\n", __LINE__, #condition); \
            abort();                                                \
        }                                                           \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST = 200 };

/* A hash of all events and their bytes, for comparison. */
struct outcome {
    uint64_t hash;
    size_t events;
    bool failed;
    uint8_t message[MOST];
    size_t len;
};

static void mix(struct outcome *to, const void *data, size_t len)
{
    const uint8_t *bytes = data;
    for (size_t i = 0; i < len; i++)
        to->hash = (to->hash ^ bytes[i]) * 1099511628211u;
}

static void note(struct outcome *to, const struct weft__websocket_parser *parser,
                 enum weft__websocket_event event)
{
    mix(to, &event, sizeof(event));
    to->events++;
    MUST(parser->control_len <= sizeof(parser->control));
    if (event == WEFT__WEBSOCKET_MESSAGE) {
        MUST(parser->message == WEFT__WEBSOCKET_TEXT || parser->message == WEFT__WEBSOCKET_BINARY);
        MUST(parser->message == WEFT__WEBSOCKET_BINARY ||
             weft__utf8_is_valid(to->message, to->len));
        mix(to, to->message, to->len);
        to->len = 0;
    } else if (event == WEFT__WEBSOCKET_ERROR) {
        MUST(parser->code == 1002 || parser->code == 1007 || parser->code == 1009);
        MUST(parser->why);
        mix(to, &parser->code, sizeof(parser->code));
        to->failed = true;
    } else {
        mix(to, parser->control, parser->control_len);
        MUST(event != WEFT__WEBSOCKET_CLOSED || parser->code == 1005 ||
             weft__websocket_is_code(parser->code));
    }
}

static void feed(struct weft__websocket_parser *parser, struct outcome *to, const uint8_t *data,
                 size_t len)
{
    while (!to->failed) {
        size_t used;
        enum weft__websocket_event event = weft__websocket_feed(parser, data, len, &used);
        MUST(used <= len);
        data += used;
        len -= used;
        if (event == WEFT__WEBSOCKET_NEED_MORE) {
            MUST(len == 0);
            return;
        }
        if (event != WEFT__WEBSOCKET_PIECE) {
            note(to, parser, event);
            continue;
        }
        size_t piece = parser->piece_len;
        MUST(piece > 0 && piece <= parser->max_message - to->len);
        weft__websocket_take(parser, to->message + to->len);
        to->len += piece;
    }
}

static struct outcome read_cut(const uint8_t *data, size_t size, uint8_t choice, size_t step)
{
    struct weft__websocket_parser parser = {.max_message = choice & 2 ? MOST : 5,
                                            .from_client = choice & 1};
    struct outcome to = {.hash = 14695981039346656037u};
    for (size_t at = 0; at < size && !to.failed; at += step) {
        size_t now = step < size - at ? step : size - at;
        uint8_t *piece = malloc(now);
        MUST(piece);
        memcpy(piece, data + at, now);
        feed(&parser, &to, piece, now);
        free(piece);
    }
    return to;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    uint8_t choice = data[0];
    struct outcome whole = read_cut(data + 1, size - 1, choice, size);
    struct outcome bytewise = read_cut(data + 1, size - 1, choice, 1);
    struct outcome cut = read_cut(data + 1, size - 1, choice, 1 + (size_t)(choice >> 2));
    MUST(whole.hash == bytewise.hash && whole.events == bytewise.events);
    MUST(whole.hash == cut.hash && whole.events == cut.events);
    return 0;
}

/* SPDX-License-Identifier: MIT */
#include "tests/support/websocket.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "net/http/websocket/frame.h"

static const uint8_t key[4] = {1, 0xfe, 0x55, 0x80};

size_t test_websocket_make(char *to, uint8_t first, const void *payload, size_t len)
{
    size_t head = weft__websocket_head((uint8_t *)to, first & 15, first & 0x80, len, key);
    weft__websocket_mask(to + head, payload, len, key, 0);
    return head + len;
}

void test_websocket_say(struct test_client *client, uint8_t first, const char *payload)
{
    char frame[256];
    test_http_send(client, frame, test_websocket_make(frame, first, payload, strlen(payload)));
    test_http_turn(client);
}

/* All frames that came, as "text(…) ping(…) close(1000 …) ". */
const char *test_websocket_heard(const struct test_client *client)
{
    static char text[4096];
    struct weft__websocket_parser parser = {.from_client = false};
    const char *at = strstr(client->received, "\r\n\r\n");
    size_t to = 0;
    size_t used, message_len = 0;
    char message[2048];
    text[0] = 0;
    cr_assert_not_null(at);
    at += 4;
    for (;;) {
        size_t len = client->len - (size_t)(at - client->received);
        enum weft__websocket_event event = weft__websocket_feed(&parser, at, len, &used);
        at += used;
        int control = (int)parser.control_len;
        cr_assert_neq(event, WEFT__WEBSOCKET_ERROR);
        if (event == WEFT__WEBSOCKET_NEED_MORE)
            return text;
        if (event == WEFT__WEBSOCKET_PIECE) {
            cr_assert(message_len + parser.piece_len <= sizeof(message));
            size_t piece = parser.piece_len;
            weft__websocket_take(&parser, message + message_len);
            message_len += piece;
        } else if (event == WEFT__WEBSOCKET_MESSAGE) {
            to += (size_t)snprintf(text + to, sizeof(text) - to, "%s(%.*s) ",
                                   parser.message == 1 ? "text" : "binary", (int)message_len,
                                   message);
            message_len = 0;
        } else if (event == WEFT__WEBSOCKET_CLOSED) {
            to += (size_t)snprintf(text + to, sizeof(text) - to, "close(%d%s%.*s) ", parser.code,
                                   control > 2 ? " " : "", control > 2 ? control - 2 : 0,
                                   (const char *)parser.control + 2);
        } else {
            to += (size_t)snprintf(text + to, sizeof(text) - to, "%s(%.*s) ",
                                   event == WEFT__WEBSOCKET_PINGED ? "ping" : "pong", control,
                                   (const char *)parser.control);
        }
    }
}

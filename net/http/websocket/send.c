/* SPDX-License-Identifier: MIT */
/*
 * What goes on a WebSocket: frames, messages whole and in parts.
 *
 *     NOTHING --start--> BEGUN --write--> BEGUN … --end--> NOTHING
 *
 * A part is a frame of its own, sent by the call that brings it, so that nothing is collected here and
 * control frames (a pong, a ping, a close) go between the parts. The last frame is empty: which part is the
 * last is known only behind it. A text is looked at as it goes; a character may lie in two parts. A call that
 * fails has sent nothing, and may be made again unless the connection has failed.
 *
 * A handler that ends within a message closes with 1011: the client must not take it for all.
 *
 * A client that sends is there, and may read nothing all the same. As with any answer, what waits to be sent
 * must make progress within the server's write_timeout, or the writing direction fails; the next look at the
 * client (read.c) ends the rest.
 */
#include <errno.h>
#include <string.h>
#include <weft/error.h>

#include "net/http/server.h"
#include "net/http/websocket/websocket.h"

/* ---- Frames ---- */

static int send_part(weft_websocket *socket, uint8_t opcode, bool final, const void *data,
                     size_t len)
{
    uint8_t head[WEFT__WEBSOCKET_MOST_HEADER];
    size_t head_len = weft__websocket_head(head, opcode, final, len, NULL);
    struct iovec pieces[] = {{head, head_len}, {(void *)data, len}};
    return weft__stream_writev(socket->stream, pieces, len ? 2 : 1);
}

int weft__websocket_send_frame(weft_websocket *socket, uint8_t opcode, const void *data, size_t len)
{
    return send_part(socket, opcode, true, data, len);
}

void weft__websocket_pay_pong(weft_websocket *socket)
{
    const weft_stream *stream = socket->stream;
    if (!socket->owes || socket->state != WEFT__WEBSOCKET_OPEN ||
        weft_write_pending(stream) > stream->write_high)
        return;
    socket->owes = weft__websocket_send_frame(socket, WEFT__WEBSOCKET_PONG, socket->owed,
                                              socket->owed_len) < 0;
}

/* `code` 1005: say none. */
int weft__websocket_send_close(weft_websocket *socket, int code, const char *reason)
{
    uint8_t payload[WEFT__WEBSOCKET_MOST_CONTROL];
    size_t len = reason ? strnlen(reason, sizeof(payload) - 2) : 0;
    if (code == 1005)
        return weft__websocket_send_frame(socket, WEFT__WEBSOCKET_CLOSE, NULL, 0);
    payload[0] = (uint8_t)(code >> 8);
    payload[1] = (uint8_t)code;
    if (len)
        memcpy(payload + 2, reason, len);
    return weft__websocket_send_frame(socket, WEFT__WEBSOCKET_CLOSE, payload, len + 2);
}

/* ---- Messages ---- */

int weft__websocket_sending_error(const weft_websocket *socket)
{
    if (socket->state == WEFT__WEBSOCKET_OPEN)
        return 0;
    return socket->state == WEFT__WEBSOCKET_ENDED && socket->status ? socket->status : -EPIPE;
}

/* What was sent by this function would not be: why. 0: it would. */
static int refusal(const weft_websocket *socket, const char *function)
{
    int status;
    return weft__websocket_check(socket, function, &status) ? weft__websocket_sending_error(socket)
                                                            : status;
}

static bool is_kind(enum weft_websocket_kind kind)
{
    return kind == WEFT_WEBSOCKET_TEXT || kind == WEFT_WEBSOCKET_BINARY;
}

int weft_websocket_send(weft_websocket *socket, enum weft_websocket_kind kind, const void *data,
                        size_t len)
{
    int status = refusal(socket, __func__);
    if (status < 0)
        return status;
    if (socket->sending)
        return -EBUSY;
    if (!is_kind(kind) || (kind == WEFT_WEBSOCKET_TEXT && !weft__utf8_is_valid(data, len)))
        return -EINVAL;
    weft__websocket_pay_pong(socket);
    return weft__websocket_send_frame(socket, (uint8_t)kind, data, len);
}

int weft_websocket_start(weft_websocket *socket, enum weft_websocket_kind kind)
{
    int status = refusal(socket, __func__);
    if (status < 0)
        return status;
    if (socket->sending)
        return -EBUSY;
    if (!is_kind(kind))
        return -EINVAL;
    socket->sending = (uint8_t)kind;
    socket->part = (uint8_t)kind;
    return 0;
}

static int continue_message(weft_websocket *socket, bool final, const void *data, size_t len)
{
    weft__websocket_pay_pong(socket);
    int status = send_part(socket, socket->part, final, data, len);
    if (status == 0)
        socket->part = WEFT__WEBSOCKET_CONTINUATION;
    return status;
}

int weft_websocket_write(weft_websocket *socket, const void *data, size_t len)
{
    int status = refusal(socket, __func__);
    if (status < 0)
        return status;
    struct weft__utf8 said = socket->said;
    if (!socket->sending ||
        (socket->sending == WEFT_WEBSOCKET_TEXT && !weft__utf8_feed(&said, data, len)))
        return -EINVAL;
    if (!len)
        return 0;
    status = continue_message(socket, false, data, len);
    if (status == 0)
        socket->said = said;
    return status;
}

int weft_websocket_end(weft_websocket *socket)
{
    int status = refusal(socket, __func__);
    if (status < 0)
        return status;
    if (!socket->sending || socket->said.left)
        return -EINVAL;
    status = continue_message(socket, true, NULL, 0);
    if (status == 0)
        socket->sending = 0;
    return status;
}

weft_future *weft_websocket_drain(weft_websocket *socket)
{
    int status;
    if (!WEFT__WEBSOCKET_CHECK(socket, &status))
        return weft__websocket_refused(status);
    if (weft_write_pending(socket->stream))
        weft__http_limit_write(weft__http_alive(socket->request)->connection);
    return weft_drain(socket->stream);
}

size_t weft_websocket_pending(const weft_websocket *socket)
{
    int status;
    return WEFT__WEBSOCKET_CHECK(socket, &status) ? weft_write_pending(socket->stream) : 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * What comes on a WebSocket, and what does not: frames, the end of the connection, silence. Called by the
 * loop; calls nobody's code, it only completes what somebody waits for.
 */
#include <errno.h>
#include <string.h>
#include <weft/error.h>

#include "core/memory.h"
#include "net/http/websocket/websocket.h"

enum { FIRST_ROOM = 128 };

static void refuse(weft_websocket *socket, int status, int code, const char *why)
{
    if (socket->state == WEFT__WEBSOCKET_OPEN)
        weft__websocket_send_close(socket, code,
                                   why); /* if it cannot be sent, the client is gone */
    weft__websocket_end(socket, status, why);
}

/* ---- What comes ---- */

static int make_room(weft_websocket *socket, size_t more)
{
    struct weft__websocket_entry *entry = socket->partial;
    size_t wanted = socket->partial_len + more + 1;
    if (entry && entry->room >= wanted)
        return 0;
    size_t room = entry ? entry->room * 2 : FIRST_ROOM;
    room = room < wanted ? wanted : room;
    entry = weft__realloc(entry, sizeof(*entry) + room);
    if (!entry)
        return -ENOMEM;
    entry->room = room;
    socket->partial = entry;
    return 0;
}

static void lack_memory(weft_websocket *socket)
{
    refuse(socket, -ENOMEM, 1011, "out of memory");
}

static void take_piece(weft_websocket *socket)
{
    size_t len = socket->parser.piece_len;
    if (make_room(socket, len) < 0) {
        lack_memory(socket);
        return;
    }
    weft__websocket_take(&socket->parser, socket->partial->bytes + socket->partial_len);
    socket->partial_len += len;
}

static void end_message(weft_websocket *socket)
{
    if (make_room(socket, 0) < 0) {
        lack_memory(socket);
        return;
    }
    struct weft__websocket_entry *entry = socket->partial;
    entry->message.kind = (enum weft_websocket_kind)socket->parser.message;
    entry->message.len = socket->partial_len;
    entry->message.data = entry->bytes;
    entry->bytes[entry->message.len] = 0;
    entry->next = NULL;
    socket->partial = NULL;
    socket->partial_len = 0;
    if (socket->state != WEFT__WEBSOCKET_OPEN) {
        weft__free(entry);
        return;
    }
    *socket->last = entry;
    socket->last = &entry->next;
    socket->queued += weft__websocket_weight(entry);
    weft__websocket_serve_receiver(socket);
}

static void take_pong(weft_websocket *socket)
{
    const struct weft__websocket_parser *parser = &socket->parser;
    bool answers = parser->control_len == sizeof(socket->ping_number) &&
                   !memcmp(parser->control, &socket->ping_number, sizeof(socket->ping_number));
    if (answers)
        weft__websocket_succeed(socket->pinger, weft_value_i64(weft_now() - socket->pinged), NULL);
}

static void take_ping(weft_websocket *socket)
{
    memcpy(socket->owed, socket->parser.control, socket->parser.control_len);
    socket->owed_len = socket->parser.control_len;
    socket->owes = true;
    weft__websocket_pay_pong(socket);
}

static void take_close(weft_websocket *socket)
{
    const struct weft__websocket_parser *parser = &socket->parser;
    size_t len = parser->control_len > 2 ? parser->control_len - 2 : 0;
    memcpy(socket->close_reason, parser->control + 2, len);
    socket->close_reason[len] = 0;
    socket->close_code = parser->code;
    if (socket->state == WEFT__WEBSOCKET_OPEN)
        weft__websocket_send_close(socket, parser->code,
                                   NULL); /* the client need not wait for it */
    weft__websocket_end(socket, 0, NULL);
}

static void take_event(weft_websocket *socket, enum weft__websocket_event event)
{
    const struct weft__websocket_parser *parser = &socket->parser;
    if (event == WEFT__WEBSOCKET_PIECE)
        take_piece(socket);
    else if (event == WEFT__WEBSOCKET_MESSAGE)
        end_message(socket);
    else if (event == WEFT__WEBSOCKET_PINGED)
        take_ping(socket);
    else if (event == WEFT__WEBSOCKET_PONGED)
        take_pong(socket);
    else if (event == WEFT__WEBSOCKET_CLOSED)
        take_close(socket);
    else if (event == WEFT__WEBSOCKET_ERROR)
        refuse(socket, parser->code == 1009 ? WEFT_ELIMIT : WEFT_EPROTO, parser->code, parser->why);
}

/* Deal with all that has come, then wait for more; if there is room for it. */
void weft__websocket_read_on(weft_websocket *socket)
{
    enum weft__websocket_event event = WEFT__WEBSOCKET_PIECE;
    while (event != WEFT__WEBSOCKET_NEED_MORE && socket->state != WEFT__WEBSOCKET_ENDED &&
           !weft__websocket_is_full(socket)) {
        size_t have, used;
        const char *data = weft__stream_peek(socket->stream, &have);
        event = weft__websocket_feed(&socket->parser, data, have, &used);
        take_event(socket, event);
        weft__stream_consume(socket->stream, used);
    }
    if (socket->state == WEFT__WEBSOCKET_ENDED || weft__websocket_is_full(socket) ||
        socket->reading.future)
        return;
    socket->refs++;
    weft__wait(&socket->reading, weft__stream_wait(socket->stream, 0));
}

static int end_wait(weft__waiter *waiter)
{
    int status = weft__observe(waiter->future);
    weft_unref(waiter->future);
    waiter->future = NULL;
    return status;
}

void weft__websocket_on_input(weft__item *item)
{
    weft_websocket *socket = WEFT__CONTAINER(item, weft_websocket, reading.item);
    int status = end_wait(&socket->reading);
    if (socket->state != WEFT__WEBSOCKET_ENDED) {
        if (status == 0 && weft__websocket_is_alive(socket)) {
            socket->heard = weft_now();
            socket->asked = false;
            weft__websocket_read_on(socket);
        } else {
            weft__websocket_end(socket, status < 0 ? status : WEFT_ECLOSED,
                                status == WEFT_EOF ? "the connection ended without a close" : NULL);
        }
    }
    weft__websocket_unref(socket);
}

void weft__websocket_on_stopping(weft__item *item)
{
    weft_websocket *socket = WEFT__CONTAINER(item, weft_websocket, stopping.item);
    int status = end_wait(&socket->stopping);
    if (status == 0 && socket->state == WEFT__WEBSOCKET_OPEN && weft__websocket_is_alive(socket))
        weft__websocket_begin_close(socket, 1001, NULL);
    weft__websocket_unref(socket);
}

/* ---- Time ---- */

void weft__websocket_look_again(weft_websocket *socket, weft_ns delay)
{
    int status = weft_callback_later(&socket->timer, delay);
    if (status < 0)
        weft__websocket_give_up(socket, status, NULL);
}

static void ask_for_life(weft_websocket *socket)
{
    int status = weft__websocket_send_frame(socket, WEFT__WEBSOCKET_PING, NULL, 0);
    if (status < 0 && status != -ENOBUFS) {
        weft__websocket_end(socket, status, NULL);
        return;
    }
    socket->asked = true;
    weft__websocket_look_again(socket, socket->options.ping_timeout);
}

/* It is this side that does not read. */
static void wait_for_room(weft_websocket *socket)
{
    socket->asked = false;
    weft__websocket_look_again(socket, socket->options.ping_interval);
}

void weft__websocket_on_time(void *arg)
{
    weft_websocket *socket = arg;
    if (!weft__websocket_is_alive(socket))
        return;
    weft_ns silence = weft_now() - socket->heard;
    int write_error = weft__stream_write_error(socket->stream);
    if (write_error < 0)
        weft__websocket_end(socket, write_error, "the client reads nothing");
    else if (socket->state == WEFT__WEBSOCKET_CLOSING)
        weft__websocket_give_up(socket, -ETIMEDOUT, "no answer to a close");
    else if (weft__websocket_is_full(socket))
        wait_for_room(socket);
    else if (socket->asked)
        weft__websocket_give_up(socket, -ETIMEDOUT, "no sign of life");
    else if (silence < socket->options.ping_interval)
        weft__websocket_look_again(socket, socket->options.ping_interval - silence);
    else
        ask_for_life(socket);
}

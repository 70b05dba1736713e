/* SPDX-License-Identifier: MIT */
/*
 * Connections of listeners: from accept() to the end of the stream.
 *
 *     BEGINS --header and handshake are there--> RUNS
 *     BEGINS --they are not what they should be, or not in time: refused---------> gone
 *     RUNS --its task succeeded, something to send--> CLOSES --sent, or close_timeout--> gone
 *     RUNS --succeeded, nothing but TLS's goodbye---> LEAVES --the same----------------> gone
 *     RUNS --succeeded, nothing to send; failed; cancelled; its stream closed-----> gone
 *
 * It counts until it is gone. BEGINS is only where there is something to wait for; the task of that
 * phase is the listener's own, connection_begin. It has one deadline, and what it fails with is
 * nobody's error: it is counted, and the last one can be asked for.
 *
 * What was written and cannot be sent is reported: somebody may miss it. A goodbye that a client is
 * not there to hear is not.
 *
 * Freeing the listener cancels what each connection waits for, and leaves the record to the loop.
 * A result that comes all the same finds no listener, and ends the connection.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <weft/combine.h>
#include <weft/timeout.h>

#include "core/loop.h"
#include "core/memory.h"
#include "net/listen/listener.h"
#include "net/listen/proxy_header.h"
#include "net/net.h"
#include "net/stream/filter.h"

/* ---- The end ---- */

void weft__connection_lost(struct weft__connection *connection)
{
    connection->stream = NULL;
}

void weft__connection_release(struct weft__connection *connection)
{
    if (weft__is_waiting(&connection->waiter))
        weft__unwait(&connection->waiter);
    weft__link_remove(&connection->link);
    weft__free(connection);
}

static void end_connection(struct weft__connection *connection)
{
    weft_stream_free(connection->stream);
    weft_listener *listener = connection->listener;
    weft__link_remove(&connection->link);
    weft__free(connection);
    if (!listener)
        return;
    listener->stats.connections--;
    if (!listener->stats.connections)
        weft__listener_drained(listener, 0);
    weft__listener_go_on(listener);
}

static bool is_wanted(const struct weft__connection *connection)
{
    return connection->listener && !connection->listener->aborted;
}

/* The end of the stream, once what was written is sent; NULL: there is nothing to wait for. */
static weft_future *wait_for_close(struct weft__connection *connection)
{
    weft_stream *stream = connection->stream;
    bool says_goodbye = stream && stream->flags & WEFT__STREAM_FILTERED;
    if (!stream || (!weft_write_pending(stream) && !says_goodbye))
        return NULL;
    struct weft__stream_op *closer = stream->closer;
    weft_future *closed = closer ? weft_ref(&closer->future) : weft_close(stream);
    return weft_wait_for(closed, connection->close_timeout);
}

static void task_ended(struct weft__connection *connection, weft_future *task)
{
    int status = task->status;
    if (connection->listener && status < 0 && status != -ECANCELED)
        connection->listener->stats.failed++;
    weft_unref(task); /* nobody looked: a failure is reported here, and the listener may be freed */
    weft_future *closed = NULL;
    bool all_sent = !connection->stream || !weft_write_pending(connection->stream);
    connection->phase = all_sent ? WEFT__CONNECTION_LEAVES : WEFT__CONNECTION_CLOSES;
    if (status == 0 && is_wanted(connection))
        closed = wait_for_close(connection);
    if (closed)
        weft__wait(&connection->waiter, closed);
    else
        end_connection(connection);
}

/* ---- The task ---- */

static void run_task(struct weft__connection *connection)
{
    weft_listener *listener = connection->listener;
    connection->phase = WEFT__CONNECTION_RUNS;
    memcpy(listener->frame + listener->stream_offset, &connection->stream, sizeof(weft_stream *));
    weft__wait(&connection->waiter,
               weft__spawn(listener->coroutine, listener->frame, listener->place));
}

/* ---- What comes before ---- */

struct connection_begin {
    WEFT_FRAME;
    struct weft__connection *connection; /* lasts until this has ended */
    size_t have;                         /* bytes of its header that were seen */
    const char *why;                     /* it is none; static */
    weft_timeout *limit;
    int status;
};

/* A connection of the proxy's own stays what it is. There is room for any address: see with_room(). */
static void set_peer(weft_stream *stream, const struct weft__address *peer)
{
    if (!peer->len)
        return;
    stream->peer.len = peer->len;
    memcpy(&stream->peer.u, &peer->u, peer->len);
}

static int read_header(struct connection_begin *self)
{
    struct weft__proxy_header header;
    weft_stream *stream = self->connection->stream;
    const char *bytes = weft__stream_peek(stream, &self->have);
    int status = weft__proxy_header_parse(bytes, self->have, &header, &self->why);
    if (status == 0) {
        set_peer(stream, &header.source);
        weft__stream_consume(stream, header.len);
    }
    return status;
}

static weft_future *start_tls(struct weft__connection *connection)
{
    struct weft_tls_context *context = connection->listener->tls;
    return weft__tls_ops_of(context)->start(context, connection->stream, true, NULL);
}

static WEFT_ASYNC(connection_begin)
{
    WEFT_BEGIN;
    WEFT_TIMEOUT_ENTER(self->limit, self->connection->listener->handshake_timeout);
    if (self->connection->listener->proxied) {
        while ((self->status = read_header(self)) == -EAGAIN)
            WEFT_AWAIT(weft__stream_wait(self->connection->stream, self->have));
        if (self->status < 0)
            WEFT_FAIL(self->status, "%s", self->why);
    }
    if (!self->connection->listener)
        WEFT_FAIL(WEFT_ECLOSED);
    if (self->connection->listener->tls)
        WEFT_AWAIT(start_tls(self->connection));
    WEFT_FINALLY;
    WEFT_TIMEOUT_EXIT(self->limit);
    WEFT_END;
}

static void begin(struct weft__connection *connection)
{
    struct connection_begin frame = {.connection = connection};
    weft_listener *listener = connection->listener;
    connection->phase = WEFT__CONNECTION_BEGINS;
    listener->stats.beginning++;
    weft__wait(&connection->waiter,
               weft__spawn(weft__coroutine_connection_begin(), &frame, listener->place));
}

static void note_refusal(weft_listener *listener, weft_stream *stream, weft_future *task)
{
    const char *why = weft_message(task);
    if (task->status == -ETIMEDOUT)
        why = listener->tls ? "the handshake took too long" : "the PROXY header took too long";
    listener->stats.refused++;
    listener->stats.last_refusal = listener->refusal;
    snprintf(listener->refusal, sizeof(listener->refusal), "%s: %s", weft_stream_peer(stream),
             why ? why : weft_strerror(task->status));
}

static void begin_ended(struct weft__connection *connection, weft_future *task)
{
    weft_listener *listener = connection->listener;
    int status = weft__observe(task);
    bool wanted = is_wanted(connection) && listener->net->loop->phase == WEFT__OPEN;
    if (listener)
        listener->stats.beginning--;
    if (wanted && status < 0)
        note_refusal(listener, connection->stream, task);
    weft_unref(task);
    if (wanted && status == 0)
        run_task(connection);
    else
        end_connection(connection);
}

/* ---- From accept() on ---- */

static void on_ended(weft__item *item)
{
    weft__waiter *waiter = WEFT__CONTAINER(item, weft__waiter, item);
    struct weft__connection *connection = WEFT__CONTAINER(waiter, struct weft__connection, waiter);
    weft_future *ended = waiter->future;
    waiter->future = NULL;
    if (connection->phase == WEFT__CONNECTION_BEGINS) {
        begin_ended(connection, ended);
    } else if (connection->phase == WEFT__CONNECTION_RUNS) {
        task_ended(connection, ended);
    } else {
        if (connection->phase == WEFT__CONNECTION_LEAVES)
            weft__observe(ended);
        weft_unref(ended);
        end_connection(connection);
    }
}

/* A PROXY header may name an address that is longer than the proxy's. */
static struct weft__address with_room(const struct weft__address *peer)
{
    struct weft__address roomy = {.len = sizeof(roomy.u)};
    memcpy(&roomy.u, &peer->u, peer->len);
    return roomy;
}

static int open_stream(weft_listener *listener, int fd, const struct weft__address *peer,
                       weft_stream **ret)
{
    const struct weft_stream_limits *limits = listener->has_limits ? &listener->limits : NULL;
    if (!listener->proxied)
        return weft__stream_open(listener->net, fd, limits, peer, ret);
    struct weft__address roomy = with_room(peer);
    int status = weft__stream_open(listener->net, fd, limits, &roomy, ret);
    if (status == 0)
        (*ret)->peer.len = peer->len;
    return status;
}

int weft__connection_start(weft_listener *listener, int fd, const struct weft__address *peer)
{
    struct weft__connection *connection = weft__calloc(1, sizeof(*connection));
    if (!connection)
        return -ENOMEM;
    int status = open_stream(listener, fd, peer, &connection->stream);
    if (status < 0) {
        weft__free(connection);
        return status;
    }
    connection->listener = listener;
    connection->close_timeout = listener->close_timeout;
    connection->stream->connection = connection;
    connection->waiter.item.run = on_ended;
    weft__link_add(&listener->net->connections, &connection->link);
    listener->stats.accepted++;
    if (++listener->stats.connections > listener->stats.most)
        listener->stats.most = listener->stats.connections;
    if (listener->proxied || listener->tls)
        begin(connection);
    else
        run_task(connection);
    return 0;
}

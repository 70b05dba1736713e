/* SPDX-License-Identifier: MIT */
/*
 * Listeners: accept, start a task, see to its end.
 *
 *     listener_open         texts -> sockets that listen, all or none
 *     listener_accept       their events -> connections; what if there is no descriptor left
 *     listener_connection   what comes before the task, the task, its stream's end
 *     listener              the object, its numbers, its end
 *
 *     LISTENS --stop--> STOPPED: connections go on --abort--> their tasks are cancelled
 *
 * The sockets of one listener share its limit and its numbers; nothing else tells them apart.
 *
 * Freeing the listener leaves the records of its connections to the loop; they end with their
 * tasks.
 */
#include "net/listen/listener.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "core/inspect/eye.h"
#include "core/loop.h"
#include "core/memory.h"
#include "core/sys.h"
#include "net/net.h"
#include "net/stream/filter.h"

#define DEFAULT_CLOSE_TIMEOUT WEFT_S(10)
#define DEFAULT_HANDSHAKE_TIMEOUT WEFT_S(10)

/* ---- Making ---- */

static void set_options(weft_listener *listener, const struct weft_listen_options *options)
{
    listener->max_connections = options->max_connections;
    listener->close_timeout =
        options->close_timeout ? options->close_timeout : DEFAULT_CLOSE_TIMEOUT;
    listener->handshake_timeout =
        options->handshake_timeout ? options->handshake_timeout : DEFAULT_HANDSHAKE_TIMEOUT;
    listener->proxied = options->flags & WEFT_LISTEN_PROXY;
    listener->has_limits = options->limits != NULL;
    if (options->limits)
        listener->limits = *options->limits;
    listener->tls = options->tls;
    if (listener->tls)
        weft__tls_ops_of(listener->tls)->ref(listener->tls);
}

static void take_sockets(weft_listener *listener, const struct weft__listening_set *set)
{
    listener->count = set->count;
    for (size_t i = 0; i < set->count; i++) {
        struct weft__socket *socket = &listener->sockets[i];
        socket->listener = listener;
        socket->listening = set->sockets[i];
        weft__address_format(&socket->listening.address, socket->text);
        event_assign(&socket->event, listener->net->loop->base, socket->listening.fd,
                     EV_READ | EV_PERSIST, weft__listener_on_acceptable, socket);
    }
}

static weft_listener *new_listener(struct weft__net *net, const struct weft__listening_set *set,
                                   const struct weft__server *server)
{
    weft_listener *listener = weft__calloc(1, sizeof(*listener));
    struct weft__socket *sockets = weft__calloc(set->count, sizeof(*sockets));
    char *frame = weft__malloc(server->coroutine->frame_size);
    if (!listener || !sockets || !frame) {
        weft__free(listener);
        weft__free(sockets);
        weft__free(frame);
        return NULL;
    }
    memcpy(frame, server->frame, server->coroutine->frame_size);
    listener->net = net;
    listener->sockets = sockets;
    listener->frame = frame;
    listener->coroutine = server->coroutine;
    listener->stream_offset = server->stream_offset;
    listener->place = server->place;
    weft__link_add(&net->listeners, &listener->link);
    return listener;
}

/* 0: it has the sockets and waits for connections. Otherwise it has none of them. */
static int start(weft_listener *listener, const struct weft__listening_set *set)
{
    listener->reserve_fd = weft__sys.open_reserve();
    int status = listener->reserve_fd < 0 ? -errno : 0;
    if (status == 0) {
        take_sockets(listener, set);
        status = weft__listener_update(listener);
    }
    if (status < 0) {
        weft__listener_rest(listener);
        listener->count = 0;
    }
    return status;
}

weft_listener *weft__listen_on(const struct weft_listen_options *options,
                               struct weft__listening_set *set, const struct weft__server *server)
{
    int status = -ENOMEM;
    struct weft__net *net = weft__net_get(weft__here(), &status);
    weft_listener *listener = net ? new_listener(net, set, server) : NULL;
    if (listener) {
        set_options(listener, options);
        status = start(listener, set);
    }
    if (status < 0) {
        weft_listener_free(listener);
        errno = -status;
        return NULL;
    }
    weft__free(set->sockets);
    *set = (struct weft__listening_set){0};
    return listener;
}

weft_listener *weft__listen(const struct weft_listen_options *options, const char *addresses,
                            const weft_coroutine *coroutine, const void *frame,
                            size_t stream_offset, const char *place)
{
    static const struct weft_listen_options defaults;
    struct weft__server server = {coroutine, frame, stream_offset, place};
    struct weft__listening_set set = {0};
    int status = 0;
    if (!options)
        options = &defaults;
    if (weft__net_get(weft__here(), &status))
        status = weft__listen_check_options(options);
    if (status == 0)
        status = weft__listening_open(addresses, options, &set, NULL);
    if (status < 0) {
        errno = -status;
        return NULL;
    }
    weft_listener *listener = weft__listen_on(options, &set, &server);
    int error = errno;
    weft__listening_close(&set);
    if (!listener)
        errno = error;
    return listener;
}

/* ---- What there is to know ---- */

int weft_listener_port(const weft_listener *listener)
{
    if (WEFT__ELSEWHERE(listener->net->loop->id))
        return weft__elsewhere();
    return weft__address_port(&listener->sockets[0].listening.address);
}

const char *weft_listener_address(const weft_listener *listener)
{
    if (WEFT__ELSEWHERE(listener->net->loop->id))
        return "";
    return listener->sockets[0].text;
}

const char *weft_listener_address_at(const weft_listener *listener, size_t index)
{
    if (WEFT__ELSEWHERE(listener->net->loop->id))
        return NULL;
    return index < listener->count ? listener->sockets[index].text : NULL;
}

size_t weft_listener_connections(const weft_listener *listener)
{
    if (WEFT__ELSEWHERE(listener->net->loop->id))
        return 0;
    return listener->stats.connections;
}

void weft_listener_get_stats(const weft_listener *listener, struct weft_listener_stats *ret)
{
    if (WEFT__ELSEWHERE(listener->net->loop->id))
        return;
    *ret = listener->stats;
}

/* ---- The end ---- */

void weft_listener_stop(weft_listener *listener)
{
    if (WEFT__ELSEWHERE(listener->net->loop->id) || listener->stopped)
        return;
    listener->stopped = true;
    weft__listener_rest(listener);
    for (size_t i = 0; i < listener->count; i++)
        weft__listening_end(&listener->sockets[i].listening);
    if (listener->reserve_fd >= 0)
        close(listener->reserve_fd);
    listener->reserve_fd = -1;
}

void weft__listener_drained(weft_listener *listener, int status)
{
    weft_future *drainer = listener->drainer;
    listener->drainer = NULL;
    if (!drainer)
        return;
    if (status < 0)
        weft__complete_failed(drainer, status, NULL);
    else
        weft__complete(drainer, weft_value_i64(0), NULL);
    weft_unref(drainer);
}

static struct weft__connection *connection_at(weft__link *link)
{
    return (struct weft__connection *)(void *)link;
}

void weft_listener_abort(weft_listener *listener)
{
    if (WEFT__ELSEWHERE(listener->net->loop->id))
        return;
    weft_listener_stop(listener);
    listener->aborted = true;
    for (weft__link *link = listener->net->connections; link; link = link->next) {
        weft__waiter *waiter = &connection_at(link)->waiter;
        if (connection_at(link)->listener == listener && waiter->future)
            weft_cancel_because(waiter->future, "the listener was aborted");
    }
}

void weft__listener_release(weft_listener *listener)
{
    weft_listener_stop(listener);
    weft__link_remove(&listener->link);
    if (listener->tls)
        weft__tls_ops_of(listener->tls)->unref(listener->tls);
    weft__free(listener->frame);
    weft__free(listener->sockets);
    weft__free(listener);
}

void weft__listener_end(weft_listener *listener)
{
    weft_listener_stop(listener);
    weft__listener_drained(listener, -ECANCELED);
}

void weft_listener_free(weft_listener *listener)
{
    if (listener && WEFT__ELSEWHERE(listener->net->loop->id))
        return;
    if (!listener)
        return;
    weft_future *drainer = listener->drainer;
    listener->drainer = NULL;
    weft_listener_abort(listener);
    for (weft__link *link = listener->net->connections; link; link = link->next) {
        if (connection_at(link)->listener == listener)
            connection_at(link)->listener = NULL;
    }
    weft__listener_release(listener);
    if (drainer) {
        weft__complete_failed(drainer, WEFT_ECLOSED, NULL);
        weft_unref(drainer);
    }
}

struct drain_op {
    weft_future future; /* first */
    weft_listener *listener;
};

static bool cancel_drain(weft_future *future)
{
    struct drain_op *op = (struct drain_op *)(void *)future;
    weft__listener_drained(op->listener, -ECANCELED);
    return true;
}

/* The tasks of its connections. */
static void explain(struct weft__eye *eye, const weft_future *at, struct weft__waiting *ret)
{
    struct drain_op op;
    weft_listener listener;
    struct weft__socket socket;
    if (!weft__eye_see(eye, &op, at, sizeof(op)) ||
        !weft__eye_see(eye, &listener, op.listener, sizeof(listener)))
        return;
    if (listener.count > 0 && weft__eye_see(eye, &socket, listener.sockets, sizeof(socket)))
        ret->name = weft__eye_say(eye, "%.*s", WEFT__ADDRESS_TEXT - 1, socket.text);
    ret->resource = op.listener;
    ret->place = weft__eye_text(eye, listener.place);
    ret->detail = "until its connections have ended";
    weft__waiting_number(ret, "connections", listener.stats.connections);
}

WEFT__OPS(drain_ops) = {.name = "listener drain", .cancel = cancel_drain, .explain = explain};

weft_future *weft_listener_drain(weft_listener *listener)
{
    if (WEFT__ELSEWHERE(listener->net->loop->id))
        return weft__future_elsewhere();
    struct weft__net *net = listener->net;
    weft_listener_stop(listener);
    if (listener->drainer)
        return weft_future_failed(-EBUSY, "another drain of this listener is under way");
    if (!listener->stats.connections)
        return weft_ref(&net->done);
    struct drain_op *op = weft__future_alloc(net->loop, &drain_ops, sizeof(*op), 2);
    if (!op)
        return weft__future_enomem(net->loop);
    op->listener = listener;
    listener->drainer = &op->future;
    return &op->future;
}

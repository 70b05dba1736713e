/* SPDX-License-Identifier: MIT */
/*
 * Listeners: accept, start a task, see to its end.
 *
 * A connection:
 *
 *     RUNNING --task succeeded, something to send--> CLOSING --sent, or close_timeout--> gone
 *     RUNNING --task succeeded, nothing to send; failed; cancelled; its stream closed--> gone
 *
 * It counts until it is gone; at max_connections the listener takes its event away until one goes.
 *
 * Accepting: for each readiness event at most ACCEPT_BATCH connections, so that a flood of them
 * does not keep the rest of the loop waiting; the event fires again if there are more.
 *
 * Out of descriptors (EMFILE, ENFILE), accept() fails and leaves the connection where it is: the
 * event would fire for ever. So the listener keeps a descriptor in reserve: it closes that one,
 * accepts in its place, closes the connection at once (the client sees the end and not a hang), and
 * opens the reserve again. If some other thread was quicker, or accept() fails for another lasting
 * reason, the listener pauses for PAUSE. A failure is reported at most once a second, as the very
 * last thing, since the handler may free the listener.
 *
 * Freeing the listener leaves the records of its connections to the loop; they end with their
 * tasks.
 */
#include "net/listener.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <weft/combine.h>

#include "core/loop.h"
#include "core/memory.h"
#include "core/sys.h"
#include "net/net.h"

enum { ACCEPT_BATCH = 32 };
#define PAUSE WEFT_MS(100)
#define REPORT_EVERY WEFT_S(1)
#define DEFAULT_CLOSE_TIMEOUT WEFT_S(10)

/* ---- Arming ---- */

static void disarm(weft_listener *listener)
{
    if (listener->armed)
        event_del(&listener->event);
    listener->armed = false;
}

static bool is_full(const weft_listener *listener)
{
    return listener->max_connections && listener->connections >= listener->max_connections;
}

/* 0 or libevent's failure. */
static int update_accepting(weft_listener *listener)
{
    if (listener->fd < 0 || listener->pause || is_full(listener)) {
        disarm(listener);
        return 0;
    }
    if (listener->armed)
        return 0;
    if (weft__sys.event_add(&listener->event, NULL) < 0)
        return errno == ENOMEM ? -ENOMEM : -EIO;
    listener->armed = true;
    return 0;
}

static void end_pause(weft_listener *listener)
{
    weft_future *pause = listener->pause;
    listener->pause = NULL;
    if (pause) {
        weft_cancel(pause);
        weft_unref(pause);
    }
}

static void report(weft_listener *listener, int status)
{
    weft_ns now = weft__loop_now(listener->net->loop);
    if (listener->reported_at && now - listener->reported_at < REPORT_EVERY)
        return;
    char message[WEFT__ADDRESS_TEXT + 64];
    int len = snprintf(message, sizeof(message), "on %s", listener->text);
    if (listener->dropped)
        snprintf(message + len, sizeof(message) - (size_t)len, ", %zu connections closed at once",
                 listener->dropped);
    listener->reported_at = now ? now : 1;
    listener->dropped = 0;
    weft__report(listener->net->loop, &(struct weft_error_report){
                                          .what = "cannot accept a connection",
                                          .status = status,
                                          .message = message,
                                          .task = listener->coroutine->name,
                                          .spawned_at = listener->place,
                                      });
}

static void go_on(void *arg)
{
    weft_listener *listener = arg;
    end_pause(listener);
    int status = update_accepting(listener);
    if (status < 0)
        report(listener, status);
}

/* Without memory for the pause, the event stays as it is and is tried again at once. */
static void pause_accepting(weft_listener *listener)
{
    weft_future *pause = weft_call_later(PAUSE, go_on, listener);
    if (weft_is_done(pause)) {
        weft__observe(pause);
        weft_unref(pause);
        return;
    }
    listener->pause = pause;
    update_accepting(listener);
}

/* ---- Connections ---- */

static void complete_drain(weft_listener *listener, int status)
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
    listener->connections--;
    if (!listener->connections)
        complete_drain(listener, 0);
    int status = update_accepting(listener);
    if (status < 0)
        report(listener, status);
}

/* The end of the stream, once what was written is sent; NULL: there is nothing to wait for. */
static weft_future *wait_for_close(struct weft__connection *connection)
{
    weft_stream *stream = connection->stream;
    if (!stream || !weft_write_pending(stream))
        return NULL;
    struct weft__stream_op *closer = stream->closer;
    weft_future *closed = closer ? weft_ref(&closer->future) : weft_close(stream);
    return weft_wait_for(closed, connection->close_timeout);
}

static void on_ended(weft__item *item)
{
    weft__waiter *waiter = WEFT__CONTAINER(item, weft__waiter, item);
    struct weft__connection *connection = WEFT__CONTAINER(waiter, struct weft__connection, waiter);
    weft_future *ended = waiter->future;
    bool succeeded = ended->status == 0;
    waiter->future = NULL;
    weft_unref(ended); /* nobody looked: a failure is reported here */
    bool wanted = connection->listener && !connection->listener->aborted;
    if (succeeded && wanted && !connection->closing) {
        connection->closing = true;
        weft_future *closed = wait_for_close(connection);
        if (closed) {
            weft__wait(waiter, closed);
            return;
        }
    }
    end_connection(connection);
}

static int start_connection(weft_listener *listener, int fd, const struct weft__address *peer)
{
    struct weft__net *net = listener->net;
    struct weft__connection *connection = weft__calloc(1, sizeof(*connection));
    if (!connection)
        return -ENOMEM;
    int status = weft__stream_open(net, fd, listener->has_limits ? &listener->limits : NULL, peer,
                                   &connection->stream);
    if (status < 0) {
        weft__free(connection);
        return status;
    }
    connection->listener = listener;
    connection->close_timeout = listener->close_timeout;
    connection->stream->connection = connection;
    connection->waiter.item.run = on_ended;
    weft__link_add(&net->connections, &connection->link);
    listener->connections++;
    memcpy(listener->frame + listener->stream_offset, &connection->stream, sizeof(weft_stream *));
    weft__wait(&connection->waiter,
               weft__spawn(listener->coroutine, listener->frame, listener->place));
    return 0;
}

/* ---- Accepting ---- */

static int accept_next(weft_listener *listener, struct weft__address *ret_peer)
{
    struct sockaddr_storage from;
    socklen_t len = sizeof(from);
    int fd = weft__sys.accept4(listener->fd, (struct sockaddr *)&from, &len,
                               SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return -errno;
    weft__address_set(ret_peer, (struct sockaddr *)&from, len);
    return fd;
}

/* Give up the reserve for a connection that is closed at once. 0, or why there was none. */
static int shed_one(weft_listener *listener)
{
    struct weft__address peer;
    if (listener->reserve_fd < 0)
        listener->reserve_fd = weft__sys.open_reserve();
    if (listener->reserve_fd < 0)
        return -errno;
    close(listener->reserve_fd);
    int fd = accept_next(listener, &peer);
    if (fd >= 0) {
        close(fd);
        listener->dropped++;
    }
    listener->reserve_fd = weft__sys.open_reserve();
    return fd < 0 ? fd : 0;
}

/* Failures of accept() that are the connection's own, not the listener's: see accept(2). */
static bool is_passing(int status)
{
    switch (-status) {
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case ENETUNREACH:
        return true;
    default:
        return false;
    }
}

/*
 * One connection: 0; -EAGAIN: there is none; or a failure. *ret_shed: why one was closed at once.
 */
static int accept_one(weft_listener *listener, int *ret_shed)
{
    struct weft__address peer;
    int fd = accept_next(listener, &peer);
    if (fd == -EMFILE || fd == -ENFILE) {
        *ret_shed = fd;
        return shed_one(listener);
    }
    if (fd < 0)
        return is_passing(fd) ? 0 : fd;
    int status = start_connection(listener, fd, &peer);
    if (status < 0) {
        close(fd);
        listener->dropped++;
    }
    return status;
}

static void on_acceptable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    weft_listener *listener = arg;
    if (listener->net->loop->phase != WEFT__OPEN) {
        weft_listener_stop(listener);
        return;
    }
    int status = 0;
    int shed = 0;
    for (int i = 0; i < ACCEPT_BATCH && status == 0 && !is_full(listener); i++)
        status = accept_one(listener, &shed);
    if (status == -EAGAIN)
        status = 0;
    if (status < 0)
        pause_accepting(listener);
    else
        update_accepting(listener);
    if (status == 0 && listener->dropped)
        status = shed;
    if (status < 0)
        report(listener, status);
}

/* ---- Listening ---- */

static int open_socket(const struct weft__address_spec *spec, enum weft_listen_flags flags)
{
    int family = spec->address.u.any.sa_family;
    int fd = weft__sys.socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    int on = 1;
    int v6only = spec->kind != WEFT__ADDRESS_ANY;
    if (family != AF_UNIX) {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* connections inherit it */
    }
    if (family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, sizeof(v6only));
    if (flags & WEFT_LISTEN_REUSE_PORT)
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
    return fd;
}

static int bind_socket(weft_listener *listener, const struct weft__address_spec *spec,
                       const struct weft_listen_options *options)
{
    int fd = open_socket(spec, options->flags);
    if (fd < 0)
        return fd;
    if (weft__sys.bind(fd, &spec->address.u.any, spec->address.len) < 0) {
        int status = -errno;
        close(fd);
        return status;
    }
    struct sockaddr_storage bound;
    socklen_t len = sizeof(bound);
    listener->fd = fd;
    listener->address = spec->address;
    if (weft__sys.listen(fd, options->backlog ? options->backlog : SOMAXCONN) < 0 ||
        getsockname(fd, (struct sockaddr *)&bound, &len) < 0)
        return -errno;
    weft__address_set(&listener->address, (struct sockaddr *)&bound, len);
    weft__address_format(&listener->address, listener->text);
    return 0;
}

static int bind_address(weft_listener *listener, const char *address,
                        const struct weft_listen_options *options)
{
    struct weft__address_spec spec;
    if (weft__address_parse(address, &spec) < 0 || spec.kind == WEFT__ADDRESS_NAME)
        return -EINVAL;
    int status = bind_socket(listener, &spec, options);
    bool no_ipv6 = status == -EAFNOSUPPORT || status == -EADDRNOTAVAIL;
    if (spec.kind != WEFT__ADDRESS_ANY || !no_ipv6)
        return status;
    weft__address_set_any(&spec.address, AF_INET, spec.port);
    return bind_socket(listener, &spec, options);
}

static int check_options(const struct weft_listen_options *options)
{
    if (options->size && options->size != sizeof(*options))
        return -EINVAL;
    if (options->backlog < 0 || options->close_timeout < 0)
        return -EINVAL;
    if (options->flags & ~(unsigned)WEFT_LISTEN_REUSE_PORT)
        return -EINVAL;
    return options->limits ? weft__stream_check_limits(options->limits) : 0;
}

static int start_listening(weft_listener *listener, const char *address,
                           const struct weft_listen_options *options)
{
    int status = check_options(options);
    if (status < 0)
        return status;
    listener->max_connections = options->max_connections;
    listener->close_timeout =
        options->close_timeout ? options->close_timeout : DEFAULT_CLOSE_TIMEOUT;
    listener->has_limits = options->limits != NULL;
    if (options->limits)
        listener->limits = *options->limits;
    status = bind_address(listener, address, options);
    if (status < 0)
        return status;
    listener->reserve_fd = weft__sys.open_reserve();
    if (listener->reserve_fd < 0)
        return -errno;
    event_assign(&listener->event, listener->net->loop->base, listener->fd, EV_READ | EV_PERSIST,
                 on_acceptable, listener);
    return update_accepting(listener);
}

static weft_listener *new_listener(struct weft__net *net, const weft_coroutine *coroutine,
                                   const void *frame)
{
    weft_listener *listener = weft__calloc(1, sizeof(*listener));
    char *copy = weft__malloc(coroutine->frame_size);
    if (!listener || !copy) {
        weft__free(listener);
        weft__free(copy);
        return NULL;
    }
    memcpy(copy, frame, coroutine->frame_size);
    listener->net = net;
    listener->fd = listener->reserve_fd = -1;
    listener->coroutine = coroutine;
    listener->frame = copy;
    weft__link_add(&net->listeners, &listener->link);
    return listener;
}

weft_listener *weft__listen(const struct weft_listen_options *options, const char *address,
                            const weft_coroutine *coroutine, const void *frame,
                            size_t stream_offset, const char *place)
{
    static const struct weft_listen_options defaults;
    int status = -ENOMEM;
    struct weft__net *net = weft__net_get(weft__here(), &status);
    weft_listener *listener = net ? new_listener(net, coroutine, frame) : NULL;
    if (listener) {
        listener->stream_offset = stream_offset;
        listener->place = place;
        status = start_listening(listener, address, options ? options : &defaults);
    }
    if (status < 0) {
        weft_listener_free(listener);
        errno = -status;
        return NULL;
    }
    return listener;
}

int weft_listener_port(const weft_listener *listener)
{
    if (WEFT__ELSEWHERE(listener->net->loop->id))
        return weft__elsewhere();
    return weft__address_port(&listener->address);
}

const char *weft_listener_address(const weft_listener *listener)
{
    if (WEFT__ELSEWHERE(listener->net->loop->id))
        return "";
    return listener->text;
}

size_t weft_listener_connections(const weft_listener *listener)
{
    if (WEFT__ELSEWHERE(listener->net->loop->id))
        return 0;
    return listener->connections;
}

/* ---- The end ---- */

static bool has_file(const struct weft__address *address)
{
    return address->len && address->u.any.sa_family == AF_UNIX && address->u.un.sun_path[0];
}

void weft_listener_stop(weft_listener *listener)
{
    if (WEFT__ELSEWHERE(listener->net->loop->id))
        return;
    end_pause(listener);
    disarm(listener);
    if (listener->fd >= 0) {
        if (has_file(&listener->address))
            unlink(listener->address.u.un.sun_path);
        close(listener->fd);
    }
    if (listener->reserve_fd >= 0)
        close(listener->reserve_fd);
    listener->fd = listener->reserve_fd = -1;
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
    weft__free(listener->frame);
    weft__free(listener);
}

void weft__listener_end(weft_listener *listener)
{
    weft_listener_stop(listener);
    complete_drain(listener, -ECANCELED);
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
    complete_drain(op->listener, -ECANCELED);
    return true;
}

static const struct weft__future_ops drain_ops = {.name = "listener drain", .cancel = cancel_drain};

weft_future *weft_listener_drain(weft_listener *listener)
{
    if (WEFT__ELSEWHERE(listener->net->loop->id))
        return weft__future_elsewhere();
    struct weft__net *net = listener->net;
    weft_listener_stop(listener);
    if (listener->drainer)
        return weft_future_failed(-EBUSY, "another drain of this listener is under way");
    if (!listener->connections)
        return weft_ref(&net->done);
    struct drain_op *op = weft__future_alloc(net->loop, &drain_ops, sizeof(*op), 2);
    if (!op)
        return weft__future_enomem(net->loop);
    op->listener = listener;
    listener->drainer = &op->future;
    return &op->future;
}

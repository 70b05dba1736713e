/* SPDX-License-Identifier: MIT */
/*
 * Accepting, on all sockets of a listener.
 *
 *     WAITS --full, or a failure that lasts, or stopped--> RESTS: no event is added
 *     RESTS --a connection has ended, or the pause---------> WAITS
 *
 * For each readiness event at most ACCEPT_BATCH connections are accepted, so that a flood of them
 * does not keep the rest of the loop waiting; the event fires again if there are more. At
 * max_connections every socket rests until one has gone: who connects waits in the backlog.
 *
 * Out of descriptors (EMFILE, ENFILE), accept() fails and leaves the connection where it is: the
 * event would fire for ever. So the listener keeps a descriptor in reserve: it closes that one,
 * accepts in its place, closes the connection at once (the client sees the end and not a hang), and
 * opens the reserve again. If some other thread was quicker, or accept() fails for another lasting
 * reason, the listener pauses for PAUSE. A failure is reported at most once a second, as the very
 * last thing, since the handler may free the listener.
 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "core/loop.h"
#include "core/sys.h"
#include "net/listen/listener.h"
#include "net/net.h"

enum { ACCEPT_BATCH = 32 };
#define PAUSE WEFT_MS(100)
#define REPORT_EVERY WEFT_S(1)

/* ---- Arming ---- */

static bool is_full(const weft_listener *listener)
{
    return listener->max_connections && listener->stats.connections >= listener->max_connections;
}

static void disarm(weft_listener *listener)
{
    for (size_t i = 0; i < listener->count; i++) {
        if (listener->sockets[i].armed)
            event_del(&listener->sockets[i].event);
        listener->sockets[i].armed = false;
    }
}

int weft__listener_update(weft_listener *listener)
{
    if (listener->stopped || listener->pause || is_full(listener)) {
        disarm(listener);
        return 0;
    }
    for (size_t i = 0; i < listener->count; i++) {
        struct weft__socket *socket = &listener->sockets[i];
        if (socket->armed)
            continue;
        if (weft__sys.event_add(&socket->event, NULL) < 0)
            return errno == ENOMEM ? -ENOMEM : -EIO;
        socket->armed = true;
    }
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

void weft__listener_rest(weft_listener *listener)
{
    end_pause(listener);
    disarm(listener);
}

/* ---- Failures ---- */

static void report(weft_listener *listener, int status)
{
    weft_ns now = weft__loop_now(listener->net->loop);
    if (listener->reported_at && now - listener->reported_at < REPORT_EVERY)
        return;
    char message[WEFT__ADDRESS_TEXT + 96];
    int len = snprintf(message, sizeof(message), "on %s", listener->sockets[0].text);
    if (listener->count > 1)
        len += snprintf(message + len, sizeof(message) - (size_t)len, " and %zu more",
                        listener->count - 1);
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

void weft__listener_go_on(weft_listener *listener)
{
    int status = weft__listener_update(listener);
    if (status < 0)
        report(listener, status);
}

static void go_on(void *listener)
{
    end_pause(listener);
    weft__listener_go_on(listener);
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
    disarm(listener);
}

static void drop(weft_listener *listener, int fd)
{
    close(fd);
    listener->dropped++;
    listener->stats.dropped++;
}

/* ---- Accepting ---- */

static int accept_next(const struct weft__socket *socket, struct weft__address *ret_peer)
{
    struct sockaddr_storage from;
    socklen_t len = sizeof(from);
    int fd = weft__sys.accept4(socket->listening.fd, (struct sockaddr *)&from, &len,
                               SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return -errno;
    weft__address_set(ret_peer, (struct sockaddr *)&from, len);
    return fd;
}

/* Give up the reserve for a connection that is closed at once. 0, or why there was none. */
static int shed_one(const struct weft__socket *socket)
{
    weft_listener *listener = socket->listener;
    struct weft__address peer;
    if (listener->reserve_fd < 0)
        listener->reserve_fd = weft__sys.open_reserve();
    if (listener->reserve_fd < 0)
        return -errno;
    close(listener->reserve_fd);
    int fd = accept_next(socket, &peer);
    if (fd >= 0)
        drop(listener, fd);
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
static int accept_one(const struct weft__socket *socket, int *ret_shed)
{
    struct weft__address peer;
    int fd = accept_next(socket, &peer);
    if (fd == -EMFILE || fd == -ENFILE) {
        *ret_shed = fd;
        return shed_one(socket);
    }
    if (fd < 0)
        return is_passing(fd) ? 0 : fd;
    int status = weft__connection_start(socket->listener, fd, &peer);
    if (status < 0)
        drop(socket->listener, fd);
    return status;
}

void weft__listener_on_acceptable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    const struct weft__socket *socket = arg;
    weft_listener *listener = socket->listener;
    if (listener->net->loop->phase != WEFT__OPEN) {
        weft_listener_stop(listener);
        return;
    }
    int status = 0;
    int shed = 0;
    for (int i = 0; i < ACCEPT_BATCH && status == 0 && !is_full(listener); i++)
        status = accept_one(socket, &shed);
    if (status == -EAGAIN)
        status = 0;
    if (status < 0)
        pause_accepting(listener);
    else
        status = weft__listener_update(listener);
    if (status == 0 && listener->dropped)
        status = shed;
    if (status < 0)
        report(listener, status);
}

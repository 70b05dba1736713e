/* SPDX-License-Identifier: MIT */
/*
 * Connecting: one address after the other, until one answers.
 *
 *     (name) RESOLVING --addresses--> TRYING
 *                      --none-------> failed
 *     TRYING --connected--> done: a stream
 *            --refused, others left--> TRYING
 *            --refused, none left--> failed, naming every attempt
 *
 * A cancel fails it at once in either state: while TRYING, it closes the socket; while RESOLVING,
 * it leaves the look-up behind, which owns all that it needs, and whose result is dropped.
 *
 * The operation keeps a reference to itself until it is done.
 */
#include <errno.h>
#include <event2/event_struct.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "core/loop.h"
#include "core/memory.h"
#include "core/sys.h"
#include "core/text.h"
#include "net/net.h"
#include "net/resolve.h"

/* All [loop]. */
struct connecting {
    weft_future future;                /* first */
    weft__link link;                   /* in net->connects */
    struct weft__net *net;             /* [const] */
    weft__waiter resolving;            /* on the look-up of a name */
    struct weft__addresses *addresses; /* owned; NULL while RESOLVING */
    size_t next;                       /* which one to try next */
    int fd;                            /* of the attempt; -1: none */
    struct event event;                /* on fd */
    char *attempts; /* what became of those before; owned; NULL: none, or no memory */
    char *target;   /* as the caller wrote it; owned */
};

static struct connecting *connecting_of(weft_future *future)
{
    return (struct connecting *)(void *)future;
}

static void dispose(weft_future *future)
{
    struct connecting *op = connecting_of(future);
    weft__free(op->addresses);
    weft__free(op->attempts);
    weft__free(op->target);
}

static void destroy_stream(void *stream)
{
    weft_stream_free(stream);
}

/* ---- The end ---- */

static void close_attempt(struct connecting *op)
{
    if (op->fd < 0)
        return;
    event_del(&op->event);
    close(op->fd);
    op->fd = -1;
}

/* Takes over the message. The last thing that is done with an operation. */
static void fail(struct connecting *op, int status, char *message)
{
    close_attempt(op);
    weft__link_remove(&op->link);
    weft__complete_failed(&op->future, status, message);
    weft_unref(&op->future);
}

static void succeed(struct connecting *op)
{
    weft_stream *stream;
    event_del(&op->event);
    int status =
        weft__stream_open(op->net, op->fd, NULL, &op->addresses->list[op->next - 1], &stream);
    if (status < 0) {
        fail(op, status, NULL);
        return;
    }
    weft__link_remove(&op->link);
    weft__complete(&op->future, weft_value_ptr(stream), destroy_stream);
    weft_unref(&op->future);
}

/* Leave the look-up behind: it never starts, or its result is dropped, unseen. */
static void forget_look_up(struct connecting *op)
{
    weft_future *look_up = weft_ref(op->resolving.future);
    weft__unwait(&op->resolving);
    weft__observe(look_up);
    weft_cancel(look_up);
    weft_unref(look_up);
}

static bool cancel(weft_future *future)
{
    struct connecting *op = connecting_of(future);
    if (op->resolving.future && !weft__is_waiting(&op->resolving)) {
        future->flags |= WEFT__CANCEL_ASKED; /* on_resolved() is queued */
        return true;
    }
    if (op->resolving.future)
        forget_look_up(op);
    fail(op, -ECANCELED, NULL);
    return true;
}

static const struct weft__future_ops connect_ops = {
    .name = "connect", .cancel = cancel, .dispose = dispose};

void weft__connecting_end(weft__link *link)
{
    cancel(&WEFT__CONTAINER(link, struct connecting, link)->future);
}

/* ---- Trying ---- */

static char *format(const char *text, ...) WEFT_PRINTF(1, 2);
static char *format(const char *text, ...)
{
    va_list args;
    va_start(args, text);
    char *formatted = weft__vformat(text, args);
    va_end(args);
    return formatted;
}

static void note_failure(struct connecting *op, int status)
{
    char text[WEFT__ADDRESS_TEXT];
    weft__address_format(&op->addresses->list[op->next - 1], text);
    char *longer = format("%s%s%s: %s", op->attempts ? op->attempts : "", op->attempts ? "; " : "",
                          text, weft_strerror(status));
    weft__free(op->attempts);
    op->attempts = longer;
}

static void on_connected(evutil_socket_t fd, short what, void *arg);

/* 0: connected; -EINPROGRESS: on_connected() will be called; else why not. */
static int try_address(struct connecting *op, const struct weft__address *address)
{
    int family = address->u.any.sa_family;
    int fd = weft__sys.socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (family != AF_UNIX)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    op->fd = fd;
    event_assign(&op->event, op->net->loop->base, fd, EV_WRITE, on_connected, op);
    if (weft__sys.connect(fd, &address->u.any, address->len) == 0)
        return 0;
    if (errno != EINPROGRESS && errno != EINTR)
        return -errno;
    if (weft__sys.event_add(&op->event, NULL) < 0)
        return errno == ENOMEM ? -ENOMEM : -EIO;
    return -EINPROGRESS;
}

static void give_up(struct connecting *op, int status)
{
    char *message = NULL;
    if (op->attempts)
        message = format("cannot connect to %s (%s)", op->target, op->attempts);
    fail(op, status, message);
}

/* The attempt, if there was one, ended with `status`: go on to the next address. */
static void go_on(struct connecting *op, int status)
{
    while (status != 0 && status != -EINPROGRESS && op->next < op->addresses->count) {
        close_attempt(op);
        status = try_address(op, &op->addresses->list[op->next++]);
        if (status != 0 && status != -EINPROGRESS)
            note_failure(op, status);
    }
    if (status == 0)
        succeed(op);
    else if (status != -EINPROGRESS)
        give_up(op, status);
}

static void on_connected(evutil_socket_t fd, short what, void *arg)
{
    (void)what;
    struct connecting *op = arg;
    int error = 0;
    socklen_t len = sizeof(error);
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
        error = errno;
    if (error)
        note_failure(op, -error);
    go_on(op, -error);
}

/* ---- Starting ---- */

static int list_addresses(struct connecting *op, const struct weft__address_spec *spec)
{
    size_t count = spec->kind == WEFT__ADDRESS_LOCALHOST ? 2 : 1;
    op->addresses = weft__malloc(sizeof(*op->addresses) + count * sizeof(spec->address));
    if (!op->addresses)
        return -ENOMEM;
    op->addresses->count = count;
    op->addresses->list[0] = spec->address;
    if (count == 2)
        weft__address_set_loopback(&op->addresses->list[1], AF_INET6, spec->port);
    return 0;
}

static void on_resolved(weft__item *item)
{
    weft__waiter *waiter = WEFT__CONTAINER(item, weft__waiter, item);
    struct connecting *op = WEFT__CONTAINER(waiter, struct connecting, resolving);
    weft_future *look_up = waiter->future;
    weft_value value;
    int status = weft_future_take(look_up, &value);
    char *message = weft__strdup(weft_message(look_up));
    weft_unref(look_up);
    waiter->future = NULL;
    if (status == 0)
        op->addresses = value.ptr;
    if (status < 0) {
        fail(op, status, message);
        return;
    }
    weft__free(message);
    if (op->future.flags & WEFT__CANCEL_ASKED)
        fail(op, -ECANCELED, NULL);
    else
        go_on(op, -EAGAIN);
}

static weft_future *start(struct weft__net *net, const char *target,
                          const struct weft__address_spec *spec)
{
    struct connecting *op = weft__future_alloc(net->loop, &connect_ops, sizeof(*op), 2);
    if (!op)
        return weft__future_enomem(net->loop);
    weft_future *future = &op->future;
    op->net = net;
    op->fd = -1;
    op->resolving.item.run = on_resolved;
    weft__link_add(&net->connects, &op->link);
    op->target = weft__strdup(target);
    bool is_name = spec->kind == WEFT__ADDRESS_NAME;
    int status = op->target ? 0 : -ENOMEM;
    if (status == 0 && !is_name)
        status = list_addresses(op, spec);
    if (status < 0)
        fail(op, status, NULL);
    else if (is_name)
        weft__wait(&op->resolving, weft__resolve(spec->host, spec->port));
    else
        go_on(op, -EAGAIN);
    return future;
}

weft_future *weft_connect(const char *address)
{
    int status = 0;
    struct weft__address_spec spec;
    struct weft__net *net = weft__net_get(weft__here(), &status);
    if (!net)
        return weft__net_refused(status);
    if (weft__address_parse(address, &spec) < 0 || spec.kind == WEFT__ADDRESS_ANY)
        return weft_future_failed(-EINVAL, "not an address to connect to: \"%s\"",
                                  address ? address : "");
    return start(net, address, &spec);
}

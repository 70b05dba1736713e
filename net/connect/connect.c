/* SPDX-License-Identifier: MIT */
/*
 * Connecting: several addresses, tried as RFC 8305 has it, until one answers.
 *
 *     (name) RESOLVING --addresses--> TRYING
 *                      --none, cancel, deadline--> failed
 *     TRYING --one has connected--> the others are closed; done: a stream
 *            --the same, with TLS--> SECURING
 *            --none is left, cancel, deadline--> failed, naming every attempt
 *     SECURING --the handshake is done--> done: a stream
 *              --it has failed, cancel, deadline--> failed, the stream is freed
 *
 * The addresses are tried in the order in which the look-up gave them, but the two families in turn.
 * An attempt begins when none is under way, when one has failed, or when the latest one has not
 * answered for `attempt_delay`. Up to as many as there are addresses may so be under way at once.
 *
 * One timer serves all: it is set to whatever comes first, the next attempt, the end of one's time, or
 * of the whole operation's.
 *
 * RFC 8305 also begins to connect when one family's addresses are known and the other's are not yet.
 * getaddrinfo() gives both at once, in the order of RFC 6724, and we take that.
 *
 * That TLS has failed ends it: an address that answers, and proves not to be whom we mean, is no reason
 * to try the next one.
 *
 * A cancel fails it at once in each state; while RESOLVING, it leaves the look-up behind.
 *
 * The operation keeps a reference to itself until it is done.
 */
#include <errno.h>
#include <event2/event_struct.h>
#include <string.h>
#include <unistd.h>
#include <weft/callback.h>
#include <weft/connect.h>

#include "core/inspect/eye.h"
#include "core/loop.h"
#include "core/memory.h"
#include "core/sys.h"
#include "core/text.h"
#include "net/connect/dial.h"
#include "net/net.h"
#include "net/resolve/resolve.h"
#include "net/stream/filter.h"

#define ATTEMPT_DELAY WEFT_MS(250)

struct connecting;

/* All [loop]. */
struct attempt {
    struct connecting *op;
    struct weft__address address;
    int fd;           /* -1: it has not begun, or is over */
    weft_ns deadline; /* WEFT_FOREVER: none */
    struct event event;
};

/* How a weft_tls_context begins, to us. */
struct tls_context {
    const struct weft__tls_ops *ops;
};

/* All [loop]. */
struct connecting {
    weft_future future;       /* first */
    weft__link link;          /* in net->connects */
    struct weft__net *net;    /* [const] */
    weft__waiter waiter;      /* RESOLVING: on the look-up; SECURING: on the handshake */
    struct attempt *attempts; /* owned; NULL: RESOLVING */
    struct attempt *won;      /* SECURING: of `stream` */
    weft_stream *stream;      /* SECURING: owned */
    size_t count;             /* of attempts … */
    size_t next;              /* … of which so many have begun … */
    size_t running;           /* … and so many are under way */
    weft_ns next_at;          /* when the next one begins beside them */
    weft_ns deadline;         /* WEFT_FOREVER: none */
    struct weft_callback timer;
    int status;     /* of the attempt that failed last */
    char *failures; /* what became of those before; owned; NULL: none, or no memory */
    char *target;   /* [const] as the caller wrote it; owned */
    struct weft_connect_options options; /* [const] */
    struct weft_stream_limits limits;    /* [const] */
    struct weft_keepalive keepalive;     /* [const] */
    struct weft__address source;         /* [const] `len` 0: the system's choice */
    char *server_name;                   /* [const] owned; NULL: none, or no TLS */
};

static struct connecting *connecting_of(weft_future *future)
{
    return (struct connecting *)(void *)future;
}

static const struct weft__tls_ops *tls_ops(const struct connecting *op)
{
    return ((const struct tls_context *)(const void *)op->options.tls)->ops;
}

static void dispose(weft_future *future)
{
    struct connecting *op = connecting_of(future);
    weft__free(op->attempts);
    weft__free(op->failures);
    weft__free(op->target);
    weft__free(op->server_name);
    if (op->options.tls)
        tls_ops(op)->unref(op->options.tls);
}

static void destroy_stream(void *stream)
{
    weft_stream_free(stream);
}

static weft_ns earlier(weft_ns a, weft_ns b)
{
    return a < b ? a : b;
}

/* `limit` from `now` on; 0: none. */
static weft_ns limit_after(weft_ns now, weft_ns limit)
{
    return limit && limit < WEFT_FOREVER - now ? now + limit : WEFT_FOREVER;
}

/* ---- The end ---- */

static void close_attempt(struct attempt *attempt)
{
    if (attempt->fd < 0)
        return;
    event_del(&attempt->event);
    close(attempt->fd);
    attempt->fd = -1;
    attempt->op->running--;
}

static void close_all(struct connecting *op)
{
    for (size_t i = 0; i < op->next; i++)
        close_attempt(&op->attempts[i]);
}

static void leave_net(struct connecting *op)
{
    close_all(op);
    weft_callback_cancel(&op->timer);
    weft__link_remove(&op->link);
    weft_stream_free(op->stream);
}

/* Takes over the message. The last thing that is done with an operation. */
static void fail(struct connecting *op, int status, char *message)
{
    leave_net(op);
    weft__complete_failed(&op->future, status, message);
    weft_unref(&op->future);
}

static void succeed(struct connecting *op, weft_stream *stream)
{
    leave_net(op);
    weft__complete(&op->future, weft_value_ptr(stream), destroy_stream);
    weft_unref(&op->future);
}

static void give_up(struct connecting *op)
{
    char *message = NULL;
    if (op->failures)
        message = weft__format("cannot connect to %s (%s)", op->target, op->failures);
    fail(op, op->status, message);
}

/* Leave the look-up behind: it is dropped, or goes on without us. Or the handshake, whose stream is about
 * to be freed. False: it is done, and what waits for it is queued. */
static bool stop_waiting(struct connecting *op)
{
    if (!op->waiter.future)
        return true;
    if (!weft__is_waiting(&op->waiter))
        return false;
    weft_future *future = weft_ref(op->waiter.future);
    weft__unwait(&op->waiter);
    op->waiter.future = NULL;
    weft__observe(future);
    weft_cancel(future);
    weft_unref(future);
    return true;
}

static bool cancel(weft_future *future)
{
    struct connecting *op = connecting_of(future);
    if (stop_waiting(op))
        fail(op, -ECANCELED, NULL);
    else
        future->flags |= WEFT__CANCEL_ASKED;
    return true;
}

/* The one that won, or that was begun last. */
static void explain_attempt(struct weft__eye *eye, const struct attempt *at, const char *target,
                            struct weft__waiting *ret)
{
    struct attempt attempt;
    char text[WEFT__ADDRESS_TEXT];
    if (!weft__eye_see(eye, &attempt, at, sizeof(attempt)))
        return;
    ret->fd = attempt.fd;
    if (attempt.address.len > sizeof(attempt.address.u))
        return; /* it was gone */
    weft__address_format(&attempt.address, text);
    if (!target || strcmp(text, target) != 0)
        ret->detail = weft__eye_say(eye, "%s", text);
}

static void explain(struct weft__eye *eye, const weft_future *at, struct weft__waiting *ret)
{
    struct connecting op;
    if (!weft__eye_see(eye, &op, at, sizeof(op)))
        return;
    ret->needs = WEFT__NEEDS_WORLD;
    ret->name = weft__eye_text(eye, op.target);
    ret->deadline = op.deadline;
    weft__eye_child(eye, op.waiter.future);
    if (!op.stream && !op.attempts) {
        ret->stage = "resolving";
        return;
    }
    ret->stage = op.stream ? "securing" : "trying";
    if (op.stream && op.won)
        explain_attempt(eye, op.won, ret->name, ret);
    else if (op.attempts && op.next > 0)
        explain_attempt(eye, op.attempts + op.next - 1, ret->name, ret);
    weft__waiting_number(ret, "attempts", op.next);
    weft__waiting_number(ret, "addresses", op.count);
}

WEFT__OPS(connect_ops) = {
    .name = "connect", .cancel = cancel, .dispose = dispose, .explain = explain};

void weft__connecting_end(weft__link *link)
{
    cancel(&WEFT__CONTAINER(link, struct connecting, link)->future);
}

/* ---- One attempt ---- */

static void note(struct connecting *op, const struct weft__address *address, const char *why)
{
    char text[WEFT__ADDRESS_TEXT];
    weft__address_format(address, text);
    char *longer = weft__format("%s%s%s: %s", op->failures ? op->failures : "",
                                op->failures ? "; " : "", text, why);
    weft__free(op->failures);
    op->failures = longer;
}

/* The next one begins at once. */
static void attempt_failed(struct attempt *attempt, int status)
{
    close_attempt(attempt);
    note(attempt->op, &attempt->address, weft_strerror(status));
    attempt->op->status = status;
    attempt->op->next_at = INT64_MIN;
}

static void on_connected(evutil_socket_t fd, short what, void *arg);

/* 0: connected; -EINPROGRESS: on_connected() will be called; else why not. */
static int begin(struct attempt *attempt, weft_ns now)
{
    struct connecting *op = attempt->op;
    const struct weft__address *address = &attempt->address;
    const struct weft_keepalive *keepalive = op->options.keepalive ? &op->keepalive : NULL;
    int fd = weft__dial_open(address->u.any.sa_family, keepalive, &op->source);
    if (fd < 0)
        return fd;
    attempt->fd = fd;
    op->running++;
    event_assign(&attempt->event, op->net->loop->base, fd, EV_WRITE, on_connected, attempt);
    if (weft__sys.connect(fd, &address->u.any, address->len) == 0)
        return 0;
    if (errno != EINPROGRESS && errno != EINTR)
        return -errno;
    if (weft__sys.event_add(&attempt->event, NULL) < 0)
        return errno == ENOMEM ? -ENOMEM : -EIO;
    attempt->deadline = limit_after(now, op->options.attempt_timeout);
    return -EINPROGRESS;
}

/* ---- Time ---- */

/* When there is something to do next, whatever is heard meanwhile. */
static weft_ns next_moment(const struct connecting *op)
{
    weft_ns first = op->deadline;
    if (!op->attempts)
        return first;
    if (op->next < op->count)
        first = earlier(first, op->next_at);
    for (size_t i = 0; i < op->next; i++) {
        if (op->attempts[i].fd >= 0)
            first = earlier(first, op->attempts[i].deadline);
    }
    return first;
}

/* 0 or -ENOMEM. */
static int set_timer(struct connecting *op)
{
    weft_ns when = next_moment(op);
    weft_callback_cancel(&op->timer);
    return when == WEFT_FOREVER ? 0 : weft_callback_at(&op->timer, when);
}

/* ---- The one that has connected ---- */

static void on_secured(weft__item *item)
{
    weft__waiter *waiter = WEFT__CONTAINER(item, weft__waiter, item);
    struct connecting *op = WEFT__CONTAINER(waiter, struct connecting, waiter);
    weft_future *handshake = waiter->future;
    weft_stream *stream = op->stream;
    op->status = weft_future_status(handshake);
    const char *why = weft_message(handshake);
    if (op->status < 0)
        note(op, &op->won->address, why ? why : weft_strerror(op->status));
    waiter->future = NULL;
    weft_unref(handshake);
    if (op->future.flags & WEFT__CANCEL_ASKED) {
        fail(op, -ECANCELED, NULL);
    } else if (op->status < 0) {
        give_up(op);
    } else {
        op->stream = NULL;
        succeed(op, stream);
    }
}

static void secure(struct connecting *op)
{
    close_all(op);
    op->next = op->count = 0; /* no more attempts */
    if (set_timer(op) < 0) {
        fail(op, -ENOMEM, NULL);
        return;
    }
    op->waiter.item.run = on_secured;
    weft__wait(&op->waiter,
               tls_ops(op)->start(op->options.tls, op->stream, false, op->server_name));
}

static void win(struct attempt *attempt)
{
    struct connecting *op = attempt->op;
    weft_stream *stream;
    const struct weft_stream_limits *limits = op->options.limits ? &op->limits : NULL;
    event_del(&attempt->event);
    int status = weft__stream_open(op->net, attempt->fd, limits, &attempt->address, &stream);
    if (status < 0) {
        fail(op, status, NULL);
        return;
    }
    attempt->fd = -1;
    op->running--;
    if (!op->options.tls) {
        succeed(op, stream);
        return;
    }
    op->stream = stream;
    op->won = attempt;
    secure(op);
}

/* ---- All of them ---- */

/* Begin what is to begin now. */
static void go_on(struct connecting *op, weft_ns now)
{
    weft_ns delay = op->options.attempt_delay ? op->options.attempt_delay : ATTEMPT_DELAY;
    while (op->next < op->count && (!op->running || op->next_at <= now)) {
        struct attempt *attempt = &op->attempts[op->next++];
        int begun = begin(attempt, now);
        if (begun == 0) {
            win(attempt);
            return;
        }
        if (begun == -EINPROGRESS)
            op->next_at = limit_after(now, delay);
        else
            attempt_failed(attempt, begun);
    }
    int status = op->running ? set_timer(op) : 0;
    if (!op->running)
        give_up(op);
    else if (status < 0)
        fail(op, status, NULL);
}

static void on_connected(evutil_socket_t fd, short what, void *arg)
{
    (void)what;
    struct attempt *attempt = arg;
    struct connecting *op = attempt->op;
    int error = 0;
    socklen_t len = sizeof(error);
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
        error = errno;
    if (error == 0) {
        win(attempt);
        return;
    }
    attempt_failed(attempt, -error);
    go_on(op, weft__loop_now(op->net->loop));
}

/* The time of all is over. What is under way is named with what has failed before. */
static void expire(struct connecting *op)
{
    if (!stop_waiting(op)) /* it was just in time */
        return;
    if (op->stream)
        note(op, &op->won->address, "no end of the TLS handshake yet");
    for (size_t i = 0; i < op->next; i++) {
        if (op->attempts[i].fd >= 0)
            note(op, &op->attempts[i].address, "no answer yet");
    }
    char *message = weft__format("cannot connect to %s in time (%s)", op->target,
                                 op->failures ? op->failures : "its name is being looked up");
    fail(op, -ETIMEDOUT, message);
}

static void on_time(void *arg)
{
    struct connecting *op = arg;
    weft_ns now = weft__loop_now(op->net->loop);
    if (op->deadline <= now) {
        expire(op);
        return;
    }
    for (size_t i = 0; i < op->next; i++) {
        if (op->attempts[i].fd >= 0 && op->attempts[i].deadline <= now)
            attempt_failed(&op->attempts[i], -ETIMEDOUT);
    }
    go_on(op, now);
}

/* ---- The addresses ---- */

/* Room for them, none begun. */
static int make_attempts(struct connecting *op, size_t count)
{
    op->attempts = weft__calloc(count, sizeof(op->attempts[0]));
    if (!op->attempts)
        return -ENOMEM;
    op->count = count;
    for (size_t i = 0; i < count; i++) {
        op->attempts[i].op = op;
        op->attempts[i].fd = -1;
    }
    return 0;
}

/* The next one of that family, or else of the others; NULL: there is none. */
static const weft_address *take(const weft_addresses *found, size_t *at, int family, bool others)
{
    while (*at < found->count) {
        const weft_address *address = &found->list[(*at)++];
        if ((weft_address_family(address) != family) == others)
            return address;
    }
    return NULL;
}

/* The families in turn, each in its order, beginning with that of the first one. */
static int take_over(struct connecting *op, const weft_addresses *found)
{
    int family = weft_address_family(&found->list[0]);
    size_t at[2] = {0, 0};
    int status = make_attempts(op, found->count);
    for (size_t i = 0; i < op->count; i++) {
        bool others = i % 2;
        const weft_address *address = take(found, &at[others], family, others);
        if (!address)
            address = take(found, &at[!others], family, !others);
        op->attempts[i].address = weft__address_inside(address);
    }
    return status;
}

static void on_resolved(weft__item *item)
{
    weft__waiter *waiter = WEFT__CONTAINER(item, weft__waiter, item);
    struct connecting *op = WEFT__CONTAINER(waiter, struct connecting, waiter);
    weft_future *look_up = waiter->future;
    weft_value value;
    char *message = NULL;
    int status = weft_future_take(look_up, &value);
    if (status < 0) {
        message = weft__strdup(weft_message(look_up));
    } else {
        status = take_over(op, value.ptr);
        weft_addresses_free(value.ptr);
    }
    waiter->future = NULL;
    weft_unref(look_up);
    if (status < 0 || op->future.flags & WEFT__CANCEL_ASKED)
        fail(op, status < 0 ? status : -ECANCELED, message);
    else
        go_on(op, weft__loop_now(op->net->loop));
}

/* ---- Starting ---- */

static int set_source(struct connecting *op, const char *text)
{
    struct weft__address_spec source;
    if (!text)
        return 0;
    if (weft__address_parse(text, &source) < 0 || source.kind != WEFT__ADDRESS_PLAIN)
        return -EINVAL;
    op->source = source.address;
    return 0;
}

static void set_options(struct connecting *op, const struct weft_connect_options *options)
{
    op->options = *options;
    if (options->limits)
        op->limits = *options->limits;
    if (options->keepalive)
        op->keepalive = *options->keepalive;
    if (options->tls)
        tls_ops(op)->ref(options->tls);
}

/* Whom we mean, if nobody says. False: no memory. */
static bool set_server_name(struct connecting *op, const struct weft__address_spec *spec)
{
    char text[WEFT__HOST_NAME];
    const char *name = op->options.server_name;
    if (!op->options.tls || (!name && spec->address.u.any.sa_family == AF_UNIX))
        return true;
    op->server_name = weft__strdup(name ? name : weft__address_host(spec, text));
    return op->server_name;
}

/* 0: it is to be looked up, or `op` has its attempts. */
static int prepare(struct connecting *op, const struct weft__address_spec *spec)
{
    struct weft__address list[2];
    if (!op->target || !set_server_name(op, spec))
        return -ENOMEM;
    if (spec->kind == WEFT__ADDRESS_NAME)
        return 0;
    size_t count = weft__address_list(spec, op->options.family, list);
    if (!count)
        return WEFT_ERESOLVE;
    int status = make_attempts(op, count);
    for (size_t i = 0; i < op->count; i++)
        op->attempts[i].address = list[i];
    return status;
}

static void start(struct connecting *op, const struct weft__address_spec *spec)
{
    weft_ns now = weft__loop_now(op->net->loop);
    op->deadline = limit_after(now, op->options.timeout);
    int status = prepare(op, spec);
    if (status == 0 && !op->attempts)
        status = set_timer(op);
    if (status == WEFT_ERESOLVE)
        fail(op, status, weft__format("%s has no address of this family", op->target));
    else if (status < 0)
        fail(op, status, NULL);
    else if (op->attempts)
        go_on(op, now);
    else
        weft__wait(&op->waiter, weft__resolve(op->net, spec, op->options.family));
}

static bool make_sense(const struct weft_connect_options *options)
{
    int family = options->family;
    return (!options->size || options->size == sizeof(*options)) && options->timeout >= 0 &&
           options->attempt_timeout >= 0 && options->attempt_delay >= 0 &&
           (family == AF_UNSPEC || family == AF_INET || family == AF_INET6) &&
           weft__stream_check_limits(options->limits) == 0;
}

weft_future *weft_connect_with(const struct weft_connect_options *options, const char *address)
{
    static const struct weft_connect_options usual;
    int status = 0;
    struct weft__address_spec spec;
    struct weft__net *net = weft__net_get(weft__here(), &status);
    if (!net)
        return weft__net_refused(status);
    if (!options)
        options = &usual;
    if (!make_sense(options))
        return weft_future_failed(-EINVAL, "options that make no sense");
    if (weft__address_parse(address, &spec) < 0 || spec.kind == WEFT__ADDRESS_ANY ||
        spec.kind == WEFT__ADDRESS_FD)
        return weft_future_failed(-EINVAL, "not an address to connect to: \"%s\"",
                                  address ? address : "");
    struct connecting *op = weft__future_alloc(net->loop, &connect_ops, sizeof(*op), 2);
    if (!op)
        return weft__future_enomem(net->loop);
    if (set_source(op, options->source) < 0) {
        weft__future_free(&op->future);
        return weft_future_failed(-EINVAL, "not an address to connect from: \"%s\"",
                                  options->source);
    }
    set_options(op, options);
    op->net = net;
    op->waiter.item.run = on_resolved;
    weft_callback_init(&op->timer, on_time, op);
    op->target = weft__strdup(address);
    weft__link_add(&net->connects, &op->link);
    start(op, &spec);
    return &op->future;
}

weft_future *weft_connect(const char *address)
{
    return weft_connect_with(NULL, address);
}

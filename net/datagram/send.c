/* SPDX-License-Identifier: MIT */
/*
 * Sending datagrams: to the kernel at once, up to a batch by one sendmmsg(); what it has no room
 * for is copied and follows when write_event says so. While something waits, all that is sent waits
 * behind it.
 *
 * A connected socket of UDP fails the next call, whichever that is, with what ICMP said of a
 * datagram that was sent before, and does nothing else in it. Such a call is made once more: if it
 * succeeds then, the first failure was of an earlier datagram, and is the receiver's to know.
 *
 * EAGAIN of a Unix socket that is not connected speaks of one receiver's queue, for which nothing
 * can be waited: poll() knows of the sender's own buffer only. That is the caller's to know.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <weft/time.h>

#include "core/inspect/eye.h"
#include "core/loop.h"
#include "core/memory.h"
#include "core/sys.h"
#include "net/datagram/datagram.h"
#include "net/net.h"

enum {
    FAIR_SHARE = 256 * 1024, /* bytes, and what each datagram costs besides */
    COST = 1024,
    LONGEST = 65527 /* that UDP can have */
};

/* What one sendmmsg() sends. */
struct batch {
    struct mmsghdr messages[WEFT__DATAGRAM_BATCH];
    struct iovec pieces[WEFT__DATAGRAM_BATCH];
    struct weft__address to[WEFT__DATAGRAM_BATCH];
    unsigned count;
};

static void add(struct batch *batch, const struct weft__address *to, const void *data, size_t len)
{
    unsigned i = batch->count++;
    batch->to[i] = *to;
    batch->pieces[i] = (struct iovec){(void *)data, len};
    batch->messages[i].msg_hdr = (struct msghdr){
        .msg_name = to->len ? &batch->to[i].u : NULL,
        .msg_namelen = to->len,
        .msg_iov = &batch->pieces[i],
        .msg_iovlen = 1,
    };
}

static int send_once(const weft_udp *udp, struct batch *batch)
{
    int sent =
        weft__sys.sendmmsg(udp->fd, batch->messages, batch->count, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0)
        return sent;
    return errno == EINTR ? -EAGAIN : -errno;
}

/* How many the kernel took, or why it did not take the first; *ret_told: of an earlier one. */
static int send_batch(weft_udp *udp, struct batch *batch, int *ret_told)
{
    int sent = send_once(udp, batch);
    if (sent < 0 && sent != -EAGAIN && udp->connected && udp->family != AF_UNIX) {
        int told = sent;
        sent = send_once(udp, batch);
        if (sent >= 0 || sent == -EAGAIN)
            *ret_told = told;
    }
    for (int i = 0; i < sent; i++)
        udp->since_pause += COST + batch->pieces[i].iov_len;
    if (sent > 0)
        udp->stats.sent += (unsigned)sent;
    else if (sent < 0 && sent != -EAGAIN)
        udp->stats.errors++;
    return sent;
}

/* ---- What waits ---- */

static void drop_first(weft_udp *udp)
{
    struct weft__outgoing *first = udp->out;
    udp->out = first->next;
    udp->out_bytes -= sizeof(*first) + first->len;
    if (!udp->out)
        udp->out_last = &udp->out;
    weft__free(first);
}

void weft__datagram_drop_out(weft_udp *udp)
{
    while (udp->out)
        drop_first(udp);
}

static int wait_for_room(weft_udp *udp)
{
    if (udp->writing)
        return 0;
    if (weft__sys.event_add(&udp->write_event, NULL) < 0)
        return errno == ENOMEM ? -ENOMEM : -EIO;
    udp->writing = true;
    return 0;
}

static int keep(weft_udp *udp, const struct weft__address *to, const void *data, size_t len)
{
    if (udp->out_bytes > udp->send_limit)
        return -ENOBUFS;
    struct weft__outgoing *outgoing = weft__malloc(sizeof(*outgoing) + len);
    int status = outgoing ? wait_for_room(udp) : -ENOMEM;
    if (status < 0) {
        weft__free(outgoing);
        return status;
    }
    *outgoing = (struct weft__outgoing){.to = *to, .len = len};
    if (len)
        memcpy(outgoing->bytes, data, len);
    *udp->out_last = outgoing;
    udp->out_last = &outgoing->next;
    udp->out_bytes += sizeof(*outgoing) + len;
    return 0;
}

/* All is sent: tell who waits for that, and the receiver. */
static void finish(weft_udp *udp, int told)
{
    struct weft__datagram_op *drainer = udp->out ? NULL : udp->drainer;
    udp->refs++;
    if (drainer) {
        udp->since_pause = 0;
        weft__datagram_op_complete(drainer, 0, weft_value_i64(0), NULL);
    }
    if (told && udp->fd >= 0)
        weft__datagram_tell(udp, told);
    weft__datagram_unref(udp);
}

void weft__datagram_on_writable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    weft_udp *udp = arg;
    struct batch batch = {.count = 0};
    int told = 0;
    udp->net->loop->io++;
    for (struct weft__outgoing *one = udp->out; one && batch.count < WEFT__DATAGRAM_BATCH;
         one = one->next)
        add(&batch, &one->to, one->bytes, one->len);
    int done = send_batch(udp, &batch, &told);
    if (done < 0)
        done = done == -EAGAIN ? 0 : 1; /* that one cannot be sent */
    for (int i = 0; i < done; i++)
        drop_first(udp);
    if (!udp->out) {
        event_del(&udp->write_event);
        udp->writing = false;
    }
    finish(udp, told);
}

/* ---- Sends ---- */

/* An IPv4 address as an endpoint of IPv6 has to be given it. */
static struct weft__address mapped(const struct weft__address *address)
{
    struct weft__address ret = {.len = sizeof(ret.u.in6)};
    ret.u.in6.sin6_family = AF_INET6;
    ret.u.in6.sin6_port = address->u.in.sin_port;
    ret.u.in6.sin6_addr.s6_addr[10] = ret.u.in6.sin6_addr.s6_addr[11] = 0xff;
    memcpy(&ret.u.in6.sin6_addr.s6_addr[12], &address->u.in.sin_addr, 4);
    return ret;
}

/* Where it goes. 0, or why it cannot. */
static int find_way(const weft_udp *udp, const struct weft_udp_message *message,
                    struct weft__address *ret)
{
    *ret = (struct weft__address){0};
    if (udp->family != AF_UNIX && message->len > LONGEST)
        return -EMSGSIZE;
    if (!message->to)
        return udp->connected ? 0 : -EDESTADDRREQ;
    if (udp->connected)
        return -EISCONN;
    int family = weft_address_family(message->to);
    *ret = weft__address_inside(message->to);
    if (family == AF_INET && udp->family == AF_INET6)
        *ret = mapped(ret);
    else if (family != udp->family)
        return -EAFNOSUPPORT;
    return 0;
}

/* Send some of them, or keep the first. How many, at least 1; or why the first cannot be taken. */
static int take_some(weft_udp *udp, const struct weft_udp_message *messages, size_t count,
                     int *ret_told)
{
    struct batch batch = {.count = 0};
    struct weft__address to;
    int status = 0;
    while (status == 0 && batch.count < count && batch.count < WEFT__DATAGRAM_BATCH) {
        const struct weft_udp_message *message = &messages[batch.count];
        status = find_way(udp, message, &to);
        if (status == 0)
            add(&batch, &to, message->data, message->len);
    }
    if (!batch.count)
        return status;
    status = udp->out ? -EAGAIN : send_batch(udp, &batch, ret_told);
    bool keeps = udp->connected || udp->family != AF_UNIX;
    if (status != -EAGAIN || !keeps)
        return status;
    status = keep(udp, &batch.to[0], messages->data, messages->len);
    return status < 0 ? status : 1;
}

int weft_udp_send_many(weft_udp *udp, const struct weft_udp_message *messages, size_t count)
{
    if (WEFT__ELSEWHERE(udp->net->loop->id))
        return weft__elsewhere();
    int status = udp->fd < 0 ? -ESHUTDOWN : 0;
    int told = 0;
    size_t taken = 0;
    count = count < INT_MAX ? count : INT_MAX;
    while (taken < count && status >= 0) {
        status = take_some(udp, messages + taken, count - taken, &told);
        taken += status > 0 ? (size_t)status : 0;
    }
    if (told)
        weft__datagram_tell(udp, told);
    return taken ? (int)taken : status;
}

static int send_one(weft_udp *udp, const weft_address *to, const void *data, size_t len)
{
    const struct weft_udp_message message = {to, data, len};
    int told = 0;
    if (udp->fd < 0)
        return -ESHUTDOWN;
    int status = take_some(udp, &message, 1, &told);
    if (told)
        weft__datagram_tell(udp, told);
    return status < 0 ? status : 0;
}

int weft_udp_send(weft_udp *udp, const void *data, size_t len)
{
    if (WEFT__ELSEWHERE(udp->net->loop->id))
        return weft__elsewhere();
    return send_one(udp, NULL, data, len);
}

int weft_udp_send_to(weft_udp *udp, const weft_address *to, const void *data, size_t len)
{
    if (WEFT__ELSEWHERE(udp->net->loop->id))
        return weft__elsewhere();
    return send_one(udp, to, data, len);
}

/* ---- Draining ---- */

static bool cancel(weft_future *future)
{
    weft__datagram_op_complete((struct weft__datagram_op *)(void *)future, -ECANCELED,
                               weft_value_i64(0), NULL);
    return true;
}

/* The operation knows where the endpoint keeps it, and no more. */
static void explain(struct weft__eye *eye, const weft_future *at, struct weft__waiting *ret)
{
    struct weft__datagram_op op;
    weft_udp udp;
    ret->needs = WEFT__NEEDS_WORLD;
    if (!weft__eye_see(eye, &op, at, sizeof(op)) || !op.slot)
        return;
    const weft_udp *owner = WEFT__CONTAINER(op.slot, weft_udp, drainer);
    if (weft__eye_see(eye, &udp, owner, sizeof(udp)))
        weft__explain_fd(eye, ret, udp.fd, "to write");
}

WEFT__OPS(drain_ops) = {.name = "udp drain", .cancel = cancel, .explain = explain};

weft_future *weft_udp_drain(weft_udp *udp)
{
    if (WEFT__ELSEWHERE(udp->net->loop->id))
        return weft__future_elsewhere();
    if (udp->fd < 0)
        return weft__net_refused(-ESHUTDOWN);
    if (udp->drainer)
        return weft_future_failed(-EBUSY, "another drain of this endpoint is under way");
    if (!udp->out && udp->since_pause < FAIR_SHARE)
        return weft_ref(&udp->net->done);
    if (!udp->out) {
        udp->since_pause = 0;
        return weft_sleep(0);
    }
    struct weft__datagram_op *op = weft__datagram_op_new(udp, &udp->drainer, &drain_ops);
    return op ? &op->future : weft__future_enomem(udp->net->loop);
}

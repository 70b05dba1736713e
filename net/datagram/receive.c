/* SPDX-License-Identifier: MIT */
/*
 * Receiving datagrams: by one recvmmsg() for each readiness event, into room that the endpoint
 * keeps, from there each into a block of its own size, which its user frees.
 *
 * The queue is read by one receive at a time, which is under way only while the queue is empty: so
 * a datagram is in the queue, or in a future that is done, and a cancel meets none.
 *
 * A full queue of UDP is read on, and a datagram dropped for each that comes: the newest or the
 * oldest, as was asked for. Who sends to a Unix socket can wait; so that is not read until half of
 * the queue is free again.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "core/inspect/eye.h"
#include "core/loop.h"
#include "core/memory.h"
#include "core/sys.h"
#include "net/datagram/datagram.h"
#include "net/net.h"

/* What one recvmmsg() fills. */
struct batch {
    struct mmsghdr messages[WEFT__DATAGRAM_BATCH];
    struct iovec pieces[WEFT__DATAGRAM_BATCH];
    struct weft__address from[WEFT__DATAGRAM_BATCH];
    _Alignas(struct cmsghdr) char control[WEFT__DATAGRAM_BATCH][CMSG_SPACE(sizeof(uint32_t))];
};

void weft_datagram_free(weft_datagram *datagram)
{
    weft__free(datagram);
}

static void destroy(void *datagram)
{
    weft_datagram_free(datagram);
}

/* ---- The queue ---- */

int weft__datagram_update_reading(weft_udp *udp)
{
    if (udp->reading)
        return 0;
    if (weft__sys.event_add(&udp->read_event, NULL) < 0)
        return errno == ENOMEM ? -ENOMEM : -EIO;
    udp->reading = true;
    return 0;
}

static void stop_reading(weft_udp *udp)
{
    event_del(&udp->read_event);
    udp->reading = false;
}

static struct weft__arrival *pop(weft_udp *udp)
{
    struct weft__arrival *arrival = udp->first;
    udp->first = arrival->next;
    udp->arrived--;
    if (!udp->first)
        udp->last = &udp->first;
    return arrival;
}

static void push(weft_udp *udp, struct weft__arrival *arrival)
{
    arrival->next = NULL;
    *udp->last = arrival;
    udp->last = &arrival->next;
    udp->arrived++;
}

static void put_back(weft_udp *udp, struct weft__arrival *arrival)
{
    arrival->next = udp->first;
    if (!udp->first)
        udp->last = &arrival->next;
    udp->first = arrival;
    udp->arrived++;
}

void weft__datagram_drop_arrived(weft_udp *udp)
{
    while (udp->first)
        weft__free(pop(udp));
}

/* ---- What comes ---- */

static void prepare(weft_udp *udp, struct batch *batch, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        batch->pieces[i] =
            (struct iovec){udp->room + (size_t)i * udp->max_datagram, udp->max_datagram};
        batch->messages[i].msg_hdr = (struct msghdr){
            .msg_name = &batch->from[i].u,
            .msg_namelen = sizeof(batch->from[i].u),
            .msg_iov = &batch->pieces[i],
            .msg_iovlen = 1,
            .msg_control = batch->control[i],
            .msg_controllen = sizeof(batch->control[i]),
        };
    }
}

/* The kernel's counter of what it had to drop, which wraps around, and comes once it is not 0. */
static void count_overflows(weft_udp *udp, struct msghdr *message)
{
    const struct cmsghdr *part = CMSG_FIRSTHDR(message);
    uint32_t now;
    if (!part || part->cmsg_level != SOL_SOCKET || part->cmsg_type != SO_RXQ_OVFL)
        return;
    memcpy(&now, CMSG_DATA(part), sizeof(now));
    udp->stats.dropped_by_kernel += (uint32_t)(now - udp->overflows);
    udp->overflows = now;
}

static struct weft__arrival *copy(const struct mmsghdr *message)
{
    const struct msghdr *header = &message->msg_hdr;
    size_t len = message->msg_len;
    struct weft__address from;
    struct weft__arrival *arrival = weft__malloc(sizeof(*arrival) + len + 1);
    if (!arrival)
        return NULL;
    if (weft__address_set(&from, header->msg_name, header->msg_namelen) < 0)
        memset(&from, 0, sizeof(from));
    arrival->datagram = (weft_datagram){
        .from = weft__address_outside(&from),
        .len = len,
        .data = arrival->bytes,
        .truncated = header->msg_flags & MSG_TRUNC,
    };
    memcpy(arrival->bytes, header->msg_iov->iov_base, len);
    arrival->bytes[len] = 0;
    return arrival;
}

/* A receive that waits takes one, beyond the limit. */
static bool is_full(const weft_udp *udp)
{
    return udp->arrived >= udp->receive_limit + (udp->receiver != NULL);
}

static void arrive(weft_udp *udp, struct mmsghdr *message)
{
    udp->stats.received++;
    count_overflows(udp, &message->msg_hdr);
    bool full = is_full(udp);
    struct weft__arrival *arrival = full && !udp->drop_oldest ? NULL : copy(message);
    if (full || !arrival)
        udp->stats.dropped++;
    if (full && arrival)
        weft__free(pop(udp));
    if (arrival)
        push(udp, arrival);
    else if (!full || udp->drop_oldest)
        udp->error = -ENOMEM;
}

/* Give the receive under way what there is for it. */
static void deliver(weft_udp *udp)
{
    struct weft__datagram_op *op = udp->receiver;
    int error = udp->error;
    if (op && udp->first) {
        weft__datagram_op_complete(op, 0, weft_value_ptr(pop(udp)), destroy);
    } else if (op && error) {
        udp->error = 0;
        weft__datagram_op_complete(op, error, weft_value_i64(0), NULL);
    }
}

void weft__datagram_tell(weft_udp *udp, int error)
{
    udp->stats.errors++;
    udp->error = error;
    deliver(udp);
}

void weft__datagram_on_readable(evutil_socket_t fd, short what, void *arg)
{
    (void)what;
    weft_udp *udp = arg;
    struct batch batch;
    size_t most = WEFT__DATAGRAM_BATCH;
    bool waits = udp->family == AF_UNIX; /* who sends */
    size_t left = udp->receive_limit + (udp->receiver != NULL);
    left = left > udp->arrived ? left - udp->arrived : 0;
    udp->net->loop->io++;
    if (waits && left < most)
        most = left;
    if (!most) {
        stop_reading(udp);
        return;
    }
    prepare(udp, &batch, (unsigned)most);
    int got = weft__sys.recvmmsg(fd, batch.messages, (unsigned)most, MSG_DONTWAIT);
    if (got < 0 && errno != EAGAIN && errno != EINTR)
        weft__datagram_tell(udp, -errno);
    for (int i = 0; i < got; i++)
        arrive(udp, &batch.messages[i]);
    if (got > 0)
        deliver(udp);
}

/* ---- Receives ---- */

static bool cancel(weft_future *future)
{
    weft__datagram_op_complete((struct weft__datagram_op *)(void *)future, -ECANCELED,
                               weft_value_i64(0), NULL);
    return true;
}

/* Nobody took it. */
static void give_back(weft_future *future)
{
    weft_udp *udp = ((struct weft__datagram_op *)(void *)future)->udp;
    weft_value value;
    weft_destructor *destructor;
    (void)weft__take(future, &value, &destructor);
    if (udp->fd < 0) {
        weft__free(value.ptr);
        return;
    }
    put_back(udp, value.ptr);
    deliver(udp);
}

static void dispose(weft_future *future)
{
    weft__datagram_unref(((struct weft__datagram_op *)(void *)future)->udp);
}

static void explain(struct weft__eye *eye, const weft_future *at, struct weft__waiting *ret)
{
    struct weft__datagram_op op;
    weft_udp udp;
    if (!weft__eye_see(eye, &op, at, sizeof(op)) || !weft__eye_see(eye, &udp, op.udp, sizeof(udp)))
        return;
    weft__explain_fd(eye, ret, udp.fd, "to read");
}

WEFT__OPS(receive_ops) = {.name = "udp receive",
                          .cancel = cancel,
                          .dispose = dispose,
                          .unclaimed = give_back,
                          .explain = explain};

weft_future *weft_udp_receive(weft_udp *udp)
{
    if (WEFT__ELSEWHERE(udp->net->loop->id))
        return weft__future_elsewhere();
    if (udp->fd < 0)
        return weft__net_refused(-ESHUTDOWN);
    if (udp->receiver)
        return weft_future_failed(-EBUSY, "another receive of this endpoint is under way");
    struct weft__datagram_op *op = weft__datagram_op_new(udp, &udp->receiver, &receive_ops);
    if (!op)
        return weft__future_enomem(udp->net->loop);
    op->udp = udp;
    udp->refs++;
    if (!udp->error && udp->arrived <= udp->receive_limit / 2)
        udp->error = weft__datagram_update_reading(udp);
    deliver(udp);
    return &op->future;
}

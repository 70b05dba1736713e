/* SPDX-License-Identifier: MIT */
/*
 * Datagram endpoints: life and end. net/datagram/receive.c and net/datagram/send.c have the two
 * directions, net/datagram/multicast.c the groups.
 *
 *     open --weft_udp_free()----------------------------------> gone --last receive freed--> freed
 *     open --the loop ends--> closed --weft_udp_free(), the loop is freed--> gone
 *
 * A receive refers to the memory of the endpoint as long as its future is there: a datagram that
 * nobody took of it goes back to the front of the queue, if there still is one.
 *
 * Completing an operation that nobody holds may call user code, which may free the endpoint. So it
 * is the last thing that is done with one, or somebody holds a reference to its memory.
 *
 * Failure modes. What the network says of datagrams that were sent, and a lack of memory for one
 * that has come, is kept in `error` for the next receive, behind what has come before; nothing of
 * it ends an endpoint. Only the end of the loop does.
 */
#include "net/datagram/datagram.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "core/loop.h"
#include "core/memory.h"
#include "core/sys.h"
#include "core/thread.h"
#include "net/net.h"

enum {
    DEFAULT_DATAGRAM = 65535,
    MOST_DATAGRAM = 16 * 1024 * 1024,
    DEFAULT_RECEIVE_LIMIT = 256,
    DEFAULT_SEND_LIMIT = 256 * 1024
};

/* ---- Operations ---- */

struct weft__datagram_op *weft__datagram_op_new(weft_udp *udp, struct weft__datagram_op **slot,
                                                const struct weft__future_ops *ops)
{
    struct weft__datagram_op *op = weft__future_alloc(udp->net->loop, ops, sizeof(*op), 2);
    if (!op)
        return NULL;
    op->slot = slot;
    *slot = op;
    return op;
}

void weft__datagram_op_complete(struct weft__datagram_op *op, int status, weft_value value,
                                weft_destructor *destructor)
{
    *op->slot = NULL;
    if (status < 0)
        weft__complete_failed(&op->future, status, NULL);
    else
        weft__complete(&op->future, value, destructor);
    weft_unref(&op->future);
}

/* ---- The end ---- */

void weft__datagram_unref(weft_udp *udp)
{
    if (--udp->refs)
        return;
    weft__free(udp->room);
    weft__free(udp->file);
    weft__free(udp);
}

static void shut(weft_udp *udp)
{
    if (udp->fd < 0)
        return;
    event_del(&udp->read_event);
    event_del(&udp->write_event);
    close(udp->fd);
    udp->fd = -1;
    if (udp->file && udp->generation == weft__generation)
        unlink(udp->file);
    weft__datagram_drop_arrived(udp);
    weft__datagram_drop_out(udp);
}

static void fail_all(weft_udp *udp, int status)
{
    udp->refs++;
    if (udp->receiver)
        weft__datagram_op_complete(udp->receiver, status, weft_value_i64(0), NULL);
    if (udp->drainer)
        weft__datagram_op_complete(udp->drainer, status, weft_value_i64(0), NULL);
    weft__datagram_unref(udp);
}

void weft__datagram_end(weft_udp *udp)
{
    shut(udp);
    fail_all(udp, -ECANCELED);
}

static void retire(weft_udp *udp, int status)
{
    shut(udp);
    weft__link_remove(&udp->link);
    udp->gone = true;
    fail_all(udp, status);
    weft__datagram_unref(udp);
}

void weft__datagram_release(weft_udp *udp)
{
    retire(udp, -ECANCELED);
}

void weft_udp_free(weft_udp *udp)
{
    if (udp && WEFT__ELSEWHERE(udp->net->loop->id))
        return;
    if (udp)
        retire(udp, WEFT_ECLOSED);
}

/* ---- Opening ---- */

static int check_options(const struct weft_udp_options *options)
{
    unsigned known = (unsigned)WEFT_UDP_BROADCAST | (unsigned)WEFT_UDP_REUSE_PORT |
                     (unsigned)WEFT_UDP_REUSE_ADDRESS | (unsigned)WEFT_UDP_DROP_OLDEST;
    if (options->size && options->size != sizeof(*options))
        return -EINVAL;
    if (options->flags & ~known || options->receive_buffer < 0)
        return -EINVAL;
    return options->max_datagram > MOST_DATAGRAM ? -EINVAL : 0;
}

/* NULL is "*:0". */
static int read_text(const char *text, struct weft__address_spec *ret)
{
    if (weft__address_parse(text ? text : "*:0", ret) < 0 || ret->kind == WEFT__ADDRESS_FD)
        return -EINVAL;
    return ret->kind == WEFT__ADDRESS_NAME ? WEFT_ERESOLVE : 0;
}

/* The address of this family; 0: the first. */
static int pick(const struct weft__address_spec *spec, int family, struct weft__address *ret)
{
    struct weft__address list[2];
    if (spec->kind == WEFT__ADDRESS_ANY) {
        weft__address_set_any(ret, family ? family : AF_INET6, spec->port);
        return 0;
    }
    if (!weft__address_list(spec, family, list))
        return -EINVAL;
    *ret = list[0];
    return 0;
}

/* What can be told from the texts. `from` is none (len 0) if nothing is to be bound. */
struct plan {
    struct weft__address from, to;
    bool is_any; /* of `from`: in IPv6, IPv4 too */
};

static int make_plan(const struct weft_udp_options *options, struct plan *ret)
{
    struct weft__address_spec from, to;
    *ret = (struct plan){0};
    int status = read_text(options->bind, &from);
    if (status == 0 && options->connect)
        status = read_text(options->connect, &to);
    if (status == 0 && options->connect)
        status = to.kind == WEFT__ADDRESS_ANY ? -EINVAL : pick(&to, 0, &ret->to);
    if (status < 0)
        return status;
    ret->is_any = from.kind == WEFT__ADDRESS_ANY;
    int family = options->connect ? ret->to.u.any.sa_family : 0;
    if (!options->bind && family)
        return 0; /* the kernel binds what it connects */
    return family == AF_UNIX && ret->is_any ? -EINVAL : pick(&from, family, &ret->from);
}

static void set(int fd, int level, int name, int value)
{
    setsockopt(fd, level, name, &value, sizeof(value));
}

static int open_socket(const struct plan *plan, int family, const struct weft_udp_options *options)
{
    int fd = weft__sys.socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (family == AF_INET6)
        set(fd, IPPROTO_IPV6, IPV6_V6ONLY, !plan->is_any);
    if (options->flags & WEFT_UDP_BROADCAST)
        set(fd, SOL_SOCKET, SO_BROADCAST, 1);
    if (options->flags & WEFT_UDP_REUSE_PORT)
        set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    if (options->flags & WEFT_UDP_REUSE_ADDRESS)
        set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (options->receive_buffer)
        set(fd, SOL_SOCKET, SO_RCVBUF, options->receive_buffer);
    set(fd, SOL_SOCKET, SO_RXQ_OVFL, 1);
    return fd;
}

/* Bind; *ret_file is what that makes, to be removed. */
static int bind_to(int fd, const struct weft__address *from, char **ret_file)
{
    bool is_file = from->u.any.sa_family == AF_UNIX && from->u.un.sun_path[0];
    char *file = is_file ? weft__strdup(from->u.un.sun_path) : NULL;
    if (is_file && !file)
        return -ENOMEM;
    if (weft__sys.bind(fd, &from->u.any, from->len) < 0) {
        int status = -errno;
        weft__free(file);
        return status;
    }
    *ret_file = file;
    return 0;
}

/* The descriptor, or why not. */
static int open_planned(const struct plan *plan, const struct weft_udp_options *options,
                        char **ret_file)
{
    const struct weft__address *known = plan->from.len ? &plan->from : &plan->to;
    int fd = open_socket(plan, known->u.any.sa_family, options);
    int status = fd < 0 ? fd : 0;
    if (status == 0 && plan->from.len)
        status = bind_to(fd, &plan->from, ret_file);
    if (status == 0 && plan->to.len && weft__sys.connect(fd, &plan->to.u.any, plan->to.len) < 0)
        status = -errno;
    if (status == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    if (*ret_file)
        unlink(*ret_file);
    return status;
}

static int open_fd(weft_udp *udp, const struct weft_udp_options *options)
{
    struct plan plan;
    int status = make_plan(options, &plan);
    if (status < 0)
        return status;
    int fd = open_planned(&plan, options, &udp->file);
    bool has_ipv6 = fd != -EAFNOSUPPORT && fd != -EADDRNOTAVAIL;
    if (!has_ipv6 && plan.is_any && !plan.to.len) {
        weft__address_set_any(&plan.from, AF_INET, weft__address_port(&plan.from));
        fd = open_planned(&plan, options, &udp->file);
    }
    if (fd < 0)
        return fd;
    udp->fd = fd;
    udp->connected = plan.to.len;
    udp->family = (plan.from.len ? plan.from : plan.to).u.any.sa_family;
    return 0;
}

static weft_udp *make(struct weft__net *net, const struct weft_udp_options *options)
{
    weft_udp *udp = weft__calloc(1, sizeof(*udp));
    if (!udp)
        return NULL;
    udp->net = net;
    udp->refs = 1;
    udp->fd = -1;
    udp->generation = weft__generation;
    udp->drop_oldest = options->flags & WEFT_UDP_DROP_OLDEST;
    udp->max_datagram = options->max_datagram ? options->max_datagram : DEFAULT_DATAGRAM;
    udp->receive_limit = options->receive_limit ? options->receive_limit : DEFAULT_RECEIVE_LIMIT;
    udp->send_limit = options->send_limit ? options->send_limit : DEFAULT_SEND_LIMIT;
    udp->last = &udp->first;
    udp->out_last = &udp->out;
    udp->room = weft__malloc(WEFT__DATAGRAM_BATCH * udp->max_datagram);
    if (udp->room)
        return udp;
    weft__datagram_unref(udp);
    return NULL;
}

/* Open, read, list. It is freed if that fails. */
static int begin(weft_udp *udp, const struct weft_udp_options *options)
{
    struct event_base *base = udp->net->loop->base;
    int status = open_fd(udp, options);
    if (status == 0) {
        event_assign(&udp->read_event, base, udp->fd, EV_READ | EV_PERSIST,
                     weft__datagram_on_readable, udp);
        event_assign(&udp->write_event, base, udp->fd, EV_WRITE | EV_PERSIST,
                     weft__datagram_on_writable, udp);
        status = weft__datagram_update_reading(udp);
    }
    if (status == 0) {
        weft__link_add(&udp->net->datagrams, &udp->link);
    } else {
        shut(udp);
        weft__datagram_unref(udp);
    }
    return status;
}

weft_udp *weft_udp_open(const struct weft_udp_options *options)
{
    static const struct weft_udp_options defaults = {0};
    int status = 0;
    weft_udp *udp = NULL;
    struct weft__net *net = weft__net_get(weft__here(), &status);
    options = options ? options : &defaults;
    if (net)
        status = check_options(options);
    if (net && status == 0)
        udp = make(net, options);
    if (udp)
        status = begin(udp, options);
    else if (status == 0)
        status = -ENOMEM;
    if (status < 0)
        errno = -status;
    return status < 0 ? NULL : udp;
}

/* ---- What is known of it ---- */

int weft_udp_fd(const weft_udp *udp)
{
    if (WEFT__ELSEWHERE(udp->net->loop->id))
        return weft__elsewhere();
    return udp->fd < 0 ? -ESHUTDOWN : udp->fd;
}

int weft_udp_local(const weft_udp *udp, weft_address *ret)
{
    struct sockaddr_storage local;
    socklen_t len = sizeof(local);
    if (WEFT__ELSEWHERE(udp->net->loop->id))
        return weft__elsewhere();
    if (udp->fd < 0)
        return -ESHUTDOWN;
    if (getsockname(udp->fd, (struct sockaddr *)&local, &len) < 0)
        return -errno;
    return weft_address_set(ret, (struct sockaddr *)&local, len);
}

void weft_udp_get_stats(const weft_udp *udp, struct weft_udp_stats *ret)
{
    *ret = (struct weft_udp_stats){0};
    if (WEFT__ELSEWHERE(udp->net->loop->id))
        return;
    *ret = udp->stats;
    ret->to_receive = udp->arrived;
    ret->to_send = udp->out_bytes;
}

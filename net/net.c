/* SPDX-License-Identifier: MIT */
/*
 * The loop's part for net/.
 *
 * At the end of a loop, when its tasks are over, everything still open is closed and everything
 * under way fails with -ECANCELED (settle). Handles stay valid, since their owners may yet free
 * them, until the loop itself is freed (free); what is left then is freed with it.
 */
#include "net/net.h"

#include <errno.h>

#include "core/memory.h"

static void settle(struct weft__part *part)
{
    struct weft__net *net = (struct weft__net *)(void *)part;
    net->settled = true;
    for (weft__link *link = net->listeners; link; link = link->next)
        weft__listener_end((struct weft_listener *)(void *)link);
    for (weft__link *link = net->connects, *next; link; link = next) {
        next = link->next;
        weft__connecting_end(link);
    }
    weft__resolver_end(net);
    for (weft__link *link = net->streams; link; link = link->next)
        weft__stream_end((weft_stream *)(void *)link);
    for (weft__link *link = net->datagrams; link; link = link->next)
        weft__datagram_end((weft_udp *)(void *)link);
}

static void release(struct weft__part *part)
{
    struct weft__net *net = (struct weft__net *)(void *)part;
    while (net->connections)
        weft__connection_release((struct weft__connection *)(void *)net->connections);
    while (net->listeners)
        weft__listener_release((struct weft_listener *)(void *)net->listeners);
    while (net->streams)
        weft__stream_release((weft_stream *)(void *)net->streams);
    while (net->datagrams)
        weft__datagram_release((weft_udp *)(void *)net->datagrams);
    weft__resolver_release(net);
    weft__buffer_cache_fini(&net->buffers);
    weft__free(net);
}

static const struct weft__part_ops part_ops = {
    .name = "net",
    .settle = settle,
    .free = release,
};

WEFT__OPS(done_ops) = {.name = "net"};

static struct weft__net *make(weft_loop *loop)
{
    struct weft__net *net = weft__calloc(1, sizeof(*net));
    if (!net)
        return NULL;
    net->part.ops = &part_ops;
    net->loop = loop;
    weft__future_init(&net->done, loop, &done_ops, 1);
    net->done.flags |= WEFT__PERMANENT;
    weft__complete(&net->done, weft_value_i64(0), NULL);
    weft__loop_add_part(loop, &net->part);
    return net;
}

struct weft__net *weft__net_get(weft_loop *loop, int *ret_status)
{
    if (!loop) {
        *ret_status = weft__enoloop();
        return NULL;
    }
    struct weft__part *part = weft__loop_part(loop, &part_ops);
    struct weft__net *net = (struct weft__net *)(void *)part;
    if (loop->phase == WEFT__CLOSED || (net && net->settled)) {
        *ret_status = -ESHUTDOWN;
        return NULL;
    }
    if (!net)
        net = make(loop);
    if (!net)
        *ret_status = -ENOMEM;
    return net;
}

weft_future *weft__net_refused(int status)
{
    if (status == WEFT_ENOLOOP || status == WEFT_EFORK)
        return weft__future_enoloop();
    if (status == -ENOMEM)
        return weft__future_enomem(weft__loop);
    return weft_future_failed(status, NULL);
}

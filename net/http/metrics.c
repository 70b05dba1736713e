/* SPDX-License-Identifier: MIT */
/*
 * What a server is doing, for other threads: from its first address until it is freed.
 *
 * Its numbers are its loop's, and written as any; who looks has the kernel copy them (core/inspect/peek.c).
 */
#include <stdio.h>

#include "core/inspect/json.h"
#include "core/inspect/metrics.h"
#include "core/inspect/peek.h"
#include "core/thread.h"
#include "net/http/server.h"

static const struct weft__family requests = {"weft_http_requests", WEFT__COUNTER, NULL,
                                             "Requests that were given to a handler."};
static const struct weft__family refused = {
    "weft_http_refused", WEFT__COUNTER, NULL,
    "Requests that the server answered itself: malformed, too slow, no route."};
static const struct weft__family active = {"weft_http_active_requests", WEFT__GAUGE, NULL,
                                           "Requests whose handler runs."};
static const struct weft__family connections = {"weft_http_connections", WEFT__GAUGE, NULL,
                                                "Open connections."};

static weft_http_server *server_of(struct weft__source *source)
{
    return WEFT__CONTAINER(source, weft_http_server, source);
}

/* One that the kernel may have copied while it was written is not read alike twice. */
static uint64_t count_at(const uint64_t *count)
{
    uint64_t first = 0, second = 0;
    for (int tries = 0; tries < 4; tries++) {
        weft__peek(&first, count, sizeof(first));
        weft__peek(&second, count, sizeof(second));
        if (first == second)
            break;
    }
    return first < second ? first : second;
}

static struct weft_http_stats look_at(const weft_http_server *server)
{
    struct weft_http_stats stats = {.active = 0};
    weft__peek(&stats.connections, &server->open, sizeof(server->open));
    weft__peek(&stats.active, &server->active, sizeof(server->active));
    stats.requests = count_at(&server->served);
    stats.refused = count_at(&server->refused);
    return stats;
}

static void describe(struct weft__source *source, struct weft__text *to)
{
    const weft_http_server *server = server_of(source);
    struct weft_http_stats stats = look_at(server);
    weft__json_string(to, "address", server->address);
    weft__json_uint(to, "loop", server->loop->id_of_posts);
    weft__json_uint(to, "connections", stats.connections);
    weft__json_uint(to, "active", stats.active);
    weft__json_uint(to, "requests", stats.requests);
    weft__json_uint(to, "refused", stats.refused);
}

static void measure(struct weft__source *source, struct weft__metrics *to)
{
    const weft_http_server *server = server_of(source);
    struct weft_http_stats stats = look_at(server);
    struct weft__labels of = {.len = 0};
    weft__labels_add(&of, "server", server->address);
    weft__labels_add_number(&of, "loop", server->loop->id_of_posts);
    weft__metrics_number(to, &requests, &of, stats.requests);
    weft__metrics_number(to, &refused, &of, stats.refused);
    weft__metrics_number(to, &active, &of, stats.active);
    weft__metrics_number(to, &connections, &of, stats.connections);
}

void weft__http_show(weft_http_server *server)
{
    static const struct weft__source_ops ops = {
        .kind = "http", .describe = describe, .measure = measure};
    bool is_shown = server->source.at && server->source.generation == weft__generation;
    if (is_shown || server->freed || !server->listener_count)
        return;
    snprintf(server->address, sizeof(server->address), "%s",
             weft_listener_address(server->listeners[0]));
    weft__source_add(&server->source, &ops);
}

/* SPDX-License-Identifier: MIT */
/*
 * HTTP servers: options, listeners, the end. net/http/connection.c has the design comment of the
 * whole.
 *
 * A server is counted: its owner holds one reference, each connection one, each wait for its end one.
 * weft_http_server_free() gives up the owner's and the listeners; the connections are cancelled and
 * end by themselves, the last one frees the server. What nobody freed is freed with the loop, by a
 * part that is made after that of net/, and so is freed before it.
 */
#include "net/http/server.h"

#include <errno.h>
#include <string.h>
#include <weft/combine.h>
#include <weft/http_server.h>

#include "core/memory.h"
#include "net/net.h"

enum {
    KEPT_REQUESTS = 64,
    MOST_HEAD = 16 << 20, /* what options may ask for: a head is one block of memory */
    MOST_HEADERS = 100000
};

/* ---- The loop's part ---- */

struct part {
    struct weft__part part; /* first */
    weft__link *servers;
    struct weft__http_slots slots;
};

static void settle(struct weft__part *part)
{
    (void)part;
}

/* Connections that are left belong to tasks that were given up. */
static void release(struct weft__part *part)
{
    struct part *http = (struct part *)(void *)part;
    while (http->servers) {
        weft_http_server *server = (weft_http_server *)(void *)http->servers;
        server->refs++;
        if (!server->freed)
            weft_http_server_free(server);
        while (server->connections)
            weft__http_connection_end((weft__http_connection *)(void *)server->connections);
        server->refs = 1;
        weft__http_server_unref(server);
    }
    weft__http_slots = http->slots.outer;
    weft__free(http->slots.at);
    weft__free(http);
}

/* In the child no other thread knows of them yet. */
static void after_fork(struct weft__part *part)
{
    struct part *http = (struct part *)(void *)part;
    for (weft__link *link = http->servers; link; link = link->next)
        weft__http_show((weft_http_server *)(void *)link);
}

static const struct weft__part_ops part_ops = {
    .name = "http", .settle = settle, .after_fork = after_fork, .free = release};

static struct part *get_part(weft_loop *loop, int *ret_status)
{
    if (!weft__net_get(loop, ret_status))
        return NULL;
    struct weft__part *part = weft__loop_part(loop, &part_ops);
    if (part)
        return (struct part *)(void *)part;
    struct part *made = weft__calloc(1, sizeof(*made));
    if (!made) {
        *ret_status = -ENOMEM;
        return NULL;
    }
    made->part.ops = &part_ops;
    made->slots = (struct weft__http_slots){.loop_id = loop->id, .outer = weft__http_slots};
    weft__http_slots = &made->slots;
    weft__loop_add_part(loop, &made->part);
    return made;
}

/* ---- Requests ---- */

static weft__http_exchange *make_request(const weft_http_server *server)
{
    uint32_t slot;
    struct weft__http_parser parser;
    weft__http_parser_init(&parser, &server->limits);
    weft__http_exchange *request =
        weft__malloc(sizeof(*request) + weft__http_parser_memory(&parser));
    if (!request || weft__http_slot_take(server->slots, request, &slot) < 0) {
        weft__free(request);
        return NULL;
    }
    *request = (weft__http_exchange){.parser = parser, .slot = slot};
    return request;
}

static weft__http_exchange *take_spare(weft_http_server *server)
{
    weft__http_exchange *request = server->spare;
    if (!request)
        return NULL;
    server->spare = request->next;
    server->spare_count--;
    return request;
}

weft__http_exchange *weft__http_request_new(weft__http_connection *connection)
{
    weft_http_server *server = connection->server;
    weft__http_exchange *request = server->spare ? take_spare(server) : make_request(server);
    if (!request)
        return NULL;
    request->connection = connection;
    request->server = server;
    request->stream = connection->stream;
    request->context = NULL;
    request->written = 0;
    request->file_at = -1;
    if (server->on_access)
        request->began = weft_now();
    weft__http_parser_begin(&request->parser, request + 1);
    weft__http_answer_begin(request);
    return request;
}

static void destroy_request(weft__http_exchange *request)
{
    weft__http_slot_give_back(request->server->slots, request->slot);
    weft__free(request->text);
    weft__free(request->headers.text);
    weft__free(request->trailers.text);
    weft__free(request->params);
    weft__free(request->cookies);
    weft__free(request);
}

void weft__http_request_free(weft__http_exchange *request)
{
    weft_http_server *server = request->server;
    if (server->spare_count == KEPT_REQUESTS || request->spent || server->loop->debug) {
        destroy_request(request);
        return;
    }
    weft__http_request_forget(request);
    request->next = server->spare;
    server->spare = request;
    server->spare_count++;
}

static void free_spare(weft_http_server *server)
{
    while (server->spare)
        destroy_request(take_spare(server));
}

/* ---- Options ---- */

static void default_to(weft_ns *option, weft_ns value)
{
    if (!*option)
        *option = value;
}

static int check_options(const struct weft_http_server_options *options)
{
    const weft_ns times[] = {options->head_timeout,  options->body_timeout,
                             options->idle_timeout,  options->stop_idle_timeout,
                             options->write_timeout, options->linger_timeout};
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++)
        if (times[i] < 0)
            return -EINVAL;
    if (options->max_head > MOST_HEAD || options->max_headers > MOST_HEADERS)
        return -EINVAL;
    if ((options->size && options->size != sizeof(*options)) || options->backlog < 0 ||
        (options->flags & ~((unsigned)WEFT_LISTEN_REUSE_PORT | (unsigned)WEFT_LISTEN_PROXY)) ||
        (options->on_disconnect & ~(unsigned)WEFT_HTTP_KEEP_HANDLER))
        return -EINVAL;
    return 0;
}

static int set_server_name(weft_http_server *server, const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)name[i] < ' ' || name[i] == 0x7f)
            return -EINVAL;
    server->server_line = weft__malloc(len + sizeof("Server: \r\n"));
    if (!server->server_line)
        return -ENOMEM;
    memcpy(server->server_line, "Server: ", 8);
    memcpy(server->server_line + 8, name, len);
    memcpy(server->server_line + 8 + len, "\r\n", 3);
    return 0;
}

static uint64_t body_limit(size_t option)
{
    return option == WEFT_HTTP_NO_LIMIT ? WEFT__HTTP_UNLIMITED : option;
}

static int set_options(weft_http_server *server, const struct weft_http_server_options *options)
{
    struct weft_http_server_options *full = &server->options;
    int status = options ? check_options(options) : 0;
    if (status < 0)
        return status;
    if (options)
        *full = *options;
    full->server_name = NULL;
    default_to(&full->head_timeout, WEFT_S(10));
    default_to(&full->body_timeout, WEFT_S(10));
    default_to(&full->idle_timeout, WEFT_S(60));
    default_to(&full->write_timeout, WEFT_S(30));
    default_to(&full->linger_timeout, WEFT_S(2));
    full->max_body = full->max_body ? full->max_body : (size_t)1 << 20;
    full->body_rate = full->body_rate ? full->body_rate : 512;
    full->max_connections = full->max_connections ? full->max_connections : 10000;
    if (full->max_connections == WEFT_HTTP_NO_LIMIT)
        full->max_connections = 0; /* as a listener says it */
    server->limits = (struct weft__http_limits){
        .head_bytes = full->max_head,
        .request_line_bytes = full->max_request_line,
        .headers = full->max_headers,
        .body_bytes = body_limit(full->max_body),
    };
    return options && options->server_name ? set_server_name(server, options->server_name) : 0;
}

/* ---- Making ---- */

static void destroy(weft_http_server *server)
{
    weft__http_free_routes(server);
    free_spare(server);
    weft__free(server->listeners);
    weft__free(server->server_line);
    weft__free(server);
}

void weft__http_server_unref(weft_http_server *server)
{
    if (--server->refs)
        return;
    weft__link_remove(&server->link);
    destroy(server);
}

static int make(weft_loop *loop, const struct weft_http_server_options *options,
                weft_http_server **ret)
{
    int status = 0;
    struct part *part = get_part(loop, &status);
    if (!part)
        return status;
    weft_http_server *server = weft__calloc(1, sizeof(*server));
    if (!server)
        return -ENOMEM;
    server->loop = loop;
    server->slots = &part->slots;
    server->refs = 1;
    server->idle_until = WEFT_FOREVER;
    server->date_second = -1;
    server->router = weft__http_router_new(server, NULL);
    status = server->router ? set_options(server, options) : -ENOMEM;
    if (status < 0) {
        destroy(server);
        return status;
    }
    weft__link_add(&part->servers, &server->link);
    *ret = server;
    return 0;
}

weft_http_server *weft_http_server_new(const struct weft_http_server_options *options)
{
    weft_http_server *server = NULL;
    int status = make(weft__here(), options, &server);
    if (status < 0)
        errno = -status;
    return server;
}

/* ---- Listening ---- */

static int add_listener(weft_http_server *server, const char *address, struct weft_tls_context *tls)
{
    size_t size = (server->listener_count + 1) * sizeof(weft_listener *);
    weft_listener **listeners = weft__realloc(server->listeners, size);
    if (!listeners)
        return -ENOMEM;
    server->listeners = listeners;
    struct weft_listen_options options = {
        .backlog = server->options.backlog,
        .max_connections = server->options.max_connections,
        .close_timeout = server->options.write_timeout,
        .handshake_timeout = server->options.head_timeout,
        .tls = tls,
        .flags = server->options.flags,
    };
    weft_listener *listener = weft__http_listen(server, address, &options);
    if (!listener)
        return -errno;
    listeners[server->listener_count++] = listener;
    weft__http_show(server);
    return 0;
}

static int listen_on(weft_http_server *server, const char *address, struct weft_tls_context *tls)
{
    if (server->route_error)
        return server->route_error;
    return server->stopping ? WEFT_ECLOSED : add_listener(server, address, tls);
}

int weft_http_server_listen(weft_http_server *server, const char *address)
{
    if (WEFT__ELSEWHERE(server->loop->id))
        return weft__elsewhere();
    return listen_on(server, address, NULL);
}

int weft_http_server_listen_tls(weft_http_server *server, const char *address,
                                struct weft_tls_context *tls)
{
    if (WEFT__ELSEWHERE(server->loop->id))
        return weft__elsewhere();
    return tls ? listen_on(server, address, tls) : -EINVAL;
}

weft_http_server *weft__http_serve(const struct weft_http_server_options *options,
                                   const char *address, const weft_coroutine *coroutine,
                                   const void *frame, size_t request_offset, const char *place)
{
    weft_http_server *server = weft_http_server_new(options);
    if (!server)
        return NULL;
    int status = weft__http_route(server->router, NULL, coroutine, frame, request_offset, place);
    if (status == 0)
        status = add_listener(server, address, NULL);
    if (status == 0)
        return server;
    weft_http_server_free(server);
    errno = -status;
    return NULL;
}

int weft_http_server_port(const weft_http_server *server)
{
    if (WEFT__ELSEWHERE(server->loop->id))
        return weft__elsewhere();
    return server->listener_count ? weft_listener_port(server->listeners[0]) : 0;
}

const char *weft_http_server_address(const weft_http_server *server)
{
    if (WEFT__ELSEWHERE(server->loop->id))
        return "";
    return server->listener_count ? weft_listener_address(server->listeners[0]) : "";
}

struct weft_http_stats weft_http_server_stats(const weft_http_server *server)
{
    if (WEFT__ELSEWHERE(server->loop->id))
        return (struct weft_http_stats){0};
    struct weft_http_stats stats = {
        .active = server->active,
        .requests = server->served,
        .refused = server->refused,
    };
    for (size_t i = 0; i < server->listener_count; i++)
        stats.connections += weft_listener_connections(server->listeners[i]);
    return stats;
}

/* ---- The end ---- */

/* Who waits for it is told. */
static void begin_to_stop(weft_http_server *server)
{
    weft_ns now = weft_now(), grace = server->options.stop_idle_timeout;
    if (!server->stopping && grace < WEFT_FOREVER - now)
        server->idle_until = now + grace;
    server->stopping = true;
    if (!server->stop_event)
        return;
    weft_event_set(server->stop_event);
    weft_event_free(server->stop_event);
    server->stop_event = NULL;
}

void weft_http_server_stop(weft_http_server *server)
{
    if (WEFT__ELSEWHERE(server->loop->id))
        return;
    begin_to_stop(server);
    for (size_t i = 0; i < server->listener_count; i++)
        weft_listener_stop(server->listeners[i]);
    for (weft__link *link = server->connections; link; link = link->next)
        weft__http_limit_idle((weft__http_connection *)(void *)link);
}

void weft_http_server_abort(weft_http_server *server)
{
    if (WEFT__ELSEWHERE(server->loop->id))
        return;
    weft_http_server_stop(server);
    for (size_t i = 0; i < server->listener_count; i++)
        weft_listener_abort(server->listeners[i]);
}

void weft_http_server_free(weft_http_server *server)
{
    if (server && WEFT__ELSEWHERE(server->loop->id))
        return;
    if (!server || server->freed)
        return;
    server->freed = true;
    weft__source_remove(&server->source);
    begin_to_stop(server);
    for (size_t i = 0; i < server->listener_count; i++)
        weft_listener_free(server->listeners[i]);
    server->listener_count = 0;
    weft__http_server_unref(server);
}

/* ---- Waiting for the end ---- */

struct http_drain {
    WEFT_FRAME;
    weft_http_server *server; /* a reference, taken by the first step */
    size_t i;
};

static WEFT_ASYNC(http_drain)
{
    WEFT_BEGIN;
    self->server->refs++;
    for (self->i = 0; self->i < self->server->listener_count; self->i++)
        WEFT_AWAIT(weft_listener_drain(self->server->listeners[self->i]));
    if (self->server->freed)
        WEFT_FAIL(WEFT_ECLOSED);
    WEFT_FINALLY;
    weft__http_server_unref(self->server);
    WEFT_END;
}

weft_future *weft_http_server_drain(weft_http_server *server)
{
    if (WEFT__ELSEWHERE(server->loop->id))
        return weft__future_elsewhere();
    weft_http_server_stop(server);
    return weft_call(http_drain, .server = server);
}

struct http_shutdown {
    WEFT_FRAME;
    weft_http_server *server; /* a reference, taken by the first step */
    weft_ns grace;
    int status;
};

static WEFT_ASYNC(http_shutdown)
{
    WEFT_BEGIN;
    self->server->refs++;
    WEFT_CATCH(self->status, weft_wait_for(weft_http_server_drain(self->server), self->grace));
    if (self->server->freed)
        WEFT_FAIL(WEFT_ECLOSED);
    if (self->status != -ETIMEDOUT && self->status < 0)
        WEFT_FAIL(self->status);
    if (self->status == -ETIMEDOUT) {
        weft_http_server_abort(self->server);
        WEFT_AWAIT(weft_http_server_drain(self->server));
        WEFT_FAIL(-ETIMEDOUT, "some requests had to be aborted");
    }
    WEFT_FINALLY;
    weft__http_server_unref(self->server);
    WEFT_END;
}

weft_future *weft_http_server_shutdown(weft_http_server *server, weft_ns grace)
{
    if (WEFT__ELSEWHERE(server->loop->id))
        return weft__future_elsewhere();
    weft_http_server_stop(server);
    return weft_call(http_shutdown, .server = server, .grace = grace);
}

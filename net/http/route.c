/* SPDX-License-Identifier: MIT */
/*
 * Routes: which handler answers what.
 *
 * A handful of them, so they are compared one by one; the most specific one wins, whatever the order
 * in which they were added:
 *
 *     the whole path  >  a longer beginning  >  a shorter one;  then  its method  >  GET for HEAD  >
 *     all methods
 *
 * A route whose path fits and whose method does not is passed over, and makes a 405 of what would
 * have been a 404.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/memory.h"
#include "net/http/server.h"

/* ---- Finding ---- */

static bool path_fits(const struct weft__http_route *route, const char *path)
{
    if (!route->path)
        return true;
    if (strncmp(route->path, path, route->path_len) != 0)
        return false;
    return route->below || !path[route->path_len];
}

/* How well the method fits; 0: not. */
static size_t method_rank(const struct weft__http_route *route, const char *method)
{
    if (!route->method)
        return 1;
    if (strcmp(route->method, method) == 0)
        return 3;
    return strcmp(route->method, "GET") == 0 && strcmp(method, "HEAD") == 0 ? 2 : 0;
}

static size_t path_rank(const struct weft__http_route *route)
{
    if (!route->path)
        return 0;
    return route->below ? route->path_len : SIZE_MAX / 4;
}

static void allow(char *allowed, size_t size, const char *method)
{
    size_t len = strlen(allowed);
    if (weft__http_list_has((struct weft__http_slice){allowed, len}, method))
        return;
    bool with_head = strcmp(method, "GET") == 0;
    snprintf(allowed + len, size - len, "%s%s%s", len ? ", " : "", method,
             with_head ? ", HEAD" : "");
}

int weft__http_find_route(const weft_http_server *server, const weft__http_exchange *request,
                          struct weft__http_route **ret, char *allowed, size_t allowed_size)
{
    const char *method = request->parser.request.method.data;
    struct weft__http_route *best = NULL;
    size_t best_rank = 0;
    bool path_known = false;
    allowed[0] = 0;
    for (size_t i = 0; i < server->route_count; i++) {
        struct weft__http_route *route = &server->routes[i];
        if (!path_fits(route, request->path))
            continue;
        size_t fits = method_rank(route, method);
        size_t rank = path_rank(route) * 4 + fits;
        path_known = true;
        if (!fits)
            allow(allowed, allowed_size, route->method);
        else if (!best || rank > best_rank) {
            best = route;
            best_rank = rank;
        }
    }
    *ret = best;
    if (best)
        return 0;
    return path_known ? 405 : 404;
}

/* ---- Adding ---- */

static bool is_token(const char *text)
{
    size_t len = 0;
    while (weft__http_is(text[len], WEFT__HTTP_TCHAR))
        len++;
    return len && !text[len];
}

/* Take "METHOD /path/..." apart; the text is the route's own copy. */
static int parse(struct weft__http_route *route)
{
    char *space = strchr(route->pattern, ' ');
    route->path = space ? space + 1 : route->pattern;
    if (space) {
        *space = 0;
        route->method = route->pattern;
        if (!is_token(route->method))
            return -EINVAL;
    }
    if (route->path[0] != '/')
        return -EINVAL;
    size_t len = strlen(route->path);
    route->below = len >= 4 && strcmp(route->path + len - 4, "/...") == 0;
    route->path_len = route->below ? len - 3 : len;
    return 0;
}

static bool same(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool is_taken(const weft_http_server *server, const struct weft__http_route *route)
{
    for (size_t i = 0; i < server->route_count; i++) {
        const struct weft__http_route *other = &server->routes[i];
        if (same(other->method, route->method) && same(other->path, route->path))
            return true;
    }
    return false;
}

static int add(weft_http_server *server, const struct weft__http_route *route)
{
    if (is_taken(server, route))
        return -EEXIST;
    size_t size = (server->route_count + 1) * sizeof(*route);
    struct weft__http_route *routes = weft__realloc(server->routes, size);
    if (!routes)
        return -ENOMEM;
    server->routes = routes;
    routes[server->route_count++] = *route;
    return 0;
}

static void free_route(struct weft__http_route *route)
{
    weft__free(route->pattern);
    weft__free(route->frame);
}

int weft__http_route(weft_http_server *server, const char *pattern, const weft_coroutine *coroutine,
                     const void *frame, size_t request_offset, const char *place)
{
    if (weft__is_elsewhere(server->loop->id, "weft_http_route"))
        return weft__elsewhere();
    struct weft__http_route route = {
        .pattern = weft__strdup(pattern),
        .coroutine = coroutine,
        .frame = weft__malloc(coroutine->frame_size),
        .request_offset = request_offset,
        .place = place,
    };
    int status = route.frame && (route.pattern || !pattern) ? 0 : -ENOMEM;
    if (status == 0) {
        memcpy(route.frame, frame, coroutine->frame_size);
        status = pattern ? parse(&route) : 0;
    }
    if (status == 0)
        status = add(server, &route);
    if (status < 0) {
        free_route(&route);
        if (!server->route_error)
            server->route_error = status;
    }
    return status;
}

void weft__http_free_routes(weft_http_server *server)
{
    for (size_t i = 0; i < server->route_count; i++)
        free_route(&server->routes[i]);
    weft__free(server->routes);
}

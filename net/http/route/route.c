/* SPDX-License-Identifier: MIT */
/*
 * Routes: patterns, and which handler answers what.
 *
 *     [METHOD ' '] PATH      PATH = { '/' segment } [ '/...' ]      segment = text | '{' name '}'
 *
 * Routes and routers are there as long as their server is, so that a request may point to its route. A
 * router is a part of a server's paths: a prefix that is put in front of its patterns. All of them share
 * one tree (net/http/route/tree.c).
 *
 * Nothing is found: 404. A path that is known but not with this method: 405 and what it is known with;
 * OPTIONS then gets the same list and 204, and so it does for "*", without a list.
 *
 * Failure modes: a pattern that is none or is taken, no memory. Whichever comes first is kept, and fails
 * weft_http_server_listen().
 */
#include "net/http/route/route.h"

#include <errno.h>
#include <string.h>

#include "core/memory.h"
#include "core/text.h"
#include "net/http/server.h"

/* ---- Finding ---- */

int weft__http_find_route(const weft_http_server *server, const weft__http_exchange *request,
                          struct weft__http_found *ret)
{
    const struct weft__http_request *parsed = &request->parser.request;
    weft__http_tree_find(&server->tree, request->segments, parsed, ret);
    if (!ret->route && server->any) {
        ret->route = server->any;
        ret->router = server->any->router;
    }
    if (!ret->router)
        ret->router = server->router;
    if (ret->route)
        return 0;
    bool options = parsed->method_id == WEFT__HTTP_METHOD_OPTIONS;
    if (options && (ret->path_known || request->path[0] == '*'))
        return 204;
    return ret->path_known ? 405 : 404;
}

/* ---- Patterns ---- */

static bool is_name(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        bool letter = (text[i] | 32) >= 'a' && (text[i] | 32) <= 'z';
        bool digit = text[i] >= '0' && text[i] <= '9';
        if (!letter && !digit && text[i] != '_')
            return false;
    }
    return len > 0;
}

/* Does "{name" stand in front of `end`? `name` is the same in a segment that comes later. */
static bool comes_before(const char *path, const char *name, size_t len)
{
    for (const char *at = strchr(path, '{'); at && at + 1 < name; at = strchr(at + 1, '{'))
        if (strncmp(at + 1, name, len) == 0 && at[1 + len] == '}')
            return true;
    return false;
}

/* The segments of a path; how many are parameters, or -EINVAL. */
static int check_path(const char *path, size_t len)
{
    int params = 0;
    const char *end = path + len;
    for (const char *at = path; at != end;) {
        const char *slash = memchr(at + 1, '/', (size_t)(end - at - 1));
        const char *segment = at + 1, *segment_end = slash ? slash : end;
        size_t braces = 0;
        for (const char *c = segment; c != segment_end; c++)
            braces += *c == '{' || *c == '}';
        size_t segment_len = (size_t)(segment_end - segment);
        if (braces) {
            bool sound = braces == 2 && segment[0] == '{' && segment_end[-1] == '}' &&
                         is_name(segment + 1, segment_len - 2) &&
                         !comes_before(path, segment + 1, segment_len - 2);
            if (!sound || ++params > WEFT__HTTP_MOST_PARAMS)
                return -EINVAL;
        }
        at = segment_end;
    }
    return params;
}

/* Of a path that ends with "/...", how long it is without. */
static size_t len_above(const struct weft__http_route *route)
{
    return strlen(route->path) - (route->below ? 4 : 0);
}

/* "METHOD /path", with the prefix of the router in between, into a text of its own. */
static int parse(struct weft__http_route *route, const char *pattern)
{
    const char *prefix = route->router->prefix ? route->router->prefix : "";
    const char *space = strchr(pattern, ' ');
    const char *path = space ? space + 1 : pattern;
    size_t method_len = (size_t)(path - pattern), prefix_len = strlen(prefix);
    if ((*path && *path != '/') || (!*path && !prefix_len))
        return -EINVAL;
    route->text = weft__malloc(method_len + prefix_len + strlen(path) + 1);
    if (!route->text)
        return -ENOMEM;
    memcpy(route->text, pattern, method_len);
    memcpy(route->text + method_len, prefix, prefix_len);
    memcpy(route->text + method_len + prefix_len, path, strlen(path) + 1);
    route->path = route->text + method_len;
    if (space) {
        route->text[method_len - 1] = 0;
        route->method = route->text;
        route->method_id = weft__http_method_id(route->method);
        if (!weft__http_is_token(route->method))
            return -EINVAL;
    }
    size_t len = strlen(route->path);
    route->below = len >= 4 && strcmp(route->path + len - 4, "/...") == 0;
    int params = check_path(route->path, len_above(route));
    route->param_count = params < 0 ? 0 : (size_t)params;
    return params < 0 ? params : 0;
}

/* ---- Adding ---- */

int weft__http_handler_init(struct weft__http_handler *handler, const weft_coroutine *coroutine,
                            const void *frame, size_t request_offset, const char *place)
{
    *handler = (struct weft__http_handler){
        .coroutine = coroutine,
        .frame = weft__malloc(coroutine->frame_size),
        .request_offset = request_offset,
        .place = place,
    };
    if (!handler->frame)
        return -ENOMEM;
    memcpy(handler->frame, frame, coroutine->frame_size);
    return 0;
}

static bool same(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static int add(struct weft__http_route *route)
{
    weft_http_server *server = route->router->server;
    struct weft__http_node *node =
        weft__http_tree_add(&server->tree, route->path, len_above(route));
    if (!node)
        return -ENOMEM;
    struct weft__http_route **routes = route->below ? &node->below : &node->here;
    for (const struct weft__http_route *other = *routes; other; other = other->next)
        if (same(other->method, route->method))
            return -EEXIST;
    while (*routes)
        routes = &(*routes)->next;
    *routes = route;
    return 0;
}

/* A route for everything, "*" too, has no pattern. */
static int add_any(struct weft__http_route *route)
{
    weft_http_server *server = route->router->server;
    if (server->any)
        return -EEXIST;
    route->path = "";
    server->any = route;
    return 0;
}

static void free_route(struct weft__http_route *route)
{
    if (!route)
        return;
    weft__free(route->text);
    weft__free(route->handler.frame);
    weft__free(route);
}

static int make_route(weft_http_router *router, const char *pattern,
                      const weft_coroutine *coroutine, const void *frame, size_t request_offset,
                      const char *place)
{
    struct weft__http_route *route = weft__calloc(1, sizeof(*route));
    if (!route)
        return -ENOMEM;
    route->router = router;
    int status = weft__http_handler_init(&route->handler, coroutine, frame, request_offset, place);
    if (status == 0 && pattern)
        status = parse(route, pattern);
    if (status == 0)
        status = pattern ? add(route) : add_any(route);
    if (status < 0)
        free_route(route);
    return status;
}

static void keep_error(weft_http_server *server, int status)
{
    if (status < 0 && !server->route_error)
        server->route_error = status;
}

int weft__http_route(weft_http_router *router, const char *pattern, const weft_coroutine *coroutine,
                     const void *frame, size_t request_offset, const char *place)
{
    if (!router)
        return -EINVAL;
    if (weft__is_elsewhere(router->server->loop->id, "weft_http_route"))
        return weft__elsewhere();
    int status = make_route(router, pattern, coroutine, frame, request_offset, place);
    keep_error(router->server, status);
    return status;
}

/* ---- Routers ---- */

weft_http_router *weft__http_router_new(weft_http_server *server, weft_http_router *outer)
{
    weft_http_router *router = weft__calloc(1, sizeof(*router));
    if (!router)
        return NULL;
    router->server = server;
    router->outer = outer;
    router->next = server->routers;
    server->routers = router;
    return router;
}

static void free_router(weft_http_router *router)
{
    weft__http_free_uses(router);
    weft__free(router->prefix);
    weft__free(router);
}

weft_http_router *weft_http_server_router(weft_http_server *server)
{
    return server->router;
}

static int check_prefix(const char *prefix)
{
    size_t len = strlen(prefix);
    if (prefix[0] != '/' || prefix[len - 1] == '/' || strstr(prefix, "/.../") ||
        (len >= 4 && strcmp(prefix + len - 4, "/...") == 0))
        return -EINVAL;
    return 0;
}

/* The one that is there already, or a new one. */
static int mount(weft_http_router *router, weft_http_router **ret)
{
    int status = check_path(router->prefix, strlen(router->prefix));
    if (status < 0)
        return status;
    struct weft__http_node *node =
        weft__http_tree_add(&router->server->tree, router->prefix, strlen(router->prefix));
    if (!node)
        return -ENOMEM;
    if (node->router && strcmp(node->router->prefix, router->prefix) != 0)
        return -EEXIST; /* with another name for a parameter */
    if (!node->router)
        node->router = router;
    *ret = node->router;
    return 0;
}

static int mount_prefix(weft_http_router *outer, const char *prefix, weft_http_router **ret)
{
    int status = check_prefix(prefix);
    if (status < 0)
        return status;
    weft_http_router *router = weft__http_router_new(outer->server, outer);
    if (!router)
        return -ENOMEM;
    router->prefix = weft__format("%s%s", outer->prefix ? outer->prefix : "", prefix);
    status = router->prefix ? weft__http_router_inherit(router) : -ENOMEM;
    if (status == 0)
        status = mount(router, ret);
    if (status == 0 && *ret == router)
        return 0;
    outer->server->routers = router->next;
    free_router(router);
    return status;
}

weft_http_router *weft__http_mount(weft_http_router *outer, const char *prefix)
{
    weft_http_router *router = NULL;
    if (!outer) {
        errno = EINVAL;
        return NULL;
    }
    if (weft__is_elsewhere(outer->server->loop->id, "weft_http_mount")) {
        errno = -weft__elsewhere();
        return NULL;
    }
    int status = mount_prefix(outer, prefix, &router);
    keep_error(outer->server, status);
    if (status < 0)
        errno = -status;
    return router;
}

void weft__http_free_routes(weft_http_server *server)
{
    weft__http_tree_free(&server->tree);
    free_route(server->any);
    while (server->routers) {
        weft_http_router *router = server->routers;
        server->routers = router->next;
        free_router(router);
    }
}

/* SPDX-License-Identifier: MIT */
/*
 * Where paths lead to: a tree of their segments.
 *
 *     GET /users/{id}/posts                users ─► {} ─► posts: GET
 *     GET /users/me                          └────► me: GET
 *     /files/...                           files ─► … : all methods
 *
 * Each segment of a path is one step: a binary search among the texts that are known at this place. So
 * the number of routes does not matter, but for its logarithm, and neither does the order in which they
 * were added.
 *
 * The most specific route wins, looked at from the left: at each segment a text goes before a
 * parameter, and that before "...". Where the first choice leads to nothing the next one is tried;
 * one whose path fits and whose method does not is passed over, and makes a 405 of what would have been a
 * 404. The search goes no deeper than the longest pattern, whatever the client sends.
 *
 * Segments are told apart before escapes are decoded (the caller has a NUL for each escaped slash): so
 * "/a%2Fb" is one segment, as whoever sent it and whatever proxy passed it on had it.
 */
#include <stdio.h>
#include <string.h>

#include "core/memory.h"
#include "net/http/parser/parser.h"
#include "net/http/route/route.h"

/* ---- Children ---- */

/* Shorter ones come first: mostly the length tells. */
static int compare(const struct weft__http_node *node, const char *text, size_t len)
{
    if (node->len != len)
        return node->len < len ? -1 : 1;
    return memcmp(node->text, text, len);
}

static const struct weft__http_node *child_of(const struct weft__http_node *node, const char *text,
                                              size_t len)
{
    size_t low = 0, high = node->child_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        const struct weft__http_node *child = node->children[middle];
        int order = compare(child, text, len);
        if (order == 0)
            return child;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* ---- Finding ---- */

struct search {
    struct weft__http_found *found;
    const char *begin, *end;
    enum weft__http_method method_id;
    const char *method;
    const char *mounted; /* how far the path led to found->router */
};

/* How well the method of a route fits; 0: not. */
static unsigned rank_of(const struct weft__http_route *route, const struct search *search)
{
    if (!route->method)
        return 1;
    if (route->method_id == search->method_id)
        return route->method_id || strcmp(route->method, search->method) == 0 ? 3 : 0;
    bool head =
        route->method_id == WEFT__HTTP_METHOD_GET && search->method_id == WEFT__HTTP_METHOD_HEAD;
    return head ? 2 : 0;
}

static void allow(struct weft__http_found *found, const char *method)
{
    size_t len = strlen(found->allowed);
    bool with_head = strcmp(method, "GET") == 0;
    if (weft__http_list_has((struct weft__http_slice){found->allowed, len}, method) ||
        len + strlen(method) + sizeof(", , HEAD") > sizeof(found->allowed))
        return;
    snprintf(found->allowed + len, sizeof(found->allowed) - len, "%s%s%s", len ? ", " : "", method,
             with_head ? ", HEAD" : "");
}

/* Of the routes at one place, that whose method fits best. */
static bool take(struct search *search, const struct weft__http_route *routes, const char *tail,
                 size_t param_count)
{
    struct weft__http_found *found = search->found;
    unsigned best = 0;
    for (const struct weft__http_route *route = routes; route; route = route->next) {
        unsigned rank = rank_of(route, search);
        if (rank > best) {
            best = rank;
            found->route = route;
        }
    }
    if (best) {
        found->router = found->route->router;
        found->tail = (size_t)(tail - search->begin);
        found->param_count = param_count;
        return true;
    }
    for (; routes; routes = routes->next) {
        found->path_known = true;
        allow(found, routes->method);
    }
    return false;
}

/* `at` is the slash in front of the next segment, or the end. Where there is no choice, it goes straight
 * on. */
static bool visit(struct search *search, const struct weft__http_node *node, const char *at,
                  size_t param_count)
{
    for (;;) {
        if (node->router && at >= search->mounted) {
            search->found->router = node->router;
            search->mounted = at;
        }
        if (at == search->end)
            return take(search, node->here, at, param_count);
        const char *segment = ++at;
        while (at != search->end && *at != '/')
            at++;
        size_t len = (size_t)(at - segment);
        const struct weft__http_node *child = child_of(node, segment, len);
        bool choice = (node->param && len) || node->below;
        if (child && choice && visit(search, child, at, param_count))
            return true;
        if (node->param && len) {
            search->found->params[param_count] = (struct weft__http_slice){segment, len};
            if (visit(search, node->param, at, param_count + 1))
                return true;
        }
        if (node->below)
            return take(search, node->below, segment, param_count);
        if (!child || choice)
            return false;
        node = child;
    }
}

void weft__http_tree_find(const struct weft__http_node *root, struct weft__http_slice path,
                          const struct weft__http_request *request, struct weft__http_found *ret)
{
    struct search search = {
        ret, path.data, path.data + path.len, request->method_id, request->method.data, path.data};
    ret->route = NULL;
    ret->router = NULL;
    ret->tail = path.len;
    ret->param_count = 0;
    ret->path_known = false;
    ret->allowed[0] = 0;
    if (path.len && path.data[0] == '/')
        visit(&search, root, path.data, 0);
}

/* ---- Adding ---- */

static struct weft__http_node *new_node(const char *text, size_t len)
{
    struct weft__http_node *node = weft__calloc(1, sizeof(*node) + len);
    if (!node)
        return NULL;
    node->text = (char *)(node + 1);
    memcpy(node->text, text, len);
    node->len = len;
    return node;
}

static struct weft__http_node *add_child(struct weft__http_node *node, const char *text, size_t len)
{
    size_t at = 0;
    while (at < node->child_count && compare(node->children[at], text, len) < 0)
        at++;
    if (at < node->child_count && compare(node->children[at], text, len) == 0)
        return node->children[at];
    size_t size = (node->child_count + 1) * sizeof(node->children[0]);
    struct weft__http_node **children = weft__realloc(node->children, size);
    if (!children)
        return NULL;
    node->children = children;
    struct weft__http_node *child = new_node(text, len);
    if (!child)
        return NULL;
    memmove(children + at + 1, children + at, (node->child_count - at) * sizeof(children[0]));
    children[at] = child;
    node->child_count++;
    return child;
}

static struct weft__http_node *add_param(struct weft__http_node *node)
{
    if (!node->param)
        node->param = new_node("", 0);
    return node->param;
}

struct weft__http_node *weft__http_tree_add(struct weft__http_node *root, const char *path,
                                            size_t len)
{
    const char *end = path + len;
    struct weft__http_node *node = root;
    while (node && path != end) {
        path++;
        const char *slash = memchr(path, '/', (size_t)(end - path));
        const char *segment_end = slash ? slash : end;
        node = path != end && *path == '{' ? add_param(node)
                                           : add_child(node, path, (size_t)(segment_end - path));
        path = segment_end;
    }
    return node;
}

/* ---- Freeing ---- */

static void free_routes(struct weft__http_route *route)
{
    while (route) {
        struct weft__http_route *next = route->next;
        weft__free(route->text);
        weft__free(route->handler.frame);
        weft__free(route);
        route = next;
    }
}

void weft__http_tree_free(struct weft__http_node *root)
{
    free_routes(root->here);
    free_routes(root->below);
    for (size_t i = 0; i < root->child_count; i++) {
        weft__http_tree_free(root->children[i]);
        weft__free(root->children[i]);
    }
    weft__free(root->children);
    if (!root->param)
        return;
    weft__http_tree_free(root->param);
    weft__free(root->param);
}

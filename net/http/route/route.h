/* SPDX-License-Identifier: MIT */
/*
 * Routes, the tree in which they are found, and what parts of it have in common. net/http/route/tree.c and
 * net/http/route/route.c have the design comments.
 */
#ifndef WEFT_NET_HTTP_ROUTE_H
#define WEFT_NET_HTTP_ROUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <weft/http_server.h>

#include "net/http/parser/text.h"

enum { WEFT__HTTP_MOST_PARAMS = 16 /* of one pattern */ };

/** A coroutine that gets a request, and what else its frame begins with. All fields are [const]. */
struct weft__http_handler {
    const weft_coroutine *coroutine;
    char *frame; /* what each request's frame is a copy of; owned */
    size_t request_offset;
    const char *place;
};

/** All fields are [const] but `next`, which is [loop]. It is there as long as its server. */
struct weft__http_route {
    struct weft__http_route *next; /* another one at the same place of the tree */
    weft_http_router *router;      /* to which it was added */
    char *text;                    /* method, NUL, path; owned */
    const char *method;            /* in `text`; NULL: all */
    enum weft__http_method method_id;
    const char *path; /* in `text`, the prefixes of its routers included */
    bool below;       /* it ends with "..." */
    size_t param_count;
    struct weft__http_handler handler;
};

/** A middleware. All fields are [const] but `next`, which is [loop]. */
struct weft__http_use {
    struct weft__http_use *next; /* that the same router uses */
    struct weft__http_handler handler;
};

/** A segment of paths, and what may follow it. All fields are [loop]. */
struct weft__http_node {
    struct weft__http_node **children; /* for the segments that are known; sorted */
    size_t child_count;
    struct weft__http_node *param;  /* for any other one */
    struct weft__http_route *here;  /* for paths that end here */
    struct weft__http_route *below; /* for those that go on */
    weft_http_router *router;       /* that is mounted here */
    char *text;                     /* [const] behind the node; not NUL-terminated */
    size_t len;                     /* [const] */
};

/** All fields are [loop]. It is there as long as its server. */
struct weft_http_router {
    weft_http_server *server;    /* [const] */
    weft_http_router *outer;     /* [const] NULL: the server's own */
    weft_http_router *next;      /* of the server's */
    char *prefix;                /* [const] of all its paths; owned; NULL: none */
    struct weft__http_use *uses; /* its own; owned */
    size_t use_count;
    const struct weft__http_use **chain; /* those of the routers around it, and its own; owned */
    size_t chain_len;
};

/** What a path leads to. */
struct weft__http_found {
    const struct weft__http_route *route; /* NULL: nothing */
    weft_http_router *router; /* the route's; without one, the innermost that is mounted above */
    size_t tail;              /* where in the path the "..." begins */
    size_t param_count;
    struct weft__http_slice params[WEFT__HTTP_MOST_PARAMS];
    bool path_known;   /* there are routes, for other methods */
    char allowed[256]; /* a list of them; if there is no route */
};

/* ---- tree.c ---- */

struct weft__http_request;

/** Find a route for the request's method; the path is decoded, but for escaped slashes, which are NULs in
 * it. */
void weft__http_tree_find(const struct weft__http_node *root, struct weft__http_slice path,
                          const struct weft__http_request *request, struct weft__http_found *ret);

/** Where a path leads to, in the notation of patterns and without its "..."; made if need be. NULL:
 * out of memory. */
struct weft__http_node *weft__http_tree_add(struct weft__http_node *root, const char *path,
                                            size_t len);

/** Free what is below. */
void weft__http_tree_free(struct weft__http_node *root);

/* ---- route.c ---- */

/** Take a copy of a frame. 0, -ENOMEM. */
int weft__http_handler_init(struct weft__http_handler *handler, const weft_coroutine *coroutine,
                            const void *frame, size_t request_offset, const char *place);

#endif

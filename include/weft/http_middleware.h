/* SPDX-License-Identifier: MIT */
/**
 * What is done around handlers: middleware, in the shape of continuations.
 *
 *     struct guard { WEFT_FRAME; weft_http_request *request; const char *token; };
 *
 *     static WEFT_ASYNC(guard)
 *     {
 *         WEFT_BEGIN;
 *         if (!is_allowed(self->request, self->token)) {
 *             WEFT_AWAIT(weft_http_respond_status(self->request, 403));
 *             WEFT_RETURN(0);
 *         }
 *         WEFT_AWAIT(weft_http_next(self->request));     // what is inside, at last the handler
 *         WEFT_END;
 *     }
 *
 *     weft_http_use(server, weft_http_request_id);
 *     weft_http_use(weft_http_mount(server, "/admin"), guard, .token = "s3cret");
 *
 * A middleware is a coroutine as a handler is. What it does before weft_http_next() is done before the
 * handler, and what follows after; it sees how that ended, and may answer instead of it. Whatever a
 * coroutine does around an await it does around the handler: a timeout, a lock, a value of the context.
 *
 * A request whose route was added to a router passes through the middleware of the server, then through that
 * of each router down to its own, in the order of weft_http_use(). One for which there is no route passes
 * through that of the innermost router whose prefix fits, and the server's 404 or 405 is what is inside. What
 * the server refuses before it looks for a route (malformed, too large) passes through none.
 *
 * Without middleware nothing of this costs anything.
 */
#ifndef WEFT_HTTP_MIDDLEWARE_H
#define WEFT_HTTP_MIDDLEWARE_H

#include <stdbool.h>
#include <stdint.h>
#include <weft/context.h>
#include <weft/future.h>
#include <weft/http_server.h>
#include <weft/macros.h>
#include <weft/task.h>
#include <weft/time.h>
#include <weft/timeout.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Put a middleware around what `where`, a server or a router, serves:
 * `weft_http_use(server, guard, .token = "s3cret")`. The first one is the outermost.
 *
 * The frame must have a member `weft_http_request *request`, as for weft_http_route().
 *
 * Thread:    loop.
 * Ownership: as weft_http_route().
 * Errors:    -EBUSY (a request is under way), -EINVAL (`where` is NULL), -ENOMEM. Kept as by
 *            weft_http_route(): a server that lacks a middleware does not listen.
 * Since:     0.1
 */
#define weft_http_use(where, ...) WEFT__HTTP_USE(where, __VA_ARGS__, .weft_frame = {0, 0})

/**
 * Go on with the request: call the next middleware, or at the end the handler; once.
 *
 * A handler's failure is this future's. Passed on (as WEFT_AWAIT does) it is answered as ever; caught,
 * it is the middleware's to answer, and nobody is told.
 *
 * Headers that were added before stay with the answer, also with the server's own, 404 and 500.
 *
 * Thread:    loop; from a middleware.
 * Ownership: returns one reference, never NULL. Await it: the request ends with the outermost middleware.
 * Errors:    by the future: what the rest fails with; -EALREADY (a second time, or from a handler),
 *            -ENOMEM, -ECANCELED, WEFT_ECLOSED.
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_http_next(weft_http_request *request);

/**
 * The status of the answer, once it was begun; 0 before. After weft_http_next(), what was answered. A
 * handler that failed, or answered nothing, is answered for later: 0.
 * Thread: loop. Since: 0.1
 */
WEFT_PUBLIC int weft_http_answer_status(const weft_http_request *request);

/* ---- Who asked for what: the access log ---- */

/** A request that is over. Texts are borrowed until the function returns; what is not known is "". */
struct weft_http_access {
    const char *peer; /* as weft_http_request_peer() */
    const char *method, *target, *version;
    const char *pattern;              /* as weft_http_request_pattern() */
    const char *user_agent, *referer; /* the headers */
    int status;                       /* 0: it was not answered, the client is gone */
    bool complete;                    /* all of the answer was written; false: it was broken off */
    uint64_t bytes;                   /* that were written, head included */
    weft_ns duration;                 /* from its first byte until it was over */
};

typedef void weft_http_access_fn(const struct weft_http_access *access, void *arg);

/**
 * Call `fn(access, arg)` when a request is over: each one, also those that the server refused.
 *
 * It runs on the loop, between two requests of a connection: write a line into a buffer, count; a call that
 * blocks belongs into a job.
 *
 * Thread:    loop.
 * Ownership: `arg` is borrowed until the last connection has ended. NULL for `fn`: no more calls.
 * Errors:    none.
 * Since:     0.1
 */
WEFT_PUBLIC void weft_http_on_access(weft_http_server *server, weft_http_access_fn *fn, void *arg);

/* ---- Ready-made ---- */

/**
 * A name for each request, to find its lines in all logs: `weft_http_use(server, weft_http_request_id)`.
 *
 * The client's X-Request-Id if it is one (1 to 128 letters, digits, "-", "_", "."), else a new one of 32
 * hexadecimal digits, is sent with the answer, and is in the context of the handler and all that it
 * starts, jobs included: `weft_context_get(weft_http_id)`. Not a secret, and not hard to guess.
 * Since: 0.1
 */
struct weft_http_request_id {
    WEFT_FRAME;
    weft_http_request *request;
};
WEFT_PUBLIC WEFT_ASYNC_DECLARE(weft_http_request_id);

/** The name of the request that this serves; NULL: none. */
WEFT_PUBLIC WEFT_CONTEXT_KEY_DECLARE(weft_http_id, const char *);

/**
 * A limit for what is inside: `weft_http_use(server, weft_http_deadline, .limit = WEFT_S(5))`.
 *
 * When it has passed, the handler is cancelled, and 503 is answered as soon as it has ended. If its answer
 * was begun by then, it is broken off: the connection is reset, and the failure -ETIMEDOUT reported.
 * Since: 0.1
 */
struct weft_http_deadline {
    WEFT_FRAME;
    weft_http_request *request;
    weft_ns limit;
    /* Not for the caller. */
    weft_timeout *timeout;
    bool expired;
    int status;
};
WEFT_PUBLIC WEFT_ASYNC_DECLARE(weft_http_deadline);

/**
 * Cross-origin requests: what browsers let pages of other origins do here.
 * `weft_http_use(api, weft_http_cors, .origins = "https://app.example", .methods = "GET, PUT")`.
 *
 * A preflight (OPTIONS with Access-Control-Request-Method) is answered here: 204, or 403 for an origin
 * that is not in the list. Other requests go on, and their answers say whether the page may see them.
 * Since: 0.1
 */
struct weft_http_cors {
    WEFT_FRAME;
    weft_http_request *request;
    const char *origins; /* "https://a.example https://b.example", or "*" */
    const char *methods; /* that a preflight grants; NULL: "GET, HEAD, POST" */
    const char *headers; /* that requests may have besides; NULL: none */
    const char *expose;  /* headers of answers that pages may see besides; NULL: none */
    bool credentials;    /* cookies, too; not with "*" */
    weft_ns max_age;     /* how long a preflight is good; 0: not said */
    /* Not for the caller. */
    int status;
};
WEFT_PUBLIC WEFT_ASYNC_DECLARE(weft_http_cors);

/* ---- What the macros expand to; not for direct use. ---- */

WEFT_PUBLIC int weft__http_use(weft_http_router *router, const weft_coroutine *coroutine,
                               const void *frame, size_t request_offset, const char *place);

#define WEFT__HTTP_USE(where, ...) \
    weft__http_use(WEFT__HTTP_ROUTER(where), WEFT__HTTP_HANDLER(__VA_ARGS__))

#ifdef __cplusplus
}
#endif

#endif

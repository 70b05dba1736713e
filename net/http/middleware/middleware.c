/* SPDX-License-Identifier: MIT */
/*
 * From a head that is there to the handler: the route, and the middleware around it.
 *
 *     step 0        step 1            step n
 *     use[0] ─next─► use[1] ─next─► … the handler, or the server's 404
 *                                       │ it has ended
 *     SPENT ◄───────────────────────────'      no more next
 *
 * Each router has its chain: what the routers around it use, from the outermost, then what it uses itself. It
 * is built when something is added, and not while a request is under way. So a request needs no more than
 * a number, the next step; each step is a call in the connection's task, and a server without middleware
 * calls the handler at once.
 *
 * When one of the steps has ended, so has all that is inside of it, and weft_http_next() is refused from then
 * on. A step that ends at once is looked at as it returns; for one that waits there is a call
 * around it, without which (no memory) only that refusal is missing.
 *
 * A failure is reported by the name of the innermost step that failed. What earlier steps had added to the
 * head is kept for the server's own answer; what the failed one had added is not.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/memory.h"
#include "net/http/server.h"

/* ---- Steps ---- */

static weft_future *call(weft__http_exchange *request, const struct weft__http_handler *handler)
{
    request->coroutine = handler->coroutine;
    request->place = handler->place;
    request->kept = weft__http_headers_mark(request);
    memcpy(handler->frame + handler->request_offset,
           &request->server->slots->at[request->slot].handle, sizeof(weft_http_request *));
    return weft__call(handler->coroutine, handler->frame, handler->place);
}

/* "GET, HEAD" has room for one more. */
static weft_future *answer_unrouted(weft__http_exchange *request, int status,
                                    struct weft__http_found *found)
{
    request->server->refused++;
    if (found->path_known) {
        char allowed[sizeof(found->allowed) + sizeof(", OPTIONS")];
        snprintf(allowed, sizeof(allowed), "%s, OPTIONS", found->allowed);
        weft__http_add_header(request, "Allow", allowed);
    }
    return weft__http_respond_status(request, status, NULL);
}

/* The same, when middleware has let it pass. */
static weft_future *answer_unrouted_at_last(weft__http_exchange *request)
{
    struct weft__http_found found;
    int status = weft__http_find_route(request->server, request, &found);
    return answer_unrouted(request, status, &found);
}

static weft_future *next_step(weft__http_exchange *request)
{
    const weft_http_router *router = request->router;
    size_t step = request->step++;
    if (step < router->chain_len)
        return call(request, &router->chain[step]->handler);
    return request->route ? call(request, &request->route->handler)
                          : answer_unrouted_at_last(request);
}

static void refuse_undecoded(weft__http_exchange *request, int status)
{
    request->close = true;
    weft__http_refuse(request, status == -ENOMEM ? 503 : 400,
                      status == -ENOMEM ? NULL : "malformed path");
}

weft_future *weft__http_dispatch(weft__http_exchange *request)
{
    struct weft__http_found found;
    int unrouted = 0, status = weft__http_request_decode(request);
    if (status == 0) {
        unrouted = weft__http_find_route(request->server, request, &found);
        status = weft__http_request_routed(request, &found);
    }
    if (status) {
        refuse_undecoded(request, status);
        return NULL;
    }
    request->router = found.router;
    request->step = 0;
    if (unrouted && !found.router->chain_len) {
        weft__http_let_go(answer_unrouted(request, unrouted, &found));
        return NULL;
    }
    request->server->served++;
    request->server->active++;
    return next_step(request);
}

/* ---- The next one ---- */

/* Who asked for a step, and is the one to fail from now on if all went well. */
struct asker {
    weft_http_request *request;
    const weft_coroutine *coroutine;
    const char *place;
};

static void end_step(weft__http_exchange *request, const struct asker *asker, int status)
{
    request->step = request->router->chain_len + 1;
    if (status < 0)
        return;
    request->coroutine = asker->coroutine;
    request->place = asker->place;
}

struct http_step {
    WEFT_FRAME;
    weft_future *step;
    struct asker asker;
};

static void end_awaited_step(const struct http_step *self, int status)
{
    weft__http_exchange *request = weft__http_alive(self->asker.request);
    if (request)
        end_step(request, &self->asker, status);
}

static WEFT_ASYNC(http_step)
{
    WEFT_BEGIN;
    WEFT_AWAIT(self->step);
    WEFT_FINALLY;
    end_awaited_step(self, WEFT_OUTCOME);
    WEFT_END;
}

weft_future *weft_http_next(weft_http_request *handle)
{
    weft__http_exchange *request = WEFT__HTTP_REQUEST(handle);
    if (!request)
        return weft__http_gone_future();
    if (request->step > request->router->chain_len)
        return weft_future_failed(-EALREADY, "nothing is next");
    struct asker asker = {handle, request->coroutine, request->place};
    weft_future *step = next_step(request);
    if (weft_is_done(step)) {
        end_step(request, &asker, step->status);
        return step;
    }
    weft_future *watched = weft_call(http_step, .step = weft_ref(step), .asker = asker);
    if (!weft_is_done(watched)) {
        weft_unref(step);
        return watched;
    }
    weft__observe(watched);
    weft_unref(watched);
    weft_unref(step); /* the one that was for the call */
    return step;
}

int weft_http_answer_status(const weft_http_request *handle)
{
    const weft__http_exchange *request = WEFT__HTTP_REQUEST(handle);
    if (!request)
        return weft__http_gone();
    bool begun =
        request->answer != WEFT__HTTP_NO_ANSWER && request->answer != WEFT__HTTP_NOT_STARTED;
    return begun ? request->status : 0;
}

/* ---- Chains ---- */

static bool is_within(const weft_http_router *router, const weft_http_router *outer)
{
    while (router && router != outer)
        router = router->outer;
    return router != NULL;
}

static int reserve(weft_http_router *router, size_t len)
{
    size_t size = len * sizeof(router->chain[0]);
    const struct weft__http_use **chain = weft__realloc(router->chain, size);
    if (!chain)
        return -ENOMEM;
    router->chain = chain;
    return 0;
}

/* There is room. */
static void build(weft_http_router *router)
{
    size_t at = router->chain_len;
    for (const weft_http_router *part = router; part; part = part->outer) {
        at -= part->use_count;
        size_t i = at;
        for (const struct weft__http_use *use = part->uses; use; use = use->next)
            router->chain[i++] = use;
    }
}

int weft__http_router_inherit(weft_http_router *router)
{
    size_t len = router->outer ? router->outer->chain_len : 0;
    if (!len)
        return 0;
    int status = reserve(router, len);
    if (status < 0)
        return status;
    router->chain_len = len;
    build(router);
    return 0;
}

/* All that lack it get it, or none. */
static int add(weft_http_router *outer, struct weft__http_use *use)
{
    weft_http_router *router;
    for (router = outer->server->routers; router; router = router->next)
        if (is_within(router, outer) && reserve(router, router->chain_len + 1) < 0)
            return -ENOMEM;
    struct weft__http_use **last = &outer->uses;
    while (*last)
        last = &(*last)->next;
    *last = use;
    outer->use_count++;
    for (router = outer->server->routers; router; router = router->next) {
        if (!is_within(router, outer))
            continue;
        router->chain_len++;
        build(router);
    }
    return 0;
}

static void free_use(struct weft__http_use *use)
{
    weft__free(use->handler.frame);
    weft__free(use);
}

static int use(weft_http_router *router, const weft_coroutine *coroutine, const void *frame,
               size_t request_offset, const char *place)
{
    if (router->server->active)
        return -EBUSY;
    struct weft__http_use *made = weft__calloc(1, sizeof(*made));
    if (!made)
        return -ENOMEM;
    int status = weft__http_handler_init(&made->handler, coroutine, frame, request_offset, place);
    if (status == 0)
        status = add(router, made);
    if (status < 0)
        free_use(made);
    return status;
}

int weft__http_use(weft_http_router *router, const weft_coroutine *coroutine, const void *frame,
                   size_t request_offset, const char *place)
{
    if (!router)
        return -EINVAL;
    if (weft__is_elsewhere(router->server->loop->id, "weft_http_use"))
        return weft__elsewhere();
    int status = use(router, coroutine, frame, request_offset, place);
    if (status < 0 && !router->server->route_error)
        router->server->route_error = status;
    return status;
}

void weft__http_free_uses(weft_http_router *router)
{
    while (router->uses) {
        struct weft__http_use *next = router->uses->next;
        free_use(router->uses);
        router->uses = next;
    }
    weft__free(router->chain);
}

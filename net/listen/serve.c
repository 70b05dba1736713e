/* SPDX-License-Identifier: MIT */
/*
 * weft_serve(): one listener on each loop of weft_run_loops().
 *
 *     sockets for all loops --the loops--> listeners --all of them accept--> READY
 *     READY --asked to stop--> drains --grace is over, or asked again--> aborts --> ended
 *
 * The sockets are made before the loops, on the caller's thread: all or none, so that a server that
 * cannot have its addresses has started nothing, and says which. For each loop there is one set of
 * them: TCP sockets of their own that share the port, among which the kernel spreads connections;
 * of unix sockets, and of those that were lent, other descriptors of the one socket, on which all
 * loops are woken and one of them is quicker.
 *
 * What the loops share is `waiting`, which loop is the last to accept, and `stopping`, which the
 * first to stop: atomic counters, from which nothing else is concluded.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <weft/combine.h>
#include <weft/notify.h>
#include <weft/serve.h>

#include "core/cpus.h"
#include "core/memory.h"
#include "core/task.h"
#include "net/listen/listener.h"

#define DEFAULT_GRACE WEFT_S(10)

struct serve {
    const struct weft_serve_options *options; /* [const] */
    struct weft_listen_options listen;        /* [const] */
    struct weft__server server;               /* [const] */
    unsigned loops;                           /* [const] */
    struct weft__listening_set *sets; /* owned; one for each loop, and touched by that alone */
    atomic_uint waiting;              /* [atomic] loops that do not accept yet */
    atomic_bool stopping;             /* [atomic] */
};

/* ---- On each loop ---- */

static void note_ready(struct serve *serve, weft_listener *listener)
{
    if (atomic_fetch_sub(&serve->waiting, 1) != 1)
        return;
    weft_notify("READY=1");
    if (serve->options->ready)
        serve->options->ready(listener, serve->options->ready_arg);
}

static void note_stopping(struct serve *serve)
{
    if (!atomic_exchange(&serve->stopping, true))
        weft_notify("STOPPING=1");
}

static weft_future *drain(const struct serve *serve, weft_listener *listener)
{
    weft_ns grace = serve->options->grace;
    return weft_wait_for(weft_listener_drain(listener), grace ? grace : DEFAULT_GRACE);
}

static int use_pool(const struct serve *serve)
{
    weft_pool *pool = serve->options->pool;
    return pool ? weft_loop_set_pool(weft_loop_current(), pool) : 0;
}

struct serve_loop {
    WEFT_FRAME;
    struct serve *serve;
    weft_listener *listener;
    int status;
    size_t left; /* connections that had to be aborted */
};

static WEFT_ASYNC(serve_loop)
{
    WEFT_BEGIN;
    self->status = use_pool(self->serve);
    if (self->status < 0)
        WEFT_FAIL(self->status, "cannot use the pool");
    self->listener = weft__listen_on(
        &self->serve->listen, &self->serve->sets[weft_run_loops_index()], &self->serve->server);
    if (!self->listener)
        WEFT_FAIL(-errno, "cannot accept connections");
    note_ready(self->serve, self->listener);
    WEFT_AWAIT(weft_sleep(WEFT_FOREVER));
    WEFT_FINALLY;
    if (self->listener) {
        note_stopping(self->serve);
        WEFT_CATCH(self->status, drain(self->serve, self->listener));
        self->left = weft_listener_connections(self->listener);
        weft_listener_abort(self->listener);
        if (self->left)
            WEFT_CATCH(self->status, weft_listener_drain(self->listener));
        weft_listener_free(self->listener);
        if (self->left)
            WEFT_FAIL(-ETIMEDOUT, "%zu connections had to be aborted", self->left);
        WEFT_RETURN(0);
    }
    WEFT_END;
}

/* ---- Before the loops ---- */

static int complain(const struct serve *serve, const char *address, int status)
{
    fprintf(stderr, "weft: cannot serve %s%s%s: %s\n", serve->server.coroutine->name,
            address[0] ? " on " : "", address, weft_strerror(status));
    return 1;
}

/* 0, or why `failed` cannot be had. */
static int open_all(struct serve *serve, const char *addresses, char failed[WEFT__ADDRESS_TEXT])
{
    serve->sets = weft__calloc(serve->loops, sizeof(*serve->sets));
    if (!serve->sets)
        return -ENOMEM;
    int status = weft__listening_open(addresses, &serve->listen, &serve->sets[0], failed);
    for (unsigned i = 1; i < serve->loops && status == 0; i++)
        status = weft__listening_copy(&serve->sets[0], &serve->listen, &serve->sets[i], failed);
    return status;
}

static void close_all(struct serve *serve)
{
    for (unsigned i = 0; serve->sets && i < serve->loops; i++)
        weft__listening_close(&serve->sets[i]);
    weft__free(serve->sets);
}

static int run_all(struct serve *serve)
{
    struct weft_run_loops_options options = {
        .loops = serve->loops, .flags = serve->options->flags, .loop = serve->options->loop};
    struct serve_loop frame = {.serve = serve};
    return weft__run_loops(&options, weft__coroutine_serve_loop(), &frame, serve->server.place);
}

int weft__serve(const struct weft_serve_options *options, const char *addresses,
                const weft_coroutine *coroutine, const void *frame, size_t stream_offset,
                const char *place)
{
    static const struct weft_serve_options defaults;
    static const struct weft_listen_options listen_defaults;
    options = options ? options : &defaults;
    struct serve serve = {
        .options = options,
        .listen = options->listen ? *options->listen : listen_defaults,
        .server = {coroutine, frame, stream_offset, place},
        .loops = options->loops ? options->loops : weft__cpus(),
    };
    char failed[WEFT__ADDRESS_TEXT] = "";
    bool valid = (!options->size || options->size == sizeof(*options)) && options->grace >= 0 &&
                 serve.loops <= WEFT_RUN_LOOPS_MOST;
    int status = valid ? weft__listen_check_options(&serve.listen) : -EINVAL;
    if (serve.loops > 1)
        serve.listen.flags |= WEFT_LISTEN_REUSE_PORT;
    atomic_init(&serve.waiting, serve.loops);
    weft__fill_standard_descriptors(); /* before sockets take their numbers */
    if (status == 0)
        status = open_all(&serve, addresses, failed);
    int result = status < 0 ? complain(&serve, failed, status) : run_all(&serve);
    close_all(&serve);
    return result;
}

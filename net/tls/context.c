/* SPDX-License-Identifier: MIT */
/*
 * Contexts: what connections begin with, and how it is exchanged.
 *
 *     options --setup--> a copy [const] --job--> SSL_CTX, `current` --SSL_new()--> connections
 *                              '------reload: another job--> another SSL_CTX in its place
 *
 * A context is of no loop: any number of loops may use it, so its references are atomic, and
 * `current` and the sessions are under its lock, which is held for a few pointers only. The
 * exchange is one of a pointer; a connection holds the SSL_CTX that it began with, and what belongs
 * to that.
 *
 * A job owns a reference to its context. One that was cancelled is left to itself: it may be
 * reading a file that does not come. It commits before the exchange, so that a reload that was
 * cancelled has not happened.
 *
 * A forked child does not use its parent's contexts: the lock may be held by a thread that it has
 * not. It may drop its references.
 *
 * Lock order: nothing is locked, and nothing of weft's called but for memory, under a context's
 * lock.
 */
#include <errno.h>
#include <string.h>
#include <weft/job.h>
#include <weft/loop.h>
#include <weft/pool.h>

#include "net/tls/tls.h"

/* ---- References ---- */

weft_tls_context *weft_tls_context_ref(weft_tls_context *context)
{
    /* relaxed: who takes one more has one already */
    atomic_fetch_add_explicit(&context->refs, 1, memory_order_relaxed);
    return context;
}

static void destroy(weft_tls_context *context)
{
    weft__tls_cache_clear(&context->cache);
    SSL_CTX_free(context->current);
    pthread_mutex_destroy(&context->lock);
    weft__tls_setup_free(context->setup);
    weft__companion_free(context);
}

void weft_tls_context_unref(weft_tls_context *context)
{
    /* release what this one did, acquire what the others did: the last one frees */
    if (context && atomic_fetch_sub_explicit(&context->refs, 1, memory_order_acq_rel) == 1)
        destroy(context);
}

static void unref(void *context)
{
    weft_tls_context_unref(context);
}

SSL_CTX *weft__tls_current(weft_tls_context *context)
{
    weft__companion_lock(&context->lock);
    SSL_CTX *ctx = context->current;
    SSL_CTX_up_ref(ctx);
    pthread_mutex_unlock(&context->lock);
    return ctx;
}

/* ---- Loading ---- */

/* Takes over the reference. Sessions of before are of no use: whom to trust may have changed. */
static void exchange(weft_tls_context *context, SSL_CTX *ctx)
{
    weft__companion_lock(&context->lock);
    SSL_CTX *old = context->current;
    struct weft__tls_cache sessions = context->cache;
    context->current = ctx;
    context->cache = (struct weft__tls_cache){0};
    pthread_mutex_unlock(&context->lock);
    weft__tls_cache_clear(&sessions); /* with their certificates: a loop may want the lock */
    SSL_CTX_free(old);
}

struct tls_load {
    weft_tls_context *context; /* a reference, dropped by release() */
    bool is_new;               /* then it is the value */
};

static WEFT_BLOCKING(tls_load)
{
    SSL_CTX *ctx = NULL;
    weft_result result = weft__tls_load(self->context->setup, &ctx);
    if (result.status < 0)
        return result;
    int status = weft_job_commit();
    if (status < 0) {
        SSL_CTX_free(ctx);
        return weft_err(status);
    }
    exchange(self->context, ctx);
    if (!self->is_new)
        return (weft_result){0};
    return weft_ok((void *)weft_tls_context_ref(self->context), unref);
}

static void release(void *args)
{
    weft_tls_context_unref(((struct tls_load *)args)->context);
}

/* Takes over the reference. */
static weft_future *load(weft_tls_context *context, bool is_new)
{
    weft_lane *lane = weft_loop_lane(weft_loop_current(), "files");
    if (!lane) {
        int status = -errno;
        weft_tls_context_unref(context);
        return weft_future_failed(status, NULL);
    }
    const struct weft_job_options options = {
        .lane = lane, .on_cancel = WEFT_CANCEL_ABANDON, .release = release};
    return weft_offload(&options, tls_load, .context = context, .is_new = is_new);
}

/* A failed future if there is no loop here; NULL: there is one. */
static weft_future *idle(void)
{
    return weft__companion_loop_id() ? NULL : weft_future_new();
}

/* ---- Making ---- */

/* Takes over the setup, with success. */
static weft_tls_context *make(struct weft__tls_setup *setup)
{
    weft_tls_context *context = weft__companion_malloc(sizeof(*context));
    if (!context)
        return NULL;
    memset(context, 0, sizeof(*context));
    if (pthread_mutex_init(&context->lock, NULL) != 0) {
        weft__companion_free(context);
        return NULL;
    }
    context->ops = &weft__tls_context_ops;
    context->is_server = setup->is_server;
    context->generation = weft__companion_generation();
    context->setup = setup;
    atomic_init(&context->refs, 1);
    return context;
}

static weft_future *new_context(const struct weft_tls_options *options, bool is_server)
{
    int status;
    const char *why;
    weft_future *none = idle();
    if (none)
        return none;
    struct weft__tls_setup *setup = weft__tls_setup_new(options, is_server, &status, &why);
    if (!setup)
        return why ? weft_future_failed(status, "%s", why) : weft_future_failed(status, NULL);
    weft_tls_context *context = make(setup);
    if (context)
        return load(context, true);
    weft__tls_setup_free(setup);
    return weft_future_failed(-ENOMEM, NULL);
}

weft_future *weft_tls_client_new(const struct weft_tls_options *options)
{
    return new_context(options, false);
}

weft_future *weft_tls_server_new(const struct weft_tls_options *options)
{
    return new_context(options, true);
}

weft_future *weft_tls_reload(weft_tls_context *context)
{
    weft_future *none = idle();
    if (none)
        return none;
    if (!context)
        return weft_future_failed(-EINVAL, "no context");
    if (context->generation != weft__companion_generation())
        return weft_future_failed(WEFT_EFORK, NULL);
    return load(weft_tls_context_ref(context), false);
}

/* SPDX-License-Identifier: MIT */
/*
 * Steps.
 *
 *     WAITING --the inner is done; its item runs, one tick later--> finish() --> DONE, or WAITING again
 *
 * The item stands in the ready queue where the user would stand who waited for the inner future
 * himself; he runs right behind it (weft__continue_at_once()). So a step costs no tick.
 *
 * A cancel is passed on. A job that waits for a worker is dropped, and the step completes with
 * -ECANCELED; one that runs goes on to its end, and whoever awaits the step keeps the request. One that
 * was told and gave a value all the same leaves a mark, which is passed on (WEFT__UNDELIVERED).
 *
 * When the loop gives up what is stuck, the job is complete with WEFT_ESTUCK, and the step with it.
 */
#include "pool/file/step.h"

#include <errno.h>

#include "core/inspect/eye.h"
#include "pool/client.h"
#include "pool/file/call.h"
#include "pool/pool.h"

WEFT__OPS(done_ops) = {.name = "file"};

static void on_inner(weft__item *item)
{
    struct weft__step *step = WEFT__CONTAINER(item, struct weft__step, waiter.item);
    weft_future *inner = step->waiter.future;
    step->waiter.future = NULL;
    step->future.flags |= inner->flags & WEFT__UNDELIVERED;
    step->finish(step, inner);
    weft_unref(inner);
    if (!weft__is_pending(&step->future))
        weft_unref(&step->future);
}

void *weft__step_new(weft_loop *loop, const struct weft__future_ops *ops, weft__step_fn *finish,
                     size_t size)
{
    struct weft__step *step = weft__future_alloc(loop, ops, size, 2);
    if (!step)
        return NULL;
    step->waiter.item.run = on_inner;
    step->finish = finish;
    return step;
}

void weft__step_wait(struct weft__step *step, weft_future *inner)
{
    weft__wait(&step->waiter, inner);
}

void weft__step_succeed(struct weft__step *step, weft_value value, weft_destructor *destructor)
{
    weft__continue_at_once(&step->future);
    weft__complete(&step->future, value, destructor);
}

void weft__step_fail(struct weft__step *step, int status, char *message)
{
    weft__continue_at_once(&step->future);
    weft__complete_failed(&step->future, status, message);
}

void weft__step_end_as(struct weft__step *step, weft_future *inner)
{
    weft__continue_at_once(&step->future);
    weft__complete_as(&step->future, inner);
}

void weft__explain_step(struct weft__eye *eye, const weft_future *at, struct weft__waiting *ret)
{
    struct weft__step step;
    if (!weft__eye_see(eye, &step, at, sizeof(step)))
        return;
    ret->needs = WEFT__NEEDS_ALL;
    weft__eye_child(eye, step.waiter.future);
}

bool weft__step_cancel(weft_future *future)
{
    struct weft__step *step = WEFT__CONTAINER(future, struct weft__step, future);
    weft_future *inner = step->waiter.future;
    return inner && weft__is_pending(inner) && weft__request_cancel(inner, weft_message(future));
}

weft_future *weft__step_done(weft_loop *loop, weft_value value)
{
    weft_future *future = weft__future_alloc(loop, &done_ops, sizeof(*future), 1);
    if (!future)
        return weft__future_enomem(loop);
    weft__complete(future, value, NULL);
    return future;
}

weft_future *weft__file_refuse_loop(uint32_t loop_id, const char *function)
{
    if (weft__is_elsewhere(loop_id, function))
        return weft__future_elsewhere();
    if (!weft__here())
        return weft__future_enoloop();
    if (loop_id != weft__loop_id)
        return weft_future_failed(-ESHUTDOWN, "%s: its loop is gone", function);
    return NULL;
}

struct weft_job_options weft__file_options(void)
{
    struct weft_job_options options = {0};
    struct weft__client *client;
    weft_loop *loop = weft__here();
    weft_pool *pool = NULL;
    if (loop && loop->phase != WEFT__CLOSED)
        pool = weft__client_pool(loop, &client);
    if (pool)
        options.lane = &pool->files_lane;
    return options;
}

struct weft_job_options weft__file_options_in_pieces(void)
{
    struct weft_job_options options = weft__file_options();
    options.on_cancel = WEFT_CANCEL_COOPERATIVE;
    return options;
}

/* SPDX-License-Identifier: MIT */
/*
 * A step: an operation on the loop that waits for a job, or for another operation, and makes of its
 * end what the user gets. See pool/file/step.c.
 */
#ifndef WEFT_POOL_FILE_STEP_H
#define WEFT_POOL_FILE_STEP_H

#include <stddef.h>

#include "core/loop.h"

struct weft__step;

/** The inner future is done, and borrowed: complete the step, or let it wait for another one. */
typedef void weft__step_fn(struct weft__step *step, weft_future *inner);

/** All fields are [loop]. */
struct weft__step {
    weft_future future; /* first; the step keeps one reference until it is complete */
    weft__waiter waiter;
    weft__step_fn *finish; /* [const] */
};

/** `size` zeroed bytes that begin with a step, with two references; NULL: out of memory. `ops` has
 * weft__step_cancel() or a cancel of its own. */
void *weft__step_new(weft_loop *loop, const struct weft__future_ops *ops, weft__step_fn *finish,
                     size_t size);

/** Wait for `inner`, which is consumed. */
void weft__step_wait(struct weft__step *step, weft_future *inner);

/** For `finish`: complete; who waits runs at once. */
void weft__step_succeed(struct weft__step *step, weft_value value, weft_destructor *destructor);
void weft__step_fail(struct weft__step *step, int status, char *message);
void weft__step_end_as(struct weft__step *step, weft_future *inner);

/** ops->cancel: the request is passed on to what it waits for. */
bool weft__step_cancel(weft_future *future);

/** ops->explain: what it waits for. */
void weft__explain_step(struct weft__eye *eye, const weft_future *at, struct weft__waiting *ret);

/** A future that is done, with a value that needs no destructor; never NULL. */
weft_future *weft__step_done(weft_loop *loop, weft_value value);

/** Why nothing can be started here with an object of that loop, as a failed future; NULL: it can.
 * `function` was called. */
weft_future *weft__file_refuse_loop(uint32_t loop_id, const char *function);

#endif

/* SPDX-License-Identifier: MIT */
/* Who asked for a cancel, and from where. See core/cancel.c. */
#ifndef WEFT_CORE_CANCEL_H
#define WEFT_CORE_CANCEL_H

#include <stddef.h>
#include <stdint.h>

#include "core/future.h"

/** What is not known is 0 or NULL. */
struct weft__origin {
    uint64_t by_id; /* of the task that asked */
    const char *by; /* its name: static, or `copy` */
    char *copy;     /* owned where it is kept; a name that was set for that task */
    const char *at; /* "file:line", static */
};

/**
 * Note at a coroutine whose request comes to it now, in place of what was noted. Out of memory, it is
 * lost.
 */
void weft__note_origin(weft_future *future);

/** Let `to`, which fails with a -ECANCELED that it got from `from`, show who asked there. */
void weft__pass_origin(weft_future *to, const weft_future *from);

/**
 * Ask `future`, PENDING, to stop on behalf of a coroutine that kept a request: with its reason, and
 * with the origin noted there. What ops->cancel says.
 */
bool weft__pass_cancel(weft_future *future, const weft_future *asked);

/** The message of a cancel, with who asked as far as it is known: "reason (asked by NAME at
 * FILE:LINE)", written to `buffer`. NULL: nothing is known. */
const char *weft__cancel_text(const weft_future *future, char *buffer, size_t size);

#endif

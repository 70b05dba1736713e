/* SPDX-License-Identifier: MIT */
/* What futures with a timer have in common. See core/call.c. */
#ifndef WEFT_CORE_CALL_H
#define WEFT_CORE_CALL_H

#include "core/loop.h"

/** Start one whose timer has its `run`; INT64_MIN: at the next tick. Returns its future, which has
 * failed if it could not be started. */
weft_future *weft__timed_start(struct weft__timed *timed, weft_ns deadline);

/** What a queued item of weft_call_soon() and its kin calls; 0: it is none. */
uintptr_t weft__call_function(const weft__item *item);

/** ops->cancel of one that keeps a reference until its item was run. */
bool weft__timed_cancel(weft_future *future);

/** ops->explain of one whose timer is all that it waits for. */
void weft__explain_timed(struct weft__eye *eye, const weft_future *at, struct weft__waiting *ret);

#endif

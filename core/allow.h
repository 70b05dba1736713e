/* SPDX-License-Identifier: MIT */
/* Where a thread may block: what the loop sees of it. See core/allow.c. */
#ifndef WEFT_CORE_ALLOW_H
#define WEFT_CORE_ALLOW_H

#include <stdbool.h>
#include <weft/blocking.h>
#include <weft/loop.h>

struct weft__coro;

/** The innermost part of the program that may block this thread; NULL: none. */
extern _Thread_local struct weft_blocking_scope *weft__allowed
    __attribute__((tls_model("initial-exec")));

/** Something was left open since it was `outer`: end it, and report it. `coro`: whose step it was; NULL: not known. */
void weft__allow_left_open(weft_loop *loop, struct weft_blocking_scope *outer,
                           const struct weft__coro *coro);

#endif

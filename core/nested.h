/* SPDX-License-Identifier: MIT */
/* Loops within loops, refused before libevent would print a warning or hang. See core/nested.c. */
#ifndef WEFT_CORE_NESTED_H
#define WEFT_CORE_NESTED_H

#include <stdbool.h>
#include <weft/loop.h>

/** True in a callback of the host, while it dispatches the base that this loop is attached to. */
bool weft__is_in_host(const weft_loop *loop);

/** The guard of a base of our own. False: out of memory. */
bool weft__guard_open(weft_loop *loop);
void weft__guard_close(weft_loop *loop);

/** The base is handed out: from now on it is guarded. */
void weft__guard_base(weft_loop *loop);

/** If it is guarded: on in a tick, off in a poll within one. */
void weft__guard_on(weft_loop *loop);
void weft__guard_off(weft_loop *loop);

#endif

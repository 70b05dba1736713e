/* SPDX-License-Identifier: MIT */
/* A loop, as it is seen from outside. See core/inspect/inspect.c. */
#ifndef WEFT_CORE_INSPECT_INSPECT_H
#define WEFT_CORE_INSPECT_INSPECT_H

#include <weft/loop.h>

#include "core/inspect/source.h"

/** The loop can be looked at from now on; it is this thread's. */
void weft__inspect_open(weft_loop *loop);

/** Not any more: waits until nobody looks. */
void weft__inspect_close(weft_loop *loop);

/** The loop that is this source; NULL: it is something else. */
weft_loop *weft__inspect_loop(struct weft__source *source);

#endif

/* SPDX-License-Identifier: MIT */
/* Calling a user's weft_make_fn. */
#ifndef WEFT_CORE_MAKER_H
#define WEFT_CORE_MAKER_H

#include <weft/map.h>

#include "core/context.h"

struct weft__maker {
    weft_make_fn *make;    /* [const] */
    void *arg;             /* [const] */
    weft_context *context; /* [const] owned; as it was when the operation was started */
};

static inline struct weft__maker weft__maker(weft_make_fn *make, void *arg)
{
    return (struct weft__maker){make, arg, weft_context_current()};
}

/** A reference to a future of this loop, never NULL. */
weft_future *weft__make(struct weft__maker *maker, size_t index, const char *function);

#endif

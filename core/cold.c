/* SPDX-License-Identifier: MIT */
/* The cold part of a future; see core/cold.h. */
#include "core/cold.h"

#include "core/group.h"
#include "core/memory.h"

struct weft__cold *weft__cold_make(weft_future *future)
{
    struct weft__cold *cold = weft__cold(future);
    if (cold)
        return cold;
    cold = weft__calloc(1, sizeof(*cold));
    if (!cold)
        return NULL;
    cold->second = future->second;
    future->second.cold = cold;
    future->flags |= WEFT__HAS_COLD;
    return cold;
}

void weft__cold_free(weft_future *future)
{
    struct weft__cold *cold = weft__cold(future);
    if (!cold)
        return;
    weft__free(cold->message);
    weft__free(cold->name);
    weft__free(cold->origin.copy);
    weft__errors_unref(cold->errors);
    weft__free(cold);
}

void weft__cold_set_message(weft_future *future, char *message)
{
    struct weft__cold *cold = message ? weft__cold_make(future) : weft__cold(future);
    if (!cold) {
        weft__free(message);
        return;
    }
    weft__free(cold->message);
    cold->message = message;
}

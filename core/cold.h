/* SPDX-License-Identifier: MIT */
/*
 * The cold part of a future: what few of them have, in a block of its own, allocated when the first
 * of it comes up.
 *
 * It takes the place of the future's second word, which moves in here, so that a future without one
 * pays nothing for it. Without memory for it texts are lost, never a status or a value. It lasts
 * until the future is freed, whatever it completes with.
 *
 * Its memory is not the loop's: a job that outlives its loop frees it on a worker.
 */
#ifndef WEFT_CORE_COLD_H
#define WEFT_CORE_COLD_H

#include "core/cancel.h"
#include "core/future.h"

/** All [loop]. */
struct weft__cold {
    union weft__second second;  /* the future's */
    struct weft__block *blocks; /* coroutines: the open ones, innermost first; see core/block.h */
    weft_value outcome;         /* coroutines: the value or message of an outcome that waits, see
                           core/outcome.c; and its destructor */
    weft_destructor *outcome_destructor;
    char *message; /* owned; PENDING: reason of a cancel; DONE: message of the failure */
    char *name;    /* coroutines: owned, as it was set; NULL: the coroutine's own */
    struct weft__origin origin; /* of the latest request, of the failure if it is one */
    struct weft_errors *errors; /* a reference, or NULL: the failures behind a WEFT_EGROUP; of a
                                   coroutine, from when that is its outcome */
};

/** The cold part, or NULL. */
static inline struct weft__cold *weft__cold(const weft_future *future)
{
    return future->flags & WEFT__HAS_COLD ? future->second.cold : NULL;
}

/** Where the second word of a future is. */
static inline union weft__second *weft__second(weft_future *future)
{
    return future->flags & WEFT__HAS_COLD ? &future->second.cold->second : &future->second;
}

/** Has it a value that nobody took? */
static inline bool weft__has_value(const weft_future *future)
{
    return future->status >= 0 &&
           (future->flags & (WEFT__COMPLETED | WEFT__TAKEN)) == WEFT__COMPLETED;
}

/** The destructor of a future's value; NULL: none, or it has no value, or that was taken. */
static inline weft_destructor *weft__destructor(const weft_future *future)
{
    if (!weft__has_value(future))
        return NULL;
    const struct weft__cold *cold = weft__cold(future);
    return cold ? cold->second.destructor : future->second.destructor;
}

/** Has it succeeded with a value that all may read, and nothing else that one would have to see to? */
static inline bool weft__is_plain(const weft_future *future)
{
    return (future->flags & (WEFT__COMPLETED | WEFT__TAKEN | WEFT__HAS_COLD)) == WEFT__COMPLETED &&
           future->status >= 0 && !future->second.destructor;
}

/** weft__observe() for whoever goes on with it, not only passes it on: what it grants is his
 * (core/grant.h). */
static inline int weft__look(weft_future *future)
{
    int status = weft__observe(future);
    if (weft__destructor(future))
        weft__accept_value(future);
    return status;
}

/** The cold part, made if there is none; NULL: out of memory. */
struct weft__cold *weft__cold_make(weft_future *future);

/** Free the cold part of a future that is freed now. */
void weft__cold_free(weft_future *future);

/** Replace the message; takes over `message` (from weft__malloc(), may be NULL). */
void weft__cold_set_message(weft_future *future, char *message);

#endif

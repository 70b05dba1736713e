/* SPDX-License-Identifier: MIT */
/*
 * Blocks of a coroutine's body that may ask for its cancel: a limit of time, a clean-up, a scope's
 * body. A block asks the coroutine in which it was entered to stop, and takes the request back when
 * it is left; then it knows whether somebody else asked as well.
 *
 *     OPEN --weft__block_ask()--> ASKED --weft__block_leave()--> gone
 *     OPEN ----------------------------weft__block_leave()--> gone
 *
 * The open blocks of a coroutine are a chain, innermost first. Embed one; the whole is allocated with
 * weft__malloc(). All fields are [loop].
 */
#ifndef WEFT_CORE_BLOCK_H
#define WEFT_CORE_BLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <weft/time.h>

#include "core/cold.h"
#include "core/task.h"

struct weft__block;

struct weft__block_ops {
    const char *open; /* what a report says of one that nobody left; NULL: that is no misuse */
    bool shields;     /* requests from outside of the block do not interrupt it */
    /* Its deadline has passed: at most once for each that is set. */
    void (*expire)(struct weft__block *block);
    /* The body has ended, and the coroutine is about to: a reference to what it must wait for first,
     * and end as (see weft__settle()); NULL: nothing. Called again after that. May be NULL. */
    weft_future *(*hold)(struct weft__block *block, const struct weft__outcome *outcome);
    /* The coroutine ended and the block was left for it: free the whole. */
    void (*free)(struct weft__block *block);
};

typedef struct weft__block {
    struct weft__block *outer;         /* the next one in the chain */
    const struct weft__block_ops *ops; /* [const] */
    weft__coro *coro;                  /* [const] whose body it is in; outlives the block */
    weft_future *timer;                /* the call at the deadline, a reference; NULL: none */
    weft_ns deadline;                  /* WEFT_FOREVER: none */
    uint32_t requests;                 /* what the coroutine had when it was entered, and what it
                                          kept since for the end of a shield around the block */
    bool asked;                        /* the request below stands */
    bool asked_task;                   /* it was counted on the coroutine's task, too */
    bool alone;                        /* when it was made, no other waited for the next await */
} weft__block;

/** The open blocks of a coroutine, innermost first; NULL: none. */
static inline weft__block *weft__blocks(const weft__coro *coro)
{
    const struct weft__cold *cold = weft__cold(&coro->future);
    return cold ? cold->blocks : NULL;
}

/** The coroutine that runs now, in which a block can be entered; NULL: none. */
weft__coro *weft__block_place(void);

/** Enter a block in the running coroutine. 0 or -ENOMEM. */
int weft__block_enter(weft__block *block, weft__coro *coro, const struct weft__block_ops *ops);

/**
 * ops->expire at `deadline`, in place of the one that was set; at the next tick when that is past.
 * 0, or -ENOMEM or -ESHUTDOWN: then the one that was set stays.
 */
int weft__block_set_deadline(weft__block *block, weft_ns deadline);

/** Ask the coroutine to stop. Once at most. */
void weft__block_ask(weft__block *block, const char *reason);

/** Ask again what somebody else asked for, and what this block's coroutine got no answer to: at its
 * next await, or its caller's. */
void weft__block_ask_again(weft__block *block);

/** No request but its own was made since it was entered. */
bool weft__block_is_alone(const weft__block *block);

/** Take the request back, and stay. */
void weft__block_settle(weft__block *block);

/** There is no deadline any more. */
void weft__block_disarm(weft__block *block);

/**
 * Leave it, whatever the order: disarm, take the request back, take it out of the chain. True if no
 * request but its own was made since it was entered: then a -ECANCELED is the block's. The memory
 * stays the caller's.
 */
bool weft__block_leave(weft__block *block);

/** A request came to a coroutine that is shielded: it waits for the end of that. */
void weft__blocks_keep(weft__coro *coro);

/** The coroutine is about to end: what it must wait for first, a reference; NULL: nothing. */
weft_future *weft__blocks_hold(weft__coro *coro, const struct weft__outcome *outcome);

/** The coroutine has ended: leave and free what it left open, and report it unless `silent`. */
void weft__blocks_end(weft__coro *coro, bool silent);

/**
 * The earliest deadline to come that the blocks of a task set; WEFT_FOREVER: none. Those of its calls
 * count as far as the task waits for them, or when they run now; those around a shield do not.
 */
weft_ns weft__task_deadline(const weft_future *task);

#endif

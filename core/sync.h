/* SPDX-License-Identifier: MIT */
/*
 * What locks, events, conditions, semaphores, barriers, queues and channels have in common: an
 * object of a loop, and the line of those who wait for it.
 *
 * One who waits is a turn, an operation of its own:
 *
 *     WAITING --weft__turn_call()--> CALLED --its item runs, at the next tick--> DONE
 *        \__ cancel --> DONE           \__ cancelled: its item passes on what it was called for --> DONE
 *
 * A turn is in a line (WAITING), or its item is queued (CALLED). The item runs where a task of
 * asyncio would be woken to look again: in its place in the ready queue, before those who wait for
 * the future, who then run right behind it (weft__continue_at_once()). So the order is asyncio's,
 * while what is granted cannot be taken by somebody who comes in between. One whom nothing can come
 * between (an event is set) is completed without being called.
 *
 * Everything here is [loop].
 */
#ifndef WEFT_CORE_SYNC_H
#define WEFT_CORE_SYNC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/future.h"
#include "core/grant.h"
#include "core/ready.h"
#include "core/thread.h"

/** Who waits, first come first; linked both ways. */
typedef struct weft__line {
    struct weft__turn *first, *last;
} weft__line;

struct weft__sync;

struct weft__sync_ops {
    const char *name; /* of the object: "lock" */
    /* Grants only: nobody wanted it; pass it on. */
    void (*give_back)(struct weft__sync *sync);
    /* Grants only: it was accepted. May be NULL. */
    void (*accept)(struct weft__sync *sync);
    /* The object is freed (WEFT_ECLOSED), or its loop ends: fail those who wait. May be NULL: then
     * those in sync->line are failed. */
    void (*end)(struct weft__sync *sync, int status);
    /* The last reference is gone. May be NULL: then the memory is freed. */
    void (*free)(struct weft__sync *sync);
};

/** First member of each such object. */
struct weft__sync {
    const struct weft__sync_ops *ops; /* [const] */
    uint32_t loop_id;                 /* [const] */
    unsigned generation;           /* [const] but in a new child: in which process it may be used */
    struct weft__sync *next, **at; /* in loop->syncs, until closed */
    unsigned refs; /* the user's, one for each turn, one for each grant that nobody looked at */
    int closed;    /* 0, or why nobody can wait any more */
    weft__line line;
};

/** Somebody who waits. */
typedef struct weft__turn {
    weft_future future;      /* first; the turn keeps one reference until its end */
    weft__item item;         /* queued when it is called */
    struct weft__sync *sync; /* [const] a reference */
    weft__line *line;        /* where it waits; NULL: it was called, or it is over */
    struct weft__turn *prev, *next;
    uint64_t owner;    /* who will hold the lock; else free for use */
    bool is_cancelled; /* after it was called */
} weft__turn;

/* ---- The object ---- */

/** `size` zeroed bytes that begin with a weft__sync of this thread's loop; NULL and errno: ENOMEM,
 * EINVAL (no loop), ESHUTDOWN. */
void *weft__sync_new(const struct weft__sync_ops *ops, size_t size);

/** The user's reference goes: who waits fails with WEFT_ECLOSED. NULL is nothing. */
#define WEFT__SYNC_FREE(object) weft__sync_free((object), __func__)
void weft__sync_free(void *object, const char *function);

void weft__sync_unref(struct weft__sync *sync);

/** Fail all who wait; from now on nobody can. Nothing if that was done. */
void weft__sync_close(struct weft__sync *sync, int status);

/** True in a forked child in which its loop does not go on. For calls from any thread, before they
 * take a lock: a thread that is not here may hold it. */
static inline bool weft__sync_is_inherited(const struct weft__sync *sync)
{
    return sync->generation != weft__generation;
}

/** The loop goes on in a forked child. */
void weft__syncs_after_fork(weft_loop *loop);

/** The loop ends: close them all. */
void weft__syncs_end(weft_loop *loop);

/** 0: the object, given by a pointer to its first member, can be used here. Else -EINVAL (NULL),
 * WEFT_ENOLOOP, WEFT_ETHREAD, WEFT_EFORK or -ESHUTDOWN. */
#define WEFT__SYNC_CHECK(object) weft__sync_check((object), __func__)
int weft__sync_check(const void *object, const char *function);

/** A failed future for what that returned, or another refusal. */
#define WEFT__SYNC_REFUSE(status) weft__sync_refuse((status), __func__)
weft_future *weft__sync_refuse(int status, const char *function);

/** Who holds what is taken now: the number of the running task; 0 outside of tasks. */
uint64_t weft__sync_owner(void);

/* ---- Waiting ---- */

/**
 * A new turn at the end of sync->line; `run` is called when it is its turn, and ends with
 * weft__turn_end(). NULL: out of memory. `ops` has weft__turn_dispose() and a cancel of its own, or
 * weft__turn_cancel().
 */
weft__turn *weft__turn_new(struct weft__sync *sync, const struct weft__future_ops *ops,
                           void (*run)(weft__item *item), size_t size);

/** The same without a line. */
weft__turn *weft__turn_alloc(struct weft__sync *sync, const struct weft__future_ops *ops,
                             void (*run)(weft__item *item), size_t size);

void weft__line_add(weft__line *line, weft__turn *turn);
void weft__line_remove(weft__turn *turn);

/** Out of its line, if it is in one; its item runs at the next tick. */
void weft__turn_call(weft__turn *turn);

/** Out of its line: complete at once, and end. */
void weft__turn_complete(weft__turn *turn, weft_value value);
void weft__turn_fail(weft__turn *turn, int status);

/** Fail all in a line. */
void weft__line_fail(weft__line *line, int status);

/** For `run`: complete, those who wait run at once; then end. */
void weft__turn_succeed(weft__turn *turn, weft_value value, weft_destructor *destructor);
void weft__turn_give_up(weft__turn *turn, int status);
void weft__turn_end(weft__turn *turn);

/** ops->cancel: leave the line; one that was called is marked, and its `run` sees to it. */
bool weft__turn_cancel(weft_future *future);

/** ops->dispose. */
void weft__turn_dispose(weft_future *future);

/* ---- Seen from outside: core/inspect/eye.h ---- */

/** Say at which object a turn waits. False: there is no more to say. A copy of the turn is in `copy`. */
bool weft__explain_turn(struct weft__eye *eye, const weft_future *at, struct weft__waiting *ret,
                        weft__turn *copy);

/** ops->explain of a turn that there is no more to say of. */
void weft__explain_wait(struct weft__eye *eye, const weft_future *at, struct weft__waiting *ret);

/* ---- Granting ---- */

/** A done future with a grant, or one without any value; NULL: out of memory. */
weft_future *weft__granted(struct weft__sync *sync, const struct weft__future_ops *ops);
weft_future *weft__succeeded(const struct weft__future_ops *ops, weft_value value);

/** A `run`: the turn gets a grant, or fails if the object is closed; one that was cancelled gives it
 * back. */
void weft__turn_run_grant(weft__item *item);

#endif

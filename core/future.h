/* SPDX-License-Identifier: MIT */
/*
 * Futures from the inside: the object, who waits for it, and how operations are built on it.
 *
 * An operation embeds a weft_future as its first member, keeps one reference for itself until it
 * completes, and gives one to the caller.
 *
 *     PENDING --weft__complete()--> DONE          the only transition; it happens once
 *
 * While PENDING, `waiters` lists who waits; on completion the whole list moves to the ready queue
 * in one step, in order. The first one's `prev` is the last one.
 *
 * The object is 40 bytes, since there may be millions: what few futures have, a message say, is in a
 * block of its own (core/cold.h).
 */
#ifndef WEFT_CORE_FUTURE_H
#define WEFT_CORE_FUTURE_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <weft/context.h>
#include <weft/error.h>
#include <weft/future.h>
#include <weft/loop.h>

#include "core/ready.h"
#include "core/timer.h"

enum weft__future_flags {
    WEFT__OBSERVED = 1,  /* somebody looked at how it ended */
    WEFT__TAKEN = 2,     /* its value, which has a destructor, was taken */
    WEFT__PERMANENT = 4, /* never freed: the futures for "no memory" and "no loop" */
    WEFT__NEXT_TICK =
        8, /* completes at the next tick by an item that is queued: waiters are queued behind it */
    WEFT__CANCEL_ASKED = 16, /* for operations that complete later than they are cancelled */
    WEFT__COMPLETED = 32,    /* DONE; without it: PENDING */
    WEFT__HAS_COLD = 64,     /* the second word is in the cold part, and a pointer to that here */
    WEFT__IN_SLAB = 256,     /* its memory is a block of a slab */
    WEFT__SHIFTED = 128,     /* it begins WEFT__SHIFT bytes into its block of memory */
    WEFT__OF_HANDLER = 512, /* the error handler started it: its report does not go to that again */
    WEFT__UNDELIVERED =
        1024,                /* done; a request to cancel it was kept, and never came to be heard */
    WEFT__PLAIN_CALL = 2048, /* a call that has ended with a plain value (core/cold.h) */
    WEFT__ALL_FLAGS = 4095   /* the bits there are */
};

enum { WEFT__SHIFT = 8 };

#define WEFT__MAX_REQUESTS ((1u << 20) - 1)

struct weft__eye;
struct weft__waiting;

/** What kind of operation a future belongs to; defined by WEFT__OPS(). */
struct weft__future_ops {
    const char *name; /* for reports and dumps: "sleep" */
    /*
     * A cancel was asked for while PENDING. True: the request is delivered, now or later, as this
     * future's -ECANCELED (or it was passed on to what this operation waits for). False: the
     * operation cannot be stopped; who awaits it keeps the request.
     */
    bool (*cancel)(weft_future *future);
    /* The last reference is gone; the future is DONE. Release what the operation holds; the caller
     * frees the memory. May be NULL. */
    void (*dispose)(weft_future *future);
    /* The last reference is gone; it succeeded, and nobody looked or took the value. May take it, by
     * weft__take(), to give it to somebody else. May be NULL. */
    void (*unclaimed)(weft_future *future);
    /* The memory is not weft's: it is given back instead of being freed, as the last thing that happens.
     * May be NULL. */
    void (*give_back)(weft_future *future);
    /* The name and the place ("file:line") of this very operation, for reports. May be NULL: then it
     * is named `name`, and has no place. */
    void (*describe)(const weft_future *future, const char **ret_name, const char **ret_place);
    /* The context of this very operation, for reports; borrowed. May be NULL: then it is that in
     * which the report is made. */
    weft_context *(*context)(const weft_future *future);
    /*
     * What the operation at this address waits for, while PENDING: see core/inspect/eye.h. May be called
     * on another thread, and for what has gone; everything is read by the eye. NULL: there is nothing to
     * say but the name.
     */
    void (*explain)(struct weft__eye *eye, const weft_future *at, struct weft__waiting *ret);
};

/** Make these operations known to who looks at futures from outside. */
#define WEFT__KNOW_OPS(name)                                       \
    static const struct weft__future_ops *const weft__known_##name \
        __attribute__((used, section("weft_ops"))) = &(name)

/** Define the operations of a kind of future: WEFT__OPS(name) = {…}; */
#define WEFT__OPS(name)                        \
    static const struct weft__future_ops name; \
    WEFT__KNOW_OPS(name);                      \
    static const struct weft__future_ops name

/** Somebody who waits: queued in the future's list, then in the ready queue. Owns a reference to
 * the future from weft__wait() on. */
typedef struct weft__waiter {
    union {
        weft__item item; /* item.next is the link in either list */
        struct {
            weft__item link;           /* the same */
            struct weft__waiter *prev; /* in the future's list; of the first one: the last one */
        };
        weft__timer timer; /* a coroutine that sleeps, see core/sleep.c */
    };
    weft_future *future; /* [loop] what is waited for; NULL: nothing */
} weft__waiter;

struct weft__cold;

union weft__second {
    weft_destructor *destructor; /* when DONE with success: of the value */
    uintptr_t taker;             /* when DONE with success, and TAKEN: by whom; 0: not known */
    weft_future **at;            /* when DONE with a failure nobody looked at: see `next` */
    struct weft__cold *cold;     /* with WEFT__HAS_COLD, in any state */
};

/**
 * All fields are [loop]. A future is touched on its loop's thread only, so its loop is weft__loop;
 * weft__is_foreign() tells one that came from elsewhere.
 */
struct weft_future {
    const struct weft__future_ops *ops; /* [const] */
    uint32_t refs;
    int32_t status;   /* when DONE */
    uint32_t loop_id; /* [const] of the loop it belongs to; 0: of any */
    union {
        struct {
            uint32_t flags : 12;
            uint32_t requests : 20; /* tasks: how many cancels were asked for and not taken back; no
                                       more than fit */
        };
        uint32_t word; /* both */
    };
    union {
        weft__waiter *waiters; /* while PENDING: the first one */
        weft_value value;      /* when DONE with success */
        weft_future *next;     /* when DONE with a failure nobody looked at: in loop->unseen */
    } first;
    union weft__second second; /* by way of weft__second() */
};

/**
 * A future with a timer. Every timer but the deadlines of a shutdown and the sleeps of coroutines
 * sits in one of these, right behind its future, so that a closing loop can cancel what still waits
 * for a time.
 */
struct weft__timed {
    weft_future future;
    weft__timer timer;
};

/** Drop the last reference, or one of a PERMANENT future. */
void weft__drop_last(weft_future *future);

/** weft__drop_last() of one that is weft__is_plain() (core/cold.h), and was looked at. */
void weft__drop_plain(weft_future *future);

/** weft_unref() of one that is this thread's. */
static inline void weft__unref(weft_future *future)
{
    if (future->refs > 1 && !(future->flags & WEFT__PERMANENT))
        future->refs--;
    else
        weft__drop_last(future);
}

/** Initialize a pending future of the current loop with `refs` references. */
void weft__future_init(weft_future *future, weft_loop *loop, const struct weft__future_ops *ops,
                       uint32_t refs);

/**
 * Allocate `size` zeroed bytes that begin with a pending future; NULL: out of memory. They are
 * aligned for pointers, not for max_align_t.
 */
void *weft__future_alloc(weft_loop *loop, const struct weft__future_ops *ops, size_t size,
                         uint32_t refs);

/**
 * The failed futures that need no memory: each loop has one for "out of memory", each thread one
 * for "no loop here". They are PERMANENT: handed out any number of times, reported when one of the
 * holders drops it unobserved.
 */
weft_future *weft__future_enomem(weft_loop *loop);
weft_future *weft__future_enoloop(void);
weft_future *weft__future_elsewhere(void); /* see core/thread.h */

/** weft__future_room() where slabs have none. */
void *weft__future_shifted(size_t size, uint32_t *ret_flags);

/** Give back the memory of a future that came to nothing, from weft__future_alloc(); no one else has
 * heard of it. NULL is nothing. */
void weft__future_free(weft_future *future);

/** Allocate a PERMANENT future that has failed; NULL: out of memory. It is freed by
 * weft__future_free(). */
weft_future *weft__future_permanent(weft_loop *loop, int status);

static inline bool weft__is_pending(const weft_future *future)
{
    return !(future->flags & WEFT__COMPLETED);
}

/** Did it fail, and nobody looked? What is stuck was reported by the shutdown, which names the task. */
static inline bool weft__failed_unseen(const weft_future *future)
{
    return future->status < 0 && !weft__is_pending(future) && future->status != -ECANCELED &&
           future->status != WEFT_ESTUCK && !(future->flags & WEFT__OBSERVED);
}

static inline void weft__clear_flag(weft_future *future, enum weft__future_flags flag)
{
    future->flags &= ~(uint32_t)flag & WEFT__ALL_FLAGS;
}

/** Complete with success. Takes over the value. */
void weft__complete(weft_future *future, weft_value value, weft_destructor *destructor);

/** Complete with a failure; takes over `message` (from weft__malloc(), may be NULL: then the reason
 * of a cancel stays, if any). */
void weft__complete_failed(weft_future *future, int status, char *message);

/** Complete with what a blocking function returned; takes over the result. */
void weft__complete_result(weft_future *future, weft_result result);

/** Complete as `source` (done) did: takes its value (-EALREADY when somebody else took it), copies
 * its message. */
void weft__complete_as(weft_future *future, weft_future *source);

/** Fail with `status`, for the reason for which `source` (done) did: copies its message, and takes over
 * the failures behind it, and who asked for a cancel. */
void weft__fail_as(weft_future *future, int status, const weft_future *source);

/**
 * Those who wait for a PENDING future run right behind the item that runs now, not at the next tick.
 * Only for an item that completes the future then: one that was queued in the place of those who
 * wait, to see at the last moment what there is for them.
 */
void weft__continue_at_once(weft_future *future);

/** The reason (copied; NULL: none) of the latest request to cancel a PENDING future. */
void weft__set_reason(weft_future *future, const char *reason);

/** Ask for a cancel as if by weft_cancel(), but return what ops->cancel says. The future must be
 * PENDING. */
bool weft__request_cancel(weft_future *future, const char *reason);

/**
 * Wait for `future`, taking over a reference; waiter->item.run is called at the tick after it is
 * done. A waiter whose future is done already is queued at once.
 */
void weft__wait(weft__waiter *waiter, weft_future *future);

/** What a queued item of weft_then() calls; 0: it is none. */
uintptr_t weft__then_function(const weft__item *item);

/** Take a waiter out of the list of a PENDING future; it keeps its reference. */
void weft__detach(weft__waiter *waiter);

/** Stop waiting for a PENDING future and drop the reference. */
void weft__unwait(weft__waiter *waiter);

/** True while the waiter is in the list of a future that is not done; false once it is queued to
 * run. */
static inline bool weft__is_waiting(const weft__waiter *waiter)
{
    return waiter->future && weft__is_pending(waiter->future) &&
           !(waiter->future->flags & WEFT__NEXT_TICK);
}

/** Drop a reference that a failing call consumes; one of another loop stays where it is, since only
 * that loop's thread may touch it. */
void weft__drop(weft_future *future);

/** Drop a future that cannot be waited for, and return the one that says why. */
weft_future *weft__refuse(weft_future *future, weft_future *error);

/** A failure that nobody looked at is not in the loop's list of these any more. */
void weft__unlist_unseen(weft_future *future);

/** Status of a done future, marking it observed. */
static inline int weft__observe(weft_future *future)
{
    if (weft__failed_unseen(future) && !(future->flags & WEFT__PERMANENT))
        weft__unlist_unseen(future);
    future->flags |= WEFT__OBSERVED;
    return future->status;
}

/** What weft__look() does besides for a value that has a destructor. */
void weft__accept_value(weft_future *future);

/** weft_future_take() of a done future that succeeded, with the destructor. */
int weft__take(weft_future *future, weft_value *ret, weft_destructor **ret_destructor);

/** The same for a taker who may come again, and then borrows the value: the destructor is NULL. */
int weft__take_for(weft_future *future, uintptr_t taker, weft_value *ret,
                   weft_destructor **ret_destructor);

/** Show the futures of weft_future_new() that are pending. */
void weft__list_plain(weft_loop *loop, void (*fn)(weft_loop *loop, weft_future *future));

/** The loop ends: cancel the futures of weft_future_new() that nobody will complete any more. */
void weft__cancel_plain(weft_loop *loop);

/** What the error handler is told of a future: the operation's name, or a task's name and place. */
void weft__report_future(weft_future *future, const char *what);

/** The loop ends: report the failures of futures that somebody still holds, and never looked at. */
void weft__report_unseen(weft_loop *loop);

#endif

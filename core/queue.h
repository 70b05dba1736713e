/* SPDX-License-Identifier: MIT */
/* Queues from the inside. See core/queue.c. */
#ifndef WEFT_CORE_QUEUE_H
#define WEFT_CORE_QUEUE_H

#include <errno.h>
#include <stdbool.h>
#include <weft/queue.h>

#include "core/mailbox.h"
#include "core/mutex.h"
#include "core/store.h"
#include "core/sync.h"

struct weft__party;

/** Who waits for the same, first come first. */
struct weft__parties {
    struct weft__party *first, *last;
};

/** One who waits: a task's turn, or a thread that is blocked (then it is on that thread's stack). All
 * fields are [mu] of the queue. */
struct weft__party {
    struct weft__party *prev, *next;
    struct weft__parties *line; /* NULL: in none */
    pthread_cond_t *cond;       /* [const] of a blocked thread; NULL: a task's */
    int status;                 /* of a thread: -EINPROGRESS until it is served */
    bool is_promised;           /* a task's: a value, or room for one, is kept for it */
    struct weft__stored item;   /* what it puts, or got */
};

/** A task that waits. */
struct weft__queue_turn {
    weft__turn turn; /* first; [loop] */
    struct weft__party party;
};

enum weft__queue_state {
    WEFT__QUEUE_OPEN,
    WEFT__QUEUE_DRAINING, /* no more puts */
    WEFT__QUEUE_SHUT      /* nor anything left */
};

struct weft_queue {
    struct weft__sync sync;      /* first; [loop] one reference until its end, one for each turn */
    struct weft__mutex mu;       /* of all that says nothing else */
    size_t bound;                /* [const] */
    enum weft_queue_order order; /* [const] */
    weft_priority_fn *priority;  /* [const] NULL: the value itself */
    unsigned users;              /* references that the user has */
    unsigned refs;               /* sync's, the user's (one for all), one while posted */
    weft__mailbox *mailbox;      /* a reference; NULL: nothing is left on the loop */
    enum weft__queue_state state;
    struct weft__store store;
    size_t promised_items; /* of those stored, to tasks that were called */
    size_t promised_room;
    size_t unfinished; /* values put, and not dealt with */
    struct weft__parties getters, putters, joiners;
    struct weft__parties called; /* tasks to be told */
    bool posted;                 /* `wake` is in the mailbox, or about to be put into it */
    weft__item wake;             /* owned by the mailbox while posted */
};

void weft__party_add(struct weft__parties *line, struct weft__party *party);
void weft__party_remove(struct weft__party *party);

static inline void weft__queue_enter(weft_queue *queue) WEFT_ACQUIRE(queue->mu)
{
    weft__mutex_lock(&queue->mu);
}

/** Serve everybody who can be served now, unlock, and see that the tasks among them are told. */
void weft__queue_leave(weft_queue *queue) WEFT_RELEASE(queue->mu);

/** 0: a call that is for any thread may go on. */
static inline int weft__queue_check(const weft_queue *queue)
{
    if (!queue)
        return -EINVAL;
    return weft__sync_is_inherited(&queue->sync) ? WEFT_EFORK : 0;
}

/** True on the thread of its loop. */
static inline bool weft__queue_is_here(const weft_queue *queue)
{
    return queue->sync.loop_id == weft__loop_id;
}

/** There is a value that was promised to nobody. */
static inline bool weft__queue_has_item(const weft_queue *queue) WEFT_REQUIRES(queue->mu)
{
    return queue->store.count > queue->promised_items;
}

/** There is room that was promised to nobody. */
static inline bool weft__queue_has_room(const weft_queue *queue) WEFT_REQUIRES(queue->mu)
{
    return queue->bound - queue->promised_room > queue->store.count &&
           queue->bound > queue->promised_room;
}

/** There is one for who asks now and need not wait in line. A task may overtake another that was
 * called, as in asyncio: that one looks again, and joins the line at its end. A thread may not. */
static inline bool weft__queue_may_get(const weft_queue *queue) WEFT_REQUIRES(queue->mu)
{
    return weft__queue_is_here(queue) ? queue->store.count > 0 : weft__queue_has_item(queue);
}

static inline bool weft__queue_may_put(const weft_queue *queue) WEFT_REQUIRES(queue->mu)
{
    return weft__queue_is_here(queue) ? queue->store.count < queue->bound
                                      : weft__queue_has_room(queue);
}

/** 0, WEFT_ECLOSED or -ENOMEM; there must be room. */
int weft__queue_store(weft_queue *queue, struct weft__stored item) WEFT_REQUIRES(queue->mu);

/** Take the next value; there must be one. */
struct weft__stored weft__queue_take(weft_queue *queue) WEFT_REQUIRES(queue->mu);

/** A value of the user's with its priority; calls user code. */
struct weft__stored weft__queue_item(const weft_queue *queue, weft_value value,
                                     weft_destructor *destructor);

/** 0, or with what those fail who find nothing: WEFT_ECLOSED. */
int weft__queue_refusal(const weft_queue *queue) WEFT_REQUIRES(queue->mu);

/** `count` values are dealt with, at most as many as there are: those who join are called when these
 * were the last. */
void weft__queue_finish(weft_queue *queue, size_t count) WEFT_REQUIRES(queue->mu);

/** Give up a reference to the memory. */
void weft__queue_release(weft_queue *queue);
#endif

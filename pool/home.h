/* SPDX-License-Identifier: MIT */
/* The way home: results of jobs from workers to their loop, by rings. See pool/home.c. */
#ifndef WEFT_POOL_HOME_H
#define WEFT_POOL_HOME_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <weft/pool.h>
#include <weft/value.h>

#include "core/mailbox.h"
#include "core/ready.h"

struct weft__job;
struct weft__returns;
struct weft__worker;

/** Of one loop at a time; it lasts as long as the pool. */
struct weft__home {
    weft_pool *pool;                  /* [const] */
    _Atomic(weft__mailbox *) mailbox; /* [atomic] the loop's, a reference; NULL: no loop has it */
    struct weft__returns *returns;    /* [const] one for each worker */
    struct weft__returns *
        *senders;      /* [const] those that are counted, in the order of their first job */
    atomic_uint count; /* [atomic] of `senders`, written with the lock: they never go */
    char apart[64];
    atomic_bool arrived; /* [atomic] something came from a late sender since the loop looked */
    char apart_too[64];
    atomic_uint looked; /* [atomic] somebody looks at jobs that run: see pool/running.c */
    char apart_again[64];
};

/** What a worker has to send home. */
struct weft__return {
    struct weft__job *job;
    struct weft__home *home; /* NULL: none */
    weft__mailbox *mailbox;  /* of the job's loop */
    bool
        by_value; /* the result is this, without a destructor and a message; else it is the job's */
    int32_t status;
    weft_value value;
};

/** How large is the room that it needs, which is aligned to a line of the cache. */
size_t weft__home_size(const weft_pool *pool);

/** `home` and the room are zeroed. */
void weft__home_init(struct weft__home *home, weft_pool *pool, void *room);

/** A loop takes it, and gives it up: then it gets what has come since it last looked, as
 * weft__home_collect(). Nothing comes after that, and to leave once more is nothing. Thread: loop; no lock held. */
void weft__home_enter(struct weft__home *home, weft__mailbox *mailbox);
void weft__home_leave(struct weft__home *home, weft__ready *into);

/** In a forked child: the loop has no way home in this pool any more. Thread: loop; there is no other. */
void weft__home_forget(struct weft__home *home);

/** Send a job home; it may be freed by now when this returns. Thread: worker; no lock held. */
void weft__home_send(struct weft__worker *self, const struct weft__return *what);

/** Somebody looks at jobs that run, or has done with that. The pool's lock is held. */
void weft__home_look_locked(struct weft__home *home, bool looks);

/** Has something come? A sequentially consistent look. Thread: loop. */
bool weft__home_has_mail(struct weft__home *home);

/** Append the items of the jobs that have come. Thread: loop. */
void weft__home_collect(struct weft__home *home, weft__ready *into);

/** Nobody knows the pool any more. */
void weft__home_destroy(struct weft__home *home);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The mailbox: where other threads meet the loop. core/mailbox.c holds the argument that no wakeup
 * is lost.
 *
 * The loop's round, as far as the mailbox is concerned:
 *
 *     block = nothing is ready && weft__mailbox_may_sleep(mailbox);
 *     poll(weft__mailbox_fd(mailbox) and others, block);    readable: weft__mailbox_woken(mailbox)
 *     weft__mailbox_awake(mailbox);
 *     run what weft__mailbox_take(mailbox) returns;
 *
 * The order awake, then take, matters: what is put after the take finds the loop awake and writes
 * nothing, and the next weft__mailbox_may_sleep() sees it.
 */
#ifndef WEFT_CORE_MAILBOX_H
#define WEFT_CORE_MAILBOX_H

#include <stdbool.h>
#include <sys/types.h>

#include "core/memory.h"
#include "core/ready.h"

typedef struct weft__mailbox weft__mailbox;

/** A mailbox with one reference; NULL and errno on failure. Thread: any. */
weft__mailbox *weft__mailbox_new(void);

/**
 * References: the loop holds one, and everybody who may put something later (a job that
 * outlives its loop, say). The descriptors are closed with the last one. Thread: any.
 */
weft__mailbox *weft__mailbox_ref(weft__mailbox *mailbox);
void weft__mailbox_unref(weft__mailbox *mailbox);

/** Memory that lasts as long as anybody holds a reference. Thread: loop. */
struct weft__blocks *weft__mailbox_kept(weft__mailbox *mailbox);

/**
 * Put an item; its `run` will be called on the loop's thread. The items of one thread keep their
 * order. False: the loop is gone; the item is the caller's again.
 *
 * Lock-free, leaves errno alone, and may be called by a signal handler (which owns its item, and
 * puts it again only after it was run). When it returns true the item may have been run and freed
 * already. Thread: any.
 */
bool weft__mailbox_put(weft__mailbox *mailbox, weft__item *item);

/**
 * For what came another way than by a put: wake the loop if it sleeps. The caller has published it,
 * by a sequentially consistent store, where the loop looks before it sleeps (core/part.c).
 *
 * Lock-free, leaves errno alone. Thread: any.
 */
void weft__mailbox_nudge(weft__mailbox *mailbox);

/** True in a forked child that has not opened it anew: nothing can be put. */
bool weft__mailbox_is_inherited(const weft__mailbox *mailbox);

/** In a forked child: take descriptors that are not the parent's. What was put before the fork is
 * kept. 0 or an error. Thread: loop; there is no other. */
int weft__mailbox_reopen(weft__mailbox *mailbox);

/* ---- The loop's side; Thread: loop ---- */

/** The descriptor that becomes readable when the loop sleeps and something was put. */
int weft__mailbox_fd(const weft__mailbox *mailbox);

/** True if this kernel reports each write to the descriptor by an edge of epoll. Thread: any. */
bool weft__mailbox_can_use_edges(void);

/** How the loop is told: by edges (EPOLLET), or by level, as at first. Before others know the mailbox,
 * and behind weft__mailbox_reopen(). */
void weft__mailbox_use_edges(weft__mailbox *mailbox, bool use);

/** The descriptor is readable, or its edge was reported: consume the byte. */
void weft__mailbox_woken(weft__mailbox *mailbox);

/** Nothing was put since the last take, or it is closed. */
bool weft__mailbox_is_empty(weft__mailbox *mailbox);

/** About to sleep. False: there is something in it, do not sleep. */
bool weft__mailbox_may_sleep(weft__mailbox *mailbox);

/** Not asleep any more. */
void weft__mailbox_awake(weft__mailbox *mailbox);

/** Take all that was put, oldest first, as a chain linked by `next`; *ret_last is its end. NULL:
 * nothing. */
weft__item *weft__mailbox_take(weft__mailbox *mailbox, weft__item **ret_last);

/** True once it was closed. Thread: any. */
bool weft__mailbox_is_closed(const weft__mailbox *mailbox);

/** The loop ends: from now on weft__mailbox_put() refuses. Returns what was put before, as
 * weft__mailbox_take(). */
weft__item *weft__mailbox_close(weft__mailbox *mailbox, weft__item **ret_last);

#endif

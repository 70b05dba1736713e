/* SPDX-License-Identifier: MIT */
/*
 * Signals from the inside: the table of handlers, which is the process's, and what core/ builds on
 * it. core/signal_table.c holds the argument why the handler is safe; core/signal.c is
 * <weft/signal.h>.
 */
#ifndef WEFT_CORE_SIGNAL_H
#define WEFT_CORE_SIGNAL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <weft/loop.h>

#include "core/mailbox.h"
#include "core/ready.h"

/**
 * Who hears of a signal: `heard` is called on the loop's thread, in a tick, with how often it came.
 * Embedded by its owner, zeroed; lives until `heard` was called with 0, see weft__signal_ignore().
 */
typedef struct weft__hearer {
    weft__item item;
    _Atomic(struct weft__hearer *) next; /* [atomic] in the table; written under its lock */
    weft__mailbox *mailbox;              /* [const] of the loop */
    atomic_uint_fast64_t arrived;        /* [atomic] counted by the handler, taken by the loop */
    atomic_bool noted;                   /* [atomic] the item is on its way to the loop */
    bool ended;                          /* [loop] */
    void (*heard)(struct weft__hearer *hearer, uint64_t count); /* [const] */
    int signum;                                                 /* [const] */
} weft__hearer;

/**
 * Hear a signal from now on. `signum`, `mailbox` and `heard` are set. 0, or -EINVAL: a signal that
 * nobody can handle, or that does not exist. Thread: loop.
 */
int weft__signal_hear(weft__hearer *hearer);

/**
 * Hear it no more. Returns with nobody looking at the hearer, but perhaps with its item under way:
 * then false, and `heard` is called with 0 when that has come. True: the memory is the owner's
 * again. What has come and was not told is dropped. Thread: loop.
 */
bool weft__signal_ignore(weft__hearer *hearer);

/**
 * What the first signal is for that comes while nobody hears it: the item is put into the mailbox,
 * once. The second one ends that: what was there before comes back, and gets it.
 */
typedef struct weft__fallback {
    weft__item item;
    weft__mailbox *mailbox; /* [const] */
} weft__fallback;

/**
 * Be the fallback. False: the signal has not its default meaning, or somebody is it already.
 * Thread: loop.
 */
bool weft__signal_fall_back(int signum, weft__fallback *fallback);

/** Be it no more; on return nobody looks at it. Its item may be in the mailbox. Thread: loop. */
void weft__signal_end_fallback(int signum, const weft__fallback *fallback);

/** Has somebody a weft_signal of this loop? Thread: loop. */
bool weft__signals_are_heard(weft_loop *loop);

/** True if the signal has its default meaning, but for what weft does with it. Thread: any. */
bool weft__signal_is_default(int signum);

/** In a forked child that goes on with the loop of this mailbox: whoever heard there hears here. */
void weft__signal_after_fork(const weft__mailbox *mailbox);

#endif

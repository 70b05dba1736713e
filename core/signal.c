/* SPDX-License-Identifier: MIT */
/*
 * Listeners: a count of what has come, and at most one future that waits for it.
 *
 *     OPEN --weft_signal_close()--> CLOSED: who waits fails with WEFT_ECLOSED
 *     OPEN --the loop ends--------> CLOSED: who waits is cancelled; only the memory is left
 *
 * References: the owner's, the hearer's until its last item has run, and one of each future, which
 * gives the count back to the listener if nobody looked at it.
 */
#include <assert.h>
#include <errno.h>
#include <weft/signal.h>

#include "core/cold.h"
#include "core/future.h"
#include "core/grant.h"
#include "core/inspect/eye.h"
#include "core/link.h"
#include "core/loop.h"
#include "core/memory.h"
#include "core/signal.h"

struct next_op;

/* All [loop] but for the hearer's own. */
struct weft_signal {
    weft__hearer hearer; /* first */
    weft__link link;     /* in the part, until the owner's reference is gone */
    uint32_t loop_id;    /* [const] */
    size_t refs;
    bool closed;
    uint64_t count;     /* came and was not told */
    struct next_op *op; /* who waits, or NULL */
};

struct next_op {
    weft_future future;  /* first */
    weft_signal *signal; /* a reference */
};

struct signal_part {
    struct weft__part part; /* first */
    bool settled;
    weft__link *signals;
};

static weft_signal *signal_of(weft__link *link)
{
    return WEFT__CONTAINER(link, weft_signal, link);
}

static void unref(weft_signal *signal)
{
    if (--signal->refs == 0)
        weft__free(signal);
}

/* ---- Telling ---- */

static struct next_op *take_op(weft_signal *signal)
{
    struct next_op *op = signal->op;
    signal->op = NULL;
    return op;
}

static void tell(weft_signal *signal)
{
    if (!signal->op || !signal->count)
        return;
    struct next_op *op = take_op(signal);
    weft__complete(&op->future, weft_value_u64(signal->count), weft__tell_again);
    signal->count = 0;
    weft_unref(&op->future);
}

static void heard(weft__hearer *hearer, uint64_t count)
{
    weft_signal *signal = WEFT__CONTAINER(hearer, weft_signal, hearer);
    signal->count += count;
    if (count)
        tell(signal);
    else
        unref(signal);
}

static void fail(weft_signal *signal, int status)
{
    struct next_op *op = take_op(signal);
    if (!op)
        return;
    weft__complete_failed(&op->future, status, NULL);
    weft_unref(&op->future);
}

static bool cancel(weft_future *future)
{
    fail(WEFT__CONTAINER(future, struct next_op, future)->signal, -ECANCELED);
    return true;
}

void weft__tell_again(void *count)
{
    (void)count;
}

/* A signal of which nobody took notice has not been told. */
static void dispose(weft_future *future)
{
    weft_signal *signal = WEFT__CONTAINER(future, struct next_op, future)->signal;
    if (weft__destructor(future) == weft__tell_again) {
        signal->count += (uint64_t)future->first.value.i64;
        tell(signal);
    }
    unref(signal);
}

static void explain(struct weft__eye *eye, const weft_future *at, struct weft__waiting *ret)
{
    struct next_op next;
    weft_signal signal;
    if (!weft__eye_see(eye, &next, at, sizeof(next)) ||
        !weft__eye_see(eye, &signal, next.signal, sizeof(signal)))
        return;
    ret->needs = WEFT__NEEDS_WORLD;
    weft__waiting_number(ret, "signal", (uint64_t)signal.hearer.signum);
}

WEFT__OPS(next_ops) = {.name = "signal", .cancel = cancel, .dispose = dispose, .explain = explain};

/* ---- The end ---- */

/* The caller holds a reference. */
static void end(weft_signal *signal, int status)
{
    if (signal->closed)
        return;
    signal->closed = true;
    if (weft__signal_ignore(&signal->hearer))
        unref(signal);
    fail(signal, status);
}

static void settle(struct weft__part *part)
{
    struct signal_part *own = (struct signal_part *)(void *)part;
    own->settled = true;
    for (weft__link *link = own->signals, *next; link; link = next) {
        next = link->next;
        end(signal_of(link), -ECANCELED);
    }
}

static void drop(weft_signal *signal)
{
    weft__link_remove(&signal->link);
    unref(signal);
}

static void release(struct weft__part *part)
{
    struct signal_part *own = (struct signal_part *)(void *)part;
    while (own->signals)
        drop(signal_of(own->signals));
    weft__free(own);
}

static const struct weft__part_ops part_ops = {.name = "signal", .settle = settle, .free = release};

bool weft__signals_are_heard(weft_loop *loop)
{
    struct signal_part *part = (struct signal_part *)(void *)weft__loop_part(loop, &part_ops);
    return part && part->signals;
}

static struct signal_part *get_part(weft_loop *loop)
{
    struct signal_part *part = (struct signal_part *)(void *)weft__loop_part(loop, &part_ops);
    if (part || !(part = weft__calloc(1, sizeof(*part))))
        return part;
    part->part.ops = &part_ops;
    weft__loop_add_part(loop, &part->part);
    return part;
}

/* ---- The public side ---- */

static weft_signal *refused(int error)
{
    errno = error;
    return NULL;
}

weft_signal *weft_signal_open(int signum)
{
    weft_loop *loop = weft__here();
    if (!loop)
        return refused(EINVAL);
    if (loop->phase == WEFT__CLOSED)
        return refused(ESHUTDOWN);
    struct signal_part *part = get_part(loop);
    if (part && part->settled)
        return refused(ESHUTDOWN);
    weft_signal *signal = part ? weft__calloc(1, sizeof(*signal)) : NULL;
    if (!signal)
        return refused(ENOMEM);
    signal->refs = 2;
    signal->loop_id = loop->id;
    signal->hearer.signum = signum;
    signal->hearer.mailbox = loop->mailbox;
    signal->hearer.heard = heard;
    int status = weft__signal_hear(&signal->hearer);
    if (status < 0) {
        weft__free(signal);
        return refused(-status);
    }
    weft__link_add(&part->signals, &signal->link);
    return signal;
}

weft_future *weft_signal_next(weft_signal *signal)
{
    weft_loop *loop = weft__here();
    if (signal && WEFT__ELSEWHERE(signal->loop_id))
        return weft__future_elsewhere();
    if (!loop)
        return weft__future_enoloop();
    if (!signal)
        return weft_future_failed(-EINVAL, "no listener");
    if (signal->closed)
        return weft_future_failed(-ESHUTDOWN, NULL);
    if (signal->op)
        return weft_future_failed(-EBUSY, "another one waits on this listener");
    struct next_op *op = weft__future_alloc(loop, &next_ops, sizeof(*op), 2);
    if (!op)
        return weft__future_enomem(loop);
    op->signal = signal;
    signal->refs++;
    signal->op = op;
    tell(signal);
    return &op->future;
}

void weft_signal_close(weft_signal *signal)
{
    if (!signal || WEFT__ELSEWHERE(signal->loop_id))
        return;
    end(signal, WEFT_ECLOSED);
    drop(signal);
}

/* SPDX-License-Identifier: MIT */
/*
 * Broadcast: a ring of the last values, and receivers that each have a place in it.
 *
 * Values are numbered from 0. The channel keeps first … next − 1; a receiver is at `next` of its own,
 * and looks at `current`. A value is an entry with a count: one for the ring, one for each receiver
 * that looks at it, so that what a receiver has borrowed lasts while the ring goes on.
 *
 * A receiver that waits has seen all; its turn is in the channel's line, and is completed by the send
 * itself. Destructors run when everything else has been done.
 */
#include <weft/broadcast.h>

#include <errno.h>

#include "core/inspect/eye.h"
#include "core/loop.h"
#include "core/memory.h"
#include "core/sync.h"

struct entry {
    size_t refs;
    weft_value value;
    weft_destructor *destructor;
    struct entry *next_doomed;
};

/* All [loop]. */
struct weft_broadcast {
    struct weft__sync sync; /* first; the line is of receivers' turns */
    bool is_closed;
    uint64_t first, next;
    size_t capacity;      /* [const] */
    struct entry *ring[]; /* number n is at n % capacity */
};

/* All [loop]. */
struct weft_receiver {
    struct weft__sync sync;    /* first */
    weft_broadcast *broadcast; /* [const] a reference */
    weft__turn *waiting;       /* NULL: it does not */
    struct entry *current;     /* a reference; NULL: none */
    uint64_t next, missed;
};

static weft_receiver *receiver_of(const weft__turn *turn)
{
    return WEFT__CONTAINER(turn->sync, weft_receiver, sync);
}

/* One reference less; the last one puts it among the doomed, to be destroyed when all is in order. */
static void release(struct entry *entry, struct entry **doomed)
{
    if (!entry || --entry->refs > 0)
        return;
    entry->next_doomed = *doomed;
    *doomed = entry;
}

static void destroy(struct entry *doomed)
{
    while (doomed) {
        struct entry *entry = doomed;
        doomed = entry->next_doomed;
        if (entry->destructor)
            entry->destructor(entry->value.ptr);
        weft__free(entry);
    }
}

/* ---- The channel ---- */

static void free_broadcast(struct weft__sync *sync)
{
    weft_broadcast *broadcast = WEFT__CONTAINER(sync, weft_broadcast, sync);
    struct entry *doomed = NULL;
    for (; broadcast->first < broadcast->next; broadcast->first++)
        release(broadcast->ring[broadcast->first % broadcast->capacity], &doomed);
    weft__free(broadcast);
    destroy(doomed);
}

static void fail_waiting(weft_broadcast *broadcast, int status)
{
    weft__turn *turn;
    while ((turn = broadcast->sync.line.first)) {
        receiver_of(turn)->waiting = NULL;
        weft__turn_fail(turn, status);
    }
}

static void end_broadcast(struct weft__sync *sync, int status)
{
    fail_waiting(WEFT__CONTAINER(sync, weft_broadcast, sync), status);
}

static const struct weft__sync_ops broadcast_ops = {
    .name = "broadcast", .end = end_broadcast, .free = free_broadcast};

weft_broadcast *weft_broadcast_new(size_t capacity)
{
    if (capacity == 0 || capacity > (SIZE_MAX / 2) / sizeof(struct entry *)) {
        errno = capacity ? ENOMEM : EINVAL;
        return NULL;
    }
    size_t size = sizeof(weft_broadcast) + capacity * sizeof(struct entry *);
    weft_broadcast *broadcast = weft__sync_new(&broadcast_ops, size);
    if (broadcast)
        broadcast->capacity = capacity;
    return broadcast;
}

void weft_broadcast_free(weft_broadcast *broadcast)
{
    WEFT__SYNC_FREE(broadcast);
}

/* The receiver looks at it from now on, and no longer at the one before. */
static void look_at(weft_receiver *receiver, struct entry *entry, struct entry **doomed)
{
    entry->refs++;
    release(receiver->current, doomed);
    receiver->current = entry;
    receiver->next++;
}

static void deliver(weft__turn *turn, struct entry *entry, struct entry **doomed)
{
    weft_receiver *receiver = receiver_of(turn);
    receiver->waiting = NULL;
    turn->owner = receiver->next;
    look_at(receiver, entry, doomed);
    weft__turn_complete(turn, entry->value);
}

static void keep(weft_broadcast *broadcast, struct entry *entry, struct entry **doomed)
{
    struct entry **place = &broadcast->ring[broadcast->next % broadcast->capacity];
    if (broadcast->next - broadcast->first == broadcast->capacity) {
        release(*place, doomed);
        broadcast->first++;
    }
    *place = entry;
    broadcast->next++;
}

int weft_broadcast_send(weft_broadcast *broadcast, weft_value value, weft_destructor *destructor)
{
    int status = WEFT__SYNC_CHECK(broadcast);
    if (status == 0 && broadcast->is_closed)
        status = WEFT_ECLOSED;
    if (status < 0)
        return status;
    struct entry *entry = weft__malloc(sizeof(*entry)), *doomed = NULL;
    if (!entry)
        return -ENOMEM;
    *entry = (struct entry){.refs = 1, .value = value, .destructor = destructor};
    keep(broadcast, entry, &doomed);
    while (broadcast->sync.line.first)
        deliver(broadcast->sync.line.first, entry, &doomed);
    destroy(doomed);
    return 0;
}

int weft_broadcast_close(weft_broadcast *broadcast)
{
    int status = WEFT__SYNC_CHECK(broadcast);
    if (status < 0)
        return status;
    broadcast->is_closed = true;
    fail_waiting(broadcast, WEFT_EOF);
    return 0;
}

/* ---- Receivers ---- */

static void end_receiver(struct weft__sync *sync, int status)
{
    weft__turn *turn = WEFT__CONTAINER(sync, weft_receiver, sync)->waiting;
    if (!turn)
        return;
    receiver_of(turn)->waiting = NULL;
    weft__turn_fail(turn, status);
}

static void free_receiver(struct weft__sync *sync)
{
    weft_receiver *receiver = WEFT__CONTAINER(sync, weft_receiver, sync);
    struct entry *doomed = NULL;
    release(receiver->current, &doomed);
    weft__sync_unref(&receiver->broadcast->sync);
    weft__free(receiver);
    destroy(doomed);
}

static const struct weft__sync_ops receiver_ops = {
    .name = "receiver", .end = end_receiver, .free = free_receiver};

weft_receiver *weft_receiver_new(weft_broadcast *broadcast)
{
    int status = WEFT__SYNC_CHECK(broadcast);
    if (status < 0) {
        errno = status == -ESHUTDOWN ? ESHUTDOWN : EINVAL;
        return NULL;
    }
    weft_receiver *receiver = weft__sync_new(&receiver_ops, sizeof(*receiver));
    if (!receiver)
        return NULL;
    receiver->broadcast = broadcast;
    receiver->next = broadcast->next;
    broadcast->sync.refs++;
    return receiver;
}

void weft_receiver_free(weft_receiver *receiver)
{
    WEFT__SYNC_FREE(receiver);
}

uint64_t weft_receiver_missed(const weft_receiver *receiver)
{
    return WEFT__ELSEWHERE(receiver->sync.loop_id) ? 0 : receiver->missed;
}

static bool cancel(weft_future *future)
{
    weft__turn *turn = WEFT__CONTAINER(future, weft__turn, future);
    receiver_of(turn)->waiting = NULL;
    weft__turn_fail(turn, -ECANCELED);
    return true;
}

/* Nobody has seen it: the receiver goes back to it. */
static void unclaimed(weft_future *future)
{
    weft__turn *turn = WEFT__CONTAINER(future, weft__turn, future);
    weft_receiver *receiver = receiver_of(turn);
    if (receiver->next == turn->owner + 1)
        receiver->next = turn->owner;
}

static void explain(struct weft__eye *eye, const weft_future *at, struct weft__waiting *ret)
{
    weft__turn turn;
    weft_receiver receiver;
    if (!weft__explain_turn(eye, at, ret, &turn) ||
        !weft__eye_see(eye, &receiver, turn.sync, sizeof(receiver)))
        return;
    ret->resource = receiver.broadcast;
    weft__waiting_number(ret, "received", receiver.next);
}

WEFT__OPS(next_ops) = {.name = "broadcast",
                       .cancel = cancel,
                       .dispose = weft__turn_dispose,
                       .unclaimed = unclaimed,
                       .explain = explain};

/* It was too slow for some. */
static weft_future *tell_missed(weft_receiver *receiver)
{
    uint64_t count = receiver->broadcast->first - receiver->next;
    receiver->next = receiver->broadcast->first;
    receiver->missed += count;
    return weft_future_failed(-EOVERFLOW, "%llu missed", (unsigned long long)count);
}

/* 0: it can have a value, or wait for one. */
static int check(const weft_receiver *receiver)
{
    const weft_broadcast *broadcast = receiver->broadcast;
    if (broadcast->sync.closed)
        return broadcast->sync.closed;
    if (receiver->waiting)
        return -EBUSY;
    return broadcast->is_closed && receiver->next == broadcast->next ? WEFT_EOF : 0;
}

static weft_future *take_next(weft_receiver *receiver, weft__turn *turn)
{
    weft_broadcast *broadcast = receiver->broadcast;
    struct entry *doomed = NULL;
    if (receiver->next == broadcast->next) {
        receiver->waiting = turn;
        weft__line_add(&broadcast->sync.line, turn);
        return &turn->future;
    }
    struct entry *entry = broadcast->ring[receiver->next % broadcast->capacity];
    turn->owner = receiver->next;
    look_at(receiver, entry, &doomed);
    weft__complete(&turn->future, entry->value, NULL);
    weft__turn_end(turn);
    destroy(doomed);
    return &turn->future;
}

weft_future *weft_receiver_next(weft_receiver *receiver)
{
    int status = WEFT__SYNC_CHECK(receiver);
    if (status == 0)
        status = check(receiver);
    if (status < 0)
        return WEFT__SYNC_REFUSE(status);
    if (receiver->next < receiver->broadcast->first)
        return tell_missed(receiver);
    weft__turn *turn = weft__turn_alloc(&receiver->sync, &next_ops, NULL, sizeof(*turn));
    return turn ? take_next(receiver, turn) : weft__future_enomem(weft__loop);
}

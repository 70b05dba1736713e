/* SPDX-License-Identifier: MIT */
/*
 * Queue: values between tasks of one loop, and any threads.
 *
 * One lock, queue->mu, holds what is stored and who waits. Tasks and threads wait in the same lines,
 * so that all are served in the order in which they came; core/queue_task.c and core/queue_block.c are
 * the two sides. weft__queue_leave() is the only way out of the lock: it serves until no one can be
 * served any more.
 *
 *     a thread is served   its value is stored, or handed to it, under the lock; its own condition
 *                          variable is signalled
 *     a task is served     what it waits for is promised to it: a value that stays in the store, or
 *                          room. Then it is told; its turn takes the value, or puts it, in its place in
 *                          the ready queue (as in asyncio; see core/sync.h). A task that is cancelled
 *                          before that gives its promise back.
 *
 * Invariant, outside of the lock: a getter waits only while every value stored is promised, a putter
 * only while all room is. No thread takes what is promised. A task of the loop that runs before the
 * turn may, as in asyncio: the turn finds nothing then, and waits again.
 *
 * No wakeup is lost. A thread looks and joins the line under the lock, and waits by giving up the
 * lock; so whoever changes something has either been seen, or sees it in the line. A task that is
 * served by its own loop's thread is told at once. One that is served by another thread goes to
 * `called`, and the queue's one item into the mailbox, unless `posted` says that it is there. `posted`
 * is set under the lock by the thread which then puts the item, and cleared under the lock by the
 * item's run, which takes all of `called` in the same breath: so while something is in `called` and
 * the lock is free, a run of the item is still to come that will see it. That the loop then wakes is
 * the mailbox's promise.
 *
 * Lock order: mu is taken last. Under it nothing is called but the allocator and pthread_cond_signal();
 * priorities are asked for before, destructors run after it, and the mailbox is used after it, for
 * which it has a reference.
 *
 * The end. When the user's last reference goes, or the loop ends, end() fails whoever waits and
 * destroys what is stored; on the loop's thread, so another thread that drops the last reference posts
 * the item. Blocked threads hold a reference each, so only the loop's end can meet them.
 *
 * Failure modes: full, empty, shut down; no memory for a turn or for the store (a put fails; what was
 * waiting in line needs none: it waited because the store had its full size).
 */
#include "core/queue.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "core/loop.h"
#include "core/memory.h"

enum { DEFAULT_BOUND = 1024 };

/* ---- Parties ---- */

void weft__party_add(struct weft__parties *line, struct weft__party *party)
{
    party->line = line;
    party->next = NULL;
    party->prev = line->last;
    if (line->last)
        line->last->next = party;
    else
        line->first = party;
    line->last = party;
}

void weft__party_remove(struct weft__party *party)
{
    struct weft__parties *line = party->line;
    assert(line);
    if (party->prev)
        party->prev->next = party->next;
    else
        line->first = party->next;
    if (party->next)
        party->next->prev = party->prev;
    else
        line->last = party->prev;
    party->line = NULL;
}

/* A line of their own for all that are in it: they are in none, but linked by `next`. */
static struct weft__party *take_all(struct weft__parties *line)
{
    struct weft__party *first = line->first;
    for (struct weft__party *party = first; party; party = party->next)
        party->line = NULL;
    *line = (struct weft__parties){NULL, NULL};
    return first;
}

static weft__turn *turn_of(struct weft__party *party)
{
    return &WEFT__CONTAINER(party, struct weft__queue_turn, party)->turn;
}

static void wake_thread(struct weft__party *party, int status)
{
    party->status = status;
    pthread_cond_signal(party->cond);
}

/* ---- Serving ---- */

/* A task is told that there may be something for it. */
static void call(weft_queue *queue, struct weft__party *party, size_t *promised)
    WEFT_REQUIRES(queue->mu)
{
    weft__party_remove(party);
    weft__party_add(&queue->called, party);
    party->is_promised = true;
    ++*promised;
}

/* Each value that the loop's thread puts or takes calls one who waits for that, promises or not: as in
 * asyncio, so that who was overtaken finds himself at the same place in the line. */
static void call_one(weft_queue *queue, struct weft__parties *line, size_t *promised)
    WEFT_REQUIRES(queue->mu)
{
    if (weft__queue_is_here(queue) && line->first && !line->first->cond)
        call(queue, line->first, promised);
}

int weft__queue_store(weft_queue *queue, struct weft__stored item)
{
    if (queue->state != WEFT__QUEUE_OPEN)
        return WEFT_ECLOSED;
    int status = weft__store_put(&queue->store, item);
    if (status < 0)
        return status;
    queue->unfinished++;
    call_one(queue, &queue->getters, &queue->promised_items);
    return 0;
}

struct weft__stored weft__queue_take(weft_queue *queue)
{
    struct weft__stored item = weft__store_take(&queue->store);
    call_one(queue, &queue->putters, &queue->promised_room);
    return item;
}

static bool serve_putter(weft_queue *queue) WEFT_REQUIRES(queue->mu)
{
    struct weft__party *party = queue->putters.first;
    if (!party || !weft__queue_has_room(queue))
        return false;
    if (!party->cond) {
        call(queue, party, &queue->promised_room);
        return true;
    }
    weft__party_remove(party);
    wake_thread(party, weft__queue_store(queue, party->item));
    return true;
}

static bool serve_getter(weft_queue *queue) WEFT_REQUIRES(queue->mu)
{
    struct weft__party *party = queue->getters.first;
    if (!party || !weft__queue_has_item(queue))
        return false;
    if (!party->cond) {
        call(queue, party, &queue->promised_items);
        return true;
    }
    weft__party_remove(party);
    party->item = weft__queue_take(queue);
    wake_thread(party, 0);
    return true;
}

/* On the loop's thread, for those who were served there. */
static void call_turns(struct weft__party *party)
{
    while (party) {
        struct weft__party *next = party->next;
        weft__turn *turn = turn_of(party);
        weft__turn_call(turn);
        party = next;
    }
}

static void post(weft_queue *queue, weft__mailbox *mailbox)
{
    if (!weft__mailbox_put(mailbox, &queue->wake)) {
        /* The loop has ended: end() has told everybody. Or it may not be used yet in a forked child:
         * whoever comes after that tries again. */
        weft__mutex_lock(&queue->mu);
        queue->posted = false;
        weft__mutex_unlock(&queue->mu);
        weft__queue_release(queue);
    }
    weft__mailbox_unref(mailbox);
}

/* The mailbox to put `wake` into, with a reference for it and one for the queue; NULL: no need to. */
static weft__mailbox *want_wake(weft_queue *queue) WEFT_REQUIRES(queue->mu)
{
    if (queue->posted || !queue->mailbox)
        return NULL;
    queue->posted = true;
    queue->refs++;
    return weft__mailbox_ref(queue->mailbox);
}

void weft__queue_leave(weft_queue *queue)
{
    struct weft__party *called = NULL;
    weft__mailbox *mailbox = NULL;
    while (serve_putter(queue) || serve_getter(queue))
        ;
    if (weft__queue_is_here(queue))
        called = take_all(&queue->called);
    else if (queue->called.first)
        mailbox = want_wake(queue);
    weft__mutex_unlock(&queue->mu);
    call_turns(called);
    if (mailbox)
        post(queue, mailbox);
}

/* The item in the mailbox: other threads have served tasks, or dropped the last reference. */
static void wake(weft__item *item)
{
    weft_queue *queue = WEFT__CONTAINER(item, weft_queue, wake);
    weft__mutex_lock(&queue->mu);
    struct weft__party *party = take_all(&queue->called);
    bool is_over = queue->users == 0;
    queue->posted = false;
    weft__mutex_unlock(&queue->mu);
    while (party) {
        struct weft__party *next = party->next;
        weft__turn *turn = turn_of(party);
        turn->item.run(&turn->item);
        party = next;
    }
    if (is_over)
        weft__sync_close(&queue->sync, WEFT_ECLOSED);
    weft__queue_release(queue);
}

/* ---- The end ---- */

void weft__queue_release(weft_queue *queue)
{
    weft__mutex_lock(&queue->mu);
    bool is_last = --queue->refs == 0;
    weft__mutex_unlock(&queue->mu);
    if (!is_last)
        return;
    pthread_mutex_destroy(&queue->mu.mutex);
    weft__free(queue);
}

static void fail_threads(struct weft__parties *line)
{
    struct weft__party *party = line->first;
    while (party) {
        struct weft__party *next = party->next;
        if (party->cond) {
            weft__party_remove(party);
            wake_thread(party, WEFT_ECLOSED);
        }
        party = next;
    }
}

static void end_turns(struct weft__party *party, int status)
{
    while (party) {
        struct weft__party *next = party->next;
        weft__turn *turn = turn_of(party);
        weft__complete_failed(&turn->future, turn->is_cancelled ? -ECANCELED : status, NULL);
        weft__stored_destroy(&party->item);
        weft__turn_end(turn);
        party = next;
    }
}

static void end(struct weft__sync *sync, int status)
{
    weft_queue *queue = WEFT__CONTAINER(sync, weft_queue, sync);
    weft__mutex_lock(&queue->mu);
    struct weft__store left = queue->store;
    weft__mailbox *mailbox = queue->mailbox;
    queue->state = WEFT__QUEUE_SHUT;
    queue->store = (struct weft__store){.order = queue->order};
    queue->mailbox = NULL;
    fail_threads(&queue->getters);
    fail_threads(&queue->putters);
    struct weft__party *parties[] = {take_all(&queue->getters), take_all(&queue->putters),
                                     take_all(&queue->joiners), take_all(&queue->called)};
    weft__mutex_unlock(&queue->mu);
    for (size_t i = 0; i < sizeof(parties) / sizeof(parties[0]); i++)
        end_turns(parties[i], status);
    weft__store_fini(&left);
    weft__mailbox_unref(mailbox);
    weft__sync_unref(sync);
}

static void free_queue(struct weft__sync *sync)
{
    weft__queue_release(WEFT__CONTAINER(sync, weft_queue, sync));
}

/* ---- The object ---- */

static const struct weft__sync_ops queue_ops = {.name = "queue", .end = end, .free = free_queue};

static bool are_valid(const struct weft_queue_options *options)
{
    return (options->size == 0 || options->size == sizeof(*options)) &&
           (options->order == WEFT_QUEUE_FIFO || options->order == WEFT_QUEUE_LIFO ||
            options->order == WEFT_QUEUE_PRIORITY);
}

weft_queue *weft_queue_new(const struct weft_queue_options *options)
{
    static const struct weft_queue_options defaults;
    if (!options)
        options = &defaults;
    if (!are_valid(options)) {
        errno = EINVAL;
        return NULL;
    }
    weft_queue *queue = weft__sync_new(&queue_ops, sizeof(*queue));
    if (!queue)
        return NULL;
    pthread_mutex_init(&queue->mu.mutex, NULL);
    weft__mutex_lock(&queue->mu);
    queue->bound = options->bound ? options->bound : DEFAULT_BOUND;
    queue->priority = options->priority;
    queue->order = queue->store.order = options->order;
    queue->users = 1;
    queue->refs = 2;
    queue->mailbox = weft__mailbox_ref(weft__loop->mailbox);
    queue->wake.run = wake;
    weft__mutex_unlock(&queue->mu);
    return queue;
}

weft_queue *weft_queue_ref(weft_queue *queue)
{
    if (weft__sync_is_inherited(&queue->sync))
        return queue;
    weft__mutex_lock(&queue->mu);
    queue->users++;
    weft__mutex_unlock(&queue->mu);
    return queue;
}

void weft_queue_unref(weft_queue *queue)
{
    if (!queue || weft__sync_is_inherited(&queue->sync))
        return;
    weft__mutex_lock(&queue->mu);
    bool is_last = --queue->users == 0;
    weft__mailbox *mailbox = is_last && !weft__queue_is_here(queue) ? want_wake(queue) : NULL;
    weft__mutex_unlock(&queue->mu);
    if (mailbox)
        post(queue, mailbox);
    if (!is_last)
        return;
    if (weft__queue_is_here(queue))
        weft__sync_close(&queue->sync, WEFT_ECLOSED);
    weft__queue_release(queue);
}

/* ---- Any thread ---- */

struct weft__stored weft__queue_item(const weft_queue *queue, weft_value value,
                                     weft_destructor *destructor)
{
    int64_t priority = 0;
    if (queue->order == WEFT_QUEUE_PRIORITY)
        priority = queue->priority ? queue->priority(value) : value.i64;
    return (struct weft__stored){.value = value, .destructor = destructor, .priority = priority};
}

int weft__queue_refusal(const weft_queue *queue)
{
    return queue->state == WEFT__QUEUE_OPEN ? 0 : WEFT_ECLOSED;
}

int weft_queue_put_nowait(weft_queue *queue, weft_value value, weft_destructor *destructor)
{
    int status = weft__queue_check(queue);
    if (status < 0)
        return status;
    struct weft__stored item = weft__queue_item(queue, value, destructor);
    weft__queue_enter(queue);
    status = weft__queue_refusal(queue);
    if (status == 0)
        status = weft__queue_may_put(queue) ? weft__queue_store(queue, item) : -EAGAIN;
    weft__queue_leave(queue);
    return status;
}

int weft_queue_get_nowait(weft_queue *queue, weft_value *ret, weft_destructor **ret_destructor)
{
    int status = ret ? weft__queue_check(queue) : -EINVAL;
    if (status < 0)
        return status;
    weft__queue_enter(queue);
    bool has_item = weft__queue_may_get(queue);
    status = has_item ? 0 : weft__queue_refusal(queue);
    struct weft__stored item = {.destructor = NULL};
    if (has_item)
        item = weft__queue_take(queue);
    weft__queue_leave(queue);
    if (!has_item)
        return status < 0 ? status : -EAGAIN;
    *ret = item.value;
    if (ret_destructor)
        *ret_destructor = item.destructor;
    return 0;
}

void weft__queue_finish(weft_queue *queue, size_t count)
{
    queue->unfinished -= count < queue->unfinished ? count : queue->unfinished;
    while (queue->unfinished == 0 && queue->joiners.first) {
        struct weft__party *party = queue->joiners.first;
        weft__party_remove(party);
        weft__party_add(&queue->called, party);
    }
}

int weft_queue_task_done(weft_queue *queue)
{
    int status = weft__queue_check(queue);
    if (status < 0)
        return status;
    weft__queue_enter(queue);
    status = queue->unfinished ? 0 : -EINVAL;
    if (status == 0)
        weft__queue_finish(queue, 1);
    weft__queue_leave(queue);
    return status;
}

/* They look again, and find it shut down. */
static void call_all(weft_queue *queue, struct weft__parties *line) WEFT_REQUIRES(queue->mu)
{
    fail_threads(line);
    for (struct weft__party *party; (party = line->first);) {
        weft__party_remove(party);
        weft__party_add(&queue->called, party);
    }
}

int weft_queue_shutdown(weft_queue *queue, enum weft_queue_shutdown mode)
{
    bool is_mode = mode == WEFT_QUEUE_DRAIN || mode == WEFT_QUEUE_IMMEDIATE;
    int status = is_mode ? weft__queue_check(queue) : -EINVAL;
    if (status < 0)
        return status;
    weft__queue_enter(queue);
    struct weft__store left = {.order = queue->order};
    if (queue->state == WEFT__QUEUE_OPEN)
        queue->state = WEFT__QUEUE_DRAINING;
    if (mode == WEFT_QUEUE_IMMEDIATE) {
        left = queue->store;
        queue->state = WEFT__QUEUE_SHUT;
        queue->store = (struct weft__store){.order = queue->order};
        weft__queue_finish(queue, left.count);
    }
    call_all(queue, &queue->putters);
    call_all(queue, &queue->getters);
    weft__queue_leave(queue);
    weft__store_fini(&left);
    return 0;
}

size_t weft_queue_size(weft_queue *queue)
{
    if (weft__sync_is_inherited(&queue->sync))
        return 0;
    weft__mutex_lock(&queue->mu);
    size_t count = queue->store.count;
    weft__mutex_unlock(&queue->mu);
    return count;
}

bool weft_queue_is_empty(weft_queue *queue)
{
    return weft_queue_size(queue) == 0;
}

bool weft_queue_is_full(weft_queue *queue)
{
    return weft_queue_size(queue) >= queue->bound;
}

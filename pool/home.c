/* SPDX-License-Identifier: MIT */
/*
 * Home: results on their way from workers to the loop.
 *
 * Every worker has a queue of its own in the home of each loop for which it works: chunks of entries, which
 * it fills and the loop empties, and gives back. Two are there from the beginning, so that as a rule nothing
 * is allocated. So workers never contend with each other on that way, and a result without a
 * destructor travels by value.
 *
 * An entry says itself whether it is there: by its number in the queue, which is written last. The loop looks
 * at the next entry of each queue, so a result is one line of the cache that goes from the worker
 * to the loop, of half of them not even that. It knows in which queues to look: a worker
 * that sends something for the first time says so, with the lock (`senders`). To look into many costs more
 * than that; so all but the first SCANNED have one flag in common, `arrived`, and are looked at when it is set.
 *
 * No wakeup is lost, by the argument of core/mailbox.c, with weft__home_has_mail() for its look at the
 * queues. A late sender's needs one step more. All of these are sequentially consistent:
 *
 *     worker   W1  its number: publish the entry      loop   L1  arrived = false
 *              W2  arrived: read; if it is                   L2  senders and their entries: read, take
 *                  false, set it                                 what is there
 *
 * If L2 does not see the entry then W1 is after it, so W2 is after L1, and sets `arrived` again. Then
 * the worker nudges the mailbox. A sender, or a chunk, that L2 does not see was not there before W1
 * either: both are stored so before it.
 *
 * Order. What one worker sends comes in its order, and after what the job has put in the mailbox (core/part.c).
 * Of two workers' results either may come first, also of jobs that ran one after the other.
 *
 * A loop that goes. A worker says in `posting` that it is about to send something to this home, and
 * then looks whether it is its loop's still; the loop takes its mailbox out, and then waits until nobody is
 * posting to it. So one of them sees the other: the mailbox is there as long as a worker may nudge it, and
 * what is in the queues after that is all that will ever come. A job that ends later goes by the mailbox,
 * which refuses it (pool/job.c). Its mailbox lasts as long as it is out, hence no other loop's can be taken for it.
 *
 * tests/model/home.pml is this protocol for Spin, with that of pool/running.c; each of its mutants drops or
 * moves one of the lines.
 *
 * Failure modes: no memory for a chunk: the job goes by the mailbox, and may overtake others.
 */
#include "pool/home.h"

#include <sched.h>

#include "core/line.h"
#include "core/memory.h"
#include "pool/job.h"
#include "pool/pool.h"
#include "pool/worker.h"

/* AHEAD: a line. The loop's CPU, which reads one line after the other, fetches the next ones itself: what
 * is asked for too early is lost again. */
enum { LINE = 64, CHUNK = 64, SCANNED = 16, AHEAD = 2 };

/* Two in a line of the cache. */
struct entry {
    _Atomic uint64_t number; /* [atomic] in its queue, from 1: then the rest is there */
    struct weft__job *job;
    weft_value value;
    int32_t status;
    bool in_job; /* the result is there, not here */
};

struct chunk {
    _Atomic(struct chunk *) next; /* [atomic] in a queue or among the spares; NULL: none yet */
    void *block;                  /* [const] what was allocated; NULL: it is one of the first two */
    _Alignas(sizeof(struct entry)) struct entry entries[CHUNK];
};

/* Of a worker; not touched before its first job comes home. */
struct weft__returns {
    _Alignas(LINE) uint64_t sent;                  /* [worker] */
    struct chunk *last;                            /* [worker] */
    unsigned sender;                               /* [worker] its place among them, from 1 */
    _Alignas(LINE) _Atomic(struct chunk *) spares; /* [atomic] empty ones; the loop pushes, the
                                                      worker pops: acquire and release */
    struct chunk *first;                           /* [loop] */
    unsigned at;                                   /* [loop] the next entry in there */
    uint64_t taken;                                /* [loop] how many were */
    _Alignas(LINE) struct chunk own[2];
};

/* A chunk lasts until the pool goes, so a number never comes twice in it, but by accident of 2^64. */
_Static_assert(sizeof(struct entry) == LINE / 2, "an entry is half a line");
_Static_assert(offsetof(struct chunk, entries) % sizeof(struct entry) == 0, "and of one only");

size_t weft__home_size(const weft_pool *pool)
{
    return pool->places * (sizeof(struct weft__returns) + sizeof(struct weft__returns *));
}

void weft__home_look_locked(struct weft__home *home, bool looks)
{
    atomic_exchange(&home->looked, looks);
}

/* ---- The worker's side ---- */

static struct chunk *pop_spare(struct weft__returns *returns)
{
    struct chunk *chunk = atomic_load_explicit(&returns->spares, memory_order_acquire);
    while (chunk &&
           !atomic_compare_exchange_weak(&returns->spares, &chunk,
                                         atomic_load_explicit(&chunk->next, memory_order_relaxed)))
        ;
    return chunk;
}

/* NULL: out of memory. */
static struct chunk *new_chunk(void)
{
    char *block = weft__calloc(1, sizeof(struct chunk) + LINE);
    if (!block)
        return NULL;
    struct chunk *chunk = (void *)(block + (LINE - (uintptr_t)block % LINE) % LINE);
    chunk->block = block;
    return chunk;
}

/* Where the next entry goes; NULL: out of memory. */
static struct entry *next_entry(struct weft__returns *returns)
{
    if (returns->sent % CHUNK == 0 && returns->sent > 0) {
        struct chunk *chunk = pop_spare(returns);
        if (!chunk && !(chunk = new_chunk()))
            return NULL;
        atomic_store_explicit(&chunk->next, NULL, memory_order_relaxed);
        atomic_store(&returns->last->next, chunk);
        returns->last = chunk;
    }
    return &returns->last->entries[returns->sent % CHUNK];
}

static bool push(struct weft__returns *returns, const struct weft__return *what)
{
    struct entry *entry = next_entry(returns);
    if (!entry)
        return false;
    entry->job = what->job;
    entry->in_job = !what->by_value;
    entry->value = what->value;
    entry->status = what->status;
    atomic_store(&entry->number, ++returns->sent); /* W1 */
    weft__fetch_to_write(entry + AHEAD);           /* it is at the loop's CPU */
    return true;
}

static void become_sender(struct weft__home *home, struct weft__returns *returns)
{
    weft__mutex_lock(&home->pool->mu);
    unsigned count = atomic_load_explicit(&home->count, memory_order_relaxed);
    returns->first = returns->last = &returns->own[0];
    atomic_init(&returns->spares, &returns->own[1]);
    home->senders[count] = returns;
    atomic_store(&home->count, count + 1);
    returns->sender = count + 1;
    weft__mutex_unlock(&home->pool->mu);
}

static bool post(struct weft__worker *self, const struct weft__return *what)
{
    struct weft__home *home = what->home;
    if (!what->mailbox || atomic_load(&home->mailbox) != what->mailbox)
        return false;
    struct weft__returns *returns = &home->returns[self - self->pool->workers];
    if (!returns->sender)
        become_sender(home, returns);
    if (!push(returns, what))
        return false;
    if (returns->sender > SCANNED && !atomic_load(&home->arrived)) /* W2 */
        atomic_store(&home->arrived, true);
    weft__mailbox_nudge(what->mailbox);
    return true;
}

void weft__home_send(struct weft__worker *self, const struct weft__return *what)
{
    if (what->home) {
        atomic_store(&self->posting, what->home);
        bool posted = post(self, what);
        atomic_store_explicit(&self->posting, NULL, memory_order_release);
        if (posted)
            return;
    }
    weft__running_wait(self->pool);
    if (what->by_value) {
        what->job->ran = true;
        what->job->result = (weft_result){.status = what->status, .value = what->value};
    }
    weft__job_send(what->job);
}

/* ---- The loop's side ---- */

static struct weft__job *come_home(const struct entry *entry)
{
    struct weft__job *job = entry->job;
    if (!entry->in_job) {
        job->ran = true;
        job->result = (weft_result){.status = entry->status, .value = entry->value};
    }
    return job;
}

static void push_spare(struct weft__returns *returns, struct chunk *chunk)
{
    struct chunk *spare = atomic_load_explicit(&returns->spares, memory_order_relaxed);
    do
        atomic_store_explicit(&chunk->next, spare, memory_order_relaxed);
    while (!atomic_compare_exchange_weak(&returns->spares, &spare, chunk));
}

/* The loop has emptied the first one: is there another? */
static bool drop_first(struct weft__returns *returns)
{
    struct chunk *empty = returns->first, *next = atomic_load(&empty->next);
    if (!next)
        return false;
    returns->first = next;
    returns->at = 0;
    push_spare(returns, empty);
    return true;
}

/* The next one that has come; NULL: none has. */
static const struct entry *peek(struct weft__returns *returns)
{
    if (returns->at == CHUNK && !drop_first(returns))
        return NULL;
    const struct entry *entry = &returns->first->entries[returns->at];
    return atomic_load(&entry->number) == returns->taken + 1 ? entry : NULL;
}

/* It ends: the loop is faster than the worker, or all its jobs have come. */
static bool take(struct weft__returns *returns, weft__ready *into)
{
    const struct entry *entry;
    uint64_t before = returns->taken;
    for (; (entry = peek(returns)); returns->at++, returns->taken++)
        weft__ready_push(into, &come_home(entry)->item);
    return returns->taken != before;
}

static void take_all(struct weft__home *home, unsigned senders, weft__ready *into)
{
    bool any = false;
    for (unsigned i = 0; i < senders; i++)
        any = take(home->senders[i], into) || any;
    if (any)
        weft__running_is_over(home);
}

static unsigned scanned(unsigned count)
{
    return count < SCANNED ? count : SCANNED;
}

bool weft__home_has_mail(struct weft__home *home)
{
    unsigned count = atomic_load(&home->count);
    for (unsigned i = 0; i < scanned(count); i++)
        if (peek(home->senders[i]))
            return true;
    return count > SCANNED && atomic_load(&home->arrived);
}

void weft__home_collect(struct weft__home *home, weft__ready *into)
{
    bool all = atomic_load_explicit(&home->arrived, memory_order_relaxed);
    if (all)
        atomic_store(&home->arrived, false);            /* L1 */
    unsigned count = atomic_load(&home->count);         /* L2 */
    take_all(home, all ? count : scanned(count), into); /* L2 */
}

void weft__home_enter(struct weft__home *home, weft__mailbox *mailbox)
{
    atomic_store(&home->mailbox, weft__mailbox_ref(mailbox));
}

void weft__home_leave(struct weft__home *home, weft__ready *into)
{
    weft__mailbox *mailbox = atomic_exchange(&home->mailbox, NULL);
    if (!mailbox)
        return;
    for (unsigned i = 0; i < home->pool->places; i++)
        while (atomic_load(&home->pool->workers[i].posting) == home)
            sched_yield();
    take_all(home, atomic_load(&home->count), into);
    weft__mailbox_unref(mailbox);
}

void weft__home_forget(struct weft__home *home)
{
    weft__mailbox_unref(atomic_exchange(&home->mailbox, NULL));
}

void weft__home_init(struct weft__home *home, weft_pool *pool, void *room)
{
    home->pool = pool;
    home->returns = room;
    home->senders = (void *)(home->returns + pool->places);
}

static void free_chunks(struct chunk *first, const struct chunk *last)
{
    for (struct chunk *next; first; first = next) {
        next = first == last ? NULL : atomic_load(&first->next);
        weft__free(first->block);
    }
}

void weft__home_destroy(struct weft__home *home)
{
    for (unsigned i = 0; i < atomic_load(&home->count); i++) {
        const struct weft__returns *returns = home->senders[i];
        free_chunks(returns->first, returns->last);
        free_chunks(atomic_load(&returns->spares), NULL);
    }
}

/* SPDX-License-Identifier: MIT */
/*
 * Home: results on their way from workers to the loop.
 *
 * Every worker has a queue of its own in the home of each loop for which it works: chunks of entries, which
 * it fills and the loop empties, and gives back. Two are there from the beginning, so that as a rule nothing
 * is allocated. So workers never contend with each other on that way, a result without a
 * destructor travels by value, and the loop finds several of them in one line of the cache. Whether
 * anything has come at all is one flag for all of them, `arrived`.
 *
 * No wakeup is lost, by the argument of core/mailbox.c, with weft__home_has_mail() for its look. All
 * of these are sequentially consistent:
 *
 *     worker   W1  tail: publish the entry        loop   L1  arrived = false
 *              W2  arrived: read; if it is                L2  tails: read, take what is there
 *                  false, set it
 *
 * If L2 does not see the entry then W1 is after it, so W2 is after L1, and sets `arrived` again. Then
 * the worker nudges the mailbox.
 *
 * Order. What one worker sends comes in its order, and after what the job has put in the mailbox (core/part.c).
 *
 * A loop that goes. A worker says in `posting` that it is about to send something to this home, and
 * then looks whether it is its loop's still; the loop takes its mailbox out, and then waits until nobody is
 * posting to it. So one of them sees the other: the mailbox is there as long as a worker may nudge it, and
 * what is in the queues after that is all that will ever come. A job that ends later goes by the mailbox,
 * which refuses it (pool/job.c). Its mailbox lasts as long as it is out, hence no other loop's can be taken for it.
 *
 * Failure modes: no memory for a chunk: the job goes by the mailbox, and may overtake others.
 */
#include "pool/home.h"

#include <sched.h>

#include "core/memory.h"
#include "pool/job.h"
#include "pool/pool.h"

enum { LINE = 64, CHUNK = 62 };

struct entry {
    struct weft__job *job;
    weft_value value;
    int32_t status;
    bool in_job; /* the result is there, not here */
};

struct chunk {
    struct chunk *next; /* [worker] until `tail` has passed the end, then [loop] */
    struct entry entries[CHUNK];
};

struct weft__returns {
    _Alignas(LINE) _Atomic uint64_t tail;          /* [atomic] how many were sent */
    struct chunk *last;                            /* [worker] */
    _Alignas(LINE) _Atomic(struct chunk *) spares; /* [atomic] empty ones; the loop pushes, the
                                                      worker pops: acquire and release */
    struct chunk *first;                           /* [loop] */
    uint64_t head;                                 /* [loop] how many were taken */
    struct chunk own[2];
};

size_t weft__home_size(const weft_pool *pool)
{
    return pool->places * sizeof(struct weft__returns);
}

/* ---- The worker's side ---- */

static struct chunk *pop_spare(struct weft__returns *returns)
{
    struct chunk *chunk = atomic_load_explicit(&returns->spares, memory_order_acquire);
    while (chunk && !atomic_compare_exchange_weak(&returns->spares, &chunk, chunk->next))
        ;
    return chunk;
}

/* Where the next entry goes; NULL: out of memory. */
static struct entry *next_entry(struct weft__returns *returns, uint64_t tail)
{
    if (tail % CHUNK == 0 && tail > 0) {
        struct chunk *chunk = pop_spare(returns);
        if (!chunk && !(chunk = weft__malloc(sizeof(*chunk))))
            return NULL;
        returns->last->next = chunk;
        returns->last = chunk;
    }
    return &returns->last->entries[tail % CHUNK];
}

static bool push(struct weft__returns *returns, const struct weft__return *what)
{
    uint64_t tail = atomic_load_explicit(&returns->tail, memory_order_relaxed);
    struct entry *entry = next_entry(returns, tail);
    if (!entry)
        return false;
    entry->job = what->job;
    entry->in_job = !what->by_value;
    entry->value = what->result.value;
    entry->status = what->result.status;
    atomic_store(&returns->tail, tail + 1); /* W1 */
    return true;
}

static bool post(struct weft__worker *self, const struct weft__return *what)
{
    struct weft__home *home = what->home;
    if (!what->mailbox || atomic_load(&home->mailbox) != what->mailbox)
        return false;
    if (!push(&home->returns[self - self->pool->workers], what))
        return false;
    if (!atomic_load(&home->arrived)) /* W2 */
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
    if (what->by_value) {
        what->job->ran = true;
        what->job->result = what->result;
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
    chunk->next = atomic_load_explicit(&returns->spares, memory_order_relaxed);
    while (!atomic_compare_exchange_weak(&returns->spares, &chunk->next, chunk))
        ;
}

/* The loop has emptied the first one, and there is another. */
static void drop_first(struct weft__returns *returns)
{
    struct chunk *empty = returns->first;
    returns->first = empty->next;
    push_spare(returns, empty);
}

static void take(struct weft__returns *returns, weft__ready *into)
{
    uint64_t tail = atomic_load(&returns->tail); /* L2 */
    for (; returns->head != tail; returns->head++) {
        if (returns->head % CHUNK == 0 && returns->head > 0)
            drop_first(returns);
        weft__ready_push(into, &come_home(&returns->first->entries[returns->head % CHUNK])->item);
    }
}

static void take_all(struct weft__home *home, weft__ready *into)
{
    for (unsigned i = 0; i < home->pool->places; i++)
        take(&home->returns[i], into);
}

bool weft__home_has_mail(struct weft__home *home)
{
    return atomic_load(&home->arrived);
}

void weft__home_collect(struct weft__home *home, weft__ready *into)
{
    if (!atomic_load_explicit(&home->arrived, memory_order_relaxed))
        return;
    atomic_store(&home->arrived, false); /* L1 */
    take_all(home, into);
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
    take_all(home, into);
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
    for (unsigned i = 0; i < pool->places; i++) {
        struct weft__returns *returns = &home->returns[i];
        returns->first = returns->last = &returns->own[0];
        atomic_init(&returns->spares, &returns->own[1]);
    }
}

static void free_chunks(const struct weft__returns *returns, struct chunk *first,
                        const struct chunk *last)
{
    for (struct chunk *next; first; first = next) {
        next = first == last ? NULL : first->next;
        if (first != &returns->own[0] && first != &returns->own[1])
            weft__free(first);
    }
}

void weft__home_destroy(struct weft__home *home)
{
    for (unsigned i = 0; i < home->pool->places; i++) {
        struct weft__returns *returns = &home->returns[i];
        free_chunks(returns, returns->first, returns->last);
        free_chunks(returns, atomic_load(&returns->spares), NULL);
    }
}

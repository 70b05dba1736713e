/* SPDX-License-Identifier: MIT */
/*
 * Express: jobs on their way past the lock.
 *
 * The pool's lists under its lock (pool/lane.c, pool/schedule.c) are the truth, and do all that lanes
 * promise. Mostly nothing of that is needed: one lane has jobs, it has no limits, they have no keys. Then
 * the pool is open for that lane, `express.lane`: a loop puts its jobs in a ring of its own, a place, and
 * workers that run a job of the lane claim the next one there by a compare-and-swap.
 *
 *     CLOSED --a job comes, and no lane has anything to start--> OPEN for its lane
 *     OPEN --whatever is unusual--> CLOSED, and what was in rings is in the lane's line
 *
 * While it is open no lane has anything to start in its lists; the lane has nothing queued there at all.
 * Whatever is unusual closes first, under the lock, and goes on as if there were no rings: a job of
 * another lane or with a key, a full ring, a cancel of a job that is in a ring, a change of a lane, a round
 * (pool/each.c), a loop's or the pool's end. So no rule exists twice.
 *
 * A ring. `head`: what was claimed; `tail`: what workers may see; `staged`: what is in it. One loop writes
 * `tail` and `staged`, which differ within a tick: workers that are busy anyway are told of 32 jobs at
 * once. Who holds the lock sees `staged`, so a job that is kept back is neither lost nor late where
 * it matters. A slot is copied before the compare-and-swap that makes it the claimer's, and written anew
 * only when `head` has passed it.
 *
 * No job is lost. The loop and who closes (C, with the lock) do, sequentially consistent
 *
 *     P1  tail: publish the job              C1  lane = NULL
 *     P2  lane: read; if it is another,      C2  tail: read; take what is there
 *         lock, and recall what is there
 *
 * If C2 does not see the job then P1 is after it, so P2 is after C1: the loop sees it, and takes the job
 * out itself; or the pool was opened for the same lane again, and the job is where it belongs.
 *
 * What is kept back is published later, and may by then have been in a closed ring for a while. So the loop
 * catches up, with the lock, before it queues a newer job there; and so does who needs each single
 * job: a cancel, a lane that is changed or goes.
 *
 * None is run twice: each leaves the ring by one compare-and-swap of `head`.
 *
 * None is overtaken. Claims are in the order of the ring. A claimer sees the job at `head`, then that the
 * pool is open, and then swaps: had it been closed in between, the job would have been taken out, and
 * `head` be another. So no job that comes late into a ring is started before those that were taken out of
 * it. A recalled job goes to the end of its lane's line; the line is empty, but for older ones of a loop
 * that came late. Those of several loops are claimed and recalled the oldest first, so none of them is kept
 * back; and when the second loop comes the pool is closed, for what the first one has kept back until then.
 *
 * None is run in the wrong lane. A place is for one lane at a time (`lane`), which its loop changes only
 * while the ring is empty. A claimer reads `tail`, then `lane`, then swaps `head`: the slot that it got was
 * written after that lane. Such a job has an account under the lock from its claim on, since the one that
 * has just ended was of the same lane: its end and the next one's start cancel out.
 *
 * No call is lost. `callable` is a hint that somebody could be called. Who changes under the lock
 * what it depends on stores it (pool/wake.c), and then looks at the rings; the loop publishes, and then
 * looks at it. One of the two sees the other. False: nobody is idle, and nobody may be started, or one
 * is on his way and will look; or the last one watches and will look in time. A job that may be kept back is
 * not published yet, and asks in no order (is_urgent()): it may miss one who gets idle at that moment and does
 * not see it. Then he is called when the tick ends.
 *
 * Searching. A worker that has found the rings empty may look for a while before it gets idle
 * (pool/worker.c). While one does nobody is called: it says so before it begins (`searching`), and when
 * it has taken that back it looks once more, with the lock. So it sees what was published before that, and
 * the loop that publishes later finds that nobody searches. Who finds a job calls the next one, if there are more.
 *
 * tests/model/express.pml is this protocol for Spin; each of its mutants drops or moves one of the lines.
 *
 * Failure modes: no memory for a ring, or no place left: this loop's jobs go by the lines.
 */
#include "pool/express.h"

#include "core/line.h"
#include "core/memory.h"
#include "pool/job.h"
#include "pool/pool.h"
#include "pool/schedule.h"
#include "pool/wake.h"

enum { LINE = 64, BATCH = 32, AHEAD = 8 };

/* Relaxed: ordered by `head`, `tail` and `staged`. */
struct slot {
    _Atomic(struct weft__job *) job;
    weft_result (*_Atomic run)(void *params);
    _Atomic(void *) params;
    _Atomic weft_ns queued_at;
};

struct weft__place {
    weft_pool *pool;                        /* [const] */
    void *block;                            /* [const] what was allocated */
    unsigned number;                        /* [const] among pool->express.places */
    bool taken;                             /* [mu] some loop has it */
    _Atomic(weft_lane *) lane;              /* [atomic] of what is in the ring; see above */
    struct weft__home home;                 /* the way back */
    weft__count saved;                      /* [loop] jobs that came without a call */
    _Alignas(LINE) _Atomic uint64_t head;   /* [atomic] see above */
    _Alignas(LINE) _Atomic uint64_t tail;   /* [atomic] */
    _Alignas(LINE) _Atomic uint64_t staged; /* [atomic] */
    uint64_t published;                     /* [loop] what `tail` is */
    uint64_t seen;                          /* [loop] what `head` was */
    weft_ns batch_at;                       /* [loop] when the first one was kept back */
    bool told;                              /* [loop] who searches saw something in this tick */
    struct slot slots[WEFT__RING];
};

static struct slot *slot_at(struct weft__place *place, uint64_t index)
{
    return &place->slots[index % WEFT__RING];
}

/* How many from `head` to `end`, which may be behind it. */
static uint64_t between(uint64_t head, uint64_t end)
{
    return (int64_t)(end - head) > 0 ? end - head : 0;
}

/* ---- Places ---- */

static struct weft__place *new_place(weft_pool *pool)
{
    size_t home = weft__home_size(pool);
    char *block = weft__calloc(1, sizeof(struct weft__place) + home + LINE);
    if (!block)
        return NULL;
    struct weft__place *place = (void *)(block + (LINE - (uintptr_t)block % LINE) % LINE);
    place->pool = pool;
    place->block = block;
    place->taken = true;
    weft__home_init(&place->home, pool, place + 1);
    atomic_init(&place->lane, NULL);
    atomic_init(&place->saved, 0);
    atomic_init(&place->head, 0);
    atomic_init(&place->tail, 0);
    atomic_init(&place->staged, 0);
    return place;
}

/* One that another loop has left; NULL: there is none. */
static struct weft__place *reuse_locked(weft_pool *pool) WEFT_REQUIRES(pool->mu)
{
    for (unsigned i = 0; i < atomic_load(&pool->express.count); i++) {
        struct weft__place *place = pool->express.places[i];
        if (place->taken)
            continue;
        place->taken = true;
        return place;
    }
    return NULL;
}

static bool add_locked(weft_pool *pool, struct weft__place *place) WEFT_REQUIRES(pool->mu)
{
    unsigned count = atomic_load(&pool->express.count);
    if (count == WEFT__PLACES)
        return false;
    if (count == 1)
        weft__express_empty_locked(pool);
    place->number = count;
    pool->express.places[count] = place;
    atomic_store(&pool->express.count, count + 1);
    return true;
}

static struct weft__place *find_or_make(weft_pool *pool)
{
    weft__mutex_lock(&pool->mu);
    struct weft__place *place = reuse_locked(pool);
    bool full = atomic_load(&pool->express.count) == WEFT__PLACES;
    weft__mutex_unlock(&pool->mu);
    if (place || full || !(place = new_place(pool)))
        return place;
    weft__mutex_lock(&pool->mu);
    bool added = add_locked(pool, place);
    weft__mutex_unlock(&pool->mu);
    if (added)
        return place;
    weft__free(place->block);
    return NULL;
}

struct weft__place *weft__express_join(weft_pool *pool, weft__mailbox *mailbox)
{
    struct weft__place *place = find_or_make(pool);
    if (place)
        weft__home_enter(&place->home, mailbox);
    return place;
}

struct weft__home *weft__express_home(struct weft__place *place)
{
    return place ? &place->home : NULL;
}

void weft__express_leave(struct weft__place *place)
{
    if (!place)
        return;
    weft_pool *pool = place->pool;
    weft__mutex_lock(&pool->mu);
    place->published = atomic_load_explicit(&place->staged, memory_order_relaxed);
    place->taken = false;
    weft__mutex_unlock(&pool->mu);
}

void weft__express_destroy(weft_pool *pool)
{
    for (unsigned i = 0; i < atomic_load(&pool->express.count); i++) {
        weft__home_destroy(&pool->express.places[i]->home);
        weft__free(pool->express.places[i]->block);
    }
}

/* ---- Out of a ring ---- */

/* Of what is in it, kept back or not. */
static uint64_t end_of(const struct weft__place *place)
{
    (void)atomic_load(&place->tail); /* C2; what was staged before that is seen, too */
    return atomic_load_explicit(&place->staged, memory_order_acquire);
}

/* Take the job at `head`, if it is there still. */
static bool take(struct weft__place *place, uint64_t head, struct weft__claim *ret)
{
    struct slot *slot = slot_at(place, head);
    ret->job = atomic_load_explicit(&slot->job, memory_order_relaxed);
    ret->run = atomic_load_explicit(&slot->run, memory_order_relaxed);
    ret->params = atomic_load_explicit(&slot->params, memory_order_relaxed);
    ret->queued_at = atomic_load_explicit(&slot->queued_at, memory_order_relaxed);
    ret->lane = atomic_load_explicit(&place->lane, memory_order_relaxed);
    ret->home = &place->home;
    ret->mailbox = atomic_load_explicit(&place->home.mailbox, memory_order_relaxed);
    return atomic_compare_exchange_strong(&place->head, &head, head + 1);
}

static void recall_locked(const struct weft__claim *claim)
{
    claim->job->queued_at = claim->queued_at;
    weft__lane_recall_locked(claim->lane, claim->job);
}

static void recall_place_locked(struct weft__place *place)
{
    weft_lane *lane = NULL;
    struct weft__claim claim;
    uint64_t head;
    while (between(head = atomic_load(&place->head), end_of(place)) > 0) {
        if (!take(place, head, &claim))
            continue;
        lane = claim.lane;
        recall_locked(&claim);
    }
    if (lane)
        weft__schedule_account_locked(lane);
}

/* The place whose first job of the lane is the oldest; NULL: none has any. `staged`: also of what is kept
 * back. `lane` is NULL for any. */
static struct weft__place *oldest_place(const weft_pool *pool, const weft_lane *lane, bool staged,
                                        uint64_t *ret_head)
{
    const struct weft__express *express = &pool->express;
    struct weft__place *oldest = NULL;
    weft_ns since = WEFT_FOREVER;
    unsigned count = atomic_load(&express->count); /* as `tail`: a loop may have come just now */
    for (unsigned i = 0; i < count; i++) {
        struct weft__place *place = express->places[i];
        uint64_t head = atomic_load(&place->head);
        uint64_t end = staged ? end_of(place) : atomic_load(&place->tail);
        if (between(head, end) == 0 ||
            (lane && atomic_load_explicit(&place->lane, memory_order_relaxed) != lane))
            continue;
        weft_ns queued_at =
            atomic_load_explicit(&slot_at(place, head)->queued_at, memory_order_relaxed);
        if (oldest && queued_at >= since)
            continue;
        oldest = place;
        since = queued_at;
        *ret_head = head;
    }
    return oldest;
}

/* The oldest first, as one that came later must not get ahead by the place of its loop. */
void weft__express_empty_locked(weft_pool *pool)
{
    weft_lane *was_open = atomic_load_explicit(&pool->express.lane, memory_order_relaxed);
    weft_lane *lane = NULL;
    struct weft__place *place;
    struct weft__claim claim;
    uint64_t head;
    atomic_store(&pool->express.lane, NULL); /* C1 */
    if (was_open)
        weft__schedule_close_locked(was_open);
    while ((place = oldest_place(pool, NULL, true, &head))) { /* C2 */
        if (!take(place, head, &claim))
            continue;
        if (lane && lane != claim.lane)
            weft__schedule_account_locked(lane);
        lane = claim.lane;
        recall_locked(&claim);
    }
    if (lane)
        weft__schedule_account_locked(lane);
}

void weft__express_close_locked(weft_pool *pool)
{
    if (atomic_load_explicit(&pool->express.lane, memory_order_relaxed))
        weft__express_empty_locked(pool);
}

void weft__express_catch_up_locked(struct weft__place *place)
{
    if (atomic_load(&place->pool->express.lane) != atomic_load(&place->lane))
        recall_place_locked(place);
}

static bool may_open_locked(const weft_pool *pool, const weft_lane *lane) WEFT_REQUIRES(pool->mu)
{
    size_t lane_max_queued = weft__count_get(&lane->max_queued);
    return !pool->active && !lane->limited && !lane->closed && lane->behind.count == 0 &&
           lane_max_queued >= (size_t)WEFT__PLACES * WEFT__RING && !pool->rounds &&
           !pool->stopping && !pool->by_hand &&
           weft__count_get(&pool->running) <= weft__pool_slots(pool);
}

bool weft__express_open_locked(struct weft__place *place,
                               weft_lane *lane) WEFT_NO_THREAD_SAFETY_ANALYSIS
{
    weft_pool *pool = place->pool;
    weft__express_catch_up_locked(place);
    weft_lane *open_for = atomic_load_explicit(&pool->express.lane, memory_order_relaxed);
    if (open_for == lane)
        return false; /* it was open when the job was refused */
    if (open_for)
        weft__express_close_locked(pool);
    if (!may_open_locked(pool, lane))
        return false;
    atomic_store(&pool->express.lane, lane);
    weft__note_callable_locked(pool);
    return true;
}

bool weft__express_claim(weft_pool *pool, const weft_lane *lane, struct weft__claim *ret)
{
    uint64_t head;
    struct weft__place *place;
    while ((place = oldest_place(pool, lane, false, &head))) {
        if (atomic_load(&pool->express.lane) != lane)
            return false;
        if (take(place, head, ret))
            return true;
    }
    return false;
}

bool weft__express_take_locked(weft_pool *pool, struct weft__claim *ret)
{
    const weft_lane *lane = atomic_load_explicit(&pool->express.lane, memory_order_relaxed);
    uint64_t head;
    struct weft__place *place;
    while (lane && (place = oldest_place(pool, lane, true, &head)))
        if (take(place, head, ret))
            return true;
    return false;
}

size_t weft__express_ready_locked(const weft_pool *pool)
{
    const weft_lane *lane = atomic_load_explicit(&pool->express.lane, memory_order_relaxed);
    size_t sum = 0;
    for (unsigned i = 0; lane && i < atomic_load(&pool->express.count); i++) {
        const struct weft__place *place = pool->express.places[i];
        uint64_t head = atomic_load(&place->head), count = between(head, end_of(place));
        if (count > 0 && atomic_load_explicit(&place->lane, memory_order_relaxed) == lane)
            sum += count;
    }
    return sum;
}

weft_ns weft__express_oldest_locked(const weft_pool *pool)
{
    const weft_lane *lane = atomic_load_explicit(&pool->express.lane, memory_order_relaxed);
    uint64_t head;
    struct weft__place *place = lane ? oldest_place(pool, lane, true, &head) : NULL;
    return place ? atomic_load_explicit(&slot_at(place, head)->queued_at, memory_order_relaxed)
                 : WEFT_FOREVER;
}

void weft__express_look_locked(weft_pool *pool, bool looks)
{
    for (unsigned i = 0; i < atomic_load(&pool->express.count); i++)
        weft__home_look_locked(&pool->express.places[i]->home, looks);
}

/* ---- Searching ---- */

bool weft__express_has(const weft_pool *pool, const weft_lane *lane)
{
    uint64_t head;
    return oldest_place(pool, lane, false, &head);
}

bool weft__express_is_open(const weft_pool *pool, const weft_lane *lane)
{
    return atomic_load_explicit(&pool->express.lane, memory_order_relaxed) == lane;
}

void weft__express_search_begin(weft_pool *pool)
{
    atomic_fetch_add(&pool->express.searching, 1);
}

void weft__express_search_end(weft_pool *pool)
{
    atomic_fetch_sub(&pool->express.searching, 1);
}

/* Somebody may have to be called who searches for himself, or is on his way. */
static bool needs_call(const weft_pool *pool)
{
    return atomic_load(&pool->express.callable) && atomic_load(&pool->express.searching) == 0;
}

void weft__express_hand_on(weft_pool *pool, const weft_lane *lane)
{
    if (!needs_call(pool) || !weft__express_has(pool, lane))
        return;
    weft__mutex_lock(&pool->mu);
    struct weft__call call = weft__call_worker_locked(pool);
    weft__mutex_unlock(&pool->mu);
    weft__rouse(call);
}

/* ---- Into a ring ---- */

void weft__express_note_locked(weft_pool *pool, bool callable)
{
    if (atomic_load_explicit(&pool->express.callable, memory_order_relaxed) != callable)
        atomic_store(&pool->express.callable, callable);
}

/* The pool was closed just now, for all that this loop knows: what it has put in its ring goes the other
 * way. */
static struct weft__call retract_locked(weft_pool *pool, struct weft__place *place)
    WEFT_REQUIRES(pool->mu)
{
    weft__express_catch_up_locked(place);
    return weft__call_worker_locked(pool);
}

static void publish(struct weft__place *place)
{
    weft_pool *pool = place->pool;
    struct weft__call call = {NULL, false};
    uint64_t staged = atomic_load_explicit(&place->staged, memory_order_relaxed);
    uint64_t count = staged - place->published;
    place->published = staged;
    atomic_store(&place->tail, staged); /* P1 */
    if (atomic_load(&pool->express.lane) != atomic_load(&place->lane) /* P2 */ ||
        needs_call(pool)) {
        weft__mutex_lock(&pool->mu);
        call = retract_locked(pool, place);
        weft__mutex_unlock(&pool->mu);
    }
    weft__count_set(&place->saved, weft__count_get(&place->saved) + count - (call.worker != NULL));
    weft__rouse(call);
}

void weft__express_flush(struct weft__place *place)
{
    if (place && atomic_load_explicit(&place->staged, memory_order_relaxed) != place->published)
        publish(place);
    if (place)
        place->told = false;
}

/* Not to be kept back: somebody has nothing to do. Who searches is told of the first one in a tick, and
 * then as busy ones are: if each job were, the line of `tail` would go back and forth for each. */
static bool is_urgent(struct weft__place *place)
{
    struct weft__express *express = &place->pool->express;
    bool searched =
        !place->told && atomic_load_explicit(&express->searching, memory_order_relaxed) > 0;
    place->told = place->told || searched;
    return searched || atomic_load_explicit(&express->callable, memory_order_relaxed);
}

/* Room for one more job, of this lane. */
static bool has_room(struct weft__place *place, weft_lane *lane)
{
    uint64_t staged = atomic_load_explicit(&place->staged, memory_order_relaxed);
    bool changes = atomic_load_explicit(&place->lane, memory_order_relaxed) != lane;
    if (changes || staged - place->seen >= WEFT__RING)
        place->seen = atomic_load_explicit(&place->head, memory_order_acquire);
    uint64_t used = staged - place->seen;
    if (changes && used == 0)
        atomic_store_explicit(&place->lane, lane, memory_order_relaxed);
    return used < WEFT__RING && (!changes || used == 0);
}

/* Then each job is published at once, with the time at which it came: those of other loops see in which
 * order they are. */
static bool has_several(const weft_pool *pool)
{
    return atomic_load_explicit(&pool->express.count, memory_order_relaxed) > 1;
}

bool weft__express_submit(struct weft__place *place, struct weft__job *job, bool keep)
{
    struct weft__express *express = &place->pool->express;
    weft_lane *lane = job->lane;
    if (job->key || atomic_load_explicit(&express->lane, memory_order_relaxed) != lane ||
        !has_room(place, lane))
        return false;
    uint64_t staged = atomic_load_explicit(&place->staged, memory_order_relaxed);
    bool alone = !has_several(place->pool);
    if (staged == place->published || !alone)
        place->batch_at = weft__pool_now();
    weft__fetch_to_write(slot_at(place, staged + AHEAD)); /* it is at a worker's CPU */
    struct slot *slot = slot_at(place, staged);
    job->stage = WEFT__IN_RING;
    bool plain = !job->context && !job->control && !job->release;
    atomic_store_explicit(&slot->job, job, memory_order_relaxed);
    atomic_store_explicit(&slot->run, plain ? job->run : NULL, memory_order_relaxed);
    atomic_store_explicit(&slot->params, job->params, memory_order_relaxed);
    atomic_store_explicit(&slot->queued_at, place->batch_at, memory_order_relaxed);
    weft__count_up(&lane->counts.by_ring[place->number]);
    atomic_store_explicit(&place->staged, staged + 1, memory_order_release);
    if (!keep || !alone || staged + 1 - place->published >= BATCH || is_urgent(place))
        publish(place);
    return true;
}

/* ---- For statistics ---- */

size_t weft__express_queued(const weft_pool *pool, const weft_lane *lane)
{
    size_t sum = 0;
    unsigned count = atomic_load_explicit(&pool->express.count, memory_order_acquire);
    for (unsigned i = 0; i < count; i++) {
        const struct weft__place *place = pool->express.places[i];
        if (lane && atomic_load_explicit(&place->lane, memory_order_relaxed) != lane)
            continue;
        uint64_t head = atomic_load(&place->head);
        sum += between(head, end_of(place));
    }
    return sum;
}

uint64_t weft__express_saved(const weft_pool *pool)
{
    uint64_t sum = 0;
    unsigned count = atomic_load_explicit(&pool->express.count, memory_order_acquire);
    for (unsigned i = 0; i < count; i++)
        sum += weft__count_get(&pool->express.places[i]->saved);
    return sum;
}

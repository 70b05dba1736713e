/* SPDX-License-Identifier: MIT */
/*
 * Tallies: what workers count of the jobs that they run past the pool's lock.
 *
 * A number to which several threads add is a line of the cache that each job moves from one CPU to
 * another, and a locked addition. So each worker counts in a tally of its own, by plain stores, and
 * who reads adds up what the lane has and what the tallies have that are the lane's.
 *
 *     NONE's --a job of a lane was taken, with the lock--> the LANE's
 *     the LANE's --a job of another one was taken--> what was counted moves to the lane; the OTHER's
 *     the LANE's --the lane is no more--> NONE's
 *
 * A worker writes to its tally only while it has an account in the lane, and with that the lane lives;
 * the rest happens with the lock, and while no job of this worker does.
 *
 * Readers hold no lock. What moves from a tally to its lane must be seen once: `moves` is odd while it
 * does, and who sees it odd, or changed in the meantime, reads anew. That holds as what is moved is
 * stored with release, behind the odd number, and read with acquire: who has read any of it sees that
 * number, or a later one, when he looks again. With two busy lanes a worker moves for each second job, with
 * the lock: so a move looks at no bucket beyond the longest duration, and at one if nothing was counted.
 *
 * 10 KB for each possible thread, touched by those that run.
 */
#include "pool/tally.h"

#include <sched.h>

#include "pool/lane.h"
#include "pool/pool.h"

static void move(struct weft__tally *tally, weft_lane *to)
{
    for (unsigned i = 0; i < WEFT__TIMES; i++)
        weft__histogram_move(&tally->times[i], to ? &to->counts.times[i] : NULL);
}

/* What it has counted goes to its lane, or nowhere. */
static void rebind_locked(weft_pool *pool, struct weft__tally *tally, weft_lane *from,
                          weft_lane *lane)
{
    uint64_t moves = weft__count_get(&pool->moves);
    weft__count_set(&pool->moves, moves + 1);
    move(tally, from);
    atomic_store_explicit(&tally->lane, lane, memory_order_release);
    atomic_store_explicit(&pool->moves, moves + 2, memory_order_release);
}

void weft__tally_bind_locked(weft_pool *pool, struct weft__tally *tally, weft_lane *lane)
{
    weft_lane *from = atomic_load_explicit(&tally->lane, memory_order_relaxed);
    if (from != lane)
        rebind_locked(pool, tally, from, lane);
}

void weft__tally_forget_locked(weft_pool *pool, const weft_lane *lane)
{
    for (unsigned i = 0; i < pool->places; i++) {
        struct weft__tally *tally = &pool->tallies[i];
        if (atomic_load_explicit(&tally->lane, memory_order_relaxed) == lane)
            rebind_locked(pool, tally, NULL, NULL);
    }
}

static void add_up(const weft_lane *lane, enum weft__times which, struct weft__sum *sum)
{
    const weft_pool *pool = lane->pool;
    *sum = (struct weft__sum){.max = 0};
    weft__histogram_add(&lane->counts.times[which], sum);
    for (unsigned i = 0; i < pool->places; i++)
        if (atomic_load_explicit(&pool->tallies[i].lane, memory_order_acquire) == lane)
            weft__histogram_add(&pool->tallies[i].times[which], sum);
}

void weft__tally_sum(const weft_lane *lane, enum weft__times which, struct weft__sum *ret)
{
    const weft_pool *pool = lane->pool;
    for (;;) {
        uint64_t moves = atomic_load_explicit(&pool->moves, memory_order_acquire);
        add_up(lane, which, ret);
        if (moves % 2 == 0 && weft__count_get(&pool->moves) == moves)
            return;
        sched_yield();
    }
}

uint64_t weft__tally_read(const weft_lane *lane, enum weft__times which,
                          weft_ns ret_percentiles[WEFT__PERCENTILES])
{
    struct weft__sum sum;
    weft__tally_sum(lane, which, &sum);
    return weft__sum_tell(&sum, ret_percentiles);
}

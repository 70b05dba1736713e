/* SPDX-License-Identifier: MIT */
/* Guide: lanes and backpressure. */
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <threads.h>
#include <weft/weft.h>

/* ---- Blocking functions that tell what they saw ---- */

static atomic_int at_once, most_at_once;

struct report {
    int number;
};

static WEFT_BLOCKING(report)
{
    int now = atomic_fetch_add(&at_once, 1) + 1, most = atomic_load(&most_at_once);
    while (now > most && !atomic_compare_exchange_weak(&most_at_once, &most, now))
        ;
    thrd_sleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    atomic_fetch_sub(&at_once, 1);
    return weft_ok(self->number);
}

/* No lock: only the jobs of a lane of one touch it. */
static struct {
    int lines[8];
    int count;
} ledger;

struct book {
    int amount;
};

static WEFT_BLOCKING(book)
{
    ledger.lines[ledger.count] = self->amount;
    return weft_ok(++ledger.count);
}

struct hold {
    sem_t *until; /* borrowed */
};

static WEFT_BLOCKING(hold)
{
    while (sem_wait(self->until) < 0)
        ;
    return weft_ok(0);
}

/* ---- A limit on how many run at once ---- */

struct limited {
    WEFT_FRAME;
    weft_pool *pool;    /* borrowed */
    weft_lane *reports; /* owned */
};

static WEFT_ASYNC(limited)
{
    WEFT_BEGIN;
    self->reports =
        weft_lane_new(self->pool, &(struct weft_lane_options){.name = "reports", .max_running = 2});
    if (!self->reports)
        WEFT_FAIL(-errno);
    WEFT_AWAIT(weft_gather(weft_to_thread_in(self->reports, report, .number = 1),
                           weft_to_thread_in(self->reports, report, .number = 2),
                           weft_to_thread_in(self->reports, report, .number = 3),
                           weft_to_thread_in(self->reports, report, .number = 4)));
    printf("four reports, at most two at once: %s\n",
           atomic_load(&most_at_once) <= 2 ? "yes" : "no");

    WEFT_FINALLY;
    weft_lane_unref(self->reports);
    WEFT_END;
}

/* ---- One at a time, in order ---- */

struct serial {
    WEFT_FRAME;
    weft_pool *pool; /* borrowed */
    weft_lane *lane; /* owned */
};

static WEFT_ASYNC(serial)
{
    WEFT_BEGIN;
    self->lane =
        weft_lane_new(self->pool, &(struct weft_lane_options){.name = "ledger", .max_running = 1});
    if (!self->lane)
        WEFT_FAIL(-errno);
    WEFT_AWAIT(weft_gather(weft_to_thread_in(self->lane, book, .amount = 10),
                           weft_to_thread_in(self->lane, book, .amount = -3),
                           weft_to_thread_in(self->lane, book, .amount = 5)));
    printf("the ledger: %d %d %d\n", ledger.lines[0], ledger.lines[1], ledger.lines[2]);

    WEFT_FINALLY;
    weft_lane_unref(self->lane);
    WEFT_END;
}

/* ---- A lane that is full ---- */

struct full {
    WEFT_FRAME;
    weft_pool *pool;             /* borrowed */
    weft_lane *lane;             /* owned */
    weft_future *first, *second; /* owned */
    sem_t until;
    struct weft_lane_stats stats;
    int status;
};

static WEFT_ASYNC(full)
{
    WEFT_BEGIN;
    sem_init(&self->until, 0, 0);
    self->lane = weft_lane_new(
        self->pool,
        &(struct weft_lane_options){
            .name = "thumbnails", .max_running = 1, .max_queued = 1, .on_full = WEFT_FULL_REJECT});
    if (!self->lane)
        WEFT_FAIL(-errno);
    self->first = weft_to_thread_in(self->lane, hold, .until = &self->until);
    do {
        WEFT_YIELD;
        weft_lane_get_stats(self->lane, &self->stats);
    } while (self->stats.running == 0);
    self->second = weft_to_thread_in(self->lane, report, .number = 2);

    WEFT_CATCH(self->status, weft_to_thread_in(self->lane, report, .number = 3));
    printf("one runs, one is queued, the third one: %s\n", weft_error_name(self->status));
    sem_post(&self->until);
    WEFT_AWAIT(weft_gather(weft_ref(self->first), weft_ref(self->second)));
    weft_lane_get_stats(self->lane, &self->stats);
    printf("%s: %llu done, %llu rejected\n", self->stats.name,
           (unsigned long long)self->stats.completed, (unsigned long long)self->stats.rejected);

    WEFT_FINALLY;
    weft_unref(self->first);
    weft_unref(self->second);
    weft_lane_unref(self->lane);
    sem_destroy(&self->until);
    WEFT_END;
}

/* ---- Waiting for room ---- */

struct upload_all {
    WEFT_FRAME;
    weft_pool *pool; /* borrowed */
    weft_lane *lane; /* owned */
    int i;
};

static WEFT_ASYNC(upload_all)
{
    WEFT_BEGIN;
    self->lane = weft_lane_new(self->pool, &(struct weft_lane_options){.name = "uploads",
                                                                       .max_running = 2,
                                                                       .max_queued = 2,
                                                                       .on_full = WEFT_FULL_WAIT});
    if (!self->lane)
        WEFT_FAIL(-errno);
    WEFT_AWAIT(weft_gather(weft_to_thread_in(self->lane, report, .number = 1),
                           weft_to_thread_in(self->lane, report, .number = 2),
                           weft_to_thread_in(self->lane, report, .number = 3),
                           weft_to_thread_in(self->lane, report, .number = 4),
                           weft_to_thread_in(self->lane, report, .number = 5),
                           weft_to_thread_in(self->lane, report, .number = 6),
                           weft_to_thread_in(self->lane, report, .number = 7)));
    puts("seven uploads through a lane of two, with room for two: all done");

    WEFT_FINALLY;
    weft_lane_unref(self->lane);
    WEFT_END;
}

/* ---- Slow work beside fast work ---- */

struct side_by_side {
    WEFT_FRAME;
    weft_pool *pool;      /* borrowed */
    weft_lane *slow;      /* owned */
    weft_future *jobs[4]; /* owned */
    sem_t until;
    int i, number;
};

static WEFT_ASYNC(side_by_side)
{
    WEFT_BEGIN;
    sem_init(&self->until, 0, 0);
    self->slow =
        weft_lane_new(self->pool, &(struct weft_lane_options){.name = "slow", .max_running = 2});
    if (!self->slow)
        WEFT_FAIL(-errno);
    for (self->i = 0; self->i < 4; self->i++)
        self->jobs[self->i] = weft_to_thread_in(self->slow, hold, .until = &self->until);

    WEFT_AWAIT_INTO(self->number, weft_to_thread(report, .number = 7));
    puts("a quick job was done while four slow ones were not");
    for (self->i = 0; self->i < 4; self->i++)
        sem_post(&self->until);
    for (self->i = 0; self->i < 4; self->i++)
        WEFT_AWAIT(weft_ref(self->jobs[self->i]));

    WEFT_FINALLY;
    for (self->i = 0; self->i < 4; self->i++)
        weft_unref(self->jobs[self->i]);
    weft_lane_unref(self->slow);
    sem_destroy(&self->until);
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
    weft_pool *pool; /* owned */
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->pool = weft_pool_new(&(struct weft_pool_options){.max_threads = 4});
    if (!self->pool || weft_loop_set_pool(weft_loop_current(), self->pool) < 0)
        WEFT_FAIL(-ENOMEM);
    WEFT_AWAIT(weft_spawn(limited, .pool = self->pool));
    WEFT_AWAIT(weft_spawn(serial, .pool = self->pool));
    WEFT_AWAIT(weft_spawn(full, .pool = self->pool));
    WEFT_AWAIT(weft_spawn(upload_all, .pool = self->pool));
    WEFT_AWAIT(weft_spawn(side_by_side, .pool = self->pool));

    WEFT_FINALLY;
    weft_pool_unref(self->pool);
    WEFT_END;
}

int main(void)
{
    return weft_run(main_task);
}

/* SPDX-License-Identifier: MIT */
/*
 * Tracing: each thread writes what happens on it into a ring of its own, so that no thread waits for another
 * one, and the last part of what happened can be had at any time.
 *
 *     OFF --start--> session n --stop--> OFF, and what was recorded is kept until the next start, or a discard
 *
 * A thread has a track: its ring, with its name. It makes one at its first record of a session, and has it
 * until it ends, its loop ends, or it finds that there is another session. Tracks are listed until the
 * session's end; what is neither listed nor owned is freed. When there are too many, that of a thread which
 * has ended makes room, the oldest first; a thread that gets none is only counted.
 *
 * The owner writes without the lock (core/inspect/trace_ring.h), a reader copies with it, so that no ring
 * goes meanwhile. Nothing tells a thread that a session is over: it looks at `session` for each record.
 * One that looked just before may write one more, to a ring that it owns: into a trace that has ended, at worst.
 *
 * A signal handler may interrupt a record, and record something itself (a mailbox is written to from there):
 * `busy` makes it give up. It never takes the lock.
 *
 * Loops look at the test that steps have anyway (core/step.c), which is set on their own thread: they are
 * told by a post. One that is stuck hears of it when it is free. That a session is over they see by themselves.
 *
 * Fork: no session goes on in a child. What the parent has recorded can be written there, too.
 *
 * Lock order: `mu` is the last to be taken but for an allocator's.
 *
 * Failure modes: no memory for a track: the thread is counted as not heard.
 */
#include "core/inspect/trace.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "core/inspect/symbol.h"
#include "core/inspect/trace_clock.h"
#include "core/memory.h"
#include "core/mutex.h"
#include "core/thread.h"

enum { RECORDS = 1 << 15, MOST_TRACKS = 128, MOST_NAMES = 1024, NAME_SIZE = 64 };

struct track {
    struct track *next;            /* [mu] */
    bool listed;                   /* [mu] */
    bool owned;                    /* [mu] its thread may write to it */
    pid_t tid;                     /* [const] */
    char name[16];                 /* [const] */
    struct weft__trace_ring *ring; /* [const] */
};

_Alignas(64) _Atomic unsigned weft__trace_session;

static struct weft__mutex mu = {PTHREAD_MUTEX_INITIALIZER};
static struct track *tracks;              /* [mu] listed ones, newest first */
static size_t track_count;                /* [mu] of these */
static uint64_t unheard;                  /* [mu] threads that have none */
static unsigned last_session;             /* [mu] */
static struct weft__trace_clocks began;   /* [mu] when this session did */
static uint64_t records;                  /* [mu] in a ring of this session; 0: there was none */
static char names[MOST_NAMES][NAME_SIZE]; /* [mu] number n at n - 1; never changed */
static uint32_t name_count;               /* [mu] */
static pthread_once_t once = PTHREAD_ONCE_INIT; /* of `key` */
static pthread_key_t key;                       /* only to be told of the end of a thread */
static bool has_key;                            /* [const] after `once` */

static _Thread_local struct {
    struct track *track; /* NULL: none could be had */
    unsigned session;    /* of this track */
    atomic_bool busy;    /* a record is being written, or the lock is held: looked at by handlers of
                            signals on this thread only; released behind what it guards */
} own __attribute__((tls_model("initial-exec")));

/* ---- The lock ---- */

static void set_busy(bool busy)
{
    atomic_store_explicit(&own.busy, busy, memory_order_release);
}

static bool is_busy(void)
{
    return atomic_load_explicit(&own.busy, memory_order_relaxed);
}

/* What is allocated meanwhile must not come here. */
static void lock(void) WEFT_ACQUIRE(mu)
{
    set_busy(true);
    weft__mutex_lock(&mu);
}

static void unlock(void) WEFT_RELEASE(mu)
{
    weft__mutex_unlock(&mu);
    set_busy(false);
}

/* ---- Tracks ---- */

static void free_unused_locked(struct track *track) WEFT_REQUIRES(mu)
{
    if (track->listed || track->owned)
        return;
    weft__free(track->ring);
    weft__free(track);
}

static void unlist_locked(struct track **at) WEFT_REQUIRES(mu)
{
    struct track *track = *at;
    *at = track->next;
    track->listed = false;
    track_count--;
    free_unused_locked(track);
}

static void disown_locked(void) WEFT_REQUIRES(mu)
{
    struct track *track = own.track;
    own.track = NULL;
    own.session = 0;
    if (!track)
        return;
    track->owned = false;
    free_unused_locked(track);
}

static void unlist_all_locked(void) WEFT_REQUIRES(mu)
{
    disown_locked();
    while (tracks)
        unlist_locked(&tracks);
    unheard = 0;
    records = 0;
}

/* False: all threads are there still. */
static bool make_room_locked(void) WEFT_REQUIRES(mu)
{
    struct track **oldest = NULL;
    if (track_count < MOST_TRACKS)
        return true;
    for (struct track **at = &tracks; *at; at = &(*at)->next)
        if (!(*at)->owned)
            oldest = at;
    if (!oldest)
        return false;
    unlist_locked(oldest);
    unheard++;
    return true;
}

static struct track *new_track_locked(void) WEFT_REQUIRES(mu)
{
    struct track *track = make_room_locked() ? weft__calloc(1, sizeof(*track)) : NULL;
    struct weft__trace_ring *ring = track ? weft__trace_ring_new(records) : NULL;
    if (!ring) {
        weft__free(track);
        unheard++;
        return NULL;
    }
    *track = (struct track){
        .next = tracks, .listed = true, .owned = true, .tid = gettid(), .ring = ring};
    pthread_getname_np(pthread_self(), track->name, sizeof(track->name));
    tracks = track;
    track_count++;
    return track;
}

/* ---- Threads ---- */

void weft__trace_leave(void)
{
    if (!own.track)
        return;
    lock();
    disown_locked();
    unlock();
}

static void thread_ends(void *unused)
{
    (void)unused;
    weft__trace_leave();
}

static void make_key(void)
{
    has_key = pthread_key_create(&key, thread_ends) == 0;
}

/* This thread's first record of a session. */
static void join(void)
{
    pthread_once(&once, make_key);
    lock();
    disown_locked();
    own.session = atomic_load_explicit(&weft__trace_session, memory_order_relaxed);
    if (own.session)
        own.track = new_track_locked();
    unlock();
    if (has_key && own.track)
        pthread_setspecific(key, &own);
}

/* ---- Recording ---- */

/* Has another thread caused it? */
static bool is_effect(enum weft__trace_kind kind)
{
    return kind == WEFT__TRACE_JOB || kind == WEFT__TRACE_HOME || kind == WEFT__TRACE_WOKEN;
}

static void put(enum weft__trace_kind kind, uint32_t small, uint32_t number, uint64_t id,
                const void *name)
{
    struct weft__trace_record record = {.time = weft__trace_ticks(is_effect(kind)),
                                        .what = weft__trace_what(kind, small, number),
                                        .id = id,
                                        .name = (uintptr_t)name};
    set_busy(true);
    weft__trace_ring_put(own.track->ring, record);
    set_busy(false);
}

void weft__trace_record(enum weft__trace_kind kind, uint32_t small, uint32_t number, uint64_t id,
                        const void *name)
{
    unsigned session = atomic_load_explicit(&weft__trace_session, memory_order_relaxed);
    if (!session || is_busy())
        return;
    if (__builtin_expect(own.session != session, 0))
        join();
    if (own.track)
        put(kind, small, number, id, name);
}

void weft__trace_record_here(enum weft__trace_kind kind, uint32_t small, uint32_t number,
                             uint64_t id, const void *name)
{
    unsigned session = atomic_load_explicit(&weft__trace_session, memory_order_relaxed);
    if (session && session == own.session && own.track && !is_busy())
        put(kind, small, number, id, name);
}

static uint32_t intern_locked(const char *name) WEFT_REQUIRES(mu)
{
    char text[NAME_SIZE] = {0};
    memcpy(text, name, strnlen(name, sizeof(text) - 1));
    for (uint32_t i = 0; i < name_count; i++)
        if (strcmp(names[i], text) == 0)
            return i + 1;
    if (name_count == MOST_NAMES)
        return 0;
    memcpy(names[name_count], text, sizeof(text));
    return ++name_count;
}

uint32_t weft__trace_intern(const char *name)
{
    lock();
    uint32_t number = intern_locked(name);
    unlock();
    return number;
}

const char *weft__trace_interned(uint32_t number)
{
    return number > 0 && number <= MOST_NAMES ? names[number - 1] : "?";
}

/* ---- Beginning and ending ---- */

int weft__trace_start_with(uint64_t size)
{
    if (!weft__trace_is_on())
        (void)weft__symbols_prepare(); /* for when it is written, by whatever thread */
    lock();
    bool is_on = weft__trace_is_on();
    if (!is_on) {
        unlist_all_locked();
        records = size;
        began = weft__trace_clock_begin();
        last_session += last_session == UINT32_MAX ? 2 : 1;
        atomic_store_explicit(&weft__trace_session, last_session, memory_order_relaxed);
    }
    unlock();
    if (is_on)
        return -EALREADY;
    if (weft__trace_tell_loops())
        return 0;
    weft__trace_discard();
    return -ENOMEM;
}

int weft__trace_start(void)
{
    return weft__trace_start_with(RECORDS);
}

int weft__trace_stop(void)
{
    lock();
    bool was_on = weft__trace_is_on();
    atomic_store_explicit(&weft__trace_session, 0, memory_order_relaxed);
    unlock();
    return was_on ? 0 : -EALREADY;
}

void weft__trace_discard(void)
{
    lock();
    atomic_store_explicit(&weft__trace_session, 0, memory_order_relaxed);
    unlist_all_locked();
    unlock();
}

/* ---- Copying ---- */

static bool copy_track_locked(const struct track *track, struct weft__trace_thread *to)
    WEFT_REQUIRES(mu)
{
    struct weft__trace_record *room = weft__malloc(track->ring->size * sizeof(*room));
    if (!room)
        return false;
    *to = (struct weft__trace_thread){.tid = track->tid, .records = room};
    memcpy(to->name, track->name, sizeof(to->name));
    to->count = weft__trace_ring_copy(track->ring, room, &to->lost);
    struct weft__trace_record *less = weft__realloc(room, (to->count + 1) * sizeof(*room));
    if (less)
        to->records = less;
    return true;
}

/* They grow: the CPU may have read its counter out of order by a little. */
static void set_times(struct weft__trace_thread *thread, const struct weft__trace_clocks *from,
                      const struct weft__trace_clocks *to)
{
    uint64_t last = 0;
    for (size_t i = 0; i < thread->count; i++) {
        uint64_t time = weft__trace_time(thread->records[i].time, from, to);
        last = time > last ? time : last;
        thread->records[i].time = last;
    }
}

/* In the order in which they came. */
static int copy_locked(struct weft__trace_copy *copy) WEFT_REQUIRES(mu)
{
    copy->threads = weft__calloc(track_count + 1, sizeof(*copy->threads));
    if (!copy->threads)
        return -ENOMEM;
    copy->count = track_count;
    copy->unheard = unheard;
    size_t left = track_count;
    for (const struct track *track = tracks; track; track = track->next)
        if (!copy_track_locked(track, &copy->threads[--left]))
            return -ENOMEM;
    struct weft__trace_clocks ends = weft__trace_clock_read();
    for (size_t i = 0; i < copy->count; i++)
        set_times(&copy->threads[i], &began, &ends);
    copy->now = ends.time;
    return 0;
}

int weft__trace_copy(struct weft__trace_copy *ret)
{
    *ret = (struct weft__trace_copy){0};
    lock();
    int status = records ? copy_locked(ret) : -ENODATA;
    unlock();
    if (status < 0)
        weft__trace_copy_fini(ret);
    return status;
}

void weft__trace_copy_fini(struct weft__trace_copy *copy)
{
    for (size_t i = 0; i < copy->count; i++)
        weft__free(copy->threads[i].records);
    weft__free(copy->threads);
    *copy = (struct weft__trace_copy){0};
}

/* ---- Forks ---- */

void weft__trace_before_fork(void) WEFT_NO_THREAD_SAFETY_ANALYSIS
{
    lock();
}

void weft__trace_in_parent(void) WEFT_NO_THREAD_SAFETY_ANALYSIS
{
    unlock();
}

/* Their threads are not here. */
void weft__trace_in_child(void) WEFT_NO_THREAD_SAFETY_ANALYSIS
{
    atomic_store_explicit(&weft__trace_session, 0, memory_order_relaxed);
    for (struct track *track = tracks; track; track = track->next)
        track->owned = track == own.track;
    unlock();
}

/* SPDX-License-Identifier: MIT */
/*
 * Spinning: to look for what another thread will send, for some microseconds, before sleeping. See
 * core/spin.c for the rules, which hold for loops and workers together.
 */
#ifndef WEFT_CORE_SPIN_H
#define WEFT_CORE_SPIN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <weft/time.h>

/** One who spins. Zero is a new one. All fields are its thread's. */
struct weft__spin {
    unsigned pause;   /* how many spins to leave out behind one in vain: 0, 1, 2, 4 … 64 */
    unsigned left;    /* of these, still to be left out */
    unsigned cpus;    /* that this thread may keep busy */
    weft_ns asked_at; /* when that was looked up */
    weft_ns began;    /* the one that is on, or was the last */
    weft_ns ended;    /* that; or some looks before */
};

enum weft__look {
    WEFT__NOTHING,
    WEFT__FOUND, /* what the spin was for */
    WEFT__ENOUGH /* something else needs the thread */
};

enum weft__spun {
    WEFT__SPUN_NOT,     /* it was left out, or others hold all places: does not count */
    WEFT__SPUN_IN_VAIN, /* also: it had enough */
    WEFT__SPUN_PAID     /* found */
};

/**
 * Call look(arg, now) until it says something else than WEFT__NOTHING, or it has lasted for too long.
 * `now` is the real time, some looks old. `wanted` is the users' option: 0: as long as is right for
 * this machine; negative: not at all; else how long.
 *
 * Thread: any; a struct weft__spin is one thread's.
 */
enum weft__spun weft__spin(struct weft__spin *spin, weft_ns wanted,
                           enum weft__look (*look)(void *arg, weft_ns now), void *arg);

/** Wait awake, for a moment. Returns the real time. Thread: any. */
weft_ns weft__spin_until(weft_ns when);

/** How long is right for this machine. Thread: any. */
weft_ns weft__spin_time(void);

/**
 * For learning how long that is: a thread that is about to wake another one notes when and where,
 * and the other one looks at it when it runs. Costs a load each once it is known.
 */
struct weft__spin_wake {
    atomic_llong at; /* [atomic] 0: nothing is noted. Relaxed: the wake itself orders both, and a
                        wrong one does no harm */
    atomic_int cpu;  /* [atomic] */
};

/** Lock-free; may be called by a signal handler. Thread: any. */
void weft__spin_wakes(struct weft__spin_wake *wake);
void weft__spin_woken(struct weft__spin_wake *wake);

/** In a new child: no other thread spins here. */
void weft__spin_after_fork(void);

/** For tests: how many threads hold a place now. Thread: any. */
unsigned weft__spin_places_taken(void);

/** For tests: as if there were so many CPUs; 0: as it is. Forgets what was learnt. */
void weft__spin_pretend(unsigned cpus);

#endif

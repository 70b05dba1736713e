/* SPDX-License-Identifier: MIT */
/*
 * Spinning, so that work which comes soon finds a thread awake: to wake one that sleeps costs 3 to 25
 * µs, to be seen by one that looks 0.1 to 0.5.
 *
 *     NOT --begin--> LOOKING --2 µs--> SPINNING --found, enough, or time is over--> NOT
 *              LOOKING, no place is free: --> NOT
 *
 * The rules, for all loops and workers of the process together:
 *   - With fewer than two CPUs nobody looks: whoever could send something would wait for the one who
 *     looks. A thread's own affinity mask counts, asked for again each second in which it spins, and the
 *     quota of the cgroup, asked for once; a part of a CPU does not count.
 *   - At most CPUs - 1 spin. For the first two microseconds no place is needed, so that in a fast
 *     exchange nobody writes to the count, and one who is about to leave is in nobody's way.
 *   - It ends by itself. What pays is to spin for as long as a wake takes: then one spin and one
 *     sleep cost at most twice what the better of both would have cost. It is twice as long here,
 *     for two threads that sleep by turns must find out that they need not: when one of them spins,
 *     the other has to wake up first, and then do its work.
 *   - After 2, 8 and 32 µs it lets others have the CPU, if there are any: the kernel likes to wake
 *     a thread on the CPU of the one who woke it, where it would wait for the end of the spin.
 *   - One that was in vain is followed by a pause: 1, 2, 4 … 64 are left out before the next. One that
 *     paid ends the pauses. So a thread that waits for long jobs hardly ever spins.
 *
 * How long a wake takes is learnt from the first wakes of loops (core/mailbox.c), which happen anyway;
 * those between two CPUs only, which is what a spin saves. Of WAKES the longer ones count, as a short
 * one means that the thread was not asleep yet. As long as it is not known, a spin
 * lasts for LONGEST, as it does at most.
 *
 * Tests pretend to have some number of CPUs.
 */
#include "core/spin.h"

#include <limits.h>
#include <sched.h>
#include <stdatomic.h>
#include <time.h>

#include "core/cpus.h"
#include "core/thread.h"

enum { LOOKS_PER_CLOCK = 4, YIELDS_APART = 4, LONGEST_PAUSE = 64, WAKES = 8, USED_WAKE = 5 };

#define GLANCE WEFT_US(2)
#define SHORTEST WEFT_US(5)
#define LONGEST WEFT_US(50)
#define CPUS_LAST WEFT_S(1)

static atomic_uint spinning;  /* [atomic] who hold a place; only the number counts: relaxed */
static atomic_uint pretended; /* [atomic] by tests; 0: not. Relaxed */
static atomic_uint quota; /* [atomic] CPUs of the cgroup, and 1 more; 0: not known yet. Relaxed */
static atomic_llong spin_time; /* [atomic] 0: not known yet. Relaxed */

static atomic_flag learning = ATOMIC_FLAG_INIT; /* guards the next two; who finds it set, leaves */
static unsigned wake_count;
static weft_ns wakes[WAKES]; /* sorted */

static weft_ns real_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return WEFT_S(now.tv_sec) + now.tv_nsec;
}

static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* ---- CPUs ---- */

static unsigned cpus_of_quota(void)
{
    unsigned known = atomic_load_explicit(&quota, memory_order_relaxed);
    if (!known) {
        known = weft__whole_cpus_under("", INT_MAX) + 1;
        atomic_store_explicit(&quota, known, memory_order_relaxed);
    }
    return known - 1;
}

static unsigned count_cpus(void)
{
    unsigned cpus = atomic_load_explicit(&pretended, memory_order_relaxed);
    if (cpus)
        return cpus;
    unsigned limit = cpus_of_quota();
    cpus = weft__cpus_of_thread();
    return cpus < limit ? cpus : limit;
}

static unsigned cpus_of(struct weft__spin *spin, weft_ns now)
{
    if (!spin->asked_at || now - spin->asked_at >= CPUS_LAST) {
        spin->cpus = count_cpus();
        spin->asked_at = now;
    }
    return spin->cpus;
}

/* ---- Places ---- */

static bool take_place(unsigned cpus)
{
    unsigned taken = atomic_load_explicit(&spinning, memory_order_relaxed);
    while (taken + 1 < cpus)
        if (atomic_compare_exchange_weak_explicit(&spinning, &taken, taken + 1,
                                                  memory_order_relaxed, memory_order_relaxed))
            return true;
    return false;
}

unsigned weft__spin_places_taken(void)
{
    return atomic_load_explicit(&spinning, memory_order_relaxed);
}

/* In a child that was forked off by what the spin has looked at, its place is gone already. */
static void leave_place(unsigned generation)
{
    if (generation == weft__generation)
        atomic_fetch_sub_explicit(&spinning, 1, memory_order_relaxed);
}

/* ---- Spinning ---- */

static enum weft__look look_some_times(enum weft__look (*look)(void *arg, weft_ns now), void *arg,
                                       weft_ns now)
{
    enum weft__look seen = look(arg, now);
    for (int i = 1; i < LOOKS_PER_CLOCK && seen == WEFT__NOTHING; i++) {
        relax();
        seen = look(arg, now);
    }
    return seen;
}

/* Yields at 2, 8, 32 … microseconds. */
static enum weft__spun look_for(struct weft__spin *spin, weft_ns time,
                                enum weft__look (*look)(void *arg, weft_ns now), void *arg)
{
    weft_ns start = real_now(), now = start;
    spin->began = start;
    unsigned cpus = cpus_of(spin, now), generation = weft__generation;
    bool has_place = false, no_place = cpus < 2;
    enum weft__look seen = WEFT__NOTHING;
    weft_ns yields_at = start + GLANCE;
    while (!no_place && seen == WEFT__NOTHING && now - start < time) {
        seen = look_some_times(look, arg, now);
        if (seen != WEFT__NOTHING || (now = real_now()) < yields_at)
            continue;
        has_place = has_place || take_place(cpus);
        no_place = !has_place;
        if (has_place)
            sched_yield();
        yields_at = start + YIELDS_APART * (now - start);
    }
    spin->ended = now;
    if (has_place)
        leave_place(generation);
    if (no_place)
        return WEFT__SPUN_NOT;
    return seen == WEFT__FOUND ? WEFT__SPUN_PAID : WEFT__SPUN_IN_VAIN;
}

enum weft__spun weft__spin(struct weft__spin *spin, weft_ns wanted,
                           enum weft__look (*look)(void *arg, weft_ns now), void *arg)
{
    if (wanted < 0)
        return WEFT__SPUN_NOT;
    if (spin->left) {
        spin->left--;
        return WEFT__SPUN_NOT;
    }
    enum weft__spun spun = look_for(spin, wanted ? wanted : weft__spin_time(), look, arg);
    if (spun == WEFT__SPUN_PAID)
        spin->pause = 0;
    else if (spun == WEFT__SPUN_IN_VAIN && spin->pause < LONGEST_PAUSE)
        spin->pause = spin->pause ? spin->pause * 2 : 1;
    spin->left = spun == WEFT__SPUN_IN_VAIN ? spin->pause : 0;
    return spun;
}

weft_ns weft__spin_until(weft_ns when)
{
    weft_ns now;
    while ((now = real_now()) < when)
        relax();
    return now;
}

/* ---- How long ---- */

weft_ns weft__spin_time(void)
{
    weft_ns time = atomic_load_explicit(&spin_time, memory_order_relaxed);
    return time ? time : LONGEST;
}

static weft_ns within(weft_ns least, weft_ns time, weft_ns most)
{
    if (time < least)
        return least;
    return time < most ? time : most;
}

static void add_wake(weft_ns wake)
{
    unsigned at = wake_count++;
    for (; at > 0 && wakes[at - 1] > wake; at--)
        wakes[at] = wakes[at - 1];
    wakes[at] = wake;
    if (wake_count == WAKES)
        atomic_store_explicit(&spin_time, within(SHORTEST, 2 * wakes[USED_WAKE], LONGEST),
                              memory_order_relaxed);
}

static void learn(weft_ns wake)
{
    if (atomic_flag_test_and_set_explicit(&learning, memory_order_acquire))
        return;
    if (wake_count < WAKES)
        add_wake(wake);
    atomic_flag_clear_explicit(&learning, memory_order_release);
}

void weft__spin_wakes(struct weft__spin_wake *wake)
{
    if (atomic_load_explicit(&spin_time, memory_order_relaxed))
        return;
    atomic_store_explicit(&wake->cpu, sched_getcpu(), memory_order_relaxed);
    atomic_store_explicit(&wake->at, real_now(), memory_order_relaxed);
}

void weft__spin_woken(struct weft__spin_wake *wake)
{
    weft_ns at = atomic_load_explicit(&wake->at, memory_order_relaxed);
    if (!at)
        return;
    atomic_store_explicit(&wake->at, 0, memory_order_relaxed);
    if (atomic_load_explicit(&wake->cpu, memory_order_relaxed) != sched_getcpu())
        learn(real_now() - at);
}

/* ---- Others ---- */

void weft__spin_after_fork(void)
{
    atomic_store_explicit(&spinning, 0, memory_order_relaxed);
    atomic_flag_clear_explicit(&learning, memory_order_relaxed);
}

void weft__spin_pretend(unsigned cpus)
{
    atomic_store_explicit(&pretended, cpus, memory_order_relaxed);
    atomic_store_explicit(&spin_time, 0, memory_order_relaxed);
    wake_count = 0;
}

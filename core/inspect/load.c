/* SPDX-License-Identifier: MIT */
/*
 * Load: how busy a loop is, how long it keeps I/O waiting, and how long its steps take.
 *
 *     RESTING --a poll has ended, or a run begins--> TURN --a poll may sleep, or the run ends--> RESTING
 *                                                    TURN --a poll that does not sleep--> TURN
 *
 * A look at the clock takes longer than an item. So there is none for this but one at the end of a
 * turn; the rest are those that the loop takes anyway (core/loop.c). Behind 256 quick items there is not even
 * that: the poll that follows is charged to them, which is 1 or 2 ns for each.
 *
 * Lag: what becomes ready while the loop is in a turn waits for the turn's end, at most. So each turn in
 * which anything was run is counted with its length.
 *
 * Steps: an item is a step of a task, or a callback. What is known is how long a batch of items took,
 * from one look at the clock to the next. Mostly they are 1, 8 or 64, and steps that are slow are alone:
 * after 50 µs the loop polls, and looks again after one item. A batch is counted as
 *     - all of its items with the mean, if it took less than 1 ms;
 *     - else one of them with all that the others left, who took what was usual in the last batch that
 *       was counted by its mean; or by the mean, if that one would have less than half.
 * So a step of 1 ms and more is right to what a batch may take without it, some 50 µs, and never lost.
 * Below, a step that took longer than others of its batch is told as shorter. The sum is right.
 *
 * Busy: the time in turns. It is one word, so that whoever reads it sees it at one moment:
 *     RESTING   what it is, >= 0
 *     TURN      minus the time at which it would have been 0, had the turn lasted for ever. < 0, as
 *               nobody can be busy since before the machine started.
 * Readers look at the clock by themselves, and may be ahead of the loop by some nanoseconds: `told` keeps
 * what is told from falling, since a counter that falls is taken for one that began anew.
 *
 * A poll behind a turn in which something was run counts as work, but for one that may sleep; a spin
 * never does. What libevent calls within a poll is not seen. On a host's base a turn is a tick.
 */
#include "core/inspect/load.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "core/inspect/json.h"
#include "core/inspect/peek.h"
#include "core/loop.h"

#define SHORT WEFT_US(1)
#define SLOW WEFT_MS(1)

static weft_ns real_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return WEFT_S(now.tv_sec) + now.tv_nsec;
}

/* ---- The loop's side ---- */

#if WEFT_HOOKS

static void set(_Atomic uint64_t *number, uint64_t value)
{
    atomic_store_explicit(number, value, memory_order_relaxed);
}

static void set_time(_Atomic weft_ns *time, weft_ns value)
{
    atomic_store_explicit(time, value, memory_order_relaxed);
}

static weft_ns time_of(const _Atomic weft_ns *time)
{
    return atomic_load_explicit(time, memory_order_relaxed);
}

static bool is_in_turn(const struct weft__load *load)
{
    return time_of(&load->turn_began) != 0;
}

/* So many items took so long. */
static void note_steps(struct weft__load *load, uint64_t items, weft_ns took)
{
    if (items == 0)
        return;
    uint64_t others = items - 1;
    weft_ns left = took - (weft_ns)others * load->usual;
    if (took >= SLOW && left >= took / 2) {
        if (others)
            weft__histogram_note_many(&load->steps, load->usual, others);
        weft__histogram_note(&load->steps, left);
        return;
    }
    load->usual = took / (weft_ns)items;
    weft__histogram_note_many(&load->steps, load->usual, items);
}

void weft__load_look(weft_loop *loop, weft_ns now)
{
    struct weft__load *load = &loop->load;
    if (!is_in_turn(load))
        return;
    weft_ns spun = load->spun, took = now - load->read_at - spun;
    uint64_t callbacks = weft__loop_callbacks(loop);
    note_steps(load, callbacks - atomic_load_explicit(&load->callbacks, memory_order_relaxed),
               took > 0 ? took : 0);
    if (spun) {
        set_time(&load->busy, time_of(&load->busy) - spun);
        load->spun = 0;
    }
    load->read_at = now;
    set(&load->callbacks, callbacks);
}

void weft__load_glance(weft_loop *loop, weft_ns now)
{
    if (now - loop->load.read_at >= SHORT)
        weft__load_look(loop, now);
}

void weft__load_begin(weft_loop *loop, weft_ns now)
{
    struct weft__load *load = &loop->load;
    if (!is_in_turn(load))
        set_time(&load->busy, time_of(&load->busy) - now);
    set_time(&load->turn_began, now);
    load->read_at = now;
    load->turn_callbacks = weft__loop_callbacks(loop);
    set(&load->callbacks, load->turn_callbacks);
}

/* Nothing was run since the clock was looked at: what has passed is no work. */
static weft_ns look_at_end(weft_loop *loop)
{
    struct weft__load *load = &loop->load;
    if (weft__loop_callbacks(loop) != atomic_load_explicit(&load->callbacks, memory_order_relaxed))
        weft__load_look(loop, real_now());
    load->spun = 0;
    return load->read_at;
}

void weft__load_end(weft_loop *loop, bool may_sleep)
{
    struct weft__load *load = &loop->load;
    if (!is_in_turn(load))
        return;
    weft_ns end = look_at_end(loop);
    bool did_something = weft__loop_callbacks(loop) != load->turn_callbacks;
    if (did_something)
        weft__histogram_note(&load->lag, end - time_of(&load->turn_began));
    set(&load->ticks, loop->ticks);
    set(&load->polls, loop->attached ? loop->ticks : loop->polls);
    set(&load->spins, loop->spins);
    set(&load->spins_paid, loop->spins_paid);
    if (may_sleep || !did_something) {
        set_time(&load->busy, time_of(&load->busy) + end);
        set_time(&load->turn_began, 0);
    }
}

void weft__load_pass(weft_loop *loop, weft_ns now)
{
    weft__load_look(loop, now);
    weft__load_end(loop, false);
    weft__load_begin(loop, now);
}

#endif

/* ---- Reading ---- */

static uint64_t get(const _Atomic uint64_t *number)
{
    return atomic_load_explicit(number, memory_order_relaxed);
}

static weft_ns read_busy(struct weft__load *load, weft_ns now)
{
    weft_ns busy = atomic_load_explicit(&load->busy, memory_order_relaxed);
    weft_ns told = atomic_load_explicit(&load->told, memory_order_relaxed);
    if (busy < 0)
        busy += now;
    while (busy > told && !atomic_compare_exchange_weak_explicit(
                              &load->told, &told, busy, memory_order_relaxed, memory_order_relaxed))
        ;
    return busy > told ? busy : told;
}

/* "RAN WAITED SLICES" */
static void read_schedule(pid_t tid, weft_ns *ret_ran, weft_ns *ret_waited)
{
    char path[64], text[96];
    snprintf(path, sizeof(path), "/proc/self/task/%d/schedstat", (int)tid);
    *ret_ran = *ret_waited = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    ssize_t len = read(fd, text, sizeof(text) - 1);
    close(fd);
    text[len > 0 ? len : 0] = '\0';
    char *end = text;
    *ret_ran = strtoll(text, &end, 10);
    *ret_waited = strtoll(end, NULL, 10); /* 0 where there is none */
}

void weft__load_read(weft_loop *loop, struct weft__load_sum *ret)
{
    struct weft__load *load = &loop->load;
    weft_ns now = real_now(), began = atomic_load_explicit(&load->turn_began, memory_order_relaxed);
    *ret = (struct weft__load_sum){
        .at = now,
        .busy = read_busy(load, now),
        .turn = began && now > began ? now - began : 0,
        .callbacks = get(&load->callbacks),
        .ticks = get(&load->ticks),
        .polls = get(&load->polls),
        .spins = get(&load->spins),
        .spins_paid = get(&load->spins_paid),
        .reports = get(&load->reports),
        .blocked = get(&load->blocked),
    };
    read_schedule(loop->tid, &ret->cpu, &ret->queued);
    weft__peek(&ret->tasks, &loop->task_count, sizeof(ret->tasks));
    weft__peek(&ret->jobs, &loop->jobs, sizeof(ret->jobs));
    weft__histogram_add(&load->lag, &ret->lag);
    weft__histogram_add(&load->steps, &ret->steps);
}

/* [longest, count] of each that has something: whoever asks again subtracts, and knows the time between. */
static void write_buckets(struct weft__text *to, const struct weft__sum *sum)
{
    weft__json_open(to, "buckets", '[');
    for (unsigned i = 0; i < WEFT__BUCKETS; i++) {
        if (!sum->counts[i])
            continue;
        weft__json_open(to, NULL, '[');
        weft__json_int(to, NULL, weft__bucket_end(i));
        weft__json_uint(to, NULL, sum->counts[i]);
        weft__json_close(to, ']');
    }
    weft__json_close(to, ']');
}

void weft__load_write_times(struct weft__text *to, const char *key, const struct weft__sum *sum)
{
    weft_ns percentiles[WEFT__PERCENTILES];
    weft__json_open(to, key, '{');
    weft__json_uint(to, "count", weft__sum_tell(sum, percentiles));
    weft__json_int(to, "p50_ns", percentiles[WEFT__P50]);
    weft__json_int(to, "p90_ns", percentiles[WEFT__P90]);
    weft__json_int(to, "p99_ns", percentiles[WEFT__P99]);
    weft__json_int(to, "max_ns", percentiles[WEFT__MAX]);
    write_buckets(to, sum);
    weft__json_close(to, '}');
}

void weft__load_write(weft_loop *loop, struct weft__text *to)
{
    struct weft__load_sum sum;
    weft__load_read(loop, &sum);
    weft__json_int(to, "at_ns", sum.at);
    weft__json_int(to, "busy_ns", sum.busy);
    weft__json_int(to, "turn_ns", sum.turn);
    weft__json_int(to, "cpu_ns", sum.cpu);
    weft__json_int(to, "queued_ns", sum.queued);
    weft__json_uint(to, "callbacks", sum.callbacks);
    weft__json_uint(to, "ticks", sum.ticks);
    weft__json_uint(to, "polls", sum.polls);
    weft__json_uint(to, "spins", sum.spins);
    weft__json_uint(to, "spins_paid", sum.spins_paid);
    weft__json_uint(to, "reports", sum.reports);
    weft__json_uint(to, "blocked", sum.blocked);
    weft__load_write_times(to, "lag", &sum.lag);
    weft__load_write_times(to, "steps", &sum.steps);
}

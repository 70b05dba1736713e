/* SPDX-License-Identifier: MIT */
/*
 * The order in which callbacks and tasks run. Each expected trace is what the same program prints
 * under Python's asyncio, where `await f()` is a weft_call and create_task(f()) a weft_spawn.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <weft/weft.h>

#include "core/loop.h"
#include "tests/support/loop.h"
#include "tests/support/trace.h"

TestSuite(order, .init = weft_test_loop_begin, .timeout = 20);

#define mark weft_test_mark

/* A dot a tick: makes ticks visible in a trace. */
struct ticker {
    WEFT_FRAME;
    int count, i;
};

static WEFT_ASYNC(ticker)
{
    WEFT_BEGIN;
    for (self->i = 0; self->i < self->count; self->i++) {
        mark(".");
        WEFT_YIELD;
    }
    WEFT_END;
}

/* log(first); await asyncio.sleep(pause); log(last) */
struct pause {
    WEFT_FRAME;
    const char *first, *last;
    weft_ns pause;
};

static WEFT_ASYNC(pause)
{
    WEFT_BEGIN;
    mark(self->first);
    WEFT_AWAIT(weft_sleep(self->pause));
    mark(self->last);
    WEFT_END;
}

static void expect(weft_future *program, const char *order)
{
    cr_assert_eq(weft_test_run(program), 0);
    cr_assert_str_eq(test_trace, order);
    weft_test_loop_end();
}

/* ---- Gather ---- */

struct gathers {
    WEFT_FRAME;
    weft_ns a, b;
    int ticks;
};

static WEFT_ASYNC(gathers)
{
    WEFT_BEGIN;
    weft_unref(weft_spawn(ticker, .count = self->ticks));
    WEFT_AWAIT(weft_gather(weft_spawn(pause, .first = "a", .last = "A", .pause = self->a),
                           weft_spawn(pause, .first = "b", .last = "B", .pause = self->b)));
    mark("!");
    WEFT_END;
}

Test(order, gather_of_two_sleeps)
{
    expect(weft_spawn(gathers, .a = WEFT_MS(20), .b = WEFT_MS(10), .ticks = 3), ".ab..BA!");
}

Test(order, gather_goes_on_two_ticks_after_its_last_child)
{
    expect(weft_spawn(gathers, .ticks = 8), ".ab.AB..!.");
}

struct failing {
    WEFT_FRAME;
};

static WEFT_ASYNC(failing)
{
    WEFT_BEGIN;
    mark("f");
    WEFT_YIELD;
    mark("F");
    WEFT_FAIL(-EIO);
    WEFT_END;
}

struct steps {
    WEFT_FRAME;
    const char *first, *last;
    int count, i;
};

static WEFT_ASYNC(steps)
{
    WEFT_BEGIN;
    mark(self->first);
    for (self->i = 0; self->i < self->count; self->i++)
        WEFT_YIELD;
    mark(self->last);
    WEFT_END;
}

struct gather_fails {
    WEFT_FRAME;
    weft_future *ticker;
    int status;
};

static WEFT_ASYNC(gather_fails)
{
    WEFT_BEGIN;
    self->ticker = weft_spawn(ticker, .count = 10);
    WEFT_CATCH(self->status, weft_gather(weft_spawn(failing),
                                         weft_spawn(steps, .first = "g", .last = "G", .count = 4)));
    mark("!");
    WEFT_AWAIT(self->ticker);
    WEFT_END;
}

Test(order, gather_fails_before_the_others_end)
{
    expect(weft_spawn(gather_fails), ".fg.F..!.G.....");
}

/* ---- Callbacks ---- */

static void mark_soon(const char *name)
{
    weft_unref(weft_call_soon(weft_test_mark_call, (void *)name));
}

struct soon_child {
    WEFT_FRAME;
};

static WEFT_ASYNC(soon_child)
{
    WEFT_BEGIN;
    mark("t");
    mark_soon("3");
    WEFT_YIELD;
    mark("T");
    WEFT_END;
}

struct soon {
    WEFT_FRAME;
    weft_future *child;
};

static WEFT_ASYNC(soon)
{
    WEFT_BEGIN;
    mark("m");
    mark_soon("1");
    self->child = weft_spawn(soon_child);
    mark("n");
    WEFT_YIELD;
    mark("o");
    mark_soon("2");
    WEFT_YIELD;
    mark("p");
    WEFT_AWAIT(self->child);
    mark("q");
    WEFT_END;
}

Test(order, call_soon_among_tasks)
{
    expect(weft_spawn(soon), "mn1to3T2pq");
}

static void mark_then(weft_future *future, void *text)
{
    (void)future;
    mark(text);
}

struct awaits {
    WEFT_FRAME;
    weft_future *on; /* consumed */
    const char *name;
};

static WEFT_ASYNC(awaits)
{
    WEFT_BEGIN;
    WEFT_AWAIT(self->on);
    mark(self->name);
    WEFT_END;
}

static void add_callback(weft_future *future, const char *name)
{
    cr_assert_eq(weft_then(weft_ref(future), mark_then, (void *)name), 0);
}

struct callbacks {
    WEFT_FRAME;
    weft_future *future, *b;
};

static WEFT_ASYNC(callbacks)
{
    WEFT_BEGIN;
    self->future = weft_future_new();
    add_callback(self->future, "1");
    weft_unref(weft_spawn(awaits, .on = weft_ref(self->future), .name = "a"));
    self->b = weft_spawn(awaits, .on = weft_ref(self->future), .name = "b");
    WEFT_YIELD;
    add_callback(self->future, "2");
    mark_soon("x");
    cr_assert_eq(weft_future_resolve(self->future, weft_value_i64(1), NULL), 0);
    add_callback(self->future, "3");
    mark_soon("y");
    mark("m");
    WEFT_YIELD;
    mark("n");
    WEFT_AWAIT(self->b);
    mark("e");
    WEFT_FINALLY;
    weft_unref(self->future);
    WEFT_END;
}

Test(order, continuations_of_a_future_in_the_order_they_were_added)
{
    expect(weft_spawn(callbacks), "mx1ab23yne");
}

/* ---- Timers ---- */

static void call_in(weft_ns now, weft_ns delay, const char *name)
{
    weft_unref(weft_call_at(now + delay, weft_test_mark_call, (void *)name));
}

struct timers {
    WEFT_FRAME;
};

static WEFT_ASYNC(timers)
{
    WEFT_BEGIN;
    call_in(weft_now(), WEFT_MS(30), "d");
    call_in(weft_now(), WEFT_MS(10), "a");
    call_in(weft_now(), WEFT_MS(11), "b");
    call_in(weft_now(), -WEFT_S(1), "z");
    call_in(weft_now(), WEFT_MS(20), "c");
    mark_soon("s");
    WEFT_AWAIT(weft_sleep(WEFT_MS(50)));
    mark("e");
    WEFT_END;
}

Test(order, timers_by_deadline_after_what_is_ready)
{
    expect(weft_spawn(timers), "szabcde");
}

struct later_now {
    WEFT_FRAME;
    int i;
};

static WEFT_ASYNC(later_now)
{
    WEFT_BEGIN;
    call_in(weft_now(), 0, "L");
    mark_soon("s");
    for (self->i = 0; self->i < 4; self->i++) {
        mark((const char *[]){"0", "1", "2", "3"}[self->i]);
        WEFT_YIELD;
    }
    WEFT_END;
}

Test(order, a_timer_that_is_due_at_once_runs_in_the_next_tick)
{
    expect(weft_spawn(later_now), "0s1L23");
}

/* ---- Chains ---- */

struct nothing {
    WEFT_FRAME;
    const char *name;
};

static WEFT_ASYNC(nothing)
{
    WEFT_BEGIN;
    mark(self->name);
    WEFT_RETURN(1);
    WEFT_END;
}

struct deep {
    WEFT_FRAME;
    int depth, tasks;
};

static WEFT_ASYNC(deep)
{
    WEFT_BEGIN;
    if (self->depth && self->tasks)
        WEFT_AWAIT(weft_spawn(deep, .depth = self->depth - 1, .tasks = 1));
    else if (self->depth)
        WEFT_AWAIT(weft_call(deep, .depth = self->depth - 1));
    else if (self->tasks)
        mark("x");
    else
        WEFT_AWAIT(weft_call(steps, .first = "e", .last = "E", .count = 1));
    WEFT_END;
}

struct chains {
    WEFT_FRAME;
};

static WEFT_ASYNC(chains)
{
    WEFT_BEGIN;
    weft_unref(weft_spawn(ticker, .count = 12));
    WEFT_YIELD;
    WEFT_AWAIT(weft_call(nothing, .name = "a"));
    mark("1");
    WEFT_AWAIT(weft_spawn(nothing, .name = "b"));
    mark("2");
    WEFT_AWAIT(weft_call(steps, .first = "c", .last = "C", .count = 1));
    mark("3");
    WEFT_AWAIT(weft_spawn(steps, .first = "d", .last = "D", .count = 1));
    mark("4");
    WEFT_AWAIT(weft_call(deep, .depth = 5));
    mark("5");
    WEFT_AWAIT(weft_call(deep, .depth = 3, .tasks = 1));
    mark("6");
    WEFT_END;
}

Test(order, awaits_of_calls_cost_no_tick_and_of_tasks_one_each)
{
    expect(weft_spawn(chains), ".a1.b.2c.C3.d.D.4e.E5...x.6");
}

/* ---- Cancelling ---- */

struct notes_cancel {
    WEFT_FRAME;
    const char *first, *last;
    int inner; /* await another one as a task */
    int yields;
};

static WEFT_ASYNC(notes_cancel)
{
    WEFT_BEGIN;
    mark(self->first);
    if (self->inner)
        WEFT_AWAIT(weft_spawn(notes_cancel, .first = "s", .last = "S"));
    else if (self->yields)
        WEFT_YIELD;
    else
        WEFT_AWAIT(weft_sleep(WEFT_S(9)));
    WEFT_FINALLY;
    mark(self->last);
    WEFT_END;
}

struct cancels {
    WEFT_FRAME;
    weft_future *task;
    int status;
};

static WEFT_ASYNC(cancels)
{
    WEFT_BEGIN;
    weft_unref(weft_spawn(ticker, .count = 14));
    self->task = weft_spawn(notes_cancel, .first = "never", .last = "NEVER");
    weft_cancel(self->task);
    WEFT_CATCH(self->status, self->task);
    mark("1");
    self->task = weft_spawn(notes_cancel, .first = "s", .last = "S");
    WEFT_YIELD;
    WEFT_YIELD;
    weft_cancel(self->task);
    mark("c");
    WEFT_CATCH(self->status, self->task);
    mark("2");
    self->task = weft_spawn(notes_cancel, .first = "o", .last = "O", .inner = 1);
    WEFT_YIELD;
    WEFT_YIELD;
    WEFT_YIELD;
    weft_cancel(self->task);
    mark("c");
    WEFT_CATCH(self->status, self->task);
    mark("3");
    self->task = weft_spawn(notes_cancel, .first = "y", .last = "Y", .yields = 1);
    WEFT_YIELD;
    weft_cancel(self->task);
    mark("c");
    WEFT_CATCH(self->status, self->task);
    mark("4");
    WEFT_END;
}

Test(order, a_cancel_in_each_state_of_a_task)
{
    expect(weft_spawn(cancels), "..1.s.c.S.2.o.s.c.S.O.3.yc.Y4");
}

struct catches {
    WEFT_FRAME;
    weft_future *on; /* consumed */
    int status;
};

static WEFT_ASYNC(catches)
{
    WEFT_BEGIN;
    WEFT_CATCH(self->status, self->on);
    mark("!");
    WEFT_END;
}

struct gathering {
    WEFT_FRAME;
    int status;
};

static WEFT_ASYNC(gathering)
{
    WEFT_BEGIN;
    WEFT_CATCH(self->status, weft_gather(weft_spawn(notes_cancel, .first = "a", .last = "A"),
                                         weft_spawn(notes_cancel, .first = "b", .last = "B")));
    mark("!");
    WEFT_END;
}

struct cancels_a_gather {
    WEFT_FRAME;
    weft_future *ticker, *task;
};

static WEFT_ASYNC(cancels_a_gather)
{
    WEFT_BEGIN;
    self->ticker = weft_spawn(ticker, .count = 10);
    self->task = weft_spawn(gathering);
    WEFT_YIELD;
    WEFT_YIELD;
    WEFT_YIELD;
    weft_cancel(self->task);
    mark("c");
    WEFT_AWAIT(self->task);
    mark("e");
    WEFT_AWAIT(self->ticker);
    WEFT_END;
}

Test(order, a_cancel_through_a_gather)
{
    expect(weft_spawn(cancels_a_gather), "..ab.c.AB..!.e...");
}

struct cancels_a_shield {
    WEFT_FRAME;
    weft_future *inner, *task;
};

static WEFT_ASYNC(cancels_a_shield)
{
    WEFT_BEGIN;
    weft_unref(weft_spawn(ticker, .count = 10));
    self->inner = weft_spawn(steps, .first = "s", .last = "S", .count = 5);
    self->task = weft_spawn(catches, .on = weft_shield(weft_ref(self->inner)));
    WEFT_YIELD;
    WEFT_YIELD;
    weft_cancel(self->task);
    mark("c");
    WEFT_AWAIT(self->task);
    mark("e");
    WEFT_AWAIT(self->inner);
    mark("f");
    WEFT_END;
}

Test(order, a_cancel_held_back_by_a_shield)
{
    expect(weft_spawn(cancels_a_shield), ".s.c.!.e..S.f.");
}

/* ---- The rules of a tick ---- */

static void mark_done(weft_future *future, void *name)
{
    (void)future;
    mark(name);
}

/* From an item of the tick: everything that can be added to the ready queue. */
static void add_all(void *arg)
{
    static char a[] = "a", b[] = "b", c[] = "c";
    (void)arg;
    mark("[");
    weft_unref(weft_call_soon(weft_test_mark_call, a));
    cr_assert_eq(weft_then(weft_sleep(0), mark_done, b), 0);
    weft_unref(weft_spawn(pause, .first = "s", .last = "S", .pause = 0));
    cr_assert_eq(weft_then(weft_future_failed(-EIO, NULL), mark_done, c), 0);
    mark("]");
}

Test(order, what_a_tick_adds_runs_in_the_next_tick)
{
    static char x[] = "x";
    weft_unref(weft_spawn(ticker, .count = 3));
    weft_unref(weft_call_soon(add_all, NULL));
    weft_unref(weft_call_soon(weft_test_mark_call, x));
    weft_test_ticks(4);
    cr_assert_str_eq(test_trace, ".[]x.absc.S");
    weft_test_loop_end();
}

Test(order, sleep_of_nothing_and_yield_are_one_tick)
{
    weft_unref(weft_spawn(ticker, .count = 3));
    weft_unref(weft_spawn(pause, .first = "a", .last = "A", .pause = 0));
    weft_unref(weft_spawn(pause, .first = "b", .last = "B", .pause = -1));
    weft_test_ticks(3);
    cr_assert_str_eq(test_trace, ".ab.AB.");
    weft_test_loop_end();
}

/* Much that is ready, of every kind; no time passes in it. */
static void run_scene(void)
{
    static char soon[] = "+", then[] = "*";
    for (int i = 1; i < 5; i++) {
        weft_unref(weft_spawn(ticker, .count = 10 * i));
        weft_unref(weft_spawn(pause, .first = "p", .last = "P", .pause = 0));
        weft_unref(weft_call_soon(weft_test_mark_call, soon));
        cr_assert_eq(weft_then(weft_spawn(ticker, .count = i), mark_done, then), 0);
    }
    weft_test_ticks(50);
}

Test(order, of_ready_items_does_not_change_when_polls_are_left_out)
{
    char polled[sizeof(test_trace)];
    run_scene(); /* on virtual time, timers and mailbox are looked at in each tick */
    memcpy(polled, test_trace, sizeof(polled));
    weft_test_loop_end();
    weft_test_loop_begin_real();
    test_trace[0] = '\0';
    test_loop->polled_at = WEFT_FOREVER; /* some are left out however slow the machine is */
    run_scene();
    struct weft_loop_stats stats;
    weft_loop_get_stats(test_loop, &stats);
    cr_assert_lt(stats.polls, stats.ticks);
    cr_assert_str_eq(test_trace, polled);
    weft_test_loop_end();
}

Test(order, poll_does_not_block_while_something_is_ready)
{
    weft_test_loop_end();
    weft_test_loop_begin_real();
    weft_future *far = weft_sleep(WEFT_S(100000));
    cr_assert_eq(weft_test_run(weft_spawn(ticker, .count = 400)), 0);
    weft_unref(far);
    weft_test_loop_end();
}

/* SPDX-License-Identifier: MIT */
/* Faults that others had: each test is named after what went wrong there. */
#include <criterion/criterion.h>
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft/resolve.h>
#include <weft/weft.h>

#include "tests/support/gate.h"
#include "tests/support/loop.h"
#include "tests/support/names.h"
#include "tests/support/pool.h"
#include "tests/support/trace.h"

TestSuite(traps, .init = weft_test_loop_begin, .timeout = 30);

/* ---- cpython 86296: wait_for() swallowed a cancel ---- */

/* Works for some milliseconds; when cancelled, cleans up for some more. */
struct worker {
    WEFT_FRAME;
    int works, cleans_up;
    int status;
};

static WEFT_ASYNC(worker)
{
    WEFT_BEGIN;
    WEFT_CATCH(self->status, weft_sleep(WEFT_MS(self->works)));
    if (self->status == 0)
        WEFT_RETURN(1);
    WEFT_AWAIT(weft_sleep(WEFT_MS(self->cleans_up)));
    WEFT_FAIL(self->status);
    WEFT_END;
}

/* Waits with a limit, and then for long; says in which of the two it was cancelled. */
struct waits {
    WEFT_FRAME;
    int works, cleans_up, limit;
    int first, second;
};

static WEFT_ASYNC(waits)
{
    WEFT_BEGIN;
    WEFT_CATCH(self->first,
               weft_wait_for(weft_spawn(worker, .works = self->works, .cleans_up = self->cleans_up),
                             WEFT_MS(self->limit)));
    WEFT_CATCH(self->second, weft_sleep(WEFT_S(1)));
    WEFT_RETURN((self->first == -ECANCELED) + (self->second == -ECANCELED));
    WEFT_END;
}

static void cancel_it(void *task)
{
    cr_assert(weft_cancel(task));
}

static int cancels_seen(int works, int cleans_up, int limit, int cancelled_at, bool before)
{
    weft_future *task, *cancel;
    if (before) { /* its timer is served before those of the task, where they are due together */
        task = weft_spawn(waits, .works = works, .cleans_up = cleans_up, .limit = limit);
        cancel = weft_call_later(WEFT_MS(cancelled_at), cancel_it, task);
        weft_test_ticks(2);
    } else {
        task = weft_spawn(waits, .works = works, .cleans_up = cleans_up, .limit = limit);
        weft_test_ticks(2);
        cancel = weft_call_later(WEFT_MS(cancelled_at), cancel_it, task);
    }
    cr_assert_eq(weft_test_run(weft_ref(task)), 0);
    int seen = (int)weft_future_value(task).i64;
    weft_unref(task);
    weft_unref(cancel);
    return seen;
}

Test(traps, wait_for_swallows_no_cancel_whenever_it_comes)
{
    for (int works = 2; works < 6; works++)
        for (int cleans_up = 0; cleans_up < 4; cleans_up++)
            for (int cancelled_at = 0; cancelled_at < 12; cancelled_at++)
                for (int before = 0; before < 2; before++)
                    cr_assert_eq(cancels_seen(works, cleans_up, 4, cancelled_at, before), 1,
                                 "works %d, cleans up %d, cancelled at %d, before: %d", works,
                                 cleans_up, cancelled_at, before);
    weft_test_loop_end();
}

/* ---- The same by tasks that await tasks: a request must not end in the inner one ---- */

/* Awaits a future that it is given, and returns. */
struct inner {
    WEFT_FRAME;
    weft_future *on; /* consumed */
};

static WEFT_ASYNC(inner)
{
    WEFT_BEGIN;
    WEFT_AWAIT(self->on);
    WEFT_RETURN(5);
    WEFT_END;
}

/* Awaits it in a call or without, then sleeps; returns 5 and 100 if it was cancelled in the sleep. */
struct outer {
    WEFT_FRAME;
    weft_future *first; /* consumed; NULL: none */
    weft_future *on;    /* consumed */
    bool by_call;
    int value, status;
};

static WEFT_ASYNC(outer)
{
    WEFT_BEGIN;
    if (self->first)
        WEFT_AWAIT(self->first);
    if (self->by_call)
        WEFT_AWAIT_INTO(self->value, weft_call(inner, .on = self->on));
    else
        WEFT_AWAIT_INTO(self->value, self->on);
    WEFT_CATCH(self->status, weft_sleep(WEFT_S(1)));
    WEFT_RETURN(self->value + (self->status == -ECANCELED ? 100 : 0));
    WEFT_END;
}

static int64_t value_of(weft_future *task)
{
    cr_assert_eq(weft_test_run(weft_ref(task)), 0);
    int64_t value = weft_future_value(task).i64;
    weft_unref(task);
    return value;
}

static weft_future *ready; /* what the innermost task awaits */

static void resolve_ready(void)
{
    cr_assert_eq(weft_future_resolve(ready, weft_value_i64(0), NULL), 0);
    weft_unref(ready);
}

static weft_future *new_inner(void)
{
    ready = weft_future_new();
    return weft_spawn(inner, .on = weft_ref(ready));
}

Test(traps, cancel_that_finds_no_await_left_in_the_inner_task_comes_back_to_the_outer_one)
{
    for (int by_call = 0; by_call < 2; by_call++) {
        weft_future *middle = weft_spawn(inner, .on = new_inner());
        weft_future *task = weft_spawn(outer, .on = middle, .by_call = by_call);
        weft_test_ticks(2);
        resolve_ready();
        cr_assert(weft_cancel(task));
        cr_assert_eq(value_of(task), 105, "by call: %d", by_call);
    }
    weft_test_loop_end();
}

Test(traps, cancel_kept_for_the_next_await_comes_back_from_there_too)
{
    weft_future *first = weft_future_new();
    weft_future *task = weft_spawn(outer, .first = weft_ref(first), .on = new_inner());
    weft_test_ticks(2);
    cr_assert_eq(weft_future_resolve(first, weft_value_i64(0), NULL), 0);
    cr_assert(weft_cancel(task)); /* kept: what it awaits is done */
    resolve_ready();              /* the inner task goes on behind it in the next tick */
    cr_assert_eq(value_of(task), 105);
    weft_unref(first);
    weft_test_loop_end();
}

Test(traps, cancel_of_the_inner_task_alone_does_not_come_to_the_outer_one)
{
    weft_future *child = new_inner();
    weft_future *task = weft_spawn(outer, .on = weft_ref(child));
    weft_test_ticks(2);
    resolve_ready();
    cr_assert(weft_cancel(child));
    cr_assert_eq(value_of(task), 5);
    weft_unref(child);
    weft_test_loop_end();
}

/* Swallows a cancel, then goes on as above. */
struct stubborn {
    WEFT_FRAME;
    weft_future *on; /* consumed */
    int status;
};

static WEFT_ASYNC(stubborn)
{
    WEFT_BEGIN;
    WEFT_CATCH(self->status, weft_sleep(WEFT_S(9)));
    cr_assert_eq(self->status, -ECANCELED);
    WEFT_AWAIT(self->on);
    WEFT_RETURN(5);
    WEFT_END;
}

Test(traps, cancel_that_the_inner_task_swallowed_does_not_come_back_with_a_later_one_of_its_own)
{
    ready = weft_future_new();
    weft_future *child = weft_spawn(stubborn, .on = weft_ref(ready));
    weft_future *task = weft_spawn(outer, .on = weft_ref(child));
    weft_test_ticks(1);
    cr_assert(weft_cancel(task));
    weft_test_ticks(1);
    resolve_ready();
    cr_assert(weft_cancel(child));
    cr_assert_eq(value_of(task), 5);
    weft_unref(child);
    weft_test_loop_end();
}

Test(traps, cancel_that_was_taken_back_does_not_come_back)
{
    weft_future *task = weft_spawn(outer, .on = new_inner());
    weft_test_ticks(2);
    resolve_ready();
    cr_assert(weft_cancel(task));
    cr_assert_eq(weft_uncancel(task), 0);
    cr_assert_eq(value_of(task), 5);
    weft_test_loop_end();
}

/* Swallows a cancel; then a block expires while a task that it awaits has its value already. */
struct limited {
    WEFT_FRAME;
    weft_timeout *limit;
    weft_future *on; /* consumed */
    int status;
};

static WEFT_ASYNC(limited)
{
    WEFT_BEGIN;
    WEFT_CATCH(self->status, weft_sleep(WEFT_S(9)));
    cr_assert_eq(self->status, -ECANCELED);
    self->limit = weft_timeout_enter(WEFT_S(1));
    WEFT_CATCH(self->status, self->on);
    cr_assert_eq(weft_timeout_exit(self->limit, self->status), 0);
    WEFT_CATCH(self->status, weft_sleep(WEFT_S(1)));
    WEFT_RETURN(self->status);
    WEFT_END;
}

static void resolve_now(void *arg)
{
    (void)arg;
    resolve_ready();
}

Test(traps, cancel_by_a_limit_that_comes_back_ends_with_its_block)
{
    weft_future *on = new_inner();
    weft_future *task = weft_spawn(limited, .on = on);
    weft_test_ticks(1);
    cr_assert(weft_cancel(task));
    weft_unref(weft_call_later(WEFT_S(1), resolve_now, NULL));
    cr_assert_eq(value_of(task), 0);
    weft_test_loop_end();
}

/* ---- A caught -ECANCELED: one's own, or that of what was awaited? ---- */

struct judges {
    WEFT_FRAME;
    weft_future *child; /* consumed */
    int status;
};

static WEFT_ASYNC(judges)
{
    WEFT_BEGIN;
    WEFT_CATCH(self->status, self->child);
    cr_assert_eq(self->status, -ECANCELED);
    weft_test_mark(weft_cancelling(weft_current_task()) > 0 ? "own " : "child's ");
    WEFT_END;
}

Test(traps, caught_cancel_of_a_child_is_told_from_ones_own_by_the_counter)
{
    weft_future *child = weft_spawn(worker, .works = 1000);
    weft_future *task = weft_spawn(judges, .child = weft_ref(child));
    weft_test_ticks(1);
    cr_assert(weft_cancel(child));
    cr_assert_eq(weft_test_run(task), 0);
    weft_unref(child);
    task = weft_spawn(judges, .child = weft_spawn(worker, .works = 1000));
    weft_test_ticks(2);
    cr_assert(weft_cancel(task));
    cr_assert_eq(weft_test_run(task), 0);
    cr_assert_str_eq(test_trace, "child's own ");
    weft_test_loop_end();
}

/* ---- cpython 105836: the future of run_coroutine_threadsafe() was done when it was cancelled, before
 * its task had ended ---- */

static weft_thread_task *from_thread;

static void *start_it(void *loop)
{
    from_thread = weft_spawn_from_thread(loop, worker, .works = 1000, .cleans_up = 50);
    return NULL;
}

static void *cancel_it_there(void *unused)
{
    (void)unused;
    cr_assert_eq(weft_thread_task_cancel(from_thread), 0);
    cr_assert_not(weft_thread_task_is_done(from_thread));
    cr_assert_eq(weft_thread_task_wait(from_thread, 0, NULL, NULL), -ETIMEDOUT);
    return NULL;
}

static void on_a_thread(void *(*run)(void *loop))
{
    pthread_t thread;
    cr_assert_eq(pthread_create(&thread, NULL, run, test_loop), 0);
    pthread_join(thread, NULL);
    cr_assert_eq(weft_test_run(weft_sleep(WEFT_MS(10))), 0);
}

Test(traps, task_cancelled_from_another_thread_is_done_when_it_has_ended_and_not_before)
{
    on_a_thread(start_it);
    on_a_thread(cancel_it_there);
    cr_assert_eq(weft_test_run(weft_sleep(WEFT_MS(39))), 0);
    cr_assert_not(weft_thread_task_is_done(from_thread));
    cr_assert_eq(weft_test_run(weft_sleep(WEFT_MS(2))), 0);
    cr_assert(weft_thread_task_is_done(from_thread));
    cr_assert_eq(weft_thread_task_wait(from_thread, 0, NULL, NULL), -ECANCELED);
    weft_thread_task_unref(from_thread);
    weft_test_loop_end();
}

/* ---- cpython 117379: tasks that nobody held vanished ---- */

struct lonely {
    WEFT_FRAME;
    weft_future *inner;
    int depth;
};

static WEFT_ASYNC(lonely)
{
    WEFT_BEGIN;
    if (self->depth > 0) {
        weft_unref(weft_spawn(lonely, .depth = self->depth - 1));
        WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    }
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    weft_test_mark("!");
    WEFT_END;
}

Test(traps, task_that_nobody_holds_runs_to_its_end)
{
    for (int i = 0; i < 10; i++)
        weft_unref(weft_spawn(lonely, .depth = 2));
    cr_assert_eq(weft_test_run(weft_sleep(WEFT_S(10))), 0);
    cr_assert_eq(strlen(test_trace), 30);
    weft_test_loop_end();
}

/* ---- cpython 112169: DNS starved the default pool ---- */

Test(traps, names_that_cannot_be_looked_up_keep_no_other_work_waiting)
{
    enum { NAMES = 20 };
    weft_future *names[NAMES];
    struct gate gate;
    gate_init(&gate);
    test_names_begin();
    test_names_gate(&gate);
    use_pool(&(struct weft_pool_options){.max_threads = 2});
    for (int i = 0; i < NAMES; i++) {
        char host[32];
        snprintf(host, sizeof(host), "no%d.such.name", i);
        names[i] = weft_resolve(host, "80");
    }
    gate_wait_entered(&gate);
    cr_assert_eq(weft_test_run(weft_to_thread_fn(NULL, return_nothing, NULL)), 0);
    for (int i = 0; i < NAMES; i++)
        gate_open(&gate);
    for (int i = 0; i < NAMES; i++)
        cr_assert_eq(weft_test_run(names[i]), WEFT_ERESOLVE);
    weft_test_loop_end();
}

Test(traps, names_are_looked_up_while_other_work_has_all_threads)
{
    struct gate gate;
    weft_future *jobs[4];
    gate_init(&gate);
    use_pool(&(struct weft_pool_options){.max_threads = 2});
    for (int i = 0; i < 4; i++)
        jobs[i] = weft_to_thread_fn(NULL, gate_pass, &gate);
    gate_wait_entered(&gate);
    gate_wait_entered(&gate);
    test_names_begin();
    test_name("service.test", "127.0.0.1");
    cr_assert_eq(weft_test_run(weft_resolve("service.test", "80")), 0);
    for (int i = 0; i < 4; i++)
        gate_open(&gate);
    for (int i = 0; i < 4; i++)
        cr_assert_eq(weft_test_run(jobs[i]), 0);
    weft_test_loop_end();
}

/* ---- nng 1313: free inside one's own callback ---- */

struct owner {
    weft_future *future;
    char *memory;
};

static void free_all(weft_future *future, void *arg)
{
    struct owner *owner = arg;
    cr_assert_eq(owner->future, future);
    weft_unref(owner->future);
    free(owner->memory);
    free(owner);
    weft_test_mark("freed ");
}

static void free_call(void *arg)
{
    struct owner *owner = arg;
    weft_unref(owner->future);
    free(owner->memory);
    free(owner);
    weft_test_mark("freed ");
}

static struct owner *new_owner(void)
{
    struct owner *owner = malloc(sizeof(*owner));
    cr_assert_not_null(owner);
    owner->memory = malloc(16);
    return owner;
}

Test(traps, callback_may_free_all_that_belongs_to_it_and_the_future_it_is_called_for)
{
    struct owner *owner = new_owner();
    owner->future = weft_future_new();
    cr_assert_eq(weft_then(weft_ref(owner->future), free_all, owner), 0);
    cr_assert_eq(weft_future_resolve(owner->future, weft_value_ptr(malloc(8)), free), 0);
    owner = new_owner();
    owner->future = weft_call_later(WEFT_S(1), free_call, owner);
    cr_assert_eq(weft_test_run(weft_sleep(WEFT_S(2))), 0);
    cr_assert_str_eq(test_trace, "freed freed ");
    weft_test_loop_end();
}

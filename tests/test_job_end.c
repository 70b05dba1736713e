/* SPDX-License-Identifier: MIT */
/*
 * Jobs of each mode that are stuck when their loop ends; what a cancel calls, and a function that ends
 * meanwhile; and loops, cancels, commits and ends all at once.
 */
#include <criterion/criterion.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <weft/weft.h>

#include "pool/cancel.h"
#include "tests/support/gate.h"
#include "tests/support/heap.h"
#include "tests/support/loop.h"
#include "tests/support/pool.h"

TestSuite(job_end, .init = weft_test_loop_begin_real, .timeout = 60);

static const struct weft_shutdown_options soon = {.jobs_timeout = 1};

static weft_result commit_and_pass(void *gate)
{
    if (weft_job_commit() < 0)
        return weft_err(-ECANCELED);
    return gate_pass(gate);
}

/* A job that does not stop: how the shutdown tells of it. */
static void must_be_named(enum weft_on_cancel mode, weft_result (*fn)(void *), const char *state)
{
    struct gate gate;
    struct weft_stuck_list *stuck;
    struct weft_job_options options = {.on_cancel = mode};
    gate_init(&gate);
    weft_unref(weft_offload_fn(&options, fn, &gate));
    gate_wait_entered(&gate);
    cr_assert_eq(weft_loop_shutdown(test_loop, &soon, &stuck), WEFT_ESTUCK);
    cr_assert_eq(stuck->count, 1);
    cr_assert_str_eq(stuck->stuck[0].state, state);
    cr_assert_str_eq(test_reports.message, state);
    free(stuck);
    weft_loop_free(test_loop);
    test_loop = NULL;
    gate_open(&gate);
    while (weft_test_heap_live() > 1) /* the list was made by weft, and freed by free() */
        sched_yield();
}

Test(job_end, names_a_stuck_job_that_is_waited_for)
{
    must_be_named(WEFT_CANCEL_WAIT, gate_pass, "waited for");
}

Test(job_end, names_a_stuck_job_that_was_told)
{
    must_be_named(WEFT_CANCEL_COOPERATIVE, gate_pass, "told to stop");
}

Test(job_end, names_a_stuck_job_that_was_interrupted)
{
    must_be_named(WEFT_CANCEL_INTERRUPT, gate_pass, "told to stop, and interrupted");
}

Test(job_end, names_a_stuck_job_that_has_committed)
{
    must_be_named(WEFT_CANCEL_ABANDON, commit_and_pass, "past the point of no return");
}

/* ---- While a callback of a cancel is called ---- */

/* The callback says that it is there, waits until the job has heard it, and goes on when the job has
 * returned from its removal, which it must not, or after many looks. */
static atomic_int in_callback, heard, removed, removed_too_early;

static void slow_callback(void *arg)
{
    (void)arg;
    atomic_store(&in_callback, 1);
    while (!atomic_load(&heard))
        sched_yield();
    for (int i = 0; i < 1000; i++) {
        sched_yield();
        if (atomic_load(&removed))
            atomic_store(&removed_too_early, 1);
    }
}

enum how { BY_RETURNING, BY_REMOVAL, BY_END_OF_WAIT };

struct removes {
    struct gate *gate;
    enum how how;
};

static void note_removed(void *args)
{
    (void)args;
    atomic_store(&removed, 1);
}

static WEFT_BLOCKING(removes)
{
    if (self->how == BY_END_OF_WAIT)
        weft__control_watch(slow_callback, NULL);
    else
        weft_job_on_cancel(slow_callback, NULL);
    gate_pass(self->gate);
    while (!atomic_load(&in_callback))
        sched_yield();
    atomic_store(&heard, 1);
    if (self->how == BY_RETURNING)
        return weft_ok(0);
    if (self->how == BY_REMOVAL)
        weft_job_on_cancel(NULL, NULL);
    else
        weft__control_watch(NULL, NULL);
    atomic_store(&removed, 1);
    return weft_ok(0);
}

static void remove_while_it_is_called(enum how how)
{
    struct gate gate;
    struct weft_job_options options = {.on_cancel = WEFT_CANCEL_COOPERATIVE};
    gate_init(&gate);
    if (how == BY_RETURNING)
        options.release = note_removed;
    weft_future *job = weft_offload(&options, removes, .gate = &gate, .how = how);
    gate_open(&gate);
    gate_wait_entered(&gate);
    weft_cancel(job);
    cr_assert_eq(weft_test_run(job), 0);
    cr_assert(atomic_load(&removed));
    cr_assert_not(atomic_load(&removed_too_early));
    weft_test_loop_end();
}

Test(job_end, is_not_calling_the_callback_any_more_once_it_was_removed)
{
    remove_while_it_is_called(BY_REMOVAL);
}

Test(job_end, is_not_calling_the_callback_any_more_once_the_function_has_returned)
{
    remove_while_it_is_called(BY_RETURNING);
}

Test(job_end, is_not_calling_what_wakes_a_wait_any_more_once_the_wait_is_over)
{
    remove_while_it_is_called(BY_END_OF_WAIT);
}

/* ---- All at once ---- */

static atomic_int values, freed;

static void free_value(void *value)
{
    free(value);
    atomic_fetch_add(&freed, 1);
}

static void nothing(void *arg)
{
    atomic_fetch_add((atomic_int *)arg, 1);
}

struct hurries {
    unsigned seed;
    atomic_int *begun;
};

/* Does what a job may, in an order that the seed says. A commit that succeeds yields a value. */
static WEFT_BLOCKING(hurries)
{
    atomic_int called = 0;
    bool committed = false, is_told = false;
    atomic_store(self->begun, 1);
    for (unsigned i = 0, x = self->seed; i < 60 && !is_told; i++, x = x * 1103515245 + 12345) {
        if (x >> 16 & 1)
            sched_yield();
        if ((x >> 17 & 63) == 0)
            committed = weft_job_commit() == 0;
        else if ((x >> 17 & 3) == 1)
            weft_job_on_cancel(nothing, &called);
        else if ((x >> 17 & 3) == 2)
            weft_job_on_cancel(NULL, NULL);
        else if (weft_job_poll(-1, 0, 0) == -ECANCELED)
            is_told = true;
    }
    weft_job_on_cancel(NULL, NULL);
    if (is_told || atomic_load(&called) > 0)
        return weft_err(committed ? -EIO : -ECANCELED);
    atomic_fetch_add(&values, 1);
    return weft_ok(malloc(8), free_value);
}

enum { JOBS = 40 };

/* Static, since an abandoned job may still begin when its loop has ended. */
static struct run {
    unsigned seed;
    atomic_int begun[JOBS];
} runs[2];

static void *run_loop(void *arg)
{
    struct run *run = arg;
    unsigned seed = run->seed;
    weft_loop *loop = weft_loop_new(NULL);
    weft_future *jobs[JOBS];
    for (unsigned i = 0; i < JOBS; i++, seed = seed * 1664525 + 1013904223) {
        struct weft_job_options options = {.on_cancel = (enum weft_on_cancel)(seed >> 16 & 3)};
        if (seed >> 20 & 1)
            options.max_run = 1 + (seed >> 21 & 63) * 1000;
        atomic_store(&run->begun[i], 0);
        jobs[i] = weft_offload(&options, hurries, .seed = seed, .begun = &run->begun[i]);
        while (seed >> 27 & 1 && !options.max_run && !atomic_load(&run->begun[i]))
            sched_yield();
        if (seed >> 18 & 1)
            weft_cancel(jobs[(seed >> 8) % (i + 1)]);
        if (seed >> 19 & 1)
            (void)!weft_loop_run_until(loop, weft_sleep(0));
    }
    for (unsigned i = 0; i < JOBS; i++) {
        if (seed >> (i % 30) & 1)
            weft_cancel(jobs[i]);
        int status = weft_is_done(jobs[i]) ? weft_future_status(jobs[i]) : 0;
        cr_expect(status == 0 || status == -ECANCELED || status == -ETIMEDOUT, "%d", status);
        weft_unref(jobs[i]);
    }
    weft_loop_free(loop);
    return NULL;
}

Test(job_end, loses_nothing_when_cancels_commits_limits_and_ends_come_all_at_once)
{
    for (unsigned seed = 1; seed <= 30; seed++) {
        pthread_t threads[2];
        for (unsigned i = 0; i < 2; i++) {
            runs[i].seed = seed * (i ? 7919 : 104729);
            cr_assert_eq(pthread_create(&threads[i], NULL, run_loop, &runs[i]), 0);
        }
        for (int i = 0; i < 2; i++)
            pthread_join(threads[i], NULL);
    }
    weft_loop_free(test_loop);
    test_loop = NULL;
    while (weft_test_heap_live() > 0)
        sched_yield();
    cr_assert_eq(atomic_load(&freed), atomic_load(&values));
}

/* SPDX-License-Identifier: MIT */
/*
 * Trees of scopes that do anything at random: spawn, fail, cancel themselves, each other and their
 * scopes, clean up, forget to close. Whatever happens, children end first, and all of it ends.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <weft/weft.h>

#include "tests/support/loop.h"

TestSuite(scope_random, .init = weft_test_loop_begin, .timeout = 120);

enum { SEEDS = 400, STEPS = 6, DEPTH = 5, MAX_NODES = 300, MAX_TASKS = 64 };

static uint32_t state;
static int nodes;
static long total;
static weft_future *tasks[MAX_TASKS]; /* some that were started lately, a reference each */

static unsigned random_below(unsigned n)
{
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return state % n;
}

static void remember(const weft_future *task)
{
    weft_future **slot = &tasks[random_below(MAX_TASKS)];
    weft_unref(*slot);
    *slot = weft_ref((weft_future *)(uintptr_t)task);
}

static void cancel_one(void)
{
    weft_future *task = tasks[random_below(MAX_TASKS)];
    if (task)
        weft_cancel(task);
}

struct node {
    WEFT_FRAME;
    int depth;
    int *running; /* how many siblings run, in the parent's frame */
    weft_scope *parent;
    int children;
    int step, status;
    bool forgets_to_close;
    weft_scope *scope;
    weft_cleanup *cleanup;
    weft_timeout *timeout;
};

static void spawn_child(struct node *self);

static void act(struct node *self)
{
    switch (random_below(10)) {
    case 0:
        if (random_below(6) == 0)
            weft_scope_cancel(self->scope);
        break;
    case 1:
        cancel_one();
        break;
    case 2:
        weft_scope_add(self->scope, weft_sleep(WEFT_MS(random_below(20))));
        break;
    case 3:
        if (random_below(12) == 0)
            weft_scope_add(self->scope, weft_future_failed(-EIO, NULL));
        break;
    case 4:
        if (random_below(30) == 0)
            weft_scope_cancel(self->parent);
        break;
    default:
        spawn_child(self);
    }
}

static WEFT_ASYNC(node)
{
    WEFT_BEGIN;
    ++*self->running;
    self->forgets_to_close = random_below(8) == 0;
    self->scope = weft_scope_open(&(struct weft_scope_options){
        .timeout = random_below(6) ? 0 : WEFT_MS(1 + random_below(200)),
        .forgets = random_below(2)});
    if (random_below(6) == 0)
        self->timeout = weft_timeout_enter(WEFT_MS(random_below(200)));
    for (self->step = 0; self->step < STEPS; self->step++) {
        act(self);
        WEFT_CATCH(self->status, weft_sleep(WEFT_MS(random_below(10))));
        if (self->status < 0 && random_below(4))
            WEFT_FAIL(self->status);
    }
    if (random_below(20) == 0)
        WEFT_FAIL(-EPIPE);

    WEFT_FINALLY;
    self->cleanup = random_below(2) ? weft_cleanup_enter(WEFT_MS(random_below(20))) : NULL;
    WEFT_CATCH(self->status, weft_sleep(WEFT_MS(random_below(30))));
    if (self->cleanup)
        self->status = weft_cleanup_exit(self->cleanup, self->status);
    if (!self->forgets_to_close) {
        WEFT_SCOPE_CLOSE(self->scope);
        cr_assert_eq(self->children, 0, "children run though the scope is closed");
        cr_assert_eq(weft_scope_count(self->scope), 0);
        cr_assert_eq(WEFT_OUTCOME == WEFT_EGROUP, weft_scope_errors(self->scope) != NULL);
    }
    if (self->timeout)
        self->status = weft_timeout_exit(self->timeout, WEFT_OUTCOME);
    --*self->running;
    WEFT_END;
}

static void spawn_child(struct node *self)
{
    if (self->depth == 0 || nodes++ > MAX_NODES)
        return;
    remember(random_below(3)
                 ? weft_scope_spawn(self->scope, node, .depth = self->depth - 1,
                                    .running = &self->children, .parent = self->scope)
                 : weft_scope_spawn_eager(self->scope, node, .depth = self->depth - 1,
                                          .running = &self->children, .parent = self->scope));
}

static void cancel_some(void *arg)
{
    (void)arg;
    cancel_one();
}

static void grow(uint32_t seed)
{
    int running = 0;
    state = seed * 2654435761u + 1;
    nodes = 0;
    weft_future *root = weft_spawn(node, .depth = DEPTH, .running = &running);
    remember(root);
    for (int i = 0; i < 10; i++)
        weft_unref(weft_call_later(WEFT_MS(random_below(300)), cancel_some, NULL));
    int status = weft_test_run(root);
    cr_assert(status == 0 || status == -ECANCELED || status == -ETIMEDOUT || status == WEFT_EGROUP,
              "seed %u: %d", seed, status);
    for (int i = 0; i < MAX_TASKS; i++) {
        cr_assert(!tasks[i] || weft_is_done(tasks[i]), "seed %u: a task outlived its parent", seed);
        weft_unref(tasks[i]);
        tasks[i] = NULL;
    }
    cr_assert_eq(running, 0, "seed %u", seed);
    total += nodes;
}

Test(scope_random, children_end_first_whatever_happens)
{
    for (uint32_t seed = 1; seed <= SEEDS; seed++)
        grow(seed);
    cr_assert_gt(total, 20 * SEEDS, "%ld: the trees are too small to tell anything", total);
    weft_test_loop_end();
}

/* SPDX-License-Identifier: MIT */
/*
 * Coroutines in the picture: where one is, what it awaits, its blocks; and the chain of calls within a task.
 *
 * A coroutine whose sleep is in its own waiter (core/sleep.c) awaits no future: it says itself that it
 * sleeps, and until when.
 */
#include <string.h>

#include "core/block.h"
#include "core/inspect/walk.h"
#include "core/memory.h"
#include "core/scope.h"

enum { MOST_BLOCKS = 32 };

/* ---- Seeing one ---- */

static bool runs(const struct weft__eye *eye, const weft__coro *at)
{
    size_t step = 0;
    if (at == eye->current)
        return true;
    while (step < eye->step_count && eye->steps[step].caller != at)
        step++;
    return step < eye->step_count;
}

/* What it is just starting: a call, of which it will wait for the end. */
static const weft__coro *starts(const struct weft__eye *eye, const weft__coro *at)
{
    size_t step = 0;
    while (step < eye->step_count && eye->steps[step].caller != at)
        step++;
    return step < eye->step_count ? eye->steps[step].started : NULL;
}

static void see_cold(struct weft__eye *eye, const weft__coro *copy, struct weft__waiting *ret,
                     struct weft__coro_seen *coro)
{
    struct weft__cold cold;
    if (!(copy->future.flags & WEFT__HAS_COLD) ||
        !weft__eye_see(eye, &cold, copy->future.second.cold, sizeof(cold)))
        return;
    if (cold.name)
        ret->name = weft__eye_text(eye, cold.name);
    if (!copy->future.requests)
        return;
    coro->reason = weft__eye_text(eye, cold.message);
    coro->by = weft__eye_text(eye, cold.origin.by);
    coro->at = weft__eye_text(eye, cold.origin.at);
    coro->by_id = cold.origin.by_id;
}

/* The earliest deadline around what it does, and its scopes. */
static void see_blocks(struct weft__eye *eye, const weft__coro *copy, struct weft__coro_seen *coro)
{
    struct weft__cold cold;
    weft__block block;
    if (!(copy->future.flags & WEFT__HAS_COLD) ||
        !weft__eye_see(eye, &cold, copy->future.second.cold, sizeof(cold)))
        return;
    const weft__block *at = cold.blocks;
    for (int i = 0; at && i < MOST_BLOCKS && weft__eye_see(eye, &block, at, sizeof(block)); i++) {
        if (block.timer && block.deadline < coro->deadline)
            coro->deadline = block.deadline;
        if (block.ops == &weft__scope_block_ops)
            weft__eye_belongs(eye, &WEFT__CONTAINER(at, weft_scope, block)->future);
        at = block.outer;
    }
}

static void see_await(struct weft__eye *eye, const weft__coro *at, const weft__coro *copy,
                      struct weft__waiting *ret)
{
    const weft_future *awaited = copy->waiter.future;
    const weft__coro *started = starts(eye, at);
    weft_future seen;
    ret->needs = WEFT__NEEDS_NOTHING;
    if (awaited == &eye->loop->asleep) {
        ret->needs = WEFT__NEEDS_WORLD;
        ret->deadline = weft__eye_deadline(eye, &copy->waiter.timer);
    } else if (awaited && weft__eye_future(eye, &seen, awaited) && weft__is_pending(&seen) &&
               !(seen.flags & WEFT__NEXT_TICK)) {
        ret->needs = WEFT__NEEDS_ALL;
        weft__eye_child(eye, awaited);
    } else if (started) {
        weft__eye_child(eye, &started->future);
    }
}

void weft__explain_coro(struct weft__eye *eye, const weft_future *future, struct weft__waiting *ret)
{
    const weft__coro *at = WEFT__CONTAINER(future, weft__coro, future);
    weft_coroutine code;
    weft__coro copy;
    if (!weft__eye_see(eye, &copy, at, sizeof(copy)) ||
        !weft__eye_see(eye, &code, copy.code, sizeof(code)))
        return;
    struct weft__coro_seen *coro = weft__calloc(1, sizeof(*coro));
    if (!coro) {
        eye->no_memory = true;
        return;
    }
    eye->tree->nodes[eye->node].coro = coro;
    coro->deadline = WEFT_FOREVER;
    coro->is_call = weft__is_call(&copy);
    coro->id = copy.id;
    coro->parent = coro->is_call ? 0 : copy.parent;
    coro->task = coro->is_call ? copy.as.task : at;
    coro->file = weft__eye_text(eye, code.file);
    coro->line = copy.frame.weft_state;
    coro->flags = copy.frame.weft_flags;
    coro->requests = copy.future.requests;
    coro->runs = runs(eye, at);
    ret->name = weft__eye_text(eye, code.name);
    ret->place = weft__eye_text(eye, copy.spawned_at);
    see_cold(eye, &copy, ret, coro);
    see_await(eye, at, &copy, ret);
    see_blocks(eye, &copy, coro);
}

/* ---- The chain of calls ---- */

const struct weft__node *weft__tree_awaited(const struct weft__tree *tree,
                                            const struct weft__node *coro)
{
    for (uint32_t i = 0; i < coro->count; i++)
        if (tree->edges[coro->first + i].kind == WEFT__EDGE_CHILD)
            return &tree->nodes[tree->edges[coro->first + i].to];
    return NULL;
}

static const struct weft__node *next_call(const struct weft__tree *tree,
                                          const struct weft__node *coro)
{
    const struct weft__node *next = weft__tree_awaited(tree, coro);
    bool is_its_call =
        next && next->coro && next->coro->is_call && next->coro->task == coro->coro->task;
    return is_its_call ? next : NULL;
}

/* Calls that await each other are a ring, in which the one that goes half as fast is met. */
const struct weft__node *weft__tree_innermost(const struct weft__tree *tree,
                                              const struct weft__node *coro)
{
    const struct weft__node *at = coro, *behind = coro, *next;
    for (bool odd = false; (next = next_call(tree, at)); odd = !odd) {
        if (odd)
            behind = next_call(tree, behind);
        if (next == behind)
            break;
        at = next;
    }
    return at;
}

const char *weft__tree_state(const struct weft__tree *tree, const struct weft__node *task)
{
    if (!task->coro)
        return "done";
    const struct weft__node *at = weft__tree_innermost(tree, task);
    if (task->coro->runs || at->coro->runs)
        return "running";
    if (at->is.needs != WEFT__NEEDS_NOTHING)
        return "waiting";
    return task->coro->line == 0 ? "new" : "ready";
}

/* ---- In words ---- */

static void say_owner(const struct weft__tree *tree, const struct weft__node *node,
                      struct weft__text *to)
{
    for (uint32_t i = 0; i < node->count; i++) {
        const struct weft__edge *edge = &tree->edges[node->first + i];
        const struct weft__node *owner = &tree->nodes[edge->to];
        if (edge->kind == WEFT__EDGE_OWNER && owner->coro)
            weft__text_add(to, ", which task %u (%s) has", owner->coro->id, owner->is.name);
    }
}

/* "read, to read"; "wait_writable, to write" */
static bool is_said_by_kind(const struct weft__waiting *is)
{
    return (strcmp(is->stage, "to read") == 0 && strstr(is->kind, "read")) ||
           (strcmp(is->stage, "to write") == 0 && strstr(is->kind, "writ"));
}

void weft__tree_say(const struct weft__tree *tree, const struct weft__node *node,
                    struct weft__text *to)
{
    const struct weft__waiting *is = &node->is;
    if (node->coro && !node->coro->is_call) {
        weft__text_add(to, "task %u (%s)", node->coro->id, is->name);
        return;
    }
    weft__text_add(to, "%s", is->kind);
    if (is->name)
        weft__text_add(to, " %s", is->name);
    if (is->resource)
        weft__text_add(to, " 0x%llx", (unsigned long long)(uintptr_t)is->resource);
    if (is->stage && !is_said_by_kind(is))
        weft__text_add(to, ", %s", is->stage);
    if (is->detail)
        weft__text_add(to, ", %s", is->detail);
    say_owner(tree, node, to);
}

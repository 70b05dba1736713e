/* SPDX-License-Identifier: MIT */
/*
 * The picture as JSON: an object for the loop, in it one for each task, and the circles.
 *
 * A task refers to others by their ids, so that the tasks are a list, and whoever shows them as a tree
 * makes it himself: the roots are those that no other one waits for, nor has in a scope of its own.
 * Within one task, what it waits for is nested: an operation in an operation.
 */
#include <stdio.h>

#include "core/inspect/walk.h"

enum { DEEPEST = 12, WIDEST = 1000 };

static const char *const loop_states[] = {
    [WEFT__SEEN_RUNNING] = "running", [WEFT__SEEN_IDLE] = "idle", [WEFT__SEEN_BLOCKED] = "blocked"};

/* "file:line", or NULL. */
static const char *place_of(const struct weft__coro_seen *coro, char *buffer, size_t size)
{
    if (!coro->file || coro->line <= 0)
        return NULL;
    snprintf(buffer, size, "%s:%d", coro->file, coro->line);
    return buffer;
}

static void write_place(struct weft__text *to, const struct weft__node *node)
{
    char place[600];
    weft__json_string(to, "awaits_at", place_of(node->coro, place, sizeof(place)));
}

static void write_pointer(struct weft__text *to, const char *key, const void *pointer)
{
    char text[24];
    snprintf(text, sizeof(text), "0x%llx", (unsigned long long)(uintptr_t)pointer);
    weft__json_string(to, key, text);
}

static void write_deadline(const struct weft__tree *tree, struct weft__text *to, const char *key,
                           weft_ns deadline)
{
    if (deadline != WEFT_FOREVER)
        weft__json_int(to, key, deadline - tree->now);
}

/* ---- What a task waits for ---- */

/* Who has it, with names; of a lock it is one. */
static void write_owners(const struct weft__tree *tree, struct weft__text *to,
                         const struct weft__node *node)
{
    bool any = false;
    for (uint32_t i = 0; i < node->count; i++) {
        const struct weft__edge *edge = &tree->edges[node->first + i];
        const struct weft__node *owner = &tree->nodes[edge->to];
        if (edge->kind != WEFT__EDGE_OWNER || !owner->coro)
            continue;
        if (!any)
            weft__json_open(to, "owners", '[');
        any = true;
        weft__json_open(to, NULL, '{');
        weft__json_uint(to, "task", owner->coro->id);
        weft__json_string(to, "name", owner->is.name);
        weft__json_close(to, '}');
    }
    if (any)
        weft__json_close(to, ']');
}

/* A look at one task's waits: how much may still be written. */
struct room {
    const struct weft__tree *tree;
    struct weft__text *to;
    size_t left;
};

static void write_numbers(struct weft__text *to, const struct weft__waiting *is)
{
    for (size_t i = 0; i < WEFT__WAITING_NUMBERS && is->numbers[i].key; i++)
        weft__json_uint(to, is->numbers[i].key, is->numbers[i].value);
}

/* Of a node of any kind, but its children. */
static void write_self(const struct room *room, const struct weft__node *node)
{
    struct weft__text *to = room->to;
    const struct weft__waiting *is = &node->is;
    weft__json_string(to, "kind", is->kind);
    if (is->name)
        weft__json_string(to, "name", is->name);
    if (is->place)
        weft__json_string(to, "made_at", is->place);
    if (is->resource)
        write_pointer(to, "resource", is->resource);
    if (is->owner)
        weft__json_uint(to, "owner", is->owner);
    write_owners(room->tree, to, node);
    if (is->stage)
        weft__json_string(to, "stage", is->stage);
    if (is->fd >= 0)
        weft__json_int(to, "fd", is->fd);
    if (is->tid) {
        weft__json_int(to, "tid", is->tid);
        weft__json_int(to, "runs_for_ns", is->runs_for);
        weft__json_string(to, "doing", is->doing);
    }
    if (is->pid)
        weft__json_int(to, "pid", is->pid);
    if (is->detail)
        weft__json_string(to, "detail", is->detail);
    write_numbers(to, is);
    write_deadline(room->tree, to, "deadline_ns", is->deadline);
}

static void write_wait(struct room *room, const char *key, const struct weft__node *node,
                       int depth);

static void write_children(struct room *room, const struct weft__node *node, const char *key,
                           enum weft__edge_kind kind, int depth)
{
    bool any = false;
    for (uint32_t i = 0; i < node->count && room->left > 0; i++) {
        const struct weft__edge *edge = &room->tree->edges[node->first + i];
        if (edge->kind != kind)
            continue;
        if (!any)
            weft__json_open(room->to, key, '[');
        any = true;
        write_wait(room, NULL, &room->tree->nodes[edge->to], depth);
    }
    if (any)
        weft__json_close(room->to, ']');
    if (node->was_missed || room->left == 0)
        weft__json_bool(room->to, "more", true);
}

/* A task is in the list, with all that there is to say. */
static void write_reference(const struct room *room, const struct weft__node *node)
{
    weft__json_string(room->to, "kind", "task");
    weft__json_uint(room->to, "task", node->coro->id);
    weft__json_string(room->to, "name", node->is.name);
}

/* The sleep that a coroutine has in its own waiter. */
static void write_sleep(const struct room *room, const struct weft__node *coro)
{
    weft__json_open(room->to, "waits_for", '{');
    weft__json_string(room->to, "kind", "sleep");
    write_deadline(room->tree, room->to, "deadline_ns", coro->is.deadline);
    weft__json_close(room->to, '}');
}

/* The calls within a coroutine, one in the other, and what the innermost waits for. */
static void write_chain(struct room *room, const struct weft__node *coro, int depth)
{
    const struct weft__node *last = weft__tree_innermost(room->tree, coro), *at = coro;
    struct weft__text *to = room->to;
    weft__json_open(to, "calls", '[');
    while (at != last) {
        at = weft__tree_awaited(room->tree, at);
        weft__json_open(to, NULL, '{');
        weft__json_string(to, "name", at->is.name);
        weft__json_string(to, "called_at", at->is.place);
        write_place(to, at);
        write_deadline(room->tree, to, "limit_ns", at->coro->deadline);
        weft__json_close(to, '}');
    }
    weft__json_close(to, ']');
    const struct weft__node *awaited = weft__tree_awaited(room->tree, last);
    if (last->is.needs == WEFT__NEEDS_WORLD)
        write_sleep(room, last);
    else if (awaited && last->is.needs != WEFT__NEEDS_NOTHING)
        write_wait(room, "waits_for", awaited, depth);
}

/* A call beside those of a task: in a gather, say. */
static void write_call(struct room *room, const struct weft__node *call, int depth)
{
    weft__json_string(room->to, "kind", "call");
    weft__json_string(room->to, "name", call->is.name);
    weft__json_string(room->to, "called_at", call->is.place);
    write_place(room->to, call);
    write_deadline(room->tree, room->to, "limit_ns", call->coro->deadline);
    write_chain(room, call, depth + 1);
}

static void write_wait(struct room *room, const char *key, const struct weft__node *node, int depth)
{
    weft__json_open(room->to, key, '{');
    if (room->left > 0)
        room->left--;
    if (node->coro && !node->coro->is_call) {
        write_reference(room, node);
    } else if (depth >= DEEPEST) {
        weft__json_bool(room->to, "more", true);
    } else if (node->coro) {
        write_call(room, node, depth);
    } else {
        write_self(room, node);
        write_children(room, node, "children", WEFT__EDGE_CHILD, depth + 1);
    }
    weft__json_close(room->to, '}');
}

/* ---- Tasks ---- */

static void write_cancel(struct weft__text *to, const struct weft__coro_seen *coro)
{
    weft__json_uint(to, "cancel_requested", coro->requests);
    if (!coro->requests)
        return;
    weft__json_open(to, "cancel", '{');
    weft__json_string(to, "reason", coro->reason);
    if (coro->by) {
        weft__json_string(to, "by", coro->by);
        weft__json_uint(to, "by_id", coro->by_id);
    }
    if (coro->at)
        weft__json_string(to, "at", coro->at);
    weft__json_close(to, '}');
}

static void write_task(const struct weft__tree *tree, const struct weft__node *task,
                       struct weft__text *to)
{
    const struct weft__coro_seen *coro = task->coro;
    struct room room = {.tree = tree, .to = to, .left = WIDEST};
    weft__json_open(to, NULL, '{');
    weft__json_uint(to, "id", coro->id);
    weft__json_string(to, "name", task->is.name);
    weft__json_string(to, "state", weft__tree_state(tree, task));
    weft__json_string(to, "spawned_at", task->is.place);
    weft__json_uint(to, "parent", coro->parent);
    write_place(to, task);
    weft__json_bool(to, "in_finally", coro->flags & WEFT__IN_FINALLY);
    weft__json_bool(to, "shielded", coro->flags & WEFT__SHIELDED);
    write_cancel(to, coro);
    write_deadline(tree, to, "limit_ns", coro->deadline);
    write_chain(&room, task, 0);
    write_children(&room, task, "scopes", WEFT__EDGE_BELONGS, 0);
    weft__json_close(to, '}');
}

static void write_cycle(const struct weft__tree *tree, const struct weft__cycle *cycle,
                        struct weft__text *to)
{
    weft__json_open(to, NULL, '{');
    weft__json_bool(to, "for_ever", cycle->until == WEFT_FOREVER);
    write_deadline(tree, to, "until_ns", cycle->until);
    weft__json_open(to, "tasks", '[');
    for (uint32_t i = 0; i < cycle->count; i++) {
        const struct weft__node *node = &tree->nodes[tree->members[cycle->first + i]];
        const struct weft__node *last = weft__tree_innermost(tree, node);
        const struct weft__node *awaited = weft__tree_awaited(tree, last);
        weft__json_open(to, NULL, '{');
        weft__json_uint(to, "id", node->coro->id);
        weft__json_string(to, "name", node->is.name);
        if (awaited) {
            struct weft__text text = {0};
            weft__tree_say(tree, awaited, &text);
            weft__json_string(to, "waits_for", text.data);
            weft__text_fini(&text);
        }
        write_place(to, last);
        weft__json_close(to, '}');
    }
    weft__json_close(to, ']');
    weft__json_close(to, '}');
}

void weft__tree_json(const struct weft__tree *tree, struct weft__text *to)
{
    weft__json_open(to, NULL, '{');
    weft__json_uint(to, "id", tree->loop_id);
    weft__json_int(to, "tid", tree->tid);
    weft__json_string(to, "state", loop_states[tree->state]);
    weft__json_string(to, "seen", tree->from_outside ? "from outside" : "by itself");
    weft__json_bool(to, "moved", tree->has_moved);
    if (tree->doing)
        weft__json_string(to, "doing", tree->doing);
    weft__json_uint(to, "task_count", tree->task_count);
    weft__json_open(to, "tasks", '[');
    for (size_t i = 0; i < tree->listed; i++)
        if (tree->nodes[i].coro)
            write_task(tree, &tree->nodes[i], to);
    weft__json_close(to, ']');
    weft__json_open(to, "cycles", '[');
    for (size_t i = 0; i < tree->cycle_count; i++)
        write_cycle(tree, &tree->cycles[i], to);
    weft__json_close(to, ']');
    weft__json_close(to, '}');
}

/* SPDX-License-Identifier: MIT */
/*
 * The picture as text for people: a tree of who waits for whom, and the circles.
 *
 *     loop 1: 3 tasks
 *     |- #1 main, waiting at shop.c:40
 *     |    gather, 2 of 2 left
 *     |    |- #2 buy, waiting at shop.c:20
 *     |    |    lock 0x5581, which task 3 (sell) has
 *
 * The roots are the tasks that no other one waits for, nor has in a scope. Each task is shown once, where it
 * is met first, and named where it is met again. What is deeper than anybody reads becomes a root.
 */
#include <errno.h>

#include "core/inspect/walk.h"
#include "core/memory.h"

enum { DEEPEST = 32, FEW = 20 };

struct printer {
    const struct weft__tree *tree;
    struct weft__text *to;
    bool *shown; /* by node */
};

static void begin_line(const struct printer *printer, int depth)
{
    for (int i = 0; i < depth; i++)
        weft__text_add(printer->to, "    ");
}

static void print_time(struct weft__text *to, weft_ns time)
{
    if (time < 0)
        weft__text_add(to, "over");
    else if (time < WEFT_S(1))
        weft__text_add(to, "%.1f ms", (double)time / (double)WEFT_MS(1));
    else
        weft__text_add(to, "%.1f s", (double)time / (double)WEFT_S(1));
}

static void print_deadline(const struct printer *printer, const char *what, weft_ns deadline)
{
    if (deadline == WEFT_FOREVER)
        return;
    weft__text_add(printer->to, ", %s", what);
    print_time(printer->to, deadline - printer->tree->now);
}

static void print_place(struct weft__text *to, const struct weft__coro_seen *coro)
{
    if (coro->file && coro->line > 0)
        weft__text_add(to, " at %s:%d", coro->file, coro->line);
    if (coro->flags & WEFT__IN_FINALLY)
        weft__text_add(to, ", in WEFT_FINALLY");
    if (coro->flags & WEFT__SHIELDED)
        weft__text_add(to, ", shielded");
}

static void print_wait(struct printer *printer, const struct weft__node *node, int depth);

static void print_children(struct printer *printer, const struct weft__node *node,
                           enum weft__edge_kind kind, int depth)
{
    for (uint32_t i = 0; i < node->count; i++) {
        const struct weft__edge *edge = &printer->tree->edges[node->first + i];
        if (edge->kind == kind)
            print_wait(printer, &printer->tree->nodes[edge->to], depth);
    }
    if (node->was_missed) {
        begin_line(printer, depth);
        weft__text_add(printer->to, "and more, that could not be seen\n");
    }
}

/* Where it is, the calls within, and what the innermost one waits for. */
static void print_chain(struct printer *printer, const struct weft__node *coro, int depth)
{
    const struct weft__tree *tree = printer->tree;
    const struct weft__node *last = weft__tree_innermost(tree, coro), *at = coro;
    while (at != last) {
        at = weft__tree_awaited(tree, at);
        begin_line(printer, depth);
        weft__text_add(printer->to, "in %s", at->is.name);
        print_place(printer->to, at->coro);
        print_deadline(printer, "limited to ", at->coro->deadline);
        weft__text_add(printer->to, "\n");
    }
    const struct weft__node *awaited = weft__tree_awaited(tree, last);
    if (last->is.needs == WEFT__NEEDS_WORLD) {
        begin_line(printer, depth);
        weft__text_add(printer->to, "sleep");
        print_deadline(printer, "", last->is.deadline);
        weft__text_add(printer->to, "\n");
    } else if (awaited && last->is.needs != WEFT__NEEDS_NOTHING) {
        print_wait(printer, awaited, depth);
    }
}

static void print_task(struct printer *printer, const struct weft__node *task, int depth)
{
    struct weft__text *to = printer->to;
    const struct weft__coro_seen *coro = task->coro;
    size_t number = (size_t)(task - printer->tree->nodes);
    begin_line(printer, depth);
    weft__text_add(to, "#%u %s, ", coro->id, task->is.name);
    if (printer->shown[number] || depth >= DEEPEST) {
        weft__text_add(to, printer->shown[number] ? "see there\n" : "see below\n");
        return;
    }
    printer->shown[number] = true;
    weft__text_add(to, "%s", weft__tree_state(printer->tree, task));
    print_place(to, coro);
    if (coro->line == 0 && task->is.place)
        weft__text_add(to, ", spawned at %s", task->is.place);
    print_deadline(printer, "limited to ", coro->deadline);
    if (coro->requests)
        weft__text_add(to, ", asked to cancel%s%s", coro->reason ? ": " : "",
                       coro->reason ? coro->reason : "");
    weft__text_add(to, "\n");
    print_chain(printer, task, depth + 1);
    print_children(printer, task, WEFT__EDGE_BELONGS, depth + 1);
}

/* An operation, or a call that is beside its task: what is behind it is shown once, so that the text cannot be
 * longer than the picture. */
static bool goes_on(struct printer *printer, const struct weft__node *node, int depth)
{
    bool *shown = &printer->shown[node - printer->tree->nodes];
    bool has_more = node->count > 0 || node->was_missed;
    if (has_more && *shown)
        weft__text_add(printer->to, ", see there");
    weft__text_add(printer->to, "\n");
    if (*shown || depth >= DEEPEST)
        return false;
    *shown = true;
    return true;
}

static void print_call(struct printer *printer, const struct weft__node *call, int depth)
{
    begin_line(printer, depth);
    weft__text_add(printer->to, "call %s", call->is.name);
    print_place(printer->to, call->coro);
    if (goes_on(printer, call, depth))
        print_chain(printer, call, depth + 1);
}

static void print_numbers(struct weft__text *to, const struct weft__waiting *is)
{
    for (size_t i = 0; i < WEFT__WAITING_NUMBERS && is->numbers[i].key; i++)
        weft__text_add(to, ", %s %llu", is->numbers[i].key,
                       (unsigned long long)is->numbers[i].value);
}

static void print_wait(struct printer *printer, const struct weft__node *node, int depth)
{
    const struct weft__waiting *is = &node->is;
    if (node->coro && !node->coro->is_call) {
        print_task(printer, node, depth);
        return;
    }
    if (node->coro) {
        print_call(printer, node, depth);
        return;
    }
    begin_line(printer, depth);
    weft__tree_say(printer->tree, node, printer->to);
    print_numbers(printer->to, is);
    if (is->place)
        weft__text_add(printer->to, ", made at %s", is->place);
    if (is->pid)
        weft__text_add(printer->to, ", process %d", (int)is->pid);
    if (is->tid)
        weft__text_add(printer->to, ", thread %d%s%s", (int)is->tid, is->doing ? ": " : "",
                       is->doing ? is->doing : "");
    print_deadline(printer, "", is->deadline);
    if (goes_on(printer, node, depth))
        print_children(printer, node, WEFT__EDGE_CHILD, depth + 1);
}

/* ---- The whole ---- */

/* Whoever another one waits for, be it by way of an operation. */
static bool *find_branches(const struct weft__tree *tree)
{
    bool *is_branch = weft__calloc(tree->count + 1, sizeof(bool));
    for (size_t i = 0; is_branch && i < tree->edge_count; i++)
        if (tree->edges[i].kind != WEFT__EDGE_OWNER)
            is_branch[tree->edges[i].to] = true;
    return is_branch;
}

void weft__tree_say_wait(const struct weft__tree *tree, const struct weft__node *task,
                         struct weft__text *to)
{
    const struct weft__node *last = weft__tree_innermost(tree, task);
    const struct weft__node *awaited = weft__tree_awaited(tree, last);
    weft__text_add(to, "#%u %s waits", task->coro->id, task->is.name);
    print_place(to, last->coro);
    if (!awaited)
        return;
    weft__text_add(to, " for ");
    weft__tree_say(tree, awaited, to);
}

void weft__tree_say_cycle(const struct weft__tree *tree, const struct weft__cycle *cycle,
                          struct weft__text *to)
{
    for (uint32_t i = 0; i < cycle->count && i < FEW; i++) {
        weft__text_add(to, "%s", i ? "; " : "");
        weft__tree_say_wait(tree, &tree->nodes[tree->members[cycle->first + i]], to);
    }
    if (cycle->count > FEW)
        weft__text_add(to, "; and so on, %u in all", cycle->count);
}

static void print_cycles(const struct printer *printer)
{
    const struct weft__tree *tree = printer->tree;
    for (size_t i = 0; i < tree->cycle_count; i++) {
        weft__text_add(printer->to, "waiting in a circle%s: ",
                       tree->cycles[i].until == WEFT_FOREVER ? ", for ever" : "");
        weft__tree_say_cycle(tree, &tree->cycles[i], printer->to);
        weft__text_add(printer->to, "\n");
    }
}

/* Those that nobody waits for, then what is left: rings, and what was too deep. */
static void print_tasks(struct printer *printer, const bool *is_branch)
{
    const struct weft__tree *tree = printer->tree;
    for (int rest = 0; rest <= 1; rest++)
        for (size_t i = 0; i < tree->listed; i++)
            if (tree->nodes[i].coro && !printer->shown[i] && (rest || !is_branch[i]))
                print_task(printer, &tree->nodes[i], 0);
}

void weft__tree_print(const struct weft__tree *tree, struct weft__text *to)
{
    bool *is_branch = find_branches(tree);
    struct printer printer = {tree, to, weft__calloc(tree->count + 1, sizeof(bool))};
    if (is_branch && printer.shown) {
        weft__text_add(to, "loop %u, thread %d: %zu tasks%s\n", tree->loop_id, (int)tree->tid,
                       tree->task_count, tree->listed < tree->task_count ? ", not all shown" : "");
        print_tasks(&printer, is_branch);
        print_cycles(&printer);
    } else if (to->status == 0) {
        to->status = -ENOMEM;
    }
    weft__free(is_branch);
    weft__free(printer.shown);
}

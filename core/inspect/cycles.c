/* SPDX-License-Identifier: MIT */
/*
 * Who waits in a circle.
 *
 * First, who can go on: what is ready, what waits for the world or for somebody unknown, and then
 * whoever has all that he needs, or one of them, among those; as far as that leads. The others never go
 * on by themselves: they wait in a circle, or for one who does. A race in which one can go on is no circle.
 * Deadlines are left out for that, and taken in for a second look: what can go on then does so when
 * its time is over, and the circle ends. Whoever has a deadline cancels then what he waits for, and so on down:
 * who waits at a lock there goes on, too.
 *
 * Among those who cannot, each strongly connected component (Tarjan) has a circle: the shortest one from
 * its oldest task.
 *
 * All of it is linear in nodes and edges, with no recursion. Failure mode: no memory (-ENOMEM).
 */
#include <errno.h>
#include <string.h>

#include "core/inspect/tree.h"
#include "core/memory.h"
#include "core/task.h"

/* Numbers of nodes, all of `count`, in one block. */
struct work {
    const struct weft__tree *tree;
    weft_ns *limit;         /* when it is cancelled by one who waits for it; WEFT_FOREVER: never */
    uint32_t *missing;      /* how many must go on before it can; 0: it can */
    uint32_t *ended;        /* the same with deadlines */
    uint32_t *first, *from; /* who waits for it: from[first[n]] … from[first[n + 1]] */
    uint32_t *stack, *order, *low, *at, *component;
    uint32_t *queue, *back;
    size_t depth;       /* of `stack` */
    uint32_t numbers;   /* given so far, from 1 */
    uint32_t last_part; /* component, from 1 */
};

#define NONE UINT32_MAX /* clang refuses an enumerator beyond int */

static bool is_wait(const struct weft__edge *edge)
{
    return edge->kind != WEFT__EDGE_BELONGS;
}

static const struct weft__edge *edges_of(const struct work *work, uint32_t node)
{
    return work->tree->edges + work->tree->nodes[node].first;
}

/* ---- Who can go on ---- */

static uint32_t needed(const struct weft__tree *tree, const struct weft__node *node)
{
    uint32_t count = 0;
    if (node->was_missed ||
        (node->is.needs != WEFT__NEEDS_ALL && node->is.needs != WEFT__NEEDS_ANY))
        return 0;
    for (uint32_t i = 0; i < node->count; i++)
        count += is_wait(&tree->edges[node->first + i]);
    return node->is.needs == WEFT__NEEDS_ANY && count ? 1 : count;
}

static bool has_deadline(const struct weft__node *node)
{
    return node->is.deadline != WEFT_FOREVER ||
           (node->coro && node->coro->deadline != WEFT_FOREVER);
}

static weft_ns earlier(const struct weft__node *node, weft_ns than)
{
    if (node->is.deadline < than)
        than = node->is.deadline;
    return node->coro && node->coro->deadline < than ? node->coro->deadline : than;
}

/* Who waits for it may be cancelled, but it is not. */
static bool keeps_cancel(const struct weft__node *node)
{
    if (node->coro)
        return node->coro->flags & WEFT__SHIELDED;
    return node->is.kind && strcmp(node->is.kind, "shield") == 0;
}

/* It waits at something: a cancel ends that. */
static bool is_leaf(const struct weft__tree *tree, const struct weft__node *node)
{
    for (uint32_t i = 0; i < node->count; i++)
        if (tree->edges[node->first + i].kind != WEFT__EDGE_OWNER)
            return false;
    return !node->was_missed;
}

/* Each is met once: by a deadline that ends it, if not by the first. */
static void hand_down_deadlines(struct work *work)
{
    const struct weft__tree *tree = work->tree;
    size_t count = 0;
    for (uint32_t i = 0; i < tree->count; i++) {
        const struct weft__node *node = &tree->nodes[i];
        work->limit[i] = WEFT_FOREVER;
        if (has_deadline(node) && !keeps_cancel(node)) {
            work->limit[i] = earlier(node, WEFT_FOREVER);
            work->queue[count++] = i;
        }
    }
    for (size_t done = 0; done < count; done++) {
        uint32_t node = work->queue[done];
        for (uint32_t i = 0; i < tree->nodes[node].count; i++) {
            const struct weft__edge *edge = &edges_of(work, node)[i];
            if (edge->kind == WEFT__EDGE_OWNER || work->limit[edge->to] != WEFT_FOREVER ||
                keeps_cancel(&tree->nodes[edge->to]))
                continue;
            work->limit[edge->to] = work->limit[node];
            work->queue[count++] = edge->to;
        }
    }
}

/* Turn the edges round. */
static void find_waiters(struct work *work)
{
    const struct weft__tree *tree = work->tree;
    for (size_t i = 0; i < tree->edge_count; i++)
        if (is_wait(&tree->edges[i]))
            work->first[tree->edges[i].to + 1]++;
    for (size_t i = 0; i < tree->count; i++)
        work->first[i + 1] += work->first[i];
    for (uint32_t node = (uint32_t)tree->count; node-- > 0;)
        for (uint32_t i = 0; i < tree->nodes[node].count; i++) {
            const struct weft__edge *edge = &edges_of(work, node)[i];
            if (is_wait(edge))
                work->from[work->first[edge->to] + work->low[edge->to]++] = node;
        }
    memset(work->low, 0, tree->count * sizeof(*work->low));
}

/* Returns how many cannot. */
static size_t go_on(struct work *work, uint32_t *missing, bool by_deadline)
{
    const struct weft__tree *tree = work->tree;
    size_t count = 0;
    for (uint32_t i = 0; i < tree->count; i++) {
        const struct weft__node *node = &tree->nodes[i];
        bool ends = by_deadline &&
                    (has_deadline(node) || (work->limit[i] != WEFT_FOREVER && is_leaf(tree, node)));
        missing[i] = ends ? 0 : needed(tree, node);
        if (missing[i] == 0)
            work->queue[count++] = i;
    }
    for (size_t done = 0; done < count; done++) {
        uint32_t node = work->queue[done];
        for (uint32_t i = work->first[node]; i < work->first[node + 1]; i++)
            if (missing[work->from[i]] > 0 && --missing[work->from[i]] == 0)
                work->queue[count++] = work->from[i];
    }
    return tree->count - count;
}

/* ---- Components ---- */

static void number(struct work *work, uint32_t node)
{
    work->order[node] = work->low[node] = ++work->numbers;
    work->at[node] = 0;
    work->stack[work->depth++] = node;
}

/* The rest of those that were numbered since are a component. */
static void close_part(struct work *work, uint32_t node)
{
    uint32_t member;
    work->last_part++;
    do {
        member = work->stack[--work->depth];
        work->component[member] = work->last_part;
    } while (member != node);
}

static void lower(struct work *work, uint32_t node, uint32_t to)
{
    if (to < work->low[node])
        work->low[node] = to;
}

/* The next one to go down to; NONE: all were seen. */
static uint32_t step_down(struct work *work, uint32_t node)
{
    while (work->at[node] < work->tree->nodes[node].count) {
        const struct weft__edge *edge = &edges_of(work, node)[work->at[node]++];
        if (!is_wait(edge) || work->missing[edge->to] == 0)
            continue;
        if (!work->order[edge->to])
            return edge->to;
        if (!work->component[edge->to])
            lower(work, node, work->order[edge->to]);
    }
    return NONE;
}

static void find_parts(struct work *work, uint32_t root)
{
    size_t depth = 0;
    uint32_t *path = work->queue;
    path[depth++] = root;
    number(work, root);
    while (depth > 0) {
        uint32_t node = path[depth - 1], next = step_down(work, node);
        if (next != NONE) {
            number(work, next);
            path[depth++] = next;
            continue;
        }
        if (work->low[node] == work->order[node])
            close_part(work, node);
        if (--depth > 0)
            lower(work, path[depth - 1], work->low[node]);
    }
}

/* ---- Circles ---- */

/* The shortest way from `start` back to itself: back[] leads there. NONE: there is none. */
static uint32_t way_back(struct work *work, uint32_t start)
{
    size_t count = 0;
    memset(work->back, 0xff, work->tree->count * sizeof(*work->back));
    work->queue[count++] = start;
    for (size_t done = 0; done < count; done++) {
        uint32_t node = work->queue[done];
        for (uint32_t i = 0; i < work->tree->nodes[node].count; i++) {
            const struct weft__edge *edge = &edges_of(work, node)[i];
            if (!is_wait(edge) || work->component[edge->to] != work->component[start])
                continue;
            if (edge->to == start)
                return node;
            if (work->back[edge->to] != NONE)
                continue;
            work->back[edge->to] = node;
            work->queue[count++] = edge->to;
        }
    }
    return NONE;
}

static bool is_task(const struct weft__node *node)
{
    return node->coro && !node->coro->is_call;
}

/* From the last one back to the first; tasks if there are any, else calls that await each other. */
static void note(struct work *work, struct weft__tree *tree, uint32_t start, uint32_t last)
{
    struct weft__cycle *cycle = &tree->cycles[tree->cycle_count];
    uint32_t *members = tree->members + cycle->first;
    bool tasks = is_task(&tree->nodes[start]), goes_on = false;
    size_t count = 0;
    cycle->until = WEFT_FOREVER;
    for (uint32_t node = last;; node = work->back[node]) {
        const struct weft__node *at = &tree->nodes[node];
        cycle->until = earlier(at, cycle->until);
        if (work->limit[node] < cycle->until)
            cycle->until = work->limit[node];
        goes_on = goes_on || work->ended[node] == 0;
        if (tasks ? is_task(at) : at->coro != NULL)
            work->queue[count++] = node;
        if (node == start)
            break;
    }
    if (!goes_on)
        cycle->until = WEFT_FOREVER;
    for (size_t i = 0; i < count; i++)
        members[i] = work->queue[count - 1 - i];
    cycle->count = (uint32_t)count;
    tree->cycle_count += count > 0;
}

static void find_circles(struct work *work, struct weft__tree *tree)
{
    uint32_t used = 0;
    bool *seen = (bool *)(void *)work->stack; /* of components, which are no more than nodes */
    memset(seen, 0, tree->count + 1);
    for (int tasks = 1; tasks >= 0; tasks--)
        for (uint32_t i = 0; i < tree->count; i++) {
            if (!work->component[i] || seen[work->component[i]] ||
                is_task(&tree->nodes[i]) != tasks)
                continue;
            uint32_t last = way_back(work, i);
            seen[work->component[i]] = last != NONE;
            if (last == NONE)
                continue;
            tree->cycles[tree->cycle_count].first = used;
            note(work, tree, i, last);
            used = tree->cycle_count ? tree->cycles[tree->cycle_count - 1].first +
                                           tree->cycles[tree->cycle_count - 1].count
                                     : 0;
        }
}

/* ---- All of it ---- */

static uint32_t *take(uint32_t **room, size_t count)
{
    uint32_t *taken = *room;
    *room += count;
    return taken;
}

static void look_closer(struct work *work, struct weft__tree *tree)
{
    hand_down_deadlines(work);
    go_on(work, work->ended, true);
    for (uint32_t i = 0; i < tree->count; i++)
        if (work->missing[i] > 0 && !work->order[i])
            find_parts(work, i);
    find_circles(work, tree);
}

int weft__tree_find_cycles(struct weft__tree *tree)
{
    size_t count = tree->count + 1;
    uint32_t *block = weft__calloc(13 * count + tree->edge_count, sizeof(uint32_t)), *room = block;
    if (!block)
        return -ENOMEM;
    struct work work = {.tree = tree};
    work.limit = (weft_ns *)(void *)take(&room, 2 * count); /* first, for its alignment */
    uint32_t **const parts[] = {&work.missing, &work.ended, &work.first, &work.stack,
                                &work.order,   &work.low,   &work.at,    &work.component,
                                &work.queue,   &work.back};
    for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
        *parts[i] = take(&room, count);
    work.from = take(&room, tree->edge_count);
    find_waiters(&work);
    int status = 0;
    if (go_on(&work, work.missing, false) > 0) {
        tree->cycles = weft__calloc(count, sizeof(*tree->cycles));
        tree->members = weft__calloc(count, sizeof(*tree->members));
        status = tree->cycles && tree->members ? 0 : -ENOMEM;
        if (status == 0)
            look_closer(&work, tree);
    }
    weft__free(block);
    return status;
}

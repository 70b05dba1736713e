/* SPDX-License-Identifier: MIT */
/*
 * The walk: from the loop's list of tasks down to what each of them waits for.
 *
 *     tasks, oldest first --ops->explain--> their scopes and what they await --ops->explain--> …
 *
 * A node is explained once, in the order in which nodes were found; what it waits for is appended, if it
 * was not seen before. So there is no recursion, a ring ends by itself, and what several tasks wait for is
 * one node. As many are looked at as the limits allow; a node with more than that says so.
 *
 * From outside the list itself may change while it is followed: it is followed for as many steps as the
 * loop has tasks, until something is no task, or was there already.
 *
 * The loop counts what it runs. When the count is another one in the end, the picture is made of several
 * moments: then it says so (has_moved), and whoever wants to be sure looks again.
 *
 * Failure modes: no memory (an empty picture, -ENOMEM); what cannot be read, or is not what it should be, is
 * left out.
 */
#include "core/inspect/tree.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "core/inspect/peek.h"
#include "core/inspect/source.h"
#include "core/inspect/thread_state.h"
#include "core/inspect/walk.h"
#include "core/memory.h"

enum { FIRST_ROOM = 64, MOST_TASKS = 10000, MOST_FUTURES = 50000, EDGES_PER_FUTURE = 4 };

static const struct weft__tree_limits usual_limits = {.tasks = MOST_TASKS, .futures = MOST_FUTURES};

struct weft__tree_limits weft__tree_limits(void)
{
    return usual_limits;
}

/* ---- The index ---- */

static uintptr_t key_of_id(uint64_t id)
{
    return (uintptr_t)id << 1 | 1;
}

static size_t slot_of(const struct weft__index *index, uintptr_t key)
{
    size_t mask = index->room - 1, at = (size_t)(key * 0x9E3779B97F4A7C15u >> 20) & mask;
    while (index->slots[at].key && index->slots[at].key != key)
        at = (at + 1) & mask;
    return at;
}

static bool find(const struct weft__index *index, uintptr_t key, uint32_t *ret)
{
    if (!index->room)
        return false;
    size_t at = slot_of(index, key);
    *ret = index->slots[at].node;
    return index->slots[at].key;
}

static bool grow_index(struct weft__index *index)
{
    struct weft__index grown = {.room = index->room ? 2 * index->room : (size_t)4 * FIRST_ROOM};
    grown.slots = weft__calloc(grown.room, sizeof(*grown.slots));
    if (!grown.slots)
        return false;
    for (size_t i = 0; i < index->room; i++)
        if (index->slots[i].key)
            grown.slots[slot_of(&grown, index->slots[i].key)] = index->slots[i];
    grown.used = index->used;
    weft__free(index->slots);
    *index = grown;
    return true;
}

static void enter(struct weft__eye *eye, uintptr_t key, uint32_t node)
{
    struct weft__index *index = &eye->index;
    if (2 * (index->used + 1) > index->room && !grow_index(index)) {
        eye->no_memory = true;
        return;
    }
    size_t at = slot_of(index, key);
    index->used += !index->slots[at].key;
    index->slots[at].key = key;
    index->slots[at].node = node;
}

/* ---- Nodes and edges ---- */

/* Room for one more of `size` bytes. */
static bool make_room(void *array, size_t count, size_t *room, size_t size)
{
    void **at = array;
    if (count < *room)
        return true;
    size_t wanted = *room ? 2 * *room : FIRST_ROOM;
    void *grown = weft__realloc(*at, wanted * size);
    if (!grown)
        return false;
    *at = grown;
    *room = wanted;
    return true;
}

static bool add_node(struct weft__eye *eye, const weft_future *at, const weft_future *seen,
                     uint32_t *ret)
{
    struct weft__tree *tree = eye->tree;
    if (!make_room(&tree->nodes, tree->count, &tree->room, sizeof(*tree->nodes))) {
        eye->no_memory = true;
        return false;
    }
    *ret = (uint32_t)tree->count++;
    tree->nodes[*ret] = (struct weft__node){
        .at = at,
        .ops = seen->ops,
        .is = {.deadline = WEFT_FOREVER,
               .fd = -1,
               .needs = weft__is_pending(seen) ? WEFT__NEEDS_SOMEBODY : WEFT__NEEDS_NOTHING},
    };
    enter(eye, (uintptr_t)at, *ret);
    return true;
}

static void add_edge(struct weft__eye *eye, uint32_t to, enum weft__edge_kind kind)
{
    struct weft__tree *tree = eye->tree;
    if (tree->edge_count >= EDGES_PER_FUTURE * eye->limits->futures) {
        weft__eye_missed(eye);
        return;
    }
    if (!make_room(&tree->edges, tree->edge_count, &tree->edge_room, sizeof(*tree->edges))) {
        eye->no_memory = true;
        return;
    }
    tree->edges[tree->edge_count++] = (struct weft__edge){.to = to, .kind = kind};
    tree->nodes[eye->node].count++;
}

/* True: it is done, and not of interest. */
static bool meet(struct weft__eye *eye, const weft_future *future, enum weft__edge_kind kind)
{
    weft_future seen;
    uint32_t node;
    if (!future || eye->no_memory)
        return false;
    if (find(&eye->index, (uintptr_t)future, &node)) {
        add_edge(eye, node, kind);
        return false;
    }
    if (!weft__eye_future(eye, &seen, future)) {
        weft__eye_missed(eye);
        return false;
    }
    if (!weft__is_pending(&seen))
        return true;
    if (eye->tree->count >= eye->limits->futures)
        weft__eye_missed(eye);
    else if (add_node(eye, future, &seen, &node))
        add_edge(eye, node, kind);
    return false;
}

bool weft__eye_child(struct weft__eye *eye, const weft_future *child)
{
    return meet(eye, child, WEFT__EDGE_CHILD);
}

bool weft__eye_children(struct weft__eye *eye, const void *first, size_t count, size_t stride)
{
    bool any_done = false;
    for (size_t i = 0; i < count && i < eye->limits->futures && !eye->no_memory; i++) {
        weft__waiter waiter;
        if (!weft__eye_see(eye, &waiter, weft__address((uintptr_t)first + i * stride),
                           sizeof(waiter))) {
            weft__eye_missed(eye);
            break;
        }
        any_done |= weft__eye_child(eye, waiter.future);
    }
    return any_done;
}

void weft__eye_belongs(struct weft__eye *eye, const weft_future *future)
{
    meet(eye, future, WEFT__EDGE_BELONGS);
}

void weft__eye_missed(struct weft__eye *eye)
{
    eye->tree->nodes[eye->node].was_missed = true;
}

/* ---- Explaining ---- */

/* The tasks that were seen are known by their ids. */
void weft__eye_owner(struct weft__eye *eye, uint64_t owner)
{
    uint32_t node;
    if (owner && find(&eye->index, key_of_id(owner), &node))
        add_edge(eye, node, WEFT__EDGE_OWNER);
}

static void explain(struct weft__eye *eye, uint32_t number)
{
    struct weft__tree *tree = eye->tree;
    struct weft__node *node = &tree->nodes[number];
    struct weft__waiting is = node->is;
    eye->node = number;
    node->first = (uint32_t)tree->edge_count;
    if (!is.kind)
        is.kind = weft__eye_text(eye, node->ops->name);
    if (node->ops->explain && is.needs != WEFT__NEEDS_NOTHING)
        node->ops->explain(eye, node->at, &is);
    weft__eye_owner(eye, is.owner);
    tree->nodes[number].is = is;
}

/* ---- Jobs ---- */

/* What a thread is doing. */
static const char *see_thread(struct weft__eye *eye, pid_t tid)
{
    struct weft__thread_state state;
    char doing[256] = "";
    if (weft__thread_state_read(tid, &state) < 0)
        return NULL;
    weft__syscall_describe(&state, doing, sizeof(doing));
    if (doing[0])
        return weft__eye_say(eye, "%s", doing);
    return state.state == 'R' ? "on a CPU, or wants to" : NULL;
}

/* Of the thread that has this job. */
static void note_busy(void *arg, const struct weft__busy *busy)
{
    struct weft__eye *eye = arg;
    uint32_t node;
    if (busy->loop_id != eye->loop_id || !find(&eye->index, (uintptr_t)busy->what, &node))
        return;
    struct weft__waiting *is = &eye->tree->nodes[node].is;
    is->stage = "running";
    is->tid = busy->tid;
    is->runs_for = busy->runs_for;
    is->doing = see_thread(eye, busy->tid);
}

static void ask_source(void *arg, struct weft__source *source)
{
    if (source->ops->each_busy)
        source->ops->each_busy(source, note_busy, arg);
}

static void find_workers(struct weft__eye *eye)
{
    bool any = false;
    for (size_t i = 0; i < eye->tree->count && !any; i++)
        any = eye->tree->nodes[i].is.job;
    if (any)
        weft__sources_each(ask_source, eye);
}

/* ---- The loop ---- */

static void see_steps(struct weft__eye *eye)
{
    const struct weft__first_step *at = NULL;
    struct weft__first_step step;
    weft__eye_see(eye, &eye->current, &eye->loop->current, sizeof(eye->current));
    weft__eye_see(eye, &at, &eye->loop->first_steps, sizeof(at));
    while (at && eye->step_count < WEFT__MOST_STEPS &&
           weft__eye_see(eye, &step, at, sizeof(step))) {
        eye->steps[eye->step_count++] = (struct weft__step_seen){step.started, step.caller};
        at = step.outer;
    }
}

/* One copy: what was checked is what is believed. */
static bool is_task(struct weft__eye *eye, const weft__coro *at, weft__coro *ret)
{
    uint32_t node;
    return (uintptr_t)at % _Alignof(weft__coro) == 0 && weft__eye_see(eye, ret, at, sizeof(*ret)) &&
           ret->future.ops == weft__task_ops && ret->future.loop_id == eye->loop_id && ret->id &&
           weft__is_pending(&ret->future) && !find(&eye->index, (uintptr_t)at, &node);
}

/* Newest first, as they are listed. */
static void see_tasks(struct weft__eye *eye)
{
    const weft__coro *at = NULL;
    weft__coro task;
    struct weft__tree *tree = eye->tree;
    uint32_t node, only = eye->limits->only;
    weft__eye_see(eye, &tree->task_count, &eye->loop->task_count, sizeof(tree->task_count));
    weft__eye_see(eye, &at, &eye->loop->tasks, sizeof(at));
    for (size_t met = 0; at && tree->count < eye->limits->tasks && met < tree->task_count; met++) {
        bool goes_on = is_task(eye, at, &task);
        if (goes_on && (!only || task.id == only))
            goes_on = add_node(eye, &at->future, &task.future, &node) && !only;
        at = goes_on ? task.next : NULL;
    }
    tree->listed = tree->count;
}

static void turn_round(struct weft__eye *eye)
{
    struct weft__tree *tree = eye->tree;
    for (size_t i = 0; i < tree->listed / 2; i++) {
        struct weft__node kept = tree->nodes[i];
        tree->nodes[i] = tree->nodes[tree->listed - 1 - i];
        tree->nodes[tree->listed - 1 - i] = kept;
    }
    for (size_t i = 0; i < tree->listed; i++) {
        weft__coro task;
        enter(eye, (uintptr_t)tree->nodes[i].at, (uint32_t)i);
        if (weft__eye_see(eye, &task, tree->nodes[i].at, sizeof(task)))
            enter(eye, key_of_id(task.id), (uint32_t)i);
    }
}

static weft_ns clock_of(struct weft__eye *eye)
{
    struct timespec now;
    weft_ns then = 0;
    if (eye->loop->clock == WEFT_CLOCK_VIRTUAL) {
        weft__eye_see(eye, &then, &eye->loop->virtual_now, sizeof(then));
        return then;
    }
    clock_gettime(CLOCK_MONOTONIC, &now);
    return WEFT_S(now.tv_sec) + now.tv_nsec;
}

/* What the loop has run so far, to be compared. */
struct progress {
    uint64_t look_at, ticks;
    int64_t left;
};

static struct progress progress_of(struct weft__eye *eye)
{
    struct progress progress = {0};
    weft__eye_see(eye, &progress.look_at, &eye->loop->look_at, sizeof(progress.look_at));
    weft__eye_see(eye, &progress.left, &eye->loop->left, sizeof(progress.left));
    weft__eye_see(eye, &progress.ticks, &eye->loop->ticks, sizeof(progress.ticks));
    return progress;
}

static bool has_moved(const struct progress *from, const struct progress *to)
{
    return from->ticks != to->ticks ||
           from->look_at - (uint64_t)from->left != to->look_at - (uint64_t)to->left;
}

static enum weft__loop_seen state_of(struct weft__eye *eye, bool moved)
{
    bool polling = false, in_tick = false;
    weft__eye_see(eye, &polling, &eye->loop->polling, sizeof(polling));
    weft__eye_see(eye, &in_tick, &eye->loop->in_tick, sizeof(in_tick));
    if (polling || (!in_tick && !eye->current))
        return WEFT__SEEN_IDLE;
    return eye->is_outside && !moved ? WEFT__SEEN_BLOCKED : WEFT__SEEN_RUNNING;
}

static void walk(struct weft__eye *eye)
{
    struct weft__tree *tree = eye->tree;
    struct progress before = progress_of(eye);
    weft__eye_see(eye, &eye->timers, &eye->loop->timers, sizeof(eye->timers));
    see_steps(eye);
    see_tasks(eye);
    turn_round(eye);
    for (uint32_t i = 0; i < tree->count && !eye->no_memory; i++)
        explain(eye, i);
    find_workers(eye);
    struct progress after = progress_of(eye);
    tree->has_moved = eye->is_outside && has_moved(&before, &after);
    tree->state = state_of(eye, tree->has_moved);
    tree->now = clock_of(eye);
    if (eye->is_outside)
        tree->doing = see_thread(eye, tree->tid);
}

int weft__tree_look(weft_loop *loop, bool from_outside, const struct weft__tree_limits *limits,
                    struct weft__tree *ret)
{
    struct weft__eye eye;
    weft__eye_init(&eye, loop, from_outside);
    *ret = (struct weft__tree){.loop_id = loop->id, .tid = loop->tid, .from_outside = from_outside};
    eye.tree = ret;
    eye.limits = limits ? limits : &usual_limits;
    walk(&eye);
    weft__free(eye.index.slots);
    if (!eye.no_memory && weft__tree_find_cycles(ret) == 0)
        return 0;
    weft__tree_fini(ret);
    return -ENOMEM;
}

void weft__tree_fini(struct weft__tree *tree)
{
    for (size_t i = 0; i < tree->count; i++)
        weft__free(tree->nodes[i].coro);
    weft__free(tree->nodes);
    weft__free(tree->edges);
    weft__free(tree->cycles);
    weft__free(tree->members);
    weft__texts_free(tree->text);
    *tree = (struct weft__tree){0};
}

static int look_and_write(weft_loop *loop, bool from_outside,
                          const struct weft__tree_limits *limits, struct weft__text *to)
{
    struct weft__tree tree;
    int status = weft__tree_look(loop, from_outside, limits, &tree);
    if (status < 0) {
        if (to->status == 0)
            to->status = status;
        return status;
    }
    weft__tree_json(&tree, to);
    weft__tree_fini(&tree);
    return to->status;
}

int weft__tree_write(weft_loop *loop, bool from_outside, struct weft__text *to)
{
    return look_and_write(loop, from_outside, &usual_limits, to);
}

int weft__tree_write_task(weft_loop *loop, uint32_t id, bool from_outside, struct weft__text *to)
{
    struct weft__tree_limits limits = usual_limits;
    limits.only = id;
    return look_and_write(loop, from_outside, &limits, to);
}

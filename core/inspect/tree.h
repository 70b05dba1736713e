/* SPDX-License-Identifier: MIT */
/*
 * The task tree: every task of a loop, what it waits for, and who waits in a circle.
 *
 * It is a picture: nodes, one for each future that was seen, and edges to what that waits for. A task and
 * a call are nodes like all others. See core/inspect/tree.c.
 */
#ifndef WEFT_CORE_INSPECT_TREE_H
#define WEFT_CORE_INSPECT_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <weft/loop.h>

#include "core/cancel.h"
#include "core/future.h"
#include "core/inspect/eye.h"
#include "core/inspect/json.h"

struct weft__coro;

/** How much is looked at. */
struct weft__tree_limits {
    size_t tasks;   /* those that are listed */
    size_t futures; /* with what they wait for */
    uint32_t only;  /* this task alone is listed; 0: all */
};

/** Of a coroutine. */
struct weft__coro_seen {
    bool is_call;
    uint32_t id, parent;           /* of a task */
    const struct weft__coro *task; /* as which it runs */
    const char *file;              /* of its code */
    int line;                     /* of its await; 0: at its beginning; less: in its WEFT_FINALLY */
    weft_ns deadline;             /* the earliest of its blocks; WEFT_FOREVER: none */
    uint32_t flags, requests;     /* as in the coroutine */
    bool runs;                    /* a step of it is on the C stack */
    const char *reason, *by, *at; /* of the latest request to cancel it; NULL: not known */
    uint64_t by_id;
};

enum weft__edge_kind {
    WEFT__EDGE_CHILD,  /* waits for it */
    WEFT__EDGE_OWNER,  /* it has what this one waits at */
    WEFT__EDGE_BELONGS /* a scope that is open */
};

struct weft__edge {
    uint32_t to; /* a node */
    enum weft__edge_kind kind;
};

struct weft__node {
    const weft_future *at;
    const struct weft__future_ops *ops;
    struct weft__waiting is;
    struct weft__coro_seen *coro; /* NULL: it is no coroutine */
    uint32_t first, count;        /* its edges */
    bool was_missed;              /* there are more, that were not seen */
};

/** Who waits for each other, in a circle. */
struct weft__cycle {
    uint32_t first, count; /* of `members` */
    weft_ns until;         /* a deadline that ends it; WEFT_FOREVER: none, they wait for ever */
};

enum weft__loop_seen { WEFT__SEEN_RUNNING, WEFT__SEEN_IDLE, WEFT__SEEN_BLOCKED };

struct weft__tree {
    uint32_t loop_id;
    pid_t tid;
    bool from_outside, has_moved; /* has_moved: the loop ran on while it was looked at */
    enum weft__loop_seen state;
    weft_ns now;       /* of the loop's clock */
    const char *doing; /* what its thread is doing, from outside: "futex(…)"; NULL: not known */
    size_t task_count; /* as the loop counts them */
    size_t listed;     /* of these, seen: they are the first nodes, oldest first */
    struct weft__node *nodes;
    size_t count, room;
    struct weft__edge *edges;
    size_t edge_count, edge_room;
    struct weft__cycle *cycles;
    size_t cycle_count;
    uint32_t *members;        /* of cycles: nodes, each waits for the next */
    struct weft__chunk *text; /* what the texts are in */
};

/** The usual ones. */
struct weft__tree_limits weft__tree_limits(void);

/**
 * Look. 0 or -ENOMEM: then `ret` is empty. Thread: the loop's, or any one if `from_outside`; the loop
 * stays meanwhile.
 */
int weft__tree_look(weft_loop *loop, bool from_outside, const struct weft__tree_limits *limits,
                    struct weft__tree *ret);
void weft__tree_fini(struct weft__tree *tree);

/** Fill in the cycles. 0 or -ENOMEM. See core/inspect/cycles.c. */
int weft__tree_find_cycles(struct weft__tree *tree);

/** The coroutine's node where the chain of calls that a coroutine waits for ends: itself, or the innermost
 * call of the same task. */
const struct weft__node *weft__tree_innermost(const struct weft__tree *tree,
                                              const struct weft__node *coro);

/** What a coroutine itself awaits; NULL: nothing that is not done. */
const struct weft__node *weft__tree_awaited(const struct weft__tree *tree,
                                            const struct weft__node *coro);

/** "new", "ready", "running", "waiting", "done". */
const char *weft__tree_state(const struct weft__tree *tree, const struct weft__node *task);

/** What it is, in a few words of its own: `lock 0x55d0 of task 7`. */
void weft__tree_say(const struct weft__tree *tree, const struct weft__node *node,
                    struct weft__text *to);

/** Write it as a value of JSON, an object. See core/inspect/tree_json.c. */
void weft__tree_json(const struct weft__tree *tree, struct weft__text *to);

/** The same as text for people, one line for each: see core/inspect/tree_text.c. */
void weft__tree_print(const struct weft__tree *tree, struct weft__text *to);

/** Who waits where, for what: "#1 buy waits at shop.c:20 for lock 0x5581". */
void weft__tree_say_wait(const struct weft__tree *tree, const struct weft__node *task,
                         struct weft__text *to);

/** Who waits for whom in a circle, in one line. */
void weft__tree_say_cycle(const struct weft__tree *tree, const struct weft__cycle *cycle,
                          struct weft__text *to);

/**
 * Look, and write an object of JSON for the loop. 0, -ENOMEM, or -EMSGSIZE past to->most. Thread: the
 * loop's, or any one if `from_outside`; the loop stays meanwhile.
 */
int weft__tree_write(weft_loop *loop, bool from_outside, struct weft__text *to);

/** The same of one task and what that waits for; no task is listed if there is none with this id. */
int weft__tree_write_task(weft_loop *loop, uint32_t id, bool from_outside, struct weft__text *to);

#endif

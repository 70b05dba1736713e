/* SPDX-License-Identifier: MIT */
/* The eye from the inside: a look that is under way. See core/inspect/tree.c. */
#ifndef WEFT_CORE_INSPECT_WALK_H
#define WEFT_CORE_INSPECT_WALK_H

#include "core/inspect/tree.h"
#include "core/loop.h"
#include "core/task.h"

enum { WEFT__MOST_STEPS = 64, WEFT__EYE_TEXTS = 256 };

/** From an address, or a task's id, to a node. Addresses are even, keys of ids odd. */
struct weft__index {
    struct {
        uintptr_t key; /* 0: free */
        uint32_t node;
    } * slots;
    size_t used, room; /* `room` is a power of 2, or 0 */
};

/** Whose first step is under way: see struct weft__first_step. */
struct weft__step_seen {
    const struct weft__coro *started, *caller;
};

struct weft__eye {
    weft_loop *loop;
    bool is_outside;
    bool no_memory;
    struct weft__tree *tree;
    const struct weft__tree_limits *limits;
    uint32_t loop_id;
    struct weft__timers timers; /* a copy */
    const struct weft__coro *current;
    struct weft__step_seen steps[WEFT__MOST_STEPS]; /* innermost first */
    size_t step_count;
    struct weft__index index;
    uint32_t node; /* that is being explained */
    struct {
        const char *from, *text;
    } texts[WEFT__EYE_TEXTS]; /* that were copied, by their address */
};

/** Zero what is looked through. */
void weft__eye_init(struct weft__eye *eye, weft_loop *loop, bool is_outside);

/** Can this be a future of the loop? A copy of it, then. */
bool weft__eye_future(struct weft__eye *eye, weft_future *to, const weft_future *at);

/** Is it the ops of a future of ours? */
bool weft__is_known_ops(const struct weft__future_ops *ops);

/** Call `fn` for the ops of all kinds of futures there are. */
void weft__each_known_ops(void (*fn)(void *arg, const struct weft__future_ops *ops), void *arg);

/** ops->explain of coroutines: see core/inspect/tree_coro.c. */
void weft__explain_coro(struct weft__eye *eye, const weft_future *at, struct weft__waiting *ret);

/** Free what the texts of a picture are in. */
void weft__texts_free(struct weft__chunk *chunks);

#endif

/* SPDX-License-Identifier: MIT */
/* What runs on a loop, seen from another thread. See core/inspect/where.c. */
#ifndef WEFT_CORE_INSPECT_WHERE_H
#define WEFT_CORE_INSPECT_WHERE_H

#include <stdbool.h>
#include <stdint.h>
#include <weft/loop.h>

struct weft__coro;

/** Where a loop is. As long as two looks show the same, it is at the same thing still. */
struct weft__at {
    bool is_in_tick, is_polling, is_reporting;
    uint64_t callbacks, ticks, polls;
    const struct weft__coro *current; /* changes within a callback, too; NULL: none */
};

/** Look. False: it cannot be read. Thread: any; the loop is pinned. */
bool weft__at_look(struct weft__at *at, const weft_loop *loop);

/** It is in the same callback of the loop, or the same poll, and in one at all. */
bool weft__at_is_same(const struct weft__at *at, const struct weft__at *before);

/** Who it is: texts are copies, "" where there is nothing to say. */
struct weft__who {
    const char *what; /* "step", "callback" … */
    char function[64], task[64], spawned_at[192], awaited_at[208];
    uint64_t task_id, parent_id;
};

/** Follow what was seen. It may have changed meanwhile, and then this is nonsense: look again. */
void weft__who_read(struct weft__who *who, const struct weft__at *at);

#endif

/* SPDX-License-Identifier: MIT */
/* A step that somebody looks at. See core/step.c. */
#ifndef WEFT_CORE_STEP_H
#define WEFT_CORE_STEP_H

#include <stdbool.h>
#include <weft/loop.h>
#include <weft/task.h>

#include "core/annotations.h"
#include "core/ready.h"

struct weft__coro;

/** Who looks at the steps of a loop: bits of loop->watched. */
enum weft__watchers {
    WEFT__WATCHED_FOR_SLOW = 1,   /* core/debug.c */
    WEFT__WATCHED_FOR_TRACE = 2,  /* core/inspect/trace_loop.c */
    WEFT__WATCHED_FOR_PROBES = 4, /* bpftrace and its like: core/inspect/probe.h */
    WEFT__WATCHED_BY_HANDLER = 8  /* the error handler runs: what it makes is marked */
};

/** How many look at the probes of steps: semaphores, which the kernel counts up in this process. */
extern unsigned short weft_step_begin_semaphore, weft_step_end_semaphore;

/** True if the loop has not heard yet that somebody does, or no longer does. */
static inline bool weft__steps_are_probed_anew(unsigned watched)
{
    const volatile unsigned short *begin = &weft_step_begin_semaphore;
    const volatile unsigned short *end = &weft_step_end_semaphore;
    bool is_probed = *begin || *end;
    return __builtin_expect(is_probed != ((watched & WEFT__WATCHED_FOR_PROBES) != 0), 0);
}

/** A step of a coroutine, while loop->watched is not 0. Out of line, so that the loop that asks stays
 * small; as the next one. */
WEFT_APART weft_step weft__step_watched(weft_loop *loop, struct weft__coro *coro);

/** item->run(item), while loop->watched is not 0. */
WEFT_APART void weft__item_watched(weft_loop *loop, weft__item *item);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * A sampling profiler of loops, for who looks on: which tasks have the thread, and which are the oldest.
 * See core/inspect/sample.c. All calls are made by one thread, which is none of the loops'.
 */
#ifndef WEFT_CORE_INSPECT_SAMPLE_H
#define WEFT_CORE_INSPECT_SAMPLE_H

#include <weft/loop.h>

struct weft__text;

/** Somebody looks on: take samples for some seconds from now. Called again for each answer. */
void weft__sample_want(void);

/** In how many milliseconds weft__sample_take() is to be called; -1: nobody looks on any more. */
int weft__sample_due_ms(void);

/** For so long the oldest tasks are looked for; [const] while somebody looks on. */
extern weft_ns weft__sample_patience;

/** Look at each loop once. */
void weft__sample_take(void);

/**
 * The members "samples" (what was seen since the first one, by task) and "oldest" (tasks) of a loop's
 * object. The loop cannot go meanwhile: its source is pinned.
 */
void weft__sample_write(const weft_loop *loop, struct weft__text *to);

#endif

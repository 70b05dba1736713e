/* SPDX-License-Identifier: MIT */
/* What a task waits for, in words. See tools/weft/wait.c. */
#ifndef WEFT_TOOLS_WAIT_H
#define WEFT_TOOLS_WAIT_H

#include <jansson.h>
#include <stddef.h>

/** In one line, from an object as weft__tree_write() writes it in "waits_for" and "children". */
void describe_wait(const json_t *wait, char *to, size_t size);

/** One line on a thread: "S in futex(…)". "" for none. */
void describe_thread(const json_t *thread, char *to, size_t size);

/** The first line on a loop: what it does, and how that is known. */
void print_loop(const json_t *loop);

/** The task's own coroutine, or the innermost one of its calls: where it is. */
const json_t *innermost_call(const json_t *task);

#endif

/* SPDX-License-Identifier: MIT */
/**
 * Looking at a loop from within the program: every task, what it waits for, and who waits in a circle.
 *
 * The same can be had from outside, also of a loop that is stuck: `weft pstree PID`. asyncio has
 * print_call_graph() and Task.print_stack() for it.
 */
#ifndef WEFT_INSPECT_H
#define WEFT_INSPECT_H

#include <stddef.h>
#include <stdio.h>
#include <weft/macros.h>

#ifdef __cplusplus
extern "C" {
#endif

/** How much is looked at. Fields that are 0 have the default. */
struct weft_inspect_options {
    size_t size;         /* sizeof(struct weft_inspect_options), or 0 */
    size_t most_tasks;   /* that are shown, the newest; default 10,000 */
    size_t most_futures; /* with all that they wait for; default 50,000 */
};

/**
 * The tasks of this thread's loop as JSON: one object.
 *
 *     {"id": 1, "tid": 4711, "state": "running", "seen": "by itself", "moved": false, "task_count": 2,
 *      "tasks": [{"id": 1, "name": "buy", "state": "waiting", "spawned_at": "shop.c:40", "parent": 0,
 *                 "awaits_at": "shop.c:20", "in_finally": false, "shielded": false,
 *                 "cancel_requested": 0, "calls": [],
 *                 "waits_for": {"kind": "lock", "resource": "0x5581", "owner": 2,
 *                               "owners": [{"task": 2, "name": "sell"}]}}, …],
 *      "cycles": [{"for_ever": true, "tasks": [{"id": 1, "name": "buy", "waits_for": "lock …",
 *                  "awaits_at": "shop.c:20"}, …]}]}
 *
 * Tasks are listed oldest first, and refer to each other by their ids: {"kind": "task", "task": 2}. The
 * calls within a task are in "calls", outermost first; "waits_for" is what the innermost one awaits. What
 * that waits for in turn is in its "children"; the tasks that have it, as far as that is known, are its
 * "owners". A scope that a task has open is in its "scopes". Times
 * that are left end in _ns. A member that has nothing to say is left out, or null.
 *
 * It costs some microseconds for each task and each thing it waits for. Nothing of the loop is changed.
 *
 * Thread:    loop.
 * Ownership: *ret is the caller's, to be freed with free().
 * Errors:    -EINVAL (options of another size), -ENOMEM, WEFT_ENOLOOP.
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK int weft_inspect_tasks(const struct weft_inspect_options *options,
                                                   char **ret);

/**
 * The same as text to be read, a tree: below each task what it waits for, down to the lock and its owner, the
 * descriptor and its peer, the job and what its thread is doing. At the end, who waits in a circle. What it
 * looks like may change; programs read weft_inspect_tasks().
 *
 * Thread:    loop.
 * Ownership: *ret is the caller's, to be freed with free().
 * Errors:    -EINVAL (options of another size), -ENOMEM, WEFT_ENOLOOP.
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK int weft_format_tasks(const struct weft_inspect_options *options,
                                                  char **ret);

/**
 * Print that text: asyncio.print_call_graph() of all tasks.
 *
 * Thread:    loop.
 * Errors:    -EINVAL (`file` is NULL), -ENOMEM, -EIO (it cannot be written), WEFT_ENOLOOP.
 * Since:     0.1
 */
WEFT_PUBLIC int weft_print_tasks(FILE *file);

#ifdef __cplusplus
}
#endif

#endif

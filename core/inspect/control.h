/* SPDX-License-Identifier: MIT */
/*
 * The control socket, from the inside. See core/inspect/control.c for the thread, core/inspect/answer.c for
 * what is answered.
 *
 * The protocol. One request a connection: a line of at most WEFT__CTL_LINE bytes, `COMMAND [ARGUMENT…]\n`.
 * The answer is one object of JSON in one line; then the connection ends. An answer without its '\n' was
 * cut off.
 *
 *     request              members of the answer
 *     hello                weft (version), protocol, pid, program, uptime_ns, loops [{id, tid, tasks,
 *                          jobs}], pools (how many)
 *     ps, pstree           pid, program, loops: of each what weft__tree_write() writes, and `seen`
 *     ps TASK LOOP         the same of that task alone: a look that costs a loop with many tasks nothing
 *     pool                 pid, program, pools: of each what its source describes, and `busy` [{tid, name,
 *                          started_at, lane, loop, runs_for_ns, is_abandoned, told, thread}]
 *     stats                pid, program, uptime_ns, at_ns, wall_ns, process {cpu_ns, rss_bytes, threads,
 *                          fds}, loops [{id, tid, tasks, jobs, thread, and what weft__load_write() and
 *                          weft__sample_write() write}], pools as above
 *     blocked              pid, program, blocked [report]
 *     trace start|stop     trace "started"|"stopped"
 *     trace dump           what weft__trace_write() writes
 *     dump                 hello, pstree, pool, stats, blocked: of each its answer
 *     cancel TASK LOOP REASON…
 *                          cancelled true, loop, task, name, note (or null). LOOP 0: whichever has it
 *     anything that fails  error (a sentence)
 *
 * `seen` is "by itself": the loop has answered on its own thread, so all of it is of one moment; or
 * "from outside": it did not within 200 ms, and was looked at. `thread` is {state, syscall, ran_ns,
 * waited_ns}, of the kernel.
 */
#ifndef WEFT_CORE_INSPECT_CONTROL_H
#define WEFT_CORE_INSPECT_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <weft/loop.h>

struct weft__text;

enum { WEFT__CTL_PROTOCOL = 1, WEFT__CTL_LINE = 4096 };

/** What one client may take; [const] while there is a socket. */
extern struct weft__ctl_limits {
    weft_ns request, answer; /* the time until there is all of it */
    size_t longest;          /* answer */
} weft__ctl_limits;

/** Do the options, or the environment, want it for a loop? */
bool weft__ctl_is_wanted(const struct weft_loop_options *options);

/** If the loop wants it: let there be a socket, until weft__ctl_close(). A failure is reported to the
 * loop's error handler at its first tick. Thread: loop. */
void weft__ctl_open(weft_loop *loop);
void weft__ctl_close(weft_loop *loop);

/** Write the members of an answer to `cancel`. See core/inspect/control_cancel.c. */
void weft__ctl_cancel(char *arguments, struct weft__text *to);

/** Take a number that could be an id, and the blank behind it, from a request. False: there is none. */
bool weft__ctl_take_id(char **at, unsigned long least, uint32_t *ret);

/** Answer a request, a line without its end, which is changed. Thread: any. */
void weft__ctl_answer(char *request, struct weft__text *to);

#endif

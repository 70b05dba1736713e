/* SPDX-License-Identifier: MIT */
/* The watchdog's thread. See core/inspect/watchdog.c. */
#ifndef WEFT_CORE_INSPECT_WATCHDOG_H
#define WEFT_CORE_INSPECT_WATCHDOG_H

#include <stdbool.h>
#include <weft/watchdog.h>

#include "core/inspect/blocked.h"
#include "core/inspect/patience.h"
#include "core/inspect/source.h"
#include "core/inspect/thread_state.h"

struct weft__lookout;

/** A turn of the thread: it looks at everything that is listed. */
struct weft__round {
    weft_ns began, period, late;
};

/* ---- For loops ---- */

/**
 * Watch this loop once it is listed, if its options or the environment say so. 0; or -ENOMEM,
 * -EAGAIN (no thread), -EPERM (memory cannot be looked at), if it was an option; else that is printed.
 */
int weft__watchdog_open(weft_loop *loop, const struct weft_loop_options *options);

/** Not any more; nobody looks at it. Nothing if it was not watched, or in a parent. */
void weft__watchdog_close(weft_loop *loop);

/** In a forked child, before it is listed again: as weft__watchdog_open(). */
int weft__watchdog_after_fork(weft_loop *loop);

/* ---- For pools ---- */

/** There is a lane with a limit for its jobs: from now on they are looked at. Thread: any. */
void weft__watchdog_looks_at_jobs(void);

/* ---- For who looks, on the watchdog's thread ---- */

/** Look at a loop; at the jobs of a pool; and for those that were not seen in this round. */
void weft__lookout_loop(weft_loop *loop, const struct weft__round *round);
void weft__lookout_jobs(struct weft__source *pool, const struct weft__round *round);
void weft__lookout_jobs_end(void);

/** Forget all jobs; the same in a forked child, where nothing of it is touched. */
void weft__lookout_forget_jobs(void);
void weft__lookout_abandon_jobs(void);

/**
 * What is seen of a thread now; `late`: of the round, 0 if it is not the first look in it. If /proc cannot be
 * read (no descriptor is left, say) it is as it was at the `last` look, or NULL, and sleeps.
 */
struct weft__sight weft__sight_of(pid_t tid, const struct weft__sight *last,
                                  const struct weft__round *round, weft_ns late,
                                  struct weft__thread_state *ret_state);

/** May one more block be reported? If not it is counted, unless this one was. */
bool weft__watchdog_may_report(weft_ns now, bool *is_left_out);

/** Hand a report to whoever hears of this loop, and keep it. */
void weft__watchdog_tell(uint32_t loop_id, struct weft__blocked *blocked);

/** Something took too long, but because of the machine. */
void weft__watchdog_excuses(void);

#endif

/* SPDX-License-Identifier: MIT */
/* Values on their way from a running job to who awaits them. See pool/progress.c. */
#ifndef WEFT_POOL_PROGRESS_H
#define WEFT_POOL_PROGRESS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct weft__job;
struct weft__stream;

/** In a job. */
struct weft__progress {
    _Atomic(struct weft__stream *) stream; /* [atomic] made by who needs it first; see progress.c */
    atomic_int refusal; /* [atomic] 0, or why the job cannot put any more; see progress.c */
    size_t bound;       /* [const] of the stream */
};

/** The job is not to put any more: -ECANCELED or WEFT_ECLOSED. It is woken if it waits for room. What is
 * there can still be had. Thread: loop. */
void weft__progress_stop(struct weft__job *job, int status);

/** The job is not under way any more, or not waited for: those who wait get what is left, then
 * WEFT_ECLOSED. Thread: loop. */
void weft__progress_end(struct weft__job *job);

/** Did anybody send or await a value? Of a job that is not with a worker. Thread: loop. */
static inline bool weft__progress_is_used(const struct weft__progress *progress)
{
    return atomic_load_explicit(&progress->stream, memory_order_relaxed);
}

/** In a forked child, before that: what the job's thread may have held is free. Thread: loop. */
void weft__progress_after_fork(struct weft__job *job);

/** The job's memory goes. Thread: any. */
void weft__progress_release(struct weft__job *job);

#endif

/* SPDX-License-Identifier: MIT */
/* What is recorded of jobs while a trace goes on. See core/inspect/trace.h. */
#ifndef WEFT_POOL_TRACE_H
#define WEFT_POOL_TRACE_H

#include "core/inspect/trace.h"
#include "pool/job.h"

/** It is about to be queued; nobody else knows it yet. Thread: loop. */
void weft__job_trace_submit(const struct weft__job *job);

/** Its function is called, and has returned. Thread: the one that does. */
void weft__job_trace_run(const struct weft__job *job);
void weft__job_trace_end(const struct weft__job *job, int status);

/** The same of a round (pool/each.c), which is in no lane: several threads may run it at once. */
void weft__round_trace_submit(const struct weft__job *round);
void weft__round_trace_run(const struct weft__job *round);

/** The loop has heard of its end, or it never began. Thread: loop. */
void weft__job_trace_home(const struct weft__job *job, int status);

#endif

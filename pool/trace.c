/* SPDX-License-Identifier: MIT */
/*
 * Jobs in a trace: submitted, run, at home. A job is known by its address, which is another's only when it is home.
 * A round has one beginning and one end, and runs on each worker between.
 */
#include "pool/trace.h"

#include "pool/lane.h"

/* Two who find no number find the same one: relaxed. */
static uint32_t number_of(weft_lane *lane)
{
    uint32_t number = atomic_load_explicit(&lane->traced_as, memory_order_relaxed);
    if (number == 0) {
        number = weft__trace_intern(lane->name);
        atomic_store_explicit(&lane->traced_as, number, memory_order_relaxed);
    }
    return number;
}

void weft__job_trace_submit(const struct weft__job *job)
{
    weft__trace_record(WEFT__TRACE_SUBMIT, number_of(job->lane), weft__trace_task(), (uintptr_t)job,
                       job->name);
}

void weft__job_trace_run(const struct weft__job *job)
{
    weft__trace_record(WEFT__TRACE_JOB, number_of(job->lane), 0, (uintptr_t)job, job->name);
}

void weft__job_trace_end(const struct weft__job *job, int status)
{
    weft__trace_record(WEFT__TRACE_JOB_END, 0, (uint32_t)status, (uintptr_t)job, job->name);
}

/* Two who find no number find the same one: relaxed. */
static uint32_t number_of_rounds(void)
{
    static _Atomic uint32_t traced_as;
    uint32_t number = atomic_load_explicit(&traced_as, memory_order_relaxed);
    if (number == 0) {
        number = weft__trace_intern("each worker");
        atomic_store_explicit(&traced_as, number, memory_order_relaxed);
    }
    return number;
}

void weft__round_trace_submit(const struct weft__job *round)
{
    weft__trace_record(WEFT__TRACE_SUBMIT, number_of_rounds(), weft__trace_task(), (uintptr_t)round,
                       round->name);
}

void weft__round_trace_run(const struct weft__job *round)
{
    weft__trace_record(WEFT__TRACE_JOB, number_of_rounds(), 0, (uintptr_t)round, round->name);
}

void weft__job_trace_home(const struct weft__job *job, int status)
{
    weft__trace_record(WEFT__TRACE_HOME, 0, (uint32_t)status, (uintptr_t)job, job->name);
}

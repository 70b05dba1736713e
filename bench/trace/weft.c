/* SPDX-License-Identifier: MIT */
/*
 * What it costs to trace: an event that a thread records, and a task that yields, with and without a trace.
 *
 *     WORKLOAD PEER COUNT      so many events, and so many yields, of three events each
 */
#include <weft/trace.h>
#include <weft/weft.h>

#include "../common/bench.h"

enum { TASKS = 100, EVENTS_PER_YIELD = 3 }; /* it is ready, its step begins and ends */

struct yields {
    WEFT_FRAME;
    long left;
};

static WEFT_ASYNC(yields)
{
    WEFT_BEGIN;
    while (self->left-- > 0)
        WEFT_YIELD;
    WEFT_END;
}

static double ns_per_yield(long count)
{
    weft_loop *loop = weft_loop_new(NULL);
    weft_future *last = NULL;
    uint64_t start = now_ns();
    for (int i = 0; i < TASKS; i++) {
        weft_unref(last);
        last = weft_spawn(yields, .left = count / TASKS);
    }
    if (weft_loop_run_until(loop, last) < 0)
        die("run");
    double each = (double)(now_ns() - start) / (double)count;
    weft_loop_free(loop);
    return each;
}

int main(int argc, char **argv)
{
    need_args(argc, argv, 3, "COUNT");
    long count = atol(argv[3]);
    double off = ns_per_yield(count);
    if (weft_trace_start(NULL) < 0)
        die("weft_trace_start");
    uint64_t start = now_ns();
    for (long i = 0; i < count; i++)
        weft_trace_mark("event", i);
    emit(argv[1], argv[2], "ns_per_event", (double)(now_ns() - start) / (double)count, "ns");
    double on = ns_per_yield(count);
    weft_trace_discard();
    start = now_ns();
    for (long i = 0; i < count; i++)
        weft_trace_mark("event", i);
    emit(argv[1], argv[2], "ns_per_event_off", (double)(now_ns() - start) / (double)count, "ns");
    emit(argv[1], argv[2], "ns_per_yield_off", off, "ns");
    emit(argv[1], argv[2], "ns_per_yield", on, "ns");
    emit(argv[1], argv[2], "ns_per_event_of_yield", (on - off) / EVENTS_PER_YIELD, "ns");
    return 0;
}

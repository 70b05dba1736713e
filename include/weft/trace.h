/* SPDX-License-Identifier: MIT */
/**
 * Traces: what happened on which thread, and when, as a timeline. Steps of coroutines and what they
 * await, jobs from their submission to their end, wakeups, polls, counters, and what the program adds.
 *
 * A trace is of the whole process. While one goes on each thread writes into a ring of its own, so that
 * the newest is kept; what is recorded takes some 10 ns an event, 40 where the CPU's counter is not to
 * be trusted. While none does it costs nothing.
 *
 * The file is JSON in Chrome's trace-event format: open it at https://ui.perfetto.dev, in
 * chrome://tracing, or with weft's own viewer, share/weft/trace-viewer.html. With WEFT_TRACE=FILE in the
 * environment weft_run() and weft_run_loops() trace a program from its beginning, and write the file when
 * it ends; %p in the name is the number of the process.
 */
#ifndef WEFT_TRACE_H
#define WEFT_TRACE_H

#include <stddef.h>
#include <stdint.h>
#include <weft/macros.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Zero is the default of every field. */
struct weft_trace_options {
    size_t size; /* sizeof(struct weft_trace_options), or 0 for "this version" */
    size_t
        buffer_size; /* bytes for each thread, 4 KiB to 1 GiB, rounded up to a power of two; an event
                           takes 32. 0: 1 MiB */
};

/**
 * Begin a trace, of all threads. What an earlier one has recorded is dropped.
 *
 * A loop takes part from its next step on that it makes after it has heard of it; one that is stuck, once
 * it is free.
 *
 * Thread:    any.
 * Ownership: `options` may be NULL and is copied.
 * Errors:    -EALREADY (one goes on), -EINVAL, -ENOMEM.
 * Since:     0.1
 */
WEFT_PUBLIC int weft_trace_start(const struct weft_trace_options *options);

/**
 * End the trace; what it has recorded is kept, to be written.
 *
 * Thread:    any.
 * Errors:    -EALREADY (none goes on).
 * Since:     0.1
 */
WEFT_PUBLIC int weft_trace_stop(void);

/**
 * Write what has been recorded to a file, which is created or replaced. The trace may go on meanwhile.
 *
 * It takes long, as does the next one: not for a loop that serves somebody. In a job it is as good.
 *
 * Thread:    any.
 * Ownership: `path` is borrowed for the call.
 * Errors:    -ENODATA (there was no trace), -EINVAL, -ENOMEM, and those of open() and write().
 * Since:     0.1
 */
WEFT_PUBLIC int weft_trace_write(const char *path);

/**
 * The same as text.
 *
 * Thread:    any.
 * Ownership: *ret is the caller's, to be freed with free(), or as weft_set_allocator() says; a NUL stands
 *            behind it. `ret_len` may be NULL.
 * Errors:    -ENODATA (there was no trace), -EINVAL, -ENOMEM; then nothing is stored.
 * Since:     0.1
 */
WEFT_PUBLIC int weft_trace_read(char **ret, size_t *ret_len);

/**
 * End the trace if one goes on, and drop what was recorded. Its memory is free when each thread that has
 * recorded something has ended, has begun to record another trace, or has freed its loop.
 *
 * Thread:    any.
 * Since:     0.1
 */
WEFT_PUBLIC void weft_trace_discard(void);

/**
 * Is a trace going on? For who would have to compute what is to be recorded. The calls below look by
 * themselves.
 *
 * Thread:    any.
 * Since:     0.1
 */
WEFT_PUBLIC int weft_trace_is_on(void);

/**
 * Record a moment, with a number.
 *
 * Thread:    any.
 * Ownership: `name` is kept: a string literal, as a rule. It should be there when the trace is written.
 * Since:     0.1
 */
WEFT_PUBLIC void weft_trace_mark(const char *name, int64_t value);

/**
 * Record the value of something that goes up and down, to be drawn as a curve.
 *
 * Thread:    any.
 * Ownership: as weft_trace_mark().
 * Since:     0.1
 */
WEFT_PUBLIC void weft_trace_counter(const char *name, int64_t value);

/**
 * A part of a step or of a job that takes time: what stands between the two, on one thread and without an
 * await. They nest. What was not ended is when the step or the job is.
 *
 * Thread:    any.
 * Ownership: as weft_trace_mark().
 * Since:     0.1
 */
WEFT_PUBLIC void weft_trace_begin(const char *name);
WEFT_PUBLIC void weft_trace_end(void);

#ifdef __cplusplus
}
#endif

#endif

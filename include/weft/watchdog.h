/* SPDX-License-Identifier: MIT */
/**
 * The watchdog: a thread that sees when a loop is held up, and tells what holds it, while it does.
 *
 * It is off unless it is asked for: by `.watchdog` in a loop's options, WEFT_WATCHDOG=ms in the
 * environment, or with debug mode (WEFT_DEBUG=1). Then it looks at the loop some times within the limit,
 * from outside; the loop does nothing for it. What runs on the loop for longer than the limit (a step of
 * a task, from one await to the next; a callback; an event's callback on weft_loop_base()) is reported at
 * once, again each time the duration has doubled, and once more when it is over. So are jobs on
 * workers that run for longer than their lane's `slow_job`, if any loop of the process has a watchdog.
 *
 * A report goes to the loop's handler, or else is printed to stderr, as text or, with
 * WEFT_WATCHDOG_FORMAT=json, as a line of JSON. After eight reports on different blocks within a short time only one in
 * five seconds is made; the next one says how many were left out.
 *
 * Time that the machine takes away (the thread wants to run and gets no CPU; the whole process was
 * stopped) is no block: it is not counted against the limit.
 */
#ifndef WEFT_WATCHDOG_H
#define WEFT_WATCHDOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <weft/loop.h>
#include <weft/macros.h>
#include <weft/time.h>

#ifdef __cplusplus
extern "C" {
#endif

enum weft_blocked_kind {
    WEFT_BLOCKED_LOOP, /* a loop: nothing else runs on it meanwhile */
    WEFT_BLOCKED_JOB   /* a thread of a pool, for longer than its lane's slow_job */
};

enum weft_blocked_stage {
    WEFT_BLOCKED_FOUND, /* the first report on it */
    WEFT_BLOCKED_STILL, /* it lasts */
    WEFT_BLOCKED_OVER   /* it is over; what is told is what was seen last */
};

/** One function on the stack of the thread. Texts are never NULL: what is not known is "". */
struct weft_blocked_frame {
    const char *function, *file, *module;
    int line;         /* 0: not known */
    uintptr_t offset; /* within the module, for `addr2line -e` */
    bool is_inlined;  /* into the next one */
};

/** Texts that are not known, or make no sense for this kind, are NULL. */
struct weft_blocked_report {
    enum weft_blocked_kind kind;
    enum weft_blocked_stage stage;
    uint64_t serial; /* of the block, from 1: reports on the same one have the same */
    int64_t told_at; /* by CLOCK_REALTIME, in nanoseconds */
    uint64_t loop_id;
    int tid;          /* of the loop's thread, or the worker's */
    const char *what; /* runs: "step", "callback", "event callback", "error handler", "job" */
    const char *task; /* its name: see weft_task_set_name() */
    const char
        *function; /* of the innermost coroutine, which is the task's own or one that it calls; of
                               the job */
    const char *spawned_at; /* "file:line" where that task was spawned, or the job started */
    const char
        *awaited_at;  /* "file:line" of the await from which the coroutine goes on; NULL: from its
                               beginning */
    const char *lane; /* of the job */
    uint64_t task_id, parent_id; /* see weft_task_id(); 0: none */
    weft_ns
        lasts; /* for how long, at least, without time for which the process was stopped; of that: */
    weft_ns on_cpu;      /* running */
    weft_ns runnable;    /* with work to do, and without a CPU */
    weft_ns waiting;     /* for something else */
    const char *syscall; /* in which it is, with what it waits for; NULL: it is in none */
    size_t frame_count;  /* 0: the stack could not be read, or it went on meanwhile */
    const struct weft_blocked_frame *frames; /* innermost first */
    bool is_stack_a_guess;                   /* frames may be missing or wrong */
    uint64_t
        left_out; /* blocks that were not reported since the last report, as there were too many */
};

/**
 * Hears of the blocks of a loop, and of jobs that are started from it.
 *
 * Called on the watchdog's thread, while the loop is stuck: it must not wait for the loop, nor free it. What
 * `report` points to is lent for the call.
 */
typedef void weft_blocked_fn(const struct weft_blocked_report *report, void *arg);

/**
 * Who hears of it when this loop is held up; NULL: the reports are printed. Without a watchdog nobody
 * is called. Waits for a call of the former handler that is under way.
 *
 * Thread:    loop.
 * Ownership: `arg` is borrowed until the loop is freed or the handler is replaced.
 * Errors:    none.
 * Since:     0.1
 */
WEFT_PUBLIC void weft_loop_set_block_handler(weft_loop *loop, weft_blocked_fn *fn, void *arg);

enum weft_blocked_format {
    WEFT_BLOCKED_TEXT, /* some lines for people, each with its newline */
    WEFT_BLOCKED_JSON  /* an object in one line, without a newline */
};

/**
 * Write a report as it would be printed, for logs of your own.
 *
 * Thread:    any.
 * Ownership: as snprintf(): at most `size` bytes with the NUL; `buffer` may be NULL if `size` is 0.
 * Errors:    the length that it has or would have; -EINVAL, -ENOMEM.
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK int weft_blocked_write(const struct weft_blocked_report *report,
                                                   enum weft_blocked_format format, char *buffer,
                                                   size_t size);

/** What the watchdog has done since it was started; all zero if there is none. */
struct weft_watchdog_stats {
    uint64_t rounds;   /* how often it looked at everything */
    uint64_t blocks;   /* that were reported; each may be several reports */
    uint64_t left_out; /* that were not, as there were too many */
    uint64_t excused;  /* that lasted for longer than the limit, but because of the machine */
};

/** Count what the watchdog does. Thread: any. Since: 0.1 */
WEFT_PUBLIC void weft_watchdog_get_stats(struct weft_watchdog_stats *ret);

#ifdef __cplusplus
}
#endif

#endif

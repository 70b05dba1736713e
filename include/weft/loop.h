/* SPDX-License-Identifier: MIT */
/**
 * The loop: one thread's reactor. It polls libevent, fires timers, takes what other threads posted
 * and runs tasks.
 *
 * A loop belongs to the thread that made it, and a thread has at most one: calls such as
 * weft_spawn() and weft_sleep() find it by themselves. Everything a loop owns is touched on that
 * thread only; weft_post() is the way in from others.
 */
#ifndef WEFT_LOOP_H
#define WEFT_LOOP_H

#include <stddef.h>
#include <weft/control.h>
#include <weft/future.h>
#include <weft/macros.h>
#include <weft/time.h>

#ifdef __cplusplus
extern "C" {
#endif

struct event_base;
typedef struct weft_loop weft_loop;

enum weft_clock {
    WEFT_CLOCK_MONOTONIC, /* real time */
    WEFT_CLOCK_VIRTUAL    /* for tests: starts at 0 and jumps to the next timer when nothing else is
                             left to do */
};

/** Zero is the default of every field. */
struct weft_loop_options {
    size_t size;           /* sizeof(struct weft_loop_options), or 0 for "this version" */
    enum weft_clock clock; /* whose time timers follow */
    uint64_t seed; /* for tests: draws the order in which independent things that are ready at
                              once happen; 0: as they came. See <weft/testing.h> */
    bool debug;    /* debug mode, also switched on by WEFT_DEBUG=1 in the environment: slow steps
                          are reported, deadlocks, and what has not ended when the loop is closed */
    weft_ns slow_step; /* what is slow in debug mode; 0: 100 ms */
    weft_ns spin; /* with jobs on other threads and nothing to run, how long to look for their ends
                          before sleeping; 0: about two wakes of a thread, as measured on this machine,
                          at most 50 us; negative: not at all. See weft_loop_stats */
    enum weft_control control; /* a control socket, for the command `weft`: see <weft/control.h> */
    weft_ns watchdog;          /* what holds the loop up for longer is reported while it does, see
                         <weft/watchdog.h>; 0: as the environment says, WEFT_WATCHDOG=ms, or in debug
                         mode `slow_step`, else not at all; negative: not at all */
};

/** A failure that nobody observed, or something else that must not pass in silence. */
struct weft_error_report {
    const char *what;                   /* what happened: "task failed and nobody looked" */
    int status;                         /* the error */
    const char *message;                /* its message, or NULL */
    const char *task;                   /* the name of the task or the operation, or NULL */
    const char *spawned_at;             /* "file:line" where it was started, or NULL */
    const struct weft_context *context; /* in which it ran, or NULL: see weft_context_get_from() */
    uint64_t task_id;                   /* of the task, see weft_task_id(); 0: it is none */
    uint64_t seed;                      /* of the loop, to see it happen again; 0: none */
};

/**
 * Called on the loop's thread; what `report` points to is borrowed for the call.
 *
 * It may use weft as any code on the loop, but not run, shut down or free the loop. A report that it
 * causes itself, now (it drops a future that has failed) or later (a job that it started fails, and
 * nobody looks), does not reach it again, but is printed to stderr, once.
 */
typedef void weft_error_fn(weft_loop *loop, const struct weft_error_report *report, void *arg);

/**
 * A new loop for this thread, with an event_base of its own.
 *
 * Thread:    the one that will run it.
 * Ownership: the caller's, until weft_loop_free(). `options` may be NULL and is copied.
 * Errors:    NULL and errno: EEXIST (the thread has a loop), EINVAL, ENOMEM, EMFILE, ENFILE; with
 *            `watchdog` also EAGAIN (there is no thread for it), EPERM (it may not look at memory).
 * Since:     0.1
 */
WEFT_PUBLIC weft_loop *weft_loop_new(const struct weft_loop_options *options);

/**
 * A loop on an event_base that the host dispatches itself; everything works the same.
 *
 * The host goes on calling event_base_dispatch(); weft_loop_run() and weft_loop_run_until() may be
 * used in its place.
 *
 * The loop's own events stay in the base until weft_loop_free(), so event_base_dispatch() does not
 * return for lack of events before that; event_base_loopbreak() ends it as ever.
 *
 * Thread:    the one that dispatches the base.
 * Ownership: the base stays the host's and must outlive the loop.
 * Errors:    as weft_loop_new(); EINVAL when `base` is NULL.
 * Since:     0.1
 */
WEFT_PUBLIC weft_loop *weft_loop_attach(struct event_base *base);

/** This thread's loop, or NULL. Thread: any. Since: 0.1 */
WEFT_PUBLIC weft_loop *weft_loop_current(void);

/**
 * The event_base under a loop, for events of your own. Their callbacks may use weft as any code on
 * the loop.
 *
 * Within a task or a callback of the loop it must not be dispatched: on a base of weft's own
 * event_base_loop() returns at once there and the error handler is told (-EDEADLK); on a host's base
 * libevent itself refuses.
 *
 * Thread:    loop.
 * Ownership: the loop's (or the host's, when attached).
 * Errors:    none.
 * Since:     0.1
 */
WEFT_PUBLIC struct event_base *weft_loop_base(weft_loop *loop);

/**
 * Run until weft_loop_stop() (loop.run_forever).
 *
 * Thread:    loop.
 * Ownership: nothing changes hands.
 * Errors:    -EDEADLK when the loop runs already, in a coroutine or the error handler, and in a
 *            callback of a host that dispatches the base; -EIO when libevent cannot poll.
 * Since:     0.1
 */
WEFT_PUBLIC int weft_loop_run(weft_loop *loop);

/**
 * Run until `future` is done (loop.run_until_complete).
 *
 * Thread:    loop.
 * Ownership: consumes the reference; weft_ref() first to read the value or the message.
 * Errors:    the future's own; -EDEADLK when the loop runs already, in a coroutine or the error
 *            handler, and in a callback of a host that dispatches the base; -EINTR when it was
 *            stopped before; -EXDEV when the future is another loop's; -EIO when libevent cannot
 *            poll.
 * Since:     0.1
 */
WEFT_PUBLIC int weft_loop_run_until(weft_loop *loop, weft_future *future);

/**
 * Make weft_loop_run() or weft_loop_run_until() return at the end of this tick.
 *
 * Thread:    loop.
 * Ownership: nothing changes hands.
 * Errors:    none.
 * Since:     0.1
 */
WEFT_PUBLIC void weft_loop_stop(weft_loop *loop);

/** What a loop is doing; all but the first two count from its beginning. */
struct weft_loop_stats {
    size_t tasks;   /* that have not ended */
    size_t jobs;    /* under way elsewhere for this loop: on other threads, or processes that
                       somebody waits for */
    uint64_t ticks; /* tick: a run of what is ready */
    uint64_t
        polls; /* system calls that look for I/O; fewer than ticks while there is much to run */
    uint64_t callbacks; /* steps of tasks, completions and calls */
    /* Spins, and those in which what they were for came: a sleep, and the wake that would have ended
     * it, were saved. Spins in vain are made ever more rarely, up to once in 65 times. There is none
     * with one CPU, or in virtual time, or on a host's event_base, or without jobs; at most one thread
     * less than there are CPUs spins, of all loops and pools. */
    uint64_t spins, spins_paid;
};

/**
 * Count what is going on.
 *
 * Thread:    loop.
 * Ownership: `ret` is filled.
 * Errors:    none.
 * Since:     0.1
 */
WEFT_PUBLIC void weft_loop_get_stats(const weft_loop *loop, struct weft_loop_stats *ret);

/** Zero is the default of every field. */
struct weft_shutdown_options {
    size_t size;           /* sizeof(struct weft_shutdown_options), or 0 for "this version" */
    weft_ns tasks_timeout; /* how long cancelled tasks may take to end; 0: 10 s */
    weft_ns jobs_timeout;  /* how long running jobs may take to return; 0: 10 s */
};

/** What did not end in time: one entry each, in weft_stuck_list. */
struct weft_stuck {
    const char *kind;       /* "task", "job", "process" */
    const char *name;       /* of the coroutine or the blocking function; the program */
    const char *spawned_at; /* "file:line"; NULL for a process */
    const char *waits_at;   /* "file:line" of a task's await, else NULL */
    const char *state;      /* of a job: whether it was told to stop, and how; else NULL. Static */
};

struct weft_stuck_list {
    size_t count;
    struct weft_stuck *stuck; /* in the same block of memory, as are the strings */
};

/**
 * Orderly end: cancel every task and run them to their end; settle the jobs while the loop still
 * serves them.
 *
 * Each phase has its deadline. What is stuck then is reported to the error handler by name and
 * returned. Tasks that are started while the others end get a second round of cancelling.
 * Afterwards only weft_loop_free() makes sense.
 *
 * On an attached loop, call it when the host's dispatch has returned. Within a callback of the host
 * the base cannot be polled: there it is refused as long as there are tasks, jobs or processes, and
 * nothing has happened. (A host that never returns cancels its tasks, and ends the loop when
 * weft_loop_get_stats() counts none.)
 *
 * Thread:    loop; not from a task.
 * Ownership: `ret` (may be NULL) gets the list of what is stuck, or NULL if nothing is: free() it.
 * Errors:    0; WEFT_ESTUCK; -EDEADLK when called inside a tick, a coroutine, the error handler or
 *            (see above) a callback of the host; -EINVAL (options of another version; nothing was
 *            done); -ENOMEM (the list; the shutdown itself was done).
 * Since:     0.1
 */
WEFT_PUBLIC int weft_loop_shutdown(weft_loop *loop, const struct weft_shutdown_options *options,
                                   struct weft_stuck_list **ret);

/**
 * Free a loop; shuts it down first, with the default deadlines, if that was not done. NULL is
 * nothing.
 *
 * A job that is stuck on a worker finishes without the loop: its value's destructor runs there, and
 * the frame of a coroutine that it has a pointer into lasts until it has returned.
 * All references to futures of this loop must be gone, or are void from now on.
 *
 * Thread:    loop; not from a task.
 * Ownership: consumes the loop.
 * Errors:    none (a call inside a tick, a coroutine or the error handler, or one that
 *            weft_loop_shutdown() refuses in a callback of the host, is reported and does nothing).
 * Since:     0.1
 */
WEFT_PUBLIC void weft_loop_free(weft_loop *loop);

/**
 * After fork(), in the child, on the thread that forked: go on with its loop.
 *
 * Without it every use of the loop and of what belongs to it fails with WEFT_EFORK in the child, and
 * a tick from which it was forked ends after what runs now: weft_loop_run() returns WEFT_EFORK. A
 * child that only calls execve() or makes a loop of its own (weft_run(), weft_loop_new()) needs it
 * not. A child that vfork(), posix_spawn() or clone() made must not use weft.
 *
 * Both processes then have all tasks, timers, calls and posts, each its own, and share what fork()
 * shares: open files, sockets, listeners. Jobs under way fail in the child with WEFT_EFORK, since
 * their threads are not there, and the next one makes a pool; a pool, queue or other object that
 * another thread was using at the moment of the fork is void in the child. The event_base is made
 * ready too (event_reinit()), also a host's.
 *
 * Thread:    the loop's, in the child; also within a task or callback.
 * Ownership: nothing changes hands.
 * Errors:    -EINVAL (not in a child, done before, NULL); -EEXIST (the thread has made another loop
 *            since); WEFT_ETHREAD (another thread's loop); -EMFILE, -ENFILE, -ENOMEM, -EIO: it may be
 *            called again.
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK int weft_after_fork_child(weft_loop *loop);

/**
 * Who hears of failures that nobody observed; NULL restores the default, which prints one line to
 * stderr.
 *
 * Thread:    loop.
 * Ownership: `arg` is borrowed until the loop is freed or the handler is replaced.
 * Errors:    none.
 * Since:     0.1
 */
WEFT_PUBLIC void weft_loop_set_error_handler(weft_loop *loop, weft_error_fn *fn, void *arg);

/**
 * Call `fn(arg)` on the loop's thread, from any thread (loop.call_soon_threadsafe). Calls of one
 * thread keep their order.
 *
 * The loop must not be freed while the call is made; what was posted when it is freed has been
 * called before.
 *
 * Thread:    any.
 * Ownership: `arg` is borrowed until the call.
 * Errors:    -ENOMEM, -EINVAL, -ESHUTDOWN (the loop is closing; `fn` will not be called).
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK int weft_post(weft_loop *loop, weft_call_fn *fn, void *arg);

#ifdef __cplusplus
}
#endif

#endif

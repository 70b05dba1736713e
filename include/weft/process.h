/* SPDX-License-Identifier: MIT */
/**
 * Processes: start, wait, talk to, end (asyncio's create_subprocess_exec and _shell).
 *
 *     struct sorted { WEFT_FRAME; const char *text; struct weft_process_output *output; };
 *
 *     static WEFT_ASYNC(sorted)
 *     {
 *         static const char *const argv[] = {"sort", "-u", NULL};
 *         WEFT_BEGIN;
 *         WEFT_AWAIT_INTO(self->output,
 *                         weft_process_run(&(struct weft_process_options){.argv = argv}, self->text,
 *                                          strlen(self->text), 0));
 *         printf("%s", self->output->out);
 *         WEFT_FINALLY;
 *         weft_process_output_free(self->output);
 *         WEFT_END;
 *     }
 *
 * A child gets its three standard descriptors and no other one, no blocked and no ignored signal.
 * <weft/process_stream.h> makes streams of its pipes.
 *
 * Exit statuses are as Python's: 0 … 255 is what the process returned, -9 says that signal 9 ended
 * it.
 *
 * A process belongs to the loop that started it. When the loop shuts down, each process that still
 * runs is stopped as by weft_process_stop(), while the loop serves those who wait; one that
 * outlasts the shutdown's deadline is listed as stuck, and killed when the loop is freed.
 *
 * A process that ends without a shutdown (a signal that it does not handle, a second Ctrl-C, _exit())
 * leaves its children behind, as ever: listen to SIGTERM, with weft_signal_open(), to stop them.
 *
 * In a forked child that goes on with the loop (weft_after_fork_child()) the parent's processes are
 * as if somebody else had waited for them: -ECHILD.
 *
 * With a virtual clock, time stands still while somebody waits for a process.
 */
#ifndef WEFT_PROCESS_H
#define WEFT_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <weft/future.h>
#include <weft/macros.h>
#include <weft/time.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weft_process weft_process;

/** What one of a child's standard descriptors is; made by the macros below. */
struct weft_stdio {
    enum {
        WEFT__STDIO_INHERIT,
        WEFT__STDIO_PIPE,
        WEFT__STDIO_NULL,
        WEFT__STDIO_FD,
        WEFT__STDIO_FILE,
        WEFT__STDIO_APPEND,
        WEFT__STDIO_MERGE
    } kind;
    int fd;
    const char *path;
};

#define WEFT__STDIO(...) ((struct weft_stdio){__VA_ARGS__})
/** This process's own. */
#define WEFT_STDIO_INHERIT WEFT__STDIO(WEFT__STDIO_INHERIT, 0, 0)
/** A pipe to this process. */
#define WEFT_STDIO_PIPE WEFT__STDIO(WEFT__STDIO_PIPE, 0, 0)
/** /dev/null. */
#define WEFT_STDIO_NULL WEFT__STDIO(WEFT__STDIO_NULL, 0, 0)
/** A descriptor of this process, which stays the caller's. */
#define WEFT_STDIO_FD(number) WEFT__STDIO(WEFT__STDIO_FD, (number), 0)
/** A file: for `in` it is read, else it is created or emptied. Relative to this process's folder. */
#define WEFT_STDIO_FILE(file) WEFT__STDIO(WEFT__STDIO_FILE, 0, (file))
/** A file that is created if need be and appended to; for `out` and `err`. */
#define WEFT_STDIO_APPEND(file) WEFT__STDIO(WEFT__STDIO_APPEND, 0, (file))
/** Where `out` goes; for `err` only. */
#define WEFT_STDIO_MERGE WEFT__STDIO(WEFT__STDIO_MERGE, 0, 0)

/** Zero is the default of every field; either `argv` or `shell` must be there. */
struct weft_process_options {
    size_t size;             /* sizeof(struct weft_process_options), or 0 for "this version" */
    const char *const *argv; /* program and arguments, then NULL. Without a '/' the program is found
                                by this process's PATH. In a coroutine a literal does it:
                                .argv = (const char *const[]){"sort", self->file, NULL} */
    const char *shell;       /* in place of argv: a command for /bin/sh -c */
    const char *const *env;  /* "NAME=value", then NULL; NULL: this process's */
    const char *cwd;         /* the child's folder; NULL: this process's */
    struct weft_stdio in, out, err;
    bool new_group; /* the child leads a process group of its own, which is signalled and killed
                          as a whole */
    weft_ns grace;  /* how long it may live on after SIGTERM, in real time; 0: 5 s */
    bool check;     /* weft_process_run() fails with WEFT_EEXIT unless the status is 0 */
};

/* ---- Starting ---- */

/**
 * Start a process; the value is a weft_process.
 *
 * The loop's thread waits until the program is executed (posix_spawn; under a millisecond, whatever
 * this process's size), so that a program which cannot be is a failure here.
 *
 * Thread:    loop.
 * Ownership: returns one reference, never NULL. Options are copied as far as they are needed later.
 *            The value's destructor is weft_process_free(), to be called at the latest before
 *            weft_loop_free().
 * Errors:    by the future: -ENOENT, -EACCES, -ENOEXEC, -E2BIG and what else execve() has to say,
 *            with the program, the folder or the file named in the message; -EMFILE, -ENFILE,
 *            -EAGAIN (too many processes), -EINVAL (options), -ENOMEM, -ESHUTDOWN, WEFT_ENOLOOP.
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *
weft_process_start(const struct weft_process_options *options);

/** Its number. Of a process that has ended it may be another one's by now. Thread: any. Since: 0.1
 */
WEFT_PUBLIC pid_t weft_process_pid(const weft_process *process);

/** True once it has ended and was waited for. Thread: loop. Since: 0.1 */
WEFT_PUBLIC bool weft_process_has_ended(const weft_process *process);

/**
 * This process's end of a pipe to the child's descriptor 0, 1 or 2: for weft_wait_readable() and
 * read(), say. It is non-blocking and close-on-exec.
 *
 * Thread:    loop.
 * Ownership: the caller's from now on.
 * Errors:    -EBADF: no pipe, or taken or closed already; -EINVAL: another number, NULL.
 * Since:     0.1
 */
WEFT_PUBLIC int weft_process_take_fd(weft_process *process, int which);

/**
 * Forget a process: kill it (the group too, if it has one of its own) unless it has ended. It is
 * waited for in the background. Who waits for it fails with WEFT_ECLOSED. NULL is nothing.
 *
 * Thread:    loop.
 * Ownership: consumes the process.
 * Errors:    none.
 * Since:     0.1
 */
WEFT_PUBLIC void weft_process_free(weft_process *process);

/* ---- Ending ---- */

/**
 * Wait for the end; the value is the exit status. Any number may wait, also afterwards.
 *
 * It does not depend on the pipes: a grandchild that holds them open delays nothing. Cancelling it
 * leaves the process alone.
 *
 * Thread:    loop.
 * Ownership: returns one reference, never NULL.
 * Errors:    by the future: -ECHILD (somebody else has waited for it; the status is lost),
 *            WEFT_ECLOSED (weft_process_free()), -ECANCELED, -EINVAL (NULL), -ENOMEM.
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_process_wait(weft_process *process);

/**
 * End it: SIGTERM, then SIGKILL after the grace; the value is the exit status. One that has ended
 * is a success. With `new_group` the group gets the signals, and what is left of it when its leader
 * ends is killed.
 *
 * Thread:    loop.
 * Ownership: returns one reference, never NULL. Cancelling it stops the waiting only.
 * Errors:    as weft_process_wait().
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_process_stop(weft_process *process);

/**
 * Send a signal to the process alone.
 *
 * Thread:    loop.
 * Ownership: nothing changes hands.
 * Errors:    -ESRCH (it has ended), -EINVAL (no such signal, NULL), -EPERM.
 * Since:     0.1
 */
WEFT_PUBLIC int weft_process_signal(weft_process *process, int signum);

/** weft_process_signal() with SIGTERM. Thread: loop. Since: 0.1 */
WEFT_PUBLIC int weft_process_terminate(weft_process *process);

/** weft_process_signal() with SIGKILL. Thread: loop. Since: 0.1 */
WEFT_PUBLIC int weft_process_kill(weft_process *process);

/**
 * Kill the whole group of a process that was started with `new_group`.
 *
 * Only until the process itself has ended: after that the group's number may be another one's.
 *
 * Thread:    loop.
 * Ownership: nothing changes hands.
 * Errors:    -ESRCH (it has ended), -EINVAL (it leads no group, NULL).
 * Since:     0.1
 */
WEFT_PUBLIC int weft_process_kill_group(weft_process *process);

/* ---- Talking ---- */

/** What a process said. The texts end with a NUL that is not counted; without a pipe, "". */
struct weft_process_output {
    int status; /* the exit status */
    char *out, *err;
    size_t out_len, err_len;
};

/** Free it. NULL is nothing. Thread: any. Since: 0.1 */
WEFT_PUBLIC void weft_process_output_free(struct weft_process_output *output);

/**
 * Write the input, read both outputs to their end, wait (Popen.communicate); the value is a
 * weft_process_output.
 *
 * All at the same time, so that no pipe blocks another one. A process that does not read its input
 * to the end is no failure. The end of an output is when all who hold it have closed it, a
 * grandchild too; wait_for() or cancel it if that may last. An output that is no pipe, or was
 * taken, is left out; input that nobody would get is refused.
 *
 * A cancel, or more than `limit` bytes on one of the outputs, stops the process as
 * weft_process_stop() does; the future fails when it has ended.
 *
 * Thread:    loop.
 * Ownership: returns one reference, never NULL. `input` is borrowed until the future is done; NULL
 *            if `len` is 0. The value has a destructor: take it and call
 *            weft_process_output_free().
 * Errors:    by the future: WEFT_ELIMIT (`limit`, 0: 16 MiB), -EBUSY (somebody does so already),
 *            -EINVAL (NULL, or input and no open pipe for it; the process goes on),
 *            -ENOMEM (the process is stopped), what read() or write() has to say; else as
 *            weft_process_wait().
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *
weft_process_communicate(weft_process *process, const void *input, size_t len, size_t limit);

/**
 * Start a process, communicate, free it (subprocess.run): it ends with the future, whatever
 * happens.
 *
 * `out` and `err` are pipes where they are inherited by the options, and `in` is /dev/null, or a
 * pipe if there is input. Input for what the options make something else is -EINVAL.
 *
 * Thread:    loop.
 * Ownership: as weft_process_communicate().
 * Errors:    as weft_process_start() and weft_process_communicate(); with `check` WEFT_EEXIT, and a
 *            message with the program, the status and the last line of what it said on `err`.
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *
weft_process_run(const struct weft_process_options *options, const void *input, size_t len,
                 size_t limit);

#ifdef __cplusplus
}
#endif

#endif

/* SPDX-License-Identifier: MIT */
/**
 * Several loops, each in a thread of its own: one coroutine on all of them.
 *
 *     struct web { WEFT_FRAME; weft_http_server *server; int status; };
 *
 *     static WEFT_ASYNC(web)
 *     {
 *         static const struct weft_http_server_options shared = {.flags = WEFT_LISTEN_REUSE_PORT};
 *         WEFT_BEGIN;
 *         self->server = weft_http_serve_with(&shared, "*:8080", hello);
 *         if (!self->server)
 *             WEFT_FAIL(-errno, "cannot listen");
 *         WEFT_AWAIT(weft_sleep(WEFT_FOREVER));
 *         WEFT_FINALLY;
 *         if (self->server)
 *             WEFT_CATCH(self->status, weft_http_server_shutdown(self->server, WEFT_S(10)));
 *         weft_http_server_free(self->server);
 *         WEFT_END;
 *     }
 *
 *     int main(void) { return weft_run_loops(NULL, web); }
 *
 * <weft/serve.h> has that for connections, in one call.
 *
 * The loops share nothing, threads for jobs included: a coroutine that wants its loop to use a pool of
 * all of them begins with weft_loop_set_pool() (<weft/pool.h>). What the coroutines share is theirs to
 * guard, as ever between threads; weft_queue (<weft/queue.h>) can be used by all of them.
 */
#ifndef WEFT_RUN_LOOPS_H
#define WEFT_RUN_LOOPS_H

#include <stddef.h>
#include <weft/loop.h>
#include <weft/macros.h>
#include <weft/task.h>

#ifdef __cplusplus
extern "C" {
#endif

enum weft_run_loops_flags {
    WEFT_RUN_LOOPS_DEFAULT = 0,
    WEFT_RUN_LOOPS_NO_SIGNALS = 1 /* SIGINT and SIGTERM are the program's business */
};

enum { WEFT_RUN_LOOPS_MOST = 1024 };

/** Zero is the default of every field. */
struct weft_run_loops_options {
    size_t size; /* sizeof(struct weft_run_loops_options), or 0 for "this version" */
    unsigned
        loops; /* how many, at most WEFT_RUN_LOOPS_MOST; 0: one for each CPU that the process may
                       use */
    enum weft_run_loops_flags flags;
    const struct weft_loop_options *loop; /* of each; NULL: the defaults */
};

/**
 * Run a coroutine on several loops at once, and return when it has ended on all of them:
 * `weft_run_loops(NULL, web, .config = config)`. With one loop it is weft_run() but for its signals.
 *
 * The first loop runs on the calling thread, each other one on a thread that is made for it, with all
 * signals blocked but those by which the kernel reports a fault. No coroutine starts before all the
 * loops are there; if one cannot be had, none does, and stderr is told why.
 *
 * The first SIGINT or SIGTERM cancels the coroutine on every loop; the second one cancels it once more,
 * which ends what its WEFT_FINALLY waits for; the third is as if weft were not there. A signal that
 * the program ignores or handles already is left alone. If the coroutine fails on one loop, that is
 * reported there, and it is cancelled on all others.
 *
 * Thread:    any that has no loop.
 * Ownership: as weft_spawn(); the arguments are copied for every loop.
 * Errors:    the exit status: 1 if it failed on some loop, or something was stuck at shutdown, or the
 *            loops could not be had (-EINVAL included: options that are none); 128 and the signal's
 *            number if it ended with -ECANCELED by one; else what weft_run() makes of the value, on
 *            the first loop where that is not 0.
 * Since:     0.1
 */
#define weft_run_loops(options, ...) WEFT__RUN_LOOPS((options), __VA_ARGS__, .weft_frame = {0, 0})

/**
 * Do as if a signal had come: cancel the coroutine on every loop. To have cancelled it so is no
 * failure: its exit status is then 0.
 *
 * Thread:    any on which weft_run_loops() runs a loop.
 * Ownership: nothing changes hands.
 * Errors:    -EINVAL: this thread is none of these.
 * Since:     0.1
 */
WEFT_PUBLIC int weft_run_loops_stop(void);

/** Which of the loops is this thread's, counting from 0; -EINVAL: none. Thread: any. Since: 0.1 */
WEFT_PUBLIC int weft_run_loops_index(void);

/* ---- What the macros expand to; nothing below is for direct use. ---- */

WEFT_PUBLIC int weft__run_loops(const struct weft_run_loops_options *options,
                                const weft_coroutine *coroutine, const void *frame,
                                const char *place);

#define WEFT__RUN_LOOPS(options, name, ...) \
    weft__run_loops((options), weft__coroutine_##name(), &(struct name){__VA_ARGS__}, WEFT__HERE)

#ifdef __cplusplus
}
#endif

#endif

/* SPDX-License-Identifier: MIT */
/**
 * A server on all CPUs: connections are shared among several loops, each in a thread.
 *
 *     int main(void) { return weft_serve(NULL, "*:7", echo, .greeting = "hello\n"); }
 *
 * It is what is said of weft_listen() (<weft/listen.h>), on each of the loops of weft_run_loops()
 * (<weft/run_loops.h>): the kernel spreads the connections among them, and a connection stays on its
 * loop.
 */
#ifndef WEFT_SERVE_H
#define WEFT_SERVE_H

#include <stddef.h>
#include <weft/listen.h>
#include <weft/macros.h>
#include <weft/pool.h>
#include <weft/run_loops.h>
#include <weft/task.h>
#include <weft/time.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Every loop accepts; called once, on one of them, whose listener it is. */
typedef void weft_serve_ready_fn(weft_listener *listener, void *arg);

/** Zero is the default of every field. */
struct weft_serve_options {
    size_t size;    /* sizeof(struct weft_serve_options), or 0 for "this version" */
    unsigned loops; /* how many; 0: one for each CPU that the process may use */
    enum weft_run_loops_flags flags;
    weft_ns
        grace; /* how long connections may take to end by themselves when it is to stop; 0: 10 s */
    const struct weft_listen_options *listen; /* of each loop's listener, whose limit is the loop's;
                                                 NULL: the defaults */
    const struct weft_loop_options *loop;     /* of each loop; NULL: the defaults */
    weft_pool
        *pool; /* for the jobs of all loops; borrowed; NULL: each makes its own when it needs one */
    weft_serve_ready_fn *ready; /* NULL: nobody has to know */
    void *ready_arg;
};

/**
 * Serve these addresses until SIGINT or SIGTERM, with a task for each connection:
 * `weft_serve(NULL, "[::]:80, unix:/run/web", serve, .config = config)`.
 *
 * All addresses are listened on before anything runs, for all loops; port 0 is the same free port
 * for all of them. The frame is weft_listen()'s, with its member `weft_stream *stream`; what the
 * arguments point to is shared by the loops' threads.
 *
 * The first signal stops accepting on all loops, and waits for the connections for `grace`, then
 * aborts those that are left. A second signal aborts them at once, a third is as if weft were not
 * there. weft_run_loops_stop() does what a signal does.
 *
 * A service manager that wants to know is told "READY=1" and "STOPPING=1": see weft_notify().
 *
 * Thread:    any that has no loop.
 * Ownership: as weft_spawn(); arguments and options are needed until it returns.
 * Errors:    the exit status: 0 when all connections have ended by themselves; 1 if some had to be
 *            aborted, and when it could not serve, of which stderr is told: an address that cannot
 *            be had, by its name; otherwise as weft_run_loops().
 * Since:     0.1
 */
#define weft_serve(options, addresses, ...) \
    WEFT__SERVE((options), (addresses), __VA_ARGS__, .weft_frame = {0, 0})

/* ---- What the macros expand to; nothing below is for direct use. ---- */

WEFT_PUBLIC int weft__serve(const struct weft_serve_options *options, const char *addresses,
                            const weft_coroutine *coroutine, const void *frame,
                            size_t stream_offset, const char *place);

/* A member `stream` of another type is refused: no association of _Generic fits it. */
#define WEFT__SERVE(options, addresses, name, ...)                                             \
    weft__serve((options), (addresses), weft__coroutine_##name(), &(struct name){__VA_ARGS__}, \
                _Generic(((struct name *)0)->stream, weft_stream *                             \
                         : offsetof(struct name, stream)),                                     \
                WEFT__HERE)

#ifdef __cplusplus
}
#endif

#endif

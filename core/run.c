/* SPDX-License-Identifier: MIT */
/*
 * weft_run(): a program's main coroutine.
 *
 * The first SIGINT cancels it: the handler of core/signal_table.c puts a note into the loop's
 * mailbox. The second one finds the note taken; what was there before comes back and gets it. So it
 * is only where SIGINT still has its default meaning, for one weft_run() of the process at a time,
 * and while nobody listens to SIGINT by weft_signal_open().
 *
 * A program may have been started with a standard descriptor closed. The next thing that is opened gets
 * its number: the loop's own, or a client's connection, to which failures would then be reported. So
 * /dev/null takes these places first.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <weft/task.h>

#include "core/cold.h"
#include "core/inspect/trace.h"
#include "core/loop.h"
#include "core/signal.h"
#include "core/task.h"

struct interrupt {
    weft__fallback fallback;
    weft_future *main; /* [loop] */
    bool happened;     /* [loop] */
};

static void cancel_main(weft__item *item)
{
    struct interrupt *interrupt = WEFT__CONTAINER(item, struct interrupt, fallback.item);
    interrupt->happened = true;
    weft_cancel_because(interrupt->main, "interrupted by SIGINT");
}

static int stopped(weft_future *main, int status)
{
    struct weft_error_report report = {
        .what = "the loop stopped before it ended",
        .status = status,
        .task = weft_task_name(main),
        .spawned_at = weft_task_spawned_at(main),
    };
    weft__report(weft__loop, &report);
    return 1;
}

int weft__exit_status(weft_future *main, int status)
{
    if (!weft_is_done(main))
        return stopped(main, status);
    if (status < 0) {
        weft__report_future(main, "failed");
        return 1;
    }
    if (weft__destructor(main))
        return 0;
    return (int)(weft_future_value(main).i64 & 0xff);
}

void weft__fill_standard_descriptors(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) < 0)
            return; /* there is none here */
}

int weft__run(const weft_coroutine *coroutine, const void *frame, const char *place)
{
    weft__fill_standard_descriptors();
    char *trace = weft__trace_begin_program();
    weft_loop *loop = weft_loop_new(NULL);
    if (!loop) {
        fprintf(stderr, "weft: cannot run %s: %s\n", coroutine->name,
                errno == EEXIST ? "this thread has a loop already" : strerror(errno));
        weft__trace_end_program(trace, NULL);
        return 1;
    }
    struct interrupt interrupt = {.fallback.item.run = cancel_main,
                                  .fallback.mailbox = loop->mailbox};
    interrupt.main = weft__spawn(coroutine, frame, place);
    bool interruptible = weft__signal_fall_back(SIGINT, &interrupt.fallback);
    int status = weft_loop_run_until(loop, weft_ref(interrupt.main));
    if (status == WEFT_EFORK) { /* in a child that main left without weft_after_fork_child() */
        if (interruptible)
            weft__signal_end_fallback(SIGINT, &interrupt.fallback);
        return 1;
    }
    int result = 130;
    if (!interrupt.happened || status != -ECANCELED || !weft_is_done(interrupt.main))
        result = weft__exit_status(interrupt.main, status);
    if (weft_loop_shutdown(loop, NULL, NULL) < 0 && result == 0)
        result = 1;
    weft__trace_end_program(trace, loop);
    if (interruptible)
        weft__signal_end_fallback(SIGINT, &interrupt.fallback);
    weft_unref(interrupt.main);
    weft_loop_free(loop);
    return result;
}

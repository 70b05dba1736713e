/* SPDX-License-Identifier: MIT */
/*
 * weft_run(): a program's main coroutine.
 *
 * The first SIGINT cancels it: the handler puts a note into the loop's mailbox, which is safe in a
 * handler (two atomic operations and perhaps a write()). The second one finds the note taken,
 * restores what was there before and raises SIGINT again. The handler is installed only where
 * SIGINT still has its default meaning, and by one weft_run() of the process at a time.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <weft/task.h>

#include "core/loop.h"
#include "core/task.h"

struct interrupt {
    weft__item item;
    weft_future *main;      /* [loop] */
    weft__mailbox *mailbox; /* [const] */
    bool happened;          /* [loop] */
};

/*
 * [atomic] What the next SIGINT is for; taken by exchange, by the first SIGINT or by the end of
 * weft_run(). NULL: nobody. A handler on another thread that took it says with `handled` that it is
 * through with it; the end of weft_run() waits for that.
 */
static _Atomic(struct interrupt *) armed;
static atomic_bool handled;
static struct sigaction before; /* [const] while the handler is installed */

static void cancel_main(weft__item *item)
{
    struct interrupt *interrupt = WEFT__CONTAINER(item, struct interrupt, item);
    interrupt->happened = true;
    weft_cancel_because(interrupt->main, "interrupted by SIGINT");
}

static void on_sigint(int signal)
{
    int saved = errno;
    struct interrupt *interrupt = atomic_exchange(&armed, NULL);
    bool noted = interrupt && weft__mailbox_put(interrupt->mailbox, &interrupt->item);
    if (!noted) {
        sigaction(SIGINT, &before, NULL);
        raise(signal);
    }
    if (interrupt)
        atomic_store(&handled, true);
    errno = saved;
}

static bool install(struct interrupt *interrupt)
{
    struct interrupt *nobody = NULL;
    struct sigaction now;
    if (sigaction(SIGINT, NULL, &now) < 0 || (now.sa_flags & SA_SIGINFO) ||
        now.sa_handler != SIG_DFL)
        return false;
    if (!atomic_compare_exchange_strong(&armed, &nobody, interrupt))
        return false;
    before = now;
    atomic_store(&handled, false);
    struct sigaction action = {.sa_handler = on_sigint};
    sigemptyset(&action.sa_mask);
    return sigaction(SIGINT, &action, NULL) == 0;
}

static void uninstall(void)
{
    struct sigaction now;
    if (sigaction(SIGINT, NULL, &now) == 0 && !(now.sa_flags & SA_SIGINFO) &&
        now.sa_handler == on_sigint)
        sigaction(SIGINT, &before, NULL);
    if (!atomic_exchange(&armed, NULL))
        while (!atomic_load(&handled))
            sched_yield();
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

static int exit_status(weft_future *main, int status, const struct interrupt *interrupt)
{
    if (!weft_is_done(main))
        return stopped(main, status);
    if (status == -ECANCELED && interrupt->happened)
        return 130;
    if (status < 0) {
        weft__report_future(main, "failed");
        return 1;
    }
    if (weft__destructor(main))
        return 0;
    return (int)(weft_future_value(main).i64 & 0xff);
}

int weft__run(const weft_coroutine *coroutine, const void *frame, const char *place)
{
    weft_loop *loop = weft_loop_new(NULL);
    if (!loop) {
        fprintf(stderr, "weft: cannot run %s: %s\n", coroutine->name,
                errno == EEXIST ? "this thread has a loop already" : strerror(errno));
        return 1;
    }
    struct interrupt interrupt = {.item.run = cancel_main, .mailbox = loop->mailbox};
    interrupt.main = weft__spawn(coroutine, frame, place);
    bool installed = install(&interrupt);
    int status = weft_loop_run_until(loop, weft_ref(interrupt.main));
    int result = exit_status(interrupt.main, status, &interrupt);
    if (weft_loop_shutdown(loop, NULL, NULL) < 0 && result == 0)
        result = 1;
    if (installed)
        uninstall();
    weft_unref(interrupt.main);
    weft_loop_free(loop);
    return result;
}

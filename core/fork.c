/* SPDX-License-Identifier: MIT */
/*
 * Fork: a loop that goes on in a child.
 *
 * The child is a copy: its loop has the parent's tasks, timers and futures, and shares with the
 * parent the epoll instance, the timerfd and the wakeup pipe. To use one of these in the child would
 * be felt in the parent. So until weft_after_fork_child() no call works there (core/thread.c), a
 * tick from which it was forked stops after the item that did it, and the mailbox refuses.
 *
 *     INHERITED --weft_after_fork_child()--> as before the fork
 *
 * What is made anew: the descriptors (core/loop_new.c), the handlers of signals
 * (core/signal_table.c). What is kept: all that is memory, posts that were not yet run included; they
 * run in both processes. What fails: jobs on threads that are not here (pool/client.c), by the parts'
 * after_fork().
 *
 * Failure modes: no descriptors, no memory: the loop stays INHERITED and the call may be repeated.
 */
#include <errno.h>

#include "core/inspect/inspect.h"
#include "core/inspect/watchdog.h"
#include "core/loop.h"
#include "core/signal.h"
#include "core/sync.h"
#include "core/thread_task.h"

/* 0: this thread had the loop when the process was forked, and has no other. */
static int may_go_on(const weft_loop *loop)
{
    if (loop->generation == weft__generation)
        return -EINVAL;
    if (weft__here())
        return -EEXIST;
    return weft__loop == loop ? 0 : WEFT_ETHREAD;
}

int weft_after_fork_child(weft_loop *loop)
{
    int status = loop ? may_go_on(loop) : -EINVAL;
    if (status == 0)
        status = weft__loop_reopen(loop);
    if (status == 0)
        status = weft__watchdog_after_fork(loop);
    if (status < 0)
        return status;
    loop->generation = weft__generation;
    weft__thread_enter(loop);
    weft__inspect_open(loop);
    weft__loop_take_mail(loop); /* parts look at what has come home */
    weft__signal_after_fork(loop->mailbox);
    weft__syncs_after_fork(loop);
    weft__thread_tasks_after_fork(loop);
    for (struct weft__part *part = loop->parts; part; part = part->next)
        if (part->ops->after_fork)
            part->ops->after_fork(part);
    weft__loop_rearm(loop);
    return 0;
}

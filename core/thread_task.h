/* SPDX-License-Identifier: MIT */
/* Tasks that other threads started, from the loop's side. See core/thread_task.c. */
#ifndef WEFT_CORE_THREAD_TASK_H
#define WEFT_CORE_THREAD_TASK_H

#include <weft/thread_task.h>

/** The loop goes on in a forked child. Thread: loop. */
void weft__thread_tasks_after_fork(weft_loop *loop);

/** The loop is freed, and all tasks have ended: failures that no thread has looked at are nobody's any
 * more. Thread: loop. */
void weft__thread_tasks_end(weft_loop *loop);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * What can be asked of a task: who it is, what it does, who else there is.
 *
 * A task and the calls within it are one: its state is that of the coroutine at the end of its chain
 * of calls.
 */
#include <errno.h>

#include "core/cold.h"
#include "core/loop.h"
#include "core/memory.h"
#include "core/sleep.h"
#include "core/task.h"

/* NULL: it is no task. */
static weft__coro *task_of(const weft_future *future)
{
    weft__coro *coro = weft__coro_of(future);
    return coro && coro->id ? coro : NULL;
}

/* ---- Who it is ---- */

weft_future *weft_current_task(void)
{
    weft_loop *loop = weft__here();
    return loop && loop->current ? &weft__identity(loop->current)->future : NULL;
}

const char *weft_task_name(const weft_future *future)
{
    if (WEFT__ELSEWHERE(future->loop_id))
        return NULL;
    const char *name = future->ops->name, *place;
    if (future->ops->describe)
        future->ops->describe(future, &name, &place);
    return name;
}

const char *weft_task_spawned_at(const weft_future *future)
{
    if (WEFT__ELSEWHERE(future->loop_id))
        return NULL;
    const char *name, *place = NULL;
    if (future->ops->describe)
        future->ops->describe(future, &name, &place);
    return place;
}

uint64_t weft_task_id(const weft_future *future)
{
    if (WEFT__ELSEWHERE(future->loop_id))
        return 0;
    const weft__coro *task = task_of(future);
    return task ? task->id : 0;
}

uint64_t weft_task_parent(const weft_future *future)
{
    if (WEFT__ELSEWHERE(future->loop_id))
        return 0;
    const weft__coro *task = task_of(future);
    return task ? task->parent : 0;
}

int weft_task_set_name(weft_future *future, const char *name)
{
    if (future && WEFT__ELSEWHERE(future->loop_id))
        return weft__elsewhere();
    if (!future || !task_of(future))
        return -EINVAL;
    struct weft__cold *cold = name ? weft__cold_make(future) : weft__cold(future);
    char *copy = cold ? weft__strdup(name) : NULL;
    if (name && !copy)
        return -ENOMEM;
    if (cold) {
        weft__free(cold->name);
        cold->name = copy;
    }
    return 0;
}

/* ---- What it does ---- */

/* The coroutine in which a task is: itself, or the innermost of the calls that it waits for. */
static weft__coro *innermost(weft__coro *task)
{
    struct weft__calls calls = weft__calls_of(task);
    weft__coro *last = task;
    for (weft__coro *at = task; at; at = weft__calls_next(&calls))
        last = at;
    return last;
}

enum weft_task_state weft_task_get_state(const weft_future *future)
{
    if (WEFT__ELSEWHERE(future->loop_id))
        return WEFT_TASK_NONE;
    weft__coro *task = task_of(future);
    if (!task)
        return WEFT_TASK_NONE;
    if (!weft__is_pending(future))
        return WEFT_TASK_DONE;
    weft__coro *at = innermost(task);
    if (weft__is_running(task) || weft__is_running(at))
        return WEFT_TASK_RUNNING;
    if (weft__is_waiting(&at->waiter))
        return WEFT_TASK_WAITING;
    return weft__frame_of(task)->weft_state == 0 ? WEFT_TASK_NEW : WEFT_TASK_READY;
}

weft_future *weft_task_waits_for(const weft_future *future)
{
    if (WEFT__ELSEWHERE(future->loop_id))
        return NULL;
    weft__coro *coro = weft__coro_of(future);
    if (coro && weft__is_asleep(coro))
        return weft__sleep_give_back(coro);
    return coro ? weft__pending_await(coro) : NULL;
}

int weft_task_await_line(const weft_future *future)
{
    if (WEFT__ELSEWHERE(future->loop_id))
        return 0;
    weft__coro *coro = weft__coro_of(future);
    int line = coro ? weft__frame_of(coro)->weft_state : 0;
    return line > 0 ? line : 0;
}

/* ---- All of them ---- */

int weft_all_tasks(weft_future ***ret)
{
    weft_loop *loop = weft__here();
    if (!loop)
        return weft__enoloop();
    size_t count = loop->task_count;
    weft_future **tasks = count ? weft__malloc(count * sizeof(weft_future *)) : NULL;
    if (count && !tasks)
        return -ENOMEM;
    size_t at = count;
    for (weft__coro *task = loop->tasks; task && at; task = task->next) /* newest first */
        tasks[--at] = weft_ref(&task->future);
    *ret = tasks;
    return (int)count;
}

void weft_tasks_free(weft_future **tasks, int count)
{
    if (!tasks || (count > 0 && WEFT__ELSEWHERE(tasks[0]->loop_id)))
        return;
    for (int i = 0; i < count; i++)
        weft_unref(tasks[i]);
    weft__free(tasks);
}

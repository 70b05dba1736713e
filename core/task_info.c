/* SPDX-License-Identifier: MIT */
/* What can be asked of a task. */
#include "core/loop.h"
#include "core/task.h"

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

int weft_task_await_line(const weft_future *future)
{
    if (WEFT__ELSEWHERE(future->loop_id))
        return 0;
    weft__coro *coro = weft__coro_of(future);
    int line = coro ? weft__frame_of(coro)->weft_state : 0;
    return line > 0 ? line : 0;
}

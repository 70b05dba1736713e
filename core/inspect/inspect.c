/* SPDX-License-Identifier: MIT */
/*
 * A loop, as it is seen from outside: by the threads that look what it is doing while it cannot answer by
 * itself. What they read of it is [const], or read by weft__peek().
 */
#include "core/inspect/inspect.h"

#include <unistd.h>

#include "core/inspect/control.h"
#include "core/inspect/guard.h"
#include "core/inspect/json.h"
#include "core/inspect/metrics.h"
#include "core/inspect/peek.h"
#include "core/inspect/trace.h"
#include "core/loop.h"

static void describe(struct weft__source *source, struct weft__text *to)
{
    const weft_loop *loop = weft__inspect_loop(source);
    size_t tasks = 0, jobs = 0;
    weft__peek(&tasks, &loop->task_count, sizeof(tasks));
    weft__peek(&jobs, &loop->jobs, sizeof(jobs));
    weft__json_uint(to, "id", loop->id);
    weft__json_int(to, "tid", loop->tid);
    weft__json_uint(to, "tasks", tasks);
    weft__json_uint(to, "jobs", jobs);
}

static void measure(struct weft__source *source, struct weft__metrics *to)
{
    weft__load_measure(weft__inspect_loop(source), to);
}

static const struct weft__source_ops loop_ops = {
    .kind = "loop", .describe = describe, .measure = measure};

weft_loop *weft__inspect_loop(struct weft__source *source)
{
    return source->ops == &loop_ops ? WEFT__CONTAINER(source, weft_loop, source) : NULL;
}

void weft__inspect_open(weft_loop *loop)
{
    weft__guard_find();
    loop->tid = gettid();
    weft__source_add(&loop->source, &loop_ops);
    weft__trace_sync(loop);
    weft__ctl_open(loop);
}

void weft__inspect_close(weft_loop *loop)
{
    weft__ctl_close(loop);
    weft__source_remove(&loop->source);
}

/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct get {
    WEFT_FRAME;
    weft_queue *queue;
    int number;
};

static WEFT_ASYNC(get)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->number, weft_queue_get(self->queue));
    say("got %d", self->number);
    WEFT_END;
}

struct put {
    WEFT_FRAME;
    weft_queue *queue;
    int number;
};

static WEFT_ASYNC(put)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_queue_put(self->queue, weft_value_i64(self->number), NULL));
    say("put %d", self->number);
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
    weft_queue *queue;
    weft_future *task;
    int i, status;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->queue = weft_queue_new(&(struct weft_queue_options){.bound = 1});
    self->task = weft_spawn(get, .queue = self->queue);
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    self->status = weft_queue_put_nowait(self->queue, weft_value_i64(1), NULL);
    WEFT_AWAIT(weft_call(count_ticks, .what = "get", .task = self->task));
    self->status = weft_queue_put_nowait(self->queue, weft_value_i64(2), NULL);
    self->task = weft_spawn(put, .queue = self->queue, .number = 3);
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    WEFT_AWAIT(weft_queue_get(self->queue));
    WEFT_AWAIT(weft_call(count_ticks, .what = "put", .task = self->task));
    self->task = weft_spawn(awaits, .future = weft_queue_join(self->queue));
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    for (self->i = 0; self->i < 3; self->i++)
        weft_queue_task_done(self->queue);
    WEFT_AWAIT(weft_call(count_ticks, .what = "join", .task = self->task));
    weft_queue_unref(self->queue);
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}

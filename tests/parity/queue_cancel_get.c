/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct getter {
    WEFT_FRAME;
    const char *name;
    weft_queue *queue;
    int number;
};

static WEFT_ASYNC(getter)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->number, weft_queue_get(self->queue));
    say("%s got %d", self->name, self->number);
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
    weft_queue *queue;
    weft_future *a, *b;
    int number, status;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->queue = weft_queue_new(NULL);
    self->a = weft_spawn(getter, .name = "a", .queue = self->queue);
    self->b = weft_spawn(getter, .name = "b", .queue = self->queue);
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    weft_cancel(self->a);
    self->status = weft_queue_put_nowait(self->queue, weft_value_i64(1), NULL);
    WEFT_AWAIT(weft_ref(self->b));
    say("a %s, b %s", outcome(self->a), outcome(self->b));
    WEFT_CATCH(self->status, weft_wait_for(weft_queue_get(self->queue), WEFT_S(2)));
    if (self->status == -ETIMEDOUT)
        say("timed out");
    self->status = weft_queue_put_nowait(self->queue, weft_value_i64(2), NULL);
    say("%zu in the queue", weft_queue_size(self->queue));
    WEFT_AWAIT_INTO(self->number, weft_queue_get(self->queue));
    say("main got %d", self->number);
    weft_unref(self->a);
    weft_unref(self->b);
    weft_queue_unref(self->queue);
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}

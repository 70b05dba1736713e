/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct putter {
    WEFT_FRAME;
    weft_queue *queue;
    int number;
};

static WEFT_ASYNC(putter)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_queue_put(self->queue, weft_value_i64(self->number), NULL));
    say("put %d", self->number);
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
    weft_queue *queue;
    weft_future *a, *b;
    int number, status;
};

static int get_nowait(weft_queue *queue)
{
    weft_value value = weft_value_i64(-1);
    weft_destructor *destructor;
    return weft_queue_get_nowait(queue, &value, &destructor) < 0 ? -1 : (int)value.i64;
}

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->queue = weft_queue_new(&(struct weft_queue_options){.bound = 1});
    self->status = weft_queue_put_nowait(self->queue, weft_value_i64(0), NULL);
    self->a = weft_spawn(putter, .queue = self->queue, .number = 1);
    self->b = weft_spawn(putter, .queue = self->queue, .number = 2);
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    weft_cancel(self->a);
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    say("a %s, b %s", outcome(self->a), outcome(self->b));
    say("got %d", get_nowait(self->queue));
    WEFT_AWAIT(self->b);
    WEFT_AWAIT_INTO(self->number, weft_queue_get(self->queue));
    say("got %d, empty: %s", self->number, truth(weft_queue_is_empty(self->queue)));
    weft_unref(self->a);
    weft_queue_unref(self->queue);
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}

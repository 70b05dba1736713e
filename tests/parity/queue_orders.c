/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct drain {
    WEFT_FRAME;
    enum weft_queue_order order;
    weft_queue *queue;
    int i, numbers[3];
};

static WEFT_ASYNC(drain)
{
    static const int input[] = {3, 1, 2};
    WEFT_BEGIN;
    self->queue = weft_queue_new(&(struct weft_queue_options){.order = self->order});
    for (self->i = 0; self->i < 3; self->i++)
        WEFT_AWAIT(weft_queue_put(self->queue, weft_value_i64(input[self->i]), NULL));
    for (self->i = 0; self->i < 3; self->i++)
        WEFT_AWAIT_INTO(self->numbers[self->i], weft_queue_get(self->queue));
    say("%d, %d, %d", self->numbers[0], self->numbers[1], self->numbers[2]);
    weft_queue_unref(self->queue);
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_call(drain, .order = WEFT_QUEUE_FIFO));
    WEFT_AWAIT(weft_call(drain, .order = WEFT_QUEUE_LIFO));
    WEFT_AWAIT(weft_call(drain, .order = WEFT_QUEUE_PRIORITY));
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}

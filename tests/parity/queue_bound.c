/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct producer {
    WEFT_FRAME;
    weft_queue *queue;
    int number;
};

static WEFT_ASYNC(producer)
{
    WEFT_BEGIN;
    for (self->number = 1; self->number < 5; self->number++) {
        WEFT_AWAIT(weft_queue_put(self->queue, weft_value_i64(self->number), NULL));
        say("put %d, %zu in the queue", self->number, weft_queue_size(self->queue));
    }
    WEFT_END;
}

struct consumer {
    WEFT_FRAME;
    weft_queue *queue;
    int i, number;
};

static WEFT_ASYNC(consumer)
{
    WEFT_BEGIN;
    for (; self->i < 4; self->i++) {
        WEFT_AWAIT_INTO(self->number, weft_queue_get(self->queue));
        say("got %d, %zu in the queue", self->number, weft_queue_size(self->queue));
        WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    }
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
    weft_queue *queue;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->queue = weft_queue_new(&(struct weft_queue_options){.bound = 1});
    WEFT_AWAIT(weft_gather(weft_spawn(consumer, .queue = self->queue),
                           weft_spawn(producer, .queue = self->queue)));
    say("empty: %s", truth(weft_queue_is_empty(self->queue)));
    weft_queue_unref(self->queue);
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}

/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct main_task {
    WEFT_FRAME;
    weft_queue *queue;
    int status;
};

static WEFT_ASYNC(main_task)
{
    weft_value value;
    weft_destructor *destructor;
    WEFT_BEGIN;
    self->queue = weft_queue_new(&(struct weft_queue_options){.bound = 1});
    self->status = weft_queue_put_nowait(self->queue, weft_value_i64(1), NULL);
    say("full: %s", truth(weft_queue_is_full(self->queue)));
    if (weft_queue_put_nowait(self->queue, weft_value_i64(2), NULL) == -EAGAIN)
        say("no room");
    WEFT_AWAIT(weft_queue_get(self->queue));
    if (weft_queue_get_nowait(self->queue, &value, &destructor) == -EAGAIN)
        say("nothing there");
    weft_queue_task_done(self->queue);
    if (weft_queue_task_done(self->queue) == -EINVAL)
        say("done too often");
    WEFT_AWAIT(weft_queue_join(self->queue));
    say("nothing to wait for");
    weft_queue_unref(self->queue);
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}

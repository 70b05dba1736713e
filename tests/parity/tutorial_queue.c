/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct worker {
    WEFT_FRAME;
    const char *name;
    weft_queue *queue;
    int seconds;
};

static WEFT_ASYNC(worker)
{
    WEFT_BEGIN;
    for (;;) {
        WEFT_AWAIT_INTO(self->seconds, weft_queue_get(self->queue));
        WEFT_AWAIT(weft_sleep(WEFT_S(self->seconds)));
        weft_queue_task_done(self->queue);
        say("%s has slept for %d seconds", self->name, self->seconds);
    }
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
    weft_queue *queue;
    weft_future *tasks[3];
};

static WEFT_ASYNC(main_task)
{
    static const int seconds[] = {7, 5, 1, 3, 9};
    static const char *const names[] = {"ada", "bob", "cyd"};
    WEFT_BEGIN;
    self->queue = weft_queue_new(NULL);
    for (int i = 0; i < 5; i++)
        if (weft_queue_put_nowait(self->queue, weft_value_i64(seconds[i]), NULL) < 0)
            WEFT_FAIL(-ENOMEM);
    for (int i = 0; i < 3; i++)
        self->tasks[i] = weft_spawn(worker, .name = names[i], .queue = self->queue);
    WEFT_AWAIT(weft_queue_join(self->queue));
    say("all is done");
    for (int i = 0; i < 3; i++)
        weft_cancel(self->tasks[i]);
    WEFT_AWAIT(weft_gather_array(3, self->tasks, WEFT_GATHER_ALL));
    weft_queue_unref(self->queue);
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}

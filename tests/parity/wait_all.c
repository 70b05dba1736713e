/* SPDX-License-Identifier: MIT */
#include "virtual.h"

static void cancel(void *task)
{
    weft_cancel(task);
}

struct main_task {
    WEFT_FRAME;
    weft_future *a, *b, *c;
    weft_waited *waited;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->a = weft_spawn(work, .name = "a", .seconds = 3);
    self->b = weft_spawn(work, .name = "b", .seconds = 1, .error = "b is broken");
    self->c = weft_spawn(work, .name = "c", .seconds = 10);
    weft_unref(weft_call_later(WEFT_S(2), cancel, self->c));
    WEFT_AWAIT_INTO(self->waited, weft_wait(WEFT_ALL, -1, self->a, self->b, self->c));
    say("%zu done, %zu pending", weft_waited_done_count(self->waited),
        weft_waited_pending_count(self->waited));
    for (size_t i = 0; i < 3; i++)
        say("%s", outcome(weft_waited_done(self->waited, i)));
    WEFT_FINALLY;
    weft_waited_free(self->waited);
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}

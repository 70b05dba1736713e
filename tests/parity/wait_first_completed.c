/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct main_task {
    WEFT_FRAME;
    weft_future *pending[3];
    weft_waited *waited;
    size_t count;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->pending[0] = weft_spawn(work, .name = "a", .seconds = 3);
    self->pending[1] = weft_spawn(work, .name = "b", .seconds = 1, .error = "b is broken");
    self->pending[2] = weft_spawn(work, .name = "c", .seconds = 2);
    self->count = 3;
    while (self->count) {
        WEFT_AWAIT_INTO(self->waited,
                        weft_wait_array(self->count, self->pending, WEFT_FIRST_COMPLETED, -1));
        self->count = weft_waited_pending_count(self->waited);
        for (size_t i = 0; i < self->count; i++)
            self->pending[i] = weft_ref(weft_waited_pending(self->waited, i));
        say("%s, %zu pending", outcome(weft_waited_done(self->waited, 0)), self->count);
        weft_waited_free(self->waited);
    }
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}

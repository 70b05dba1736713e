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

static void say_counts(weft_waited *waited)
{
    say("%zu done, %zu pending", weft_waited_done_count(waited), weft_waited_pending_count(waited));
}

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->a = weft_spawn(work, .name = "a", .seconds = 10);
    self->b = weft_spawn(work, .name = "b", .seconds = 2, .error = "b is broken");
    self->c = weft_spawn(work, .name = "c", .seconds = 3);
    weft_unref(weft_call_later(WEFT_S(1), cancel, self->a));
    WEFT_AWAIT_INTO(self->waited, weft_wait(WEFT_FIRST_FAILED, -1, weft_ref(self->a), self->b,
                                            weft_ref(self->c)));
    say_counts(self->waited);
    say("%s", outcome(self->a));
    say("%s", outcome(self->b));
    say("%s", outcome(self->c));
    weft_waited_free(self->waited);
    WEFT_AWAIT_INTO(self->waited, weft_wait(WEFT_FIRST_FAILED, -1, self->a, self->c));
    say_counts(self->waited);
    weft_waited_free(self->waited);
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}

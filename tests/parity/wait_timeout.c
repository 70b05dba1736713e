/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct main_task {
    WEFT_FRAME;
    weft_future *a, *b;
    weft_waited *waited;
    const char *text;
};

static void say_counts(weft_waited *waited)
{
    say("%zu done, %zu pending", weft_waited_done_count(waited), weft_waited_pending_count(waited));
}

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->a = weft_spawn(work, .name = "a", .seconds = 1);
    self->b = weft_spawn(work, .name = "b", .seconds = 5);
    WEFT_AWAIT_INTO(self->waited,
                    weft_wait(WEFT_ALL, WEFT_S(3), weft_ref(self->a), weft_ref(self->b)));
    say_counts(self->waited);
    say("a %s, b %s", outcome(self->a), outcome(self->b));
    weft_waited_free(self->waited);
    WEFT_AWAIT_INTO(self->waited, weft_wait(WEFT_ALL, 0, self->a, weft_ref(self->b)));
    say_counts(self->waited);
    weft_waited_free(self->waited);
    WEFT_AWAIT_INTO(self->text, self->b);
    say("%s", self->text);
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}

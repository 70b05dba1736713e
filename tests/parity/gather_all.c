/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct main_task {
    WEFT_FRAME;
    weft_future *c, *gather;
    weft_results *results;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->c = weft_spawn(work, .name = "c", .seconds = 5);
    self->gather = weft_gather_with(
        WEFT_GATHER_ALL, weft_spawn(work, .name = "a", .seconds = 1, .error = "a is broken"),
        weft_spawn(work, .name = "b", .seconds = 2), weft_ref(self->c));
    WEFT_AWAIT(weft_sleep(WEFT_S(3)));
    weft_cancel(self->c);
    WEFT_AWAIT_INTO(self->results, self->gather);
    say("a: %s", weft_results_message(self->results, 0));
    say("b: %s", (const char *)weft_results_value(self->results, 1).ptr);
    say("c is cancelled: %s", truth(weft_results_status(self->results, 2) == -ECANCELED));
    WEFT_FINALLY;
    weft_unref(self->c);
    weft_results_free(self->results);
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}

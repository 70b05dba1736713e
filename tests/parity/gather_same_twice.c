/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct main_task {
    WEFT_FRAME;
    weft_future *task;
    weft_results *results;
};

static const char *result(const weft_results *results, size_t index)
{
    return weft_results_value(results, index).ptr;
}

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->task = weft_spawn(work, .name = "a", .seconds = 1);
    WEFT_AWAIT_INTO(
        self->results,
        weft_gather(weft_ref(self->task), weft_spawn(work, .name = "b", .seconds = 2), self->task));
    say("%s, %s, %s", result(self->results, 0), result(self->results, 1), result(self->results, 2));
    weft_results_free(self->results);
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}

/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct main_task {
    WEFT_FRAME;
    weft_results *results;
};

static const char *result(const weft_results *results, size_t index)
{
    return weft_results_value(results, index).ptr;
}

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->results, weft_gather(weft_spawn(work, .name = "a", .seconds = 3),
                                               weft_spawn(work, .name = "b", .seconds = 1),
                                               weft_spawn(work, .name = "c", .seconds = 2)));
    say("%s, %s, %s", result(self->results, 0), result(self->results, 1), result(self->results, 2));
    weft_results_free(self->results);
    WEFT_AWAIT_INTO(self->results, weft_gather());
    say("%zu results", weft_results_count(self->results));
    weft_results_free(self->results);
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}

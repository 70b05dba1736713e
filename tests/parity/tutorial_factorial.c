/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct factorial {
    WEFT_FRAME;
    const char *name;
    int number;
    int result, i;
};

static WEFT_ASYNC(factorial)
{
    WEFT_BEGIN;
    self->result = 1;
    for (self->i = 2; self->i <= self->number; self->i++) {
        say("task %s: factorial(%d), i = %d ...", self->name, self->number, self->i);
        WEFT_AWAIT(weft_sleep(WEFT_S(1)));
        self->result *= self->i;
    }
    say("task %s: factorial(%d) = %d", self->name, self->number, self->result);
    WEFT_RETURN(self->result);
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
    weft_results *results;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->results, weft_gather(weft_spawn(factorial, .name = "A", .number = 2),
                                               weft_spawn(factorial, .name = "B", .number = 3),
                                               weft_spawn(factorial, .name = "C", .number = 4)));
    for (size_t i = 0; i < weft_results_count(self->results); i++)
        say("%d", (int)weft_results_value(self->results, i).i64);
    WEFT_FINALLY;
    weft_results_free(self->results);
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}

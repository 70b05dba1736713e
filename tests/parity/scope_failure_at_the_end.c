/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct main_task {
    WEFT_FRAME;
    weft_scope *group;
    weft_future *a, *b;
    int status;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->group = weft_scope_open(NULL);
    self->a = weft_scope_spawn(self->group, work, .name = "a", .seconds = 10);
    self->b =
        weft_scope_spawn(self->group, work, .name = "b", .seconds = 1, .error = "b is broken");
    WEFT_CATCH(self->status, weft_scope_close(self->group, 0));
    if (self->status == WEFT_EGROUP)
        say("%zu failed", weft_errors_count(WEFT_CAUGHT_ERRORS));
    say("a %s, b %s", outcome(self->a), outcome(self->b));
    self->group = weft_scope_open(NULL);
    self->a = weft_scope_spawn(self->group, stubborn, .name = "c", .seconds = 10);
    self->b =
        weft_scope_spawn(self->group, work, .name = "d", .seconds = 1, .error = "d is broken");
    WEFT_CATCH(self->status, weft_scope_close(self->group, 0));
    if (self->status == WEFT_EGROUP)
        say("%zu failed", weft_errors_count(WEFT_CAUGHT_ERRORS));
    say("c %s, d %s", outcome(self->a), outcome(self->b));
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}

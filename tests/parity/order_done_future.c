/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct main_task {
    WEFT_FRAME;
    weft_future *future, *task;
    const char *text;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->future = weft_future_new();
    weft_future_resolve(self->future, weft_value_ptr("a result"), NULL);
    self->task = weft_spawn(work, .name = "task");
    WEFT_AWAIT_INTO(self->text, weft_ref(self->future));
    say("%s", self->text);
    WEFT_AWAIT_INTO(self->text, self->future);
    say("%s", self->text);
    say("the task has not begun");
    WEFT_AWAIT_INTO(self->text, weft_ref(self->task));
    say("%s", self->text);
    WEFT_AWAIT_INTO(self->text, self->task);
    say("%s", self->text);
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}

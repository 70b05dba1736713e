/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct waiter {
    WEFT_FRAME;
    weft_future *future;
    const char *text;
    int status;
};

static WEFT_ASYNC(waiter)
{
    WEFT_BEGIN;
    WEFT_CATCH_INTO(self->status, self->text, self->future);
    if (self->status == -ECANCELED) {
        say("task gets no result");
        WEFT_FAIL(self->status);
    }
    say("task has %s", self->text);
    WEFT_CATCH(self->status, weft_sleep(WEFT_S(1)));
    if (self->status == -ECANCELED) {
        say("task is cancelled in its next await");
        WEFT_FAIL(self->status);
    }
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
    weft_future *future, *task;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->future = weft_future_new();
    self->task = weft_spawn(waiter, .future = weft_ref(self->future));
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    say("resolved, then cancelled");
    weft_future_resolve(self->future, weft_value_ptr("a socket"), NULL);
    weft_cancel(self->task);
    WEFT_AWAIT(weft_wait(WEFT_ALL, -1, weft_ref(self->task)));
    say("%s", outcome(self->task));
    weft_unref(self->future);
    weft_unref(self->task);
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}

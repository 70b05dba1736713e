/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct limited {
    WEFT_FRAME;
    const char *name;
    int seconds;
    weft_timeout *limit;
    int status;
};

static WEFT_ASYNC(limited)
{
    WEFT_BEGIN;
    self->limit = weft_timeout_enter(WEFT_S(self->seconds));
    WEFT_CATCH(self->status, weft_call(tidy, .name = self->name, .seconds = 10, .cleanup = 5));
    self->status = weft_timeout_exit(self->limit, self->status);
    if (self->status == -ETIMEDOUT)
        say("%s has timed out", self->name);
    else
        WEFT_FAIL(self->status);
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
    weft_future *early, *late;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->early = weft_spawn(limited, .name = "a", .seconds = 3);
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    weft_cancel(self->early);
    WEFT_AWAIT(weft_wait(WEFT_ALL, -1, weft_ref(self->early)));
    say("%s, %u asked", outcome(self->early), weft_cancelling(self->early));
    self->late = weft_spawn(limited, .name = "b", .seconds = 1);
    WEFT_AWAIT(weft_sleep(WEFT_S(2)));
    weft_cancel(self->late);
    WEFT_AWAIT(weft_wait(WEFT_ALL, -1, weft_ref(self->late)));
    say("%s, %u asked", outcome(self->late), weft_cancelling(self->late));
    weft_unref(self->early);
    weft_unref(self->late);
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}

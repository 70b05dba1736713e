/* SPDX-License-Identifier: MIT */
#include "virtual.h"

static void until(void *limit)
{
    weft_timeout_reschedule(limit, weft_now() == WEFT_S(1) ? WEFT_S(4) : WEFT_S(7));
}

struct main_task {
    WEFT_FRAME;
    weft_timeout *limit;
    int status;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->limit = weft_timeout_enter(WEFT_S(2));
    say("until %d", (int)(weft_timeout_when(self->limit) / WEFT_S(1)));
    weft_unref(weft_call_later(WEFT_S(1), until, self->limit));
    WEFT_CATCH(self->status, weft_call(work, .name = "a", .seconds = 10));
    self->status = weft_timeout_exit(self->limit, self->status);
    if (self->status == -ETIMEDOUT)
        say("the new time is over");
    self->limit = weft_timeout_enter(WEFT_FOREVER);
    weft_unref(weft_call_later(WEFT_S(2), until, self->limit));
    WEFT_CATCH(self->status, weft_call(work, .name = "b", .seconds = 10));
    self->status = weft_timeout_exit(self->limit, self->status);
    if (self->status == -ETIMEDOUT)
        say("the time that was set later is over");
    self->limit = weft_timeout_enter_at(weft_now() + WEFT_S(1));
    weft_timeout_reschedule(self->limit, WEFT_FOREVER);
    WEFT_CATCH(self->status, weft_call(work, .name = "c", .seconds = 5));
    self->status = weft_timeout_exit(self->limit, self->status);
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}

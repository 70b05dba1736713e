/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct inner {
    WEFT_FRAME;
    weft_timeout *limit;
    int status;
};

static WEFT_ASYNC(inner)
{
    WEFT_BEGIN;
    self->limit = weft_timeout_enter(WEFT_S(1));
    WEFT_CATCH(self->status, weft_call(work, .name = "a", .seconds = 10));
    self->status = weft_timeout_exit(self->limit, self->status);
    if (self->status == -ETIMEDOUT)
        say("the inner time is over");
    WEFT_AWAIT(weft_call(work, .name = "b", .seconds = 10));
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
    weft_timeout *limit, *second;
    int status;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->limit = weft_timeout_enter(WEFT_S(3));
    WEFT_CATCH(self->status, weft_call(inner));
    self->status = weft_timeout_exit(self->limit, self->status);
    if (self->status == -ETIMEDOUT)
        say("the outer time is over");
    self->limit = weft_timeout_enter(WEFT_S(2));
    self->second = weft_timeout_enter(WEFT_S(5));
    WEFT_CATCH(self->status, weft_call(work, .name = "c", .seconds = 10));
    self->status = weft_timeout_exit(self->second, self->status);
    self->status = weft_timeout_exit(self->limit, self->status);
    if (self->status == -ETIMEDOUT)
        say("the outer time was over first");
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}

/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct fails {
    WEFT_FRAME;
};

static WEFT_ASYNC(fails)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_sleep(WEFT_S(10)));
    WEFT_FINALLY;
    WEFT_FAIL(-EIO, "clean-up is broken");
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
    weft_future *gather;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->gather = weft_gather(weft_spawn(fails));
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    weft_cancel(self->gather);
    WEFT_AWAIT(weft_wait(WEFT_ALL, -1, weft_ref(self->gather)));
    say("%s", outcome(self->gather));
    weft_unref(self->gather);
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}

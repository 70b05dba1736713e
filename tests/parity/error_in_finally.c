/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct returns_then_fails {
    WEFT_FRAME;
};

static WEFT_ASYNC(returns_then_fails)
{
    WEFT_BEGIN;
    WEFT_RETURN("a value");
    WEFT_FINALLY;
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    WEFT_FAIL(-EIO, "clean-up is broken");
    WEFT_END;
}

struct fails_then_returns {
    WEFT_FRAME;
};

static WEFT_ASYNC(fails_then_returns)
{
    WEFT_BEGIN;
    WEFT_FAIL(-EIO, "the work is broken");
    WEFT_FINALLY;
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    WEFT_RETURN("rescued");
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
    weft_future *a, *b;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->a = weft_spawn(returns_then_fails);
    self->b = weft_spawn(fails_then_returns);
    WEFT_AWAIT(weft_gather_with(WEFT_GATHER_ALL, weft_ref(self->a), weft_ref(self->b)));
    say("%s", outcome(self->a));
    say("%s", outcome(self->b));
    weft_unref(self->a);
    weft_unref(self->b);
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}

/* SPDX-License-Identifier: MIT */
#include "tests/support/cancel.h"

#include <errno.h>
#include <weft/weft.h>

#include "tests/support/loop.h"
#include "tests/support/trace.h"

WEFT_ASYNC(test_sleeper)
{
    WEFT_BEGIN;
    weft_test_mark("s");
    for (self->i = 0; self->i < self->rounds; self->i++) {
        WEFT_CATCH(self->status, weft_sleep(WEFT_S(1)));
        weft_test_mark(self->status == -ECANCELED ? "c" : self->status == 0 ? "v" : "?");
    }
    WEFT_RETURN(self->i);
    WEFT_END;
}

WEFT_ASYNC(test_waiter)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->value, self->on);
    WEFT_RETURN(self->value);
    WEFT_FINALLY;
    if (self->name)
        weft_test_mark(self->name);
    WEFT_END;
}

weft_future *weft_test_started(weft_future *task)
{
    weft_test_ticks(1);
    return task;
}

int weft_test_end_of(weft_future *task)
{
    return weft_test_run(weft_ref(task));
}

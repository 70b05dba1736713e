/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct main_task {
    WEFT_FRAME;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    weft_future *futures[] = {weft_future_new(), weft_future_new(), weft_future_new()};
    weft_future_resolve(futures[0], weft_value_ptr("a value"), NULL);
    weft_future_fail(futures[1], -EIO, "broken");
    weft_cancel(futures[2]);
    for (int i = 0; i < 3; i++) {
        if (weft_future_resolve(futures[i], weft_value_ptr("another"), NULL) == -EALREADY)
            say("%s; a cancel comes too late: %s", outcome(futures[i]),
                truth(!weft_cancel(futures[i])));
        weft_unref(futures[i]);
    }
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}

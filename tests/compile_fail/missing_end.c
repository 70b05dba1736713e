/* SPDX-License-Identifier: MIT */
/* error: expected */
#include <weft/task.h>
#include <weft/time.h>

struct endless {
    WEFT_FRAME;
};

WEFT_ASYNC_DECLARE(endless);
WEFT_ASYNC(endless)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_sleep(1));
#ifndef MISTAKE
    WEFT_END;
#endif
}

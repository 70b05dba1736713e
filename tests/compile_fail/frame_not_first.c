/* SPDX-License-Identifier: MIT */
/* error: WEFT_FRAME must be the first member */
#include <weft/task.h>
#include <weft/time.h>

struct late {
#ifdef MISTAKE
    int before;
#endif
    WEFT_FRAME;
};

WEFT_ASYNC_DECLARE(late);
WEFT_ASYNC(late)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_sleep(1));
    WEFT_END;
}

/* SPDX-License-Identifier: MIT */
/* error: ignoring return value */
#include <weft/task.h>
#include <weft/time.h>

struct nap {
    WEFT_FRAME;
};

WEFT_ASYNC_DECLARE(nap);
WEFT_ASYNC(nap)
{
    WEFT_BEGIN;
#ifdef MISTAKE
    weft_sleep(WEFT_MS(1));
#endif
    WEFT_AWAIT(weft_sleep(WEFT_MS(1)));
    WEFT_END;
}

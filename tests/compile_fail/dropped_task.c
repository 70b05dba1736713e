/* SPDX-License-Identifier: MIT */
/* error: ignoring return value */
#include <weft/task.h>

struct nap {
    WEFT_FRAME;
};

WEFT_ASYNC_DECLARE(nap);
WEFT_ASYNC(nap)
{
    WEFT_BEGIN;
#ifdef MISTAKE
    weft_spawn(nap);
#endif
    weft_unref(weft_spawn(nap));
    WEFT_END;
}

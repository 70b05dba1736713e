/* SPDX-License-Identifier: MIT */
/* error: incompatible types|incompatible result type */
#include <weft/task.h>
#include <weft/time.h>

struct early {
    WEFT_FRAME;
};

WEFT_ASYNC_DECLARE(early);
WEFT_ASYNC(early)
{
    WEFT_BEGIN;
#ifdef MISTAKE
    return 0;
#endif
    WEFT_AWAIT(weft_sleep(1));
    WEFT_END;
}

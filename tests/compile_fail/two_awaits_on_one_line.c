/* SPDX-License-Identifier: MIT */
/* error: duplicate case value */
#include <weft/task.h>
#include <weft/time.h>

struct pair {
    WEFT_FRAME;
};

WEFT_ASYNC_DECLARE(pair);
WEFT_ASYNC(pair)
{
    WEFT_BEGIN;
#ifdef MISTAKE
    /* clang-format off */
    WEFT_AWAIT(weft_sleep(1)); WEFT_AWAIT(weft_sleep(2));
    /* clang-format on */
#else
    WEFT_AWAIT(weft_sleep(1));
    WEFT_AWAIT(weft_sleep(2));
#endif
    WEFT_END;
}

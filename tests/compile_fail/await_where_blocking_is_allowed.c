/* SPDX-License-Identifier: MIT */
/* error: jumps over variable initialization|cannot jump from switch statement */
#include <weft/blocking.h>
#include <weft/task.h>
#include <weft/time.h>

struct reads {
    WEFT_FRAME;
    int n;
};

WEFT_ASYNC_DECLARE(reads);
WEFT_ASYNC(reads)
{
    WEFT_BEGIN;
    WEFT_ALLOW_BLOCKING("a test") {
        self->n++;
#ifdef MISTAKE
        WEFT_AWAIT(weft_sleep(1));
#endif
    }
    WEFT_END;
}

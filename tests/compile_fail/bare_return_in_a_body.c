/* SPDX-License-Identifier: MIT */
/* error: .return. with no value|should return a value */
#include <weft/task.h>
#include <weft/time.h>

#ifndef __clang__ /* as in a program that is built without -Werror */
#pragma GCC diagnostic warning "-Wreturn-type"
#endif

struct early {
    WEFT_FRAME;
};

WEFT_ASYNC_DECLARE(early);
WEFT_ASYNC(early)
{
    WEFT_BEGIN;
#ifdef MISTAKE
    return;
#endif
    WEFT_AWAIT(weft_sleep(1));
    WEFT_END;
}

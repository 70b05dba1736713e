/* SPDX-License-Identifier: MIT */
/* error: has no member|does not refer to any field */
#include <weft/task.h>
#include <weft/time.h>

struct greet {
    WEFT_FRAME;
    const char *name;
};

WEFT_ASYNC_DECLARE(greet);
weft_future *caller(void);

weft_future *caller(void)
{
#ifdef MISTAKE
    return weft_spawn(greet, .nmae = "world");
#else
    return weft_spawn(greet, .name = "world");
#endif
}

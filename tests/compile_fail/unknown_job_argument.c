/* SPDX-License-Identifier: MIT */
/* error: has no member|does not refer to any field */
#include <weft/pool.h>

struct add {
    int a, b;
};

WEFT_BLOCKING_DECLARE(add);
weft_future *caller(void);

weft_future *caller(void)
{
#ifdef MISTAKE
    return weft_to_thread(add, .a = 1, .c = 2);
#else
    return weft_to_thread(add, .a = 1, .b = 2);
#endif
}

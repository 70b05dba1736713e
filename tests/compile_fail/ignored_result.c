/* SPDX-License-Identifier: MIT */
/* error: ignoring return value */
#include <weft/macros.h>

WEFT_MUST_CHECK int may_fail(void);
int caller(void);

int caller(void)
{
#ifdef MISTAKE
    may_fail();
#endif
    return may_fail();
}

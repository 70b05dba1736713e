/* SPDX-License-Identifier: MIT */
/* error: format .*expects|format specifies type */
#include <weft/macros.h>

WEFT_PRINTF(2, 3) void report(int level, const char *format, ...);
void caller(void);

void caller(void)
{
    report(1, "%d", 2);
#ifdef MISTAKE
    report(1, "%s", 2);
#endif
}

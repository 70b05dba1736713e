/* SPDX-License-Identifier: MIT */
/* Messages. Losing one to a lack of memory is no failure of its own: callers keep the status and go
 * on. */
#include "core/text.h"

#include <stdio.h>
#include <weft/value.h>

#include "core/memory.h"

char *weft__vformat(const char *format, va_list args)
{
    if (!format)
        return NULL;
    va_list again;
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    char *text = length < 0 ? NULL : weft__malloc((size_t)length + 1);
    if (text)
        vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    return text;
}

char *weft__format(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = weft__vformat(format, args);
    va_end(args);
    return text;
}

weft_result weft_errf(int status, const char *format, ...)
{
    weft_result result = weft_err(status);
    va_list args;
    va_start(args, format);
    result.message = weft__vformat(format, args);
    va_end(args);
    return result;
}

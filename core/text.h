/* SPDX-License-Identifier: MIT */
/* Messages: printf() into allocated memory. */
#ifndef WEFT_CORE_TEXT_H
#define WEFT_CORE_TEXT_H

#include <stdarg.h>
#include <weft/macros.h>

/** As vprintf(), into memory of weft__malloc(); NULL when out of memory or when `format` is NULL.
 */
char *weft__vformat(const char *format, va_list args) WEFT_PRINTF(1, 0);
char *weft__format(const char *format, ...) WEFT_PRINTF(1, 2);

#endif

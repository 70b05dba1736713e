/* SPDX-License-Identifier: MIT */
/* Dates as HTTP has them (RFC 9110, 5.6.7). Thread: any. */
#ifndef WEFT_NET_HTTP_DATE_H
#define WEFT_NET_HTTP_DATE_H

#include <stdbool.h>
#include <stdint.h>

enum { WEFT__HTTP_DATE = sizeof("Sun, 06 Nov 1994 08:49:37 GMT") };

/** Seconds since 1970 as "Sun, 06 Nov 1994 08:49:37 GMT", of the years 0 to 9999. */
void weft__http_format_date(int64_t seconds, char text[WEFT__HTTP_DATE]);

/** A date in any of the three forms; false: it is none. `now` tells the century of a year of two
 * digits. */
bool weft__http_parse_date(const char *text, int64_t now, int64_t *ret);

#endif

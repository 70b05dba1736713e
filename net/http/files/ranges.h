/* SPDX-License-Identifier: MIT */
/* Which parts of something were asked for (RFC 9110, 14.1.2). Pure functions. Thread: any. */
#ifndef WEFT_NET_HTTP_RANGES_H
#define WEFT_NET_HTTP_RANGES_H

#include <stddef.h>
#include <stdint.h>

enum { WEFT__HTTP_MOST_RANGES = 16 };

struct weft__http_range {
    int64_t first, len;
};

/** No two of them overlap or are near each other. */
struct weft__http_ranges {
    size_t count;
    struct weft__http_range at[WEFT__HTTP_MOST_RANGES];
};

/**
 * What of `size` bytes the value of a Range header means. 206; 416: there is none of it; 200: it is
 * malformed, of another unit, or has too many: then `ret` is undefined.
 */
int weft__http_read_ranges(const char *value, int64_t size, struct weft__http_ranges *ret);

#endif

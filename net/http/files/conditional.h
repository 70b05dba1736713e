/* SPDX-License-Identifier: MIT */
/*
 * What is sent of something that has a length, a date and a tag: all, a part, or that there is nothing
 * new (RFC 9110, 13 and 14). Pure functions. Thread: any.
 */
#ifndef WEFT_NET_HTTP_CONDITIONAL_H
#define WEFT_NET_HTTP_CONDITIONAL_H

#include <stdbool.h>
#include <stdint.h>

#include "net/http/files/ranges.h"

/** What there is. */
struct weft__http_version {
    const char *etag; /* with its quotes, and W/ if it is weak */
    int64_t modified; /* seconds since 1970 */
    int64_t size;
};

/** What was asked: values of headers; NULL: there is none. */
struct weft__http_conditions {
    const char *if_match, *if_none_match, *if_modified_since, *if_unmodified_since;
    const char *range, *if_range;
    bool is_get;   /* not HEAD, for which there are no ranges */
    bool is_coded; /* the whole would be sent in another coding, and have no strong tag then */
    int64_t now;   /* seconds since 1970 */
};

/**
 * The status to answer with: 200 or 206 (and *ret: what of it), 304, 412, or 416.
 */
int weft__http_judge(const struct weft__http_conditions *asked,
                     const struct weft__http_version *version, struct weft__http_ranges *ret);

#endif

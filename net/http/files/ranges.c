/* SPDX-License-Identifier: MIT */
/*
 * Ranges: texts in, parts out.
 *
 * What somebody asks for twice is sent once: ranges that overlap, or between which there is less than the
 * head of a part, become one, where the first of them stood. So all parts together are never longer than the whole, and
 * a few bytes of a request cannot buy more than that. A list of more ranges than fit is as if it were
 * not there (RFC 9110, 14.2): who wants so many is broken, or wants to make work.
 */
#include "net/http/files/ranges.h"

#include <stdbool.h>
#include <string.h>

enum { NEAR = 80 /* about what the head of a part takes */ };

/* Digits; more than fit are as many as fit. False: there is none. */
static bool take_number(const char **at, int64_t *ret)
{
    const char *begin = *at;
    *ret = 0;
    for (; **at >= '0' && **at <= '9'; ++*at) {
        int64_t digit = **at - '0';
        *ret = *ret > (INT64_MAX - digit) / 10 ? INT64_MAX : *ret * 10 + digit;
    }
    return *at != begin;
}

/* "2-4", "2-", "-4". True, and a part that may be empty: there is nothing of it. */
static bool take_range(const char **at, int64_t size, struct weft__http_range *ret)
{
    int64_t first, last;
    bool has_first = take_number(at, &first);
    if (*(*at)++ != '-')
        return false;
    bool has_last = take_number(at, &last);
    if ((!has_first && !has_last) || (has_first && has_last && last < first))
        return false;
    if (!has_first) {
        first = last < size ? size - last : 0;
        last = last ? size - 1 : -1;
    } else if (!has_last || last >= size) {
        last = size - 1;
    }
    *ret = (struct weft__http_range){first, first <= last ? last + 1 - first : 0};
    return true;
}

static bool are_near(const struct weft__http_range *a, const struct weft__http_range *b)
{
    return a->first - NEAR <= b->first + b->len && b->first - NEAR <= a->first + a->len;
}

static struct weft__http_range join(const struct weft__http_range *a,
                                    const struct weft__http_range *b)
{
    int64_t first = a->first < b->first ? a->first : b->first;
    int64_t a_end = a->first + a->len, b_end = b->first + b->len;
    return (struct weft__http_range){first, (a_end > b_end ? a_end : b_end) - first};
}

static void take_out(struct weft__http_ranges *ranges, size_t i)
{
    ranges->count--;
    memmove(&ranges->at[i], &ranges->at[i + 1], (ranges->count - i) * sizeof(ranges->at[0]));
}

/* One more, or what is there gets longer, which may bring it near to others. False: no room. */
static bool add(struct weft__http_ranges *ranges, struct weft__http_range range)
{
    size_t at = ranges->count;
    for (size_t i = 0; i < ranges->count;) {
        if (!are_near(&ranges->at[i], &range)) {
            i++;
            continue;
        }
        range = join(&ranges->at[i], &range);
        take_out(ranges, i);
        at = i < at ? i : at;
        i = 0; /* it is longer now */
    }
    if (ranges->count == WEFT__HTTP_MOST_RANGES)
        return false;
    at = at < ranges->count ? at : ranges->count;
    memmove(&ranges->at[at + 1], &ranges->at[at], (ranges->count - at) * sizeof(ranges->at[0]));
    ranges->at[at] = range;
    ranges->count++;
    return true;
}

int weft__http_read_ranges(const char *value, int64_t size, struct weft__http_ranges *ret)
{
    static const char unit[] = "bytes=";
    size_t seen = 0;
    ret->count = 0;
    if (strncmp(value, unit, sizeof(unit) - 1) != 0)
        return 200;
    for (const char *at = value + sizeof(unit) - 1;;) {
        struct weft__http_range range;
        if (*at && *at != ',' &&
            (seen++ == WEFT__HTTP_MOST_RANGES || !take_range(&at, size, &range) ||
             (range.len && !add(ret, range))))
            return 200;
        if (!*at)
            break;
        at += strspn(at, " \t");
        if (*at++ != ',')
            return 200;
        at += strspn(at, " \t");
    }
    if (!seen)
        return 200;
    return ret->count ? 206 : 416;
}

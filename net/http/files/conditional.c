/* SPDX-License-Identifier: MIT */
/*
 * Conditions. What is malformed is as if it were not there (RFC 9110 wants that of Range and of dates), which
 * costs bytes and never gives a wrong part.
 */
#include "net/http/files/conditional.h"

#include <string.h>

#include "net/http/parser/date.h"

/* ---- Tags ---- */

static bool is_weak(const char *etag)
{
    return etag[0] == 'W';
}

/* What is between the quotes, quotes included. */
static const char *opaque(const char *etag)
{
    return is_weak(etag) ? etag + 2 : etag;
}

/* Take a tag off a list: its quoted part; NULL: it is none. */
static const char *take_tag(const char **at, bool *ret_weak, size_t *ret_len)
{
    *ret_weak = strncmp(*at, "W/", 2) == 0;
    const char *begin = *at + (*ret_weak ? 2 : 0);
    if (*begin != '"')
        return NULL;
    const char *end = strchr(begin + 1, '"');
    if (!end)
        return NULL;
    *ret_len = (size_t)(end + 1 - begin);
    *at = end + 1;
    return begin;
}

/* Is the tag in the list? Strongly: both of them are strong. */
static bool is_listed(const char *list, const char *etag, bool strongly)
{
    if (strcmp(list, "*") == 0)
        return true;
    for (const char *at = list;;) {
        bool weak;
        size_t len;
        at += strspn(at, " \t,");
        const char *tag = take_tag(&at, &weak, &len);
        if (!tag)
            return false;
        bool same = strlen(opaque(etag)) == len && memcmp(opaque(etag), tag, len) == 0;
        if (same && !(strongly && (weak || is_weak(etag))))
            return true;
        at += strspn(at, " \t");
        if (*at != ',')
            return false;
    }
}

/* ---- Conditions ---- */

static bool has_failed(const struct weft__http_conditions *asked,
                       const struct weft__http_version *version)
{
    int64_t date;
    if (asked->if_match)
        return !is_listed(asked->if_match, version->etag, true);
    return asked->if_unmodified_since &&
           weft__http_parse_date(asked->if_unmodified_since, asked->now, &date) &&
           version->modified > date;
}

static bool is_known(const struct weft__http_conditions *asked,
                     const struct weft__http_version *version)
{
    int64_t date;
    if (asked->if_none_match)
        return is_listed(asked->if_none_match, version->etag, false);
    return asked->if_modified_since &&
           weft__http_parse_date(asked->if_modified_since, asked->now, &date) &&
           version->modified <= date;
}

/* Is what the client has a part of the same? A date says so only if nothing can have changed since, and if
 * there are no other bytes of that date. */
static bool may_continue(const struct weft__http_conditions *asked,
                         const struct weft__http_version *version)
{
    int64_t date;
    if (!asked->if_range)
        return true;
    if (strchr(asked->if_range, '"'))
        return strcmp(asked->if_range, version->etag) == 0 && !is_weak(version->etag);
    return !asked->is_coded && weft__http_parse_date(asked->if_range, asked->now, &date) &&
           version->modified == date && !is_weak(version->etag);
}

int weft__http_judge(const struct weft__http_conditions *asked,
                     const struct weft__http_version *version, struct weft__http_ranges *ret)
{
    int status = 200;
    if (has_failed(asked, version))
        return 412;
    if (is_known(asked, version))
        return 304;
    if (asked->is_get && asked->range && may_continue(asked, version))
        status = weft__http_read_ranges(asked->range, version->size, ret);
    if (status == 200)
        *ret = (struct weft__http_ranges){1, {{0, version->size}}};
    return status;
}

/* SPDX-License-Identifier: MIT */
/* Names and texts of errors: the C library's for errno, the table of <weft/error.h> for weft's own.
 */
#include <string.h>
#include <weft/error.h>

const char *weft_error_name(int status)
{
    if (status >= 0)
        return "OK";
    switch (status) {
#define WEFT__ERROR_NAME(name, number, text) \
    case name:                               \
        return #name;
        WEFT_ERRORS(WEFT__ERROR_NAME)
#undef WEFT__ERROR_NAME
    default:
        break;
    }
    const char *name = status >= -4096 ? strerrorname_np(-status) : NULL;
    return name ? name : "EUNKNOWN";
}

const char *weft_strerror(int status)
{
    if (status >= 0)
        return "success";
    switch (status) {
#define WEFT__ERROR_TEXT(name, number, text) \
    case name:                               \
        return text;
        WEFT_ERRORS(WEFT__ERROR_TEXT)
#undef WEFT__ERROR_TEXT
    default:
        break;
    }
    const char *text = status >= -4096 ? strerrordesc_np(-status) : NULL;
    return text ? text : "unknown error";
}

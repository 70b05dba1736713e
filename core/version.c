/* SPDX-License-Identifier: MIT */
/*
 * Version: the numbers in <weft/version.h> as a string, frozen into the library when it is built,
 * so that a program can compare what it was compiled against with what it runs on.
 */
#include <weft/version.h>

#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)

const char *weft_version(void)
{
    return TEXT(WEFT_VERSION_MAJOR) "." TEXT(WEFT_VERSION_MINOR) "." TEXT(WEFT_VERSION_PATCH);
}

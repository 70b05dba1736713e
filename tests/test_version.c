/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>

#include <weft/version.h>

#include <stdio.h>

Test(version, text_says_what_the_macros_say)
{
    char expected[32];
    snprintf(expected, sizeof expected, "%d.%d.%d", WEFT_VERSION_MAJOR, WEFT_VERSION_MINOR,
             WEFT_VERSION_PATCH);
    cr_assert_str_eq(weft_version(), expected);
}

Test(version, number_orders_minor_before_patch)
{
    cr_assert_eq(WEFT_VERSION_NUMBER / 100 % 100, WEFT_VERSION_MINOR);
}

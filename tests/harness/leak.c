/* SPDX-License-Identifier: MIT */
/* A fish for the net: memory that nobody can free any more. */
#include <criterion/criterion.h>

#include <stdlib.h>

static void *volatile kept;

Test(fish, leaks)
{
    kept = malloc(10);
    cr_assert_not_null(kept);
    kept = NULL;
}

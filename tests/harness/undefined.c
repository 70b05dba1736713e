/* SPDX-License-Identifier: MIT */
/* A fish for the net: a sum that no int can hold. */
#include <criterion/criterion.h>

#include <limits.h>

static volatile int largest = INT_MAX;

Test(fish, overflows)
{
    largest = largest + 1;
}

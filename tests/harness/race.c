/* SPDX-License-Identifier: MIT */
/* A fish for the net: two threads write one variable and nothing orders them. */
#include <criterion/criterion.h>

#include <pthread.h>

static int shared;

static void *add_one(void *arg)
{
    shared++;
    return arg;
}

Test(fish, races)
{
    pthread_t other;
    cr_assert_eq(pthread_create(&other, NULL, add_one, NULL), 0);
    shared++;
    cr_assert_eq(pthread_join(other, NULL), 0);
}

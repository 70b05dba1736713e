/* SPDX-License-Identifier: MIT */
/* Fish that need no sanitizer, and one test that is sound: the net must let it pass. */
#include <criterion/criterion.h>

#include <signal.h>

static void fail(void)
{
    cr_assert(0, "a fixture fails");
}

static void crash(void)
{
    raise(SIGKILL);
}

Test(sound, passes)
{
}

Test(fish, fails)
{
    cr_assert(0, "a test fails");
}

Test(fish, fails_after_the_test, .fini = fail)
{
}

Test(fish, crashes_after_the_test, .fini = crash)
{
}

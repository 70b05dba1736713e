/* SPDX-License-Identifier: MIT */
/* Fish that need no sanitizer, and one test that is sound: the net must let it pass. */
#include <criterion/criterion.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

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

static pid_t start_deaf_child(void)
{
    pid_t child = fork();
    if (child == 0) {
        signal(SIGTERM, SIG_IGN);
        for (;;)
            pause();
    }
    fprintf(stderr, "left: %d\n", (int)child);
    const char *path = getenv("WEFT_FISH");
    FILE *file = path ? fopen(path, "w") : NULL;
    if (file) {
        fprintf(file, "%d\n", (int)child);
        fclose(file);
    }
    return child;
}

Test(fish, leaves_a_process)
{
    cr_assert_gt(start_deaf_child(), 0);
}

/* The time-out counts from before the program is loaded: long enough to get as far as the process. */
Test(fish, waits_for_ever_for_a_process, .timeout = 8)
{
    waitpid(start_deaf_child(), NULL, 0);
}

Test(fish, hangs_with_a_process)
{
    start_deaf_child();
    for (;;)
        pause();
}

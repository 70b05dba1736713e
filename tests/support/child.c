/* SPDX-License-Identifier: MIT */
#include "tests/support/child.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

/* There in a build that counts lines only. */
extern void __gcov_dump(void) __attribute__((weak));

_Noreturn void weft_test_child_exit(int line)
{
    if (line)
        fprintf(stderr, "the child failed at line %d\n", line);
    if (__gcov_dump)
        __gcov_dump();
    _exit(line != 0);
}

void weft_test_reap(int pid)
{
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the child failed: status %#x",
              (unsigned)status);
}

void weft_test_in_child(void (*body)(void *arg), void *arg)
{
    pid_t child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
        body(arg);
        weft_test_child_exit(0);
    }
    weft_test_reap(child);
}

/* SPDX-License-Identifier: MIT */
#include "tests/support/trace.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <weft/time.h>

#include "tests/support/heap.h"
#include "tests/support/loop.h"

char test_trace[512];

void weft_test_mark(const char *text)
{
    strncat(test_trace, text, sizeof(test_trace) - strlen(test_trace) - 1);
}

void weft_test_mark_call(void *text)
{
    weft_test_mark(text);
}

void weft_test_ticks(int count)
{
    for (int i = 0; i < count; i++)
        cr_assert_eq(weft_test_run(weft_sleep(0)), 0);
}

void weft_test_every_lack_of_memory(int (*scene)(void))
{
    bool failed = true;
    size_t n;
    for (n = 1; failed; n++) {
        weft_test_heap_fail_at(n);
        int status = scene();
        failed = weft_test_heap_failed();
        weft_test_heap_fail_at(0);
        cr_assert(status == 0 || (failed && status == -ENOMEM), "allocation %zu: %d", n, status);
    }
    cr_assert_gt(n, 2, "the scene allocates nothing");
}

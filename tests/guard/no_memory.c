/* SPDX-License-Identifier: MIT */
/*
 * A watch without memory: the n-th allocation of libweftguard fails, for each n until none does. malloc() and
 * calloc() are this program's own, so it is not built with a sanitizer, which has its own, too.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <weft/guard.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);

static _Thread_local size_t countdown; /* to the one that fails; 0: none does */
static int wrong;

static bool fails(void)
{
    return countdown && --countdown == 0;
}

__attribute__((visibility("default"))) void *malloc(size_t size)
{
    return fails() ? NULL : __libc_malloc(size);
}

__attribute__((visibility("default"))) void *calloc(size_t count, size_t size)
{
    return fails() ? NULL : __libc_calloc(count, size);
}

static void nap(void)
{
    usleep(1); /* on purpose */
}

static void expect(bool right, const char *what, size_t n)
{
    if (right)
        return;
    fprintf(stderr, "allocation %zu: %s\n", n, what);
    wrong++;
}

/* True: there was one that failed. */
static bool fail_at(size_t n)
{
    countdown = n;
    weft_guard_watch *watch = weft_guard_watch_begin(WEFT_GUARD_EVERYTHING);
    if (!watch) {
        expect(countdown == 0, "it is none for another reason", n);
        nap(); /* which nobody looks at */
        expect(weft_guard_reported() == 0, "there is a watch all the same", n);
        return true;
    }
    nap();
    bool failed = countdown == 0;
    nap();
    failed = failed || countdown == 0;
    countdown = 0;
    struct weft_guard_report report;
    expect(weft_guard_watch_count(watch) == 2, "not all are counted", n);
    expect(weft_guard_watch_count_of(watch, "usleep") == 2, "not all are counted by name", n);
    expect(weft_guard_watch_get(watch, 1, &report) != failed, "one too many, or too few, is kept",
           n);
    weft_guard_watch_end(watch);
    return failed;
}

int main(void)
{
    size_t n = 1;
    while (fail_at(n))
        n++;
    fprintf(stderr, "%zu allocations, %d wrong\n", n - 1, wrong);
    countdown = 0;
    WEFT_GUARD_MUST_CATCH(WEFT_GUARD_EVERYTHING, "usleep") {
        countdown = 1;
        nap();
    }
    return wrong || n < 4; /* the watch, and what it keeps of two calls */
}

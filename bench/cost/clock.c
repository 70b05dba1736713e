/* SPDX-License-Identifier: MIT */
/*
 * A clock that goes on by as much each time it is looked at: preloaded into what harness/instructions.py
 * counts.
 *
 * A loop polls the more often the longer its items take. Under valgrind they take a hundred times as long, and
 * how long depends on what else the machine does. By this clock a loop does what it does at full speed.
 */
#include <stdatomic.h>
#include <time.h>

enum { SECOND = 1000000000, LOOK = 25 /* ns, about what one takes */ };

__attribute__((visibility("default"))) int clock_gettime(clockid_t clock, struct timespec *ret)
{
    static atomic_llong now = SECOND;
    (void)clock;
    long long ns = atomic_fetch_add_explicit(&now, LOOK, memory_order_relaxed);
    *ret = (struct timespec){.tv_sec = ns / SECOND, .tv_nsec = ns % SECOND};
    return 0;
}

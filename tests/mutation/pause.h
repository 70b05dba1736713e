/* SPDX-License-Identifier: MIT */
/* For mutants: PAUSE() makes the moment longer in which another thread may come between. It is included
 * in front of all sources that are built for them. */
#ifndef WEFT_TESTS_MUTATION_PAUSE_H
#define WEFT_TESTS_MUTATION_PAUSE_H

#include <poll.h>
#include <sched.h>

/* From nothing to some microseconds, now and then a yield, and seldom a millisecond. */
static inline void weft_mutant_pause(void)
{
    static _Thread_local unsigned calls;
    if (++calls % 512 == 0)
        (void)poll(0, 0, 1);
    else if (calls % 32 == 0)
        sched_yield();
    for (volatile unsigned turns = 1u << calls % 12; turns > 0; turns--)
        ;
}

#define PAUSE() weft_mutant_pause()

#endif

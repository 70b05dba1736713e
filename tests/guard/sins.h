/* SPDX-License-Identifier: MIT */
/* A list of calls, each of which blocks in a step, or is one that might and does not. */
#ifndef WEFT_TESTS_GUARD_SINS_H
#define WEFT_TESTS_GUARD_SINS_H

#include <stdio.h>

struct sin {
    const char *call;     /* as it is reported; of a virtue, what it is */
    const char *argument; /* a part of what is reported */
    void (*commit)(void);
};

/** The line that is to be reported, and that the call was made: it is not the last thing that its function
 * does, which would be gone by then. */
extern volatile int sin_line, sin_count;

#define SIN(call)            \
    do {                     \
        sin_line = __LINE__; \
        call;                \
        sin_count++;         \
    } while (0)

/** Keep what a call returned; who sins does not look at it. */
extern _Thread_local volatile long sin_result;

#define SIN_OF(call) SIN(sin_result = (long)(call))

extern const struct sin time_sins[], io_sins[], thread_sins[], process_sins[], stdio_sins[];

#endif

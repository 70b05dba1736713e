/* SPDX-License-Identifier: MIT */
#ifndef WEFT_TESTS_BLOCKED_H
#define WEFT_TESTS_BLOCKED_H

#include <semaphore.h>
#include <stdatomic.h>
#include <stddef.h>
#include <weft/watchdog.h>

/* What a handler of the watchdog's was told, as text and as JSON. */
struct told {
    struct weft_blocked_report report; /* its texts are gone */
    char text[16384], json[32768];
};

enum { MOST_TOLD = 64 };

/* A handler that notes what it is told, and lets go whoever waits for that. */
struct listener {
    _Atomic int count[3]; /* by stage */
    _Atomic int total;    /* of what stands in `told` */
    struct told *told[MOST_TOLD];
    int pipe[2]; /* a byte for each report on a block that is not over */
    sem_t over;  /* posted for each report on one that is */
};

/* Listen to the test's loop. */
void listen_to_it(struct listener *listener);

/* Free what it holds. */
void stop_listening(struct listener *listener);

/* Block, in read(), until there was one more report. False: the system call was cut short. */
bool block_until_told(struct listener *listener);

/* Compute until there was one more report. */
void compute_until_told(struct listener *listener);

/* Wait until the watchdog has looked at everything so many times more. */
void wait_for_rounds(uint64_t count);

uint64_t blocks_reported(void);

/* A loop with a watchdog, in the place of the test's. */
void watch_the_loop(weft_ns limit);

#endif

/* SPDX-License-Identifier: MIT */
/* A scene for jobs that go by rings: their order is noted as they run. */
#ifndef WEFT_TESTS_SUPPORT_EXPRESS_H
#define WEFT_TESTS_SUPPORT_EXPRESS_H

#include <stdbool.h>
#include <weft/weft.h>

#include "pool/pool.h"
#include "tests/support/gate.h"

enum { MANY = 3 * WEFT__RING / 2 };

/* A pool of one thread, which is in a job that waits for the gate: what comes now stays in the ring. */
extern struct scene {
    struct gate gate;
    weft_pool *pool;
    weft_future *first;
    int order[MANY], count;
    int numbers[MANY];
} scene;

/* A job: notes an int, and gives it back. */
weft_result note(void *number);

weft_future *submit(weft_lane *lane, int number);

void begin(void);

/* Do jobs go by rings? */
bool is_open(const weft_pool *pool);

/* Let the thread go on. */
void go(void);

/* That the numbers below `count` were noted, in order. */
void expect_order(int count);

#endif

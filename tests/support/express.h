/* SPDX-License-Identifier: MIT */
/* A scene for jobs that go by rings: their order is noted as they run. */
#ifndef WEFT_TESTS_SUPPORT_EXPRESS_H
#define WEFT_TESTS_SUPPORT_EXPRESS_H

#include <stdatomic.h>
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
    int order[MANY], numbers[MANY];
    atomic_int count; /* of those noted so far */
} scene;

/* A job: notes an int, and gives it back. */
weft_result note(void *number);

/* Its argument. */
int *numbered(int number);

weft_future *submit(weft_lane *lane, int number);

/* With a key, which no other has. */
weft_future *submit_keyed(int number);

void begin(void);

/* Do jobs go by rings? */
bool is_open(const weft_pool *pool);

/* Let the thread go on. */
void go(void);

/* That the numbers below `count` were noted, in order. */
void expect_order(int count);

/* That all succeed (consumed). */
void await_all(weft_future *const *jobs, int count);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef WEFT_TESTS_GATE_H
#define WEFT_TESTS_GATE_H

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <weft/value.h>

/* A job that says that it runs, and then waits until it may return. */
struct gate {
    sem_t entered, opened;
    _Atomic(pthread_t) thread; /* on which it ran last */
};

void gate_init(struct gate *gate);

/* The blocking function: its argument is a gate. Its value is the number 7. */
weft_result gate_pass(void *gate);

/* Wait until one has entered. */
void gate_wait_entered(struct gate *gate);

/* Let one pass. */
void gate_open(struct gate *gate);

#endif

/* SPDX-License-Identifier: MIT */
#include "tests/support/gate.h"

#include <errno.h>
#include <weft/blocking.h>

static void wait_for(sem_t *semaphore)
{
    WEFT_ALLOW_BLOCKING("a test holds this thread at a gate") {
        while (sem_wait(semaphore) < 0 && errno == EINTR)
            ;
    }
}

void gate_init(struct gate *gate)
{
    sem_init(&gate->entered, 0, 0);
    sem_init(&gate->opened, 0, 0);
}

weft_result gate_pass(void *arg)
{
    struct gate *gate = arg;
    atomic_store(&gate->thread, pthread_self());
    sem_post(&gate->entered);
    wait_for(&gate->opened);
    return weft_ok(7);
}

void gate_wait_entered(struct gate *gate)
{
    wait_for(&gate->entered);
}

void gate_open(struct gate *gate)
{
    sem_post(&gate->opened);
}

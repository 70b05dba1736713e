/* SPDX-License-Identifier: MIT */
/*
 * A thread that sleeps: preloaded into programs that have none, by harness/cost.py.
 *
 * A process of two threads pays for that in each system call on a descriptor, as the kernel then counts who uses
 * it. It is not what a tool costs whose thread is the second one.
 */
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

static void *sleep_on(void *arg)
{
    (void)arg;
    for (;;)
        pause();
    return NULL;
}

__attribute__((constructor)) static void begin(void)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, sleep_on, NULL) != 0)
        abort();
}

/* SPDX-License-Identifier: MIT */
#include <semaphore.h>
#include <stdio.h>
#include <weft/weft.h>

static sem_t running, go;

struct job {
    char unused;
};

static WEFT_BLOCKING(job)
{
    sem_post(&running);
    sem_wait(&go);
    puts("the job ends");
    return weft_ok(0);
}

static void set(void *semaphore)
{
    sem_post(semaphore);
}

struct main_task {
    WEFT_FRAME;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    weft_unref(weft_to_thread(job));
    sem_wait(&running);
    weft_unref(weft_call_soon(set, &go));
    puts("main ends");
    WEFT_END;
}

int main(void)
{
    sem_init(&running, 0, 0);
    sem_init(&go, 0, 0);
    int status = weft_run(main_task);
    puts("the end");
    return status;
}

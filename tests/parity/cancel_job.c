/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <semaphore.h>
#include <stdio.h>
#include <weft/weft.h>

static sem_t running, go;

struct job {
    char unused;
};

static WEFT_BLOCKING(job)
{
    puts("the job runs");
    sem_post(&running);
    sem_wait(&go);
    puts("the job ends");
    return weft_ok(42);
}

struct task {
    WEFT_FRAME;
    int number, status;
};

static WEFT_ASYNC(task)
{
    WEFT_BEGIN;
    WEFT_CATCH_INTO(self->status, self->number, weft_to_thread(job));
    if (self->status == -ECANCELED) {
        puts("cancelled: the job still runs");
        WEFT_FAIL(self->status);
    }
    printf("the job returned %d\n", self->number);
    WEFT_CATCH(self->status, weft_sleep(WEFT_S(1)));
    if (self->status == -ECANCELED)
        puts("cancelled in the next await");
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
    weft_future *offloads;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->offloads = weft_spawn(task);
    WEFT_YIELD;
    sem_wait(&running);
    weft_cancel(self->offloads);
    WEFT_YIELD;
    WEFT_YIELD;
    sem_post(&go);
    WEFT_AWAIT(weft_wait(WEFT_ALL, -1, self->offloads));
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

/* SPDX-License-Identifier: MIT */
#include <semaphore.h>
#include <stdio.h>
#include <weft/weft.h>

static sem_t called;

struct blocking {
    const char *text;
};

static WEFT_BLOCKING(blocking)
{
    sem_wait(&called);
    return weft_ok(self->text);
}

struct main_task {
    WEFT_FRAME;
    weft_future *job;
    const char *text;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->job = weft_to_thread(blocking, .text = "read from a slow disk");
    puts("the loop goes on");
    WEFT_YIELD;
    sem_post(&called);
    WEFT_AWAIT_INTO(self->text, self->job);
    puts(self->text);
    WEFT_END;
}

int main(void)
{
    sem_init(&called, 0, 0);
    return weft_run(main_task);
}

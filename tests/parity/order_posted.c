/* SPDX-License-Identifier: MIT */
#include "virtual.h"

#include <pthread.h>

static weft_loop *loop;

static void say_posted(void *text)
{
    say("%s", (const char *)text);
}

static void resolve(void *future)
{
    weft_future_resolve(future, weft_value_ptr("the end"), NULL);
}

static void *thread(void *future)
{
    int status = weft_post(loop, say_posted, (void *)"posted 1");
    status |= weft_post(loop, say_posted, (void *)"posted 2");
    status |= weft_post(loop, say_posted, (void *)"posted 3");
    status |= weft_post(loop, resolve, future);
    return status ? NULL : future;
}

struct main_task {
    WEFT_FRAME;
    weft_future *future;
    const char *text;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    pthread_t worker;
    loop = weft_loop_current();
    self->future = weft_future_new();
    pthread_create(&worker, NULL, thread, self->future);
    pthread_join(worker, NULL);
    say("the thread has ended, nothing was called");
    WEFT_AWAIT_INTO(self->text, self->future);
    say("%s", self->text);
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}

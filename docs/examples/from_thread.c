/* SPDX-License-Identifier: MIT */
/* Guide: coming from asyncio. A thread of the program's own asks the loop for something. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <weft/weft.h>

struct lookup {
    WEFT_FRAME;
    int key;
};

static WEFT_ASYNC(lookup) /* runs on the loop, for whoever asked */
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_sleep(WEFT_MS(10)));
    WEFT_RETURN(self->key * 2);
    WEFT_END;
}

static void ask(weft_loop *loop)
{
    weft_value value;
    weft_thread_task *task = weft_spawn_from_thread(loop, lookup, .key = 21);
    int status = weft_thread_task_wait(task, WEFT_S(10), &value, NULL);
    if (status == -ETIMEDOUT) /* it goes on unless it is told to stop */
        status = weft_thread_task_cancel_and_wait(task, WEFT_FOREVER);
    if (status == 0)
        printf("the loop says %d\n", (int)value.i64);
    weft_thread_task_unref(task);
}

static void stop(void *loop)
{
    weft_loop_stop(loop);
}

static void *be_a_thread(void *loop)
{
    ask(loop);
    return weft_post(loop, stop, loop) < 0 ? loop : NULL;
}

int main(void)
{
    pthread_t thread;
    weft_loop *loop = weft_loop_new(NULL);
    if (!loop || pthread_create(&thread, NULL, be_a_thread, loop) != 0)
        return 1;
    int status = weft_loop_run(loop); /* until it is told to stop */
    pthread_join(thread, NULL);
    weft_loop_free(loop);
    return status < 0;
}

/* SPDX-License-Identifier: MIT */
/* Tutorial, step 10: a thread that can only block feeds tasks through a queue. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft/weft.h>

struct count_down {
    weft_queue *queue;
    int from;
};

static WEFT_BLOCKING(count_down) /* blocks a worker thread while the queue is full */
{
    for (int i = self->from; i > 0; i--) {
        char *text = malloc(16);
        if (!text)
            return weft_err(-ENOMEM);
        snprintf(text, 16, "%d …", i);
        int status = weft_queue_put_blocking(self->queue, weft_value_ptr(text), free, WEFT_S(10));
        if (status < 0) {
            free(text);
            return status == WEFT_ECLOSED ? weft_ok(0) : weft_err(status);
        }
    }
    weft_queue_shutdown(self->queue, WEFT_QUEUE_DRAIN);
    return weft_ok(0);
}

struct announce {
    WEFT_FRAME;
    weft_queue *queue;
    char *text;
    int status;
};

static WEFT_ASYNC(announce)
{
    WEFT_BEGIN;
    for (;;) {
        WEFT_CATCH_INTO(self->status, self->text, weft_queue_get(self->queue));
        if (self->status == WEFT_ECLOSED)
            WEFT_RETURN(0);
        if (self->status < 0)
            WEFT_FAIL(self->status);
        printf("%s\n", self->text);
        free(self->text);
        self->text = NULL;
    }
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
    weft_queue *queue;
    weft_scope *scope;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->queue = weft_queue_new(&(struct weft_queue_options){.bound = 2});
    if (!self->queue)
        WEFT_FAIL(-errno, "no queue");
    self->scope = weft_scope_open(NULL);
    weft_scope_to_thread(self->scope, count_down, .queue = self->queue, .from = 3);
    WEFT_AWAIT(weft_call(announce, .queue = self->queue));
    printf("liftoff\n");

    WEFT_FINALLY;
    weft_queue_shutdown(self->queue, WEFT_QUEUE_IMMEDIATE); /* a put that blocks ends, too */
    WEFT_SCOPE_CLOSE(self->scope);
    weft_queue_unref(self->queue);
    WEFT_END;
}

int main(void)
{
    return weft_run(main_task);
}

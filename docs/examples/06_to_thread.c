/* SPDX-License-Identifier: MIT */
/* Tutorial, step 6: a blocking call on a worker, while the loop goes on. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <threads.h>
#include <weft/weft.h>

struct slow_greeting {
    const char *name;
};

/* Runs on a worker: the sleep stands for a password hash, a big file, a library that waits. */
static WEFT_BLOCKING(slow_greeting)
{
    size_t size = strlen("hello, ") + strlen(self->name) + 1;
    char *text = malloc(size);
    if (!text)
        return weft_err(-ENOMEM);
    thrd_sleep(&(struct timespec){.tv_nsec = 400000000}, NULL);
    snprintf(text, size, "hello, %s", self->name);
    return weft_ok(text, free);
}

struct greet {
    WEFT_FRAME;
    const char *name;
    char *text; /* owned */
};

static WEFT_ASYNC(greet)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->text, weft_to_thread(slow_greeting, .name = self->name));
    printf("%s\n", self->text);

    WEFT_FINALLY;
    free(self->text);
    WEFT_END;
}

struct tick {
    WEFT_FRAME;
    int i;
};

static WEFT_ASYNC(tick)
{
    WEFT_BEGIN;
    for (self->i = 1; self->i <= 3; self->i++) {
        WEFT_AWAIT(weft_sleep(WEFT_MS(20)));
        printf("tick %d\n", self->i);
    }
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_gather(weft_spawn(greet, .name = "Ada"), weft_spawn(tick)));
    WEFT_END;
}

int main(void)
{
    return weft_run(main_task);
}

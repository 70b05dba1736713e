/* SPDX-License-Identifier: MIT */
/* Tutorial, step 4: cancelling a task, and cleaning up whichever way it ends. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft/weft.h>

struct greet {
    WEFT_FRAME;
    const char *name;
    weft_ns delay;
    char *text; /* owned */
};

static char *greeting(const char *name)
{
    size_t size = strlen("hello, ") + strlen(name) + 1;
    char *text = malloc(size);
    if (text)
        snprintf(text, size, "hello, %s", name);
    return text;
}

static WEFT_ASYNC(greet)
{
    WEFT_BEGIN;
    self->text = greeting(self->name);
    if (!self->text)
        WEFT_FAIL(-ENOMEM);
    printf("%s …\n", self->text);
    WEFT_AWAIT(weft_sleep(self->delay));
    printf("… and good-bye, %s\n", self->name);

    WEFT_FINALLY;
    printf("cleaning up after %s\n", self->name);
    free(self->text);
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
    weft_future *bob; /* owned */
    int status;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->bob = weft_spawn(greet, .name = "Bob", .delay = WEFT_S(3600));
    WEFT_AWAIT(weft_spawn(greet, .name = "Ada", .delay = WEFT_MS(10)));

    weft_cancel_because(self->bob, "the party is over");
    printf("asked Bob to stop\n");
    WEFT_CATCH(self->status, weft_ref(self->bob));
    printf("%s: %s\n", weft_error_name(self->status), WEFT_CAUGHT_MESSAGE);

    WEFT_FINALLY;
    weft_unref(self->bob);
    WEFT_END;
}

int main(void)
{
    return weft_run(main_task);
}

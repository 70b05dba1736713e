/* SPDX-License-Identifier: MIT */
/* Tutorial, step 9: tasks that belong together, and end before what started them. */
#include <stdio.h>
#include <string.h>
#include <weft/weft.h>

struct greet {
    WEFT_FRAME;
    const char *name;
    weft_ns delay;
};

static WEFT_ASYNC(greet)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_sleep(self->delay));
    if (strcmp(self->name, "Mallory") == 0)
        WEFT_FAIL(-EACCES, "%s was not invited", self->name);
    printf("hello, %s\n", self->name);

    WEFT_FINALLY;
    if (WEFT_OUTCOME == -ECANCELED)
        printf("%s must leave\n", self->name);
    WEFT_END;
}

struct party {
    WEFT_FRAME;
    const char *guest;
    weft_scope *scope; /* freed with the coroutine */
};

static WEFT_ASYNC(party)
{
    WEFT_BEGIN;
    self->scope = weft_scope_open(NULL);
    weft_scope_spawn(self->scope, greet, .name = "Ada", .delay = WEFT_MS(10));
    weft_scope_spawn(self->scope, greet, .name = self->guest, .delay = WEFT_MS(20));
    weft_scope_spawn(self->scope, greet, .name = "Bob", .delay = WEFT_MS(30));

    WEFT_FINALLY;
    WEFT_SCOPE_CLOSE(self->scope);
    printf("all have left\n");
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
    int status;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_call(party, .guest = "Eve"));

    WEFT_CATCH(self->status, weft_call(party, .guest = "Mallory"));
    printf("%s\n", weft_error_name(self->status));
    for (size_t i = 0; i < weft_errors_count(WEFT_CAUGHT_ERRORS); i++)
        printf("- %s: %s\n", weft_error_name(weft_errors_status(WEFT_CAUGHT_ERRORS, i)),
               weft_errors_message(WEFT_CAUGHT_ERRORS, i));
    WEFT_END;
}

int main(void)
{
    return weft_run(main_task);
}

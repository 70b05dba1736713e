/* SPDX-License-Identifier: MIT */
/* Tutorial, step 3: a value comes back, and a failure is caught. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft/weft.h>

struct greet {
    WEFT_FRAME;
    const char *name;
    weft_ns delay;
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
    WEFT_AWAIT(weft_sleep(self->delay));
    if (self->name[0] == '\0')
        WEFT_FAIL(-EINVAL, "nobody to greet");
    WEFT_RETURN(greeting(self->name), free);
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
    char *text; /* owned */
    int status;
    weft_results *results; /* owned */
    size_t i;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->text, weft_call(greet, .name = "Ada"));
    printf("%s\n", self->text);
    free(self->text);

    WEFT_CATCH(self->status, weft_call(greet, .name = ""));
    printf("%s: %s\n", weft_error_name(self->status), WEFT_CAUGHT_MESSAGE);

    WEFT_AWAIT_INTO(self->results,
                    weft_gather_with(WEFT_GATHER_ALL, weft_spawn(greet, .name = "Bob"),
                                     weft_spawn(greet, .name = ""),
                                     weft_spawn(greet, .name = "Cyd", .delay = WEFT_MS(100))));
    for (self->i = 0; self->i < weft_results_count(self->results); self->i++) {
        if (weft_results_status(self->results, self->i) == 0)
            printf("%zu: %s\n", self->i, (char *)weft_results_value(self->results, self->i).ptr);
        else
            printf("%zu: %s\n", self->i, weft_results_message(self->results, self->i));
    }
    weft_results_free(self->results);
    WEFT_END;
}

int main(void)
{
    return weft_run(main_task);
}

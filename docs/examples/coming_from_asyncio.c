/* SPDX-License-Identifier: MIT */
/* Guide: coming from asyncio. */
#include <stdio.h>
#include <string.h>
#include <weft/weft.h>

struct fetch {
    WEFT_FRAME;
    const char *name; /* arguments and whatever survives an await are fields */
    weft_ns delay;
};

static WEFT_ASYNC(fetch)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_sleep(self->delay));
    WEFT_RETURN(strlen(self->name));
    WEFT_END;
}

struct add {
    WEFT_FRAME;
    weft_results *lengths;
};

static WEFT_ASYNC(add)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->lengths,
                    weft_gather(weft_spawn(fetch, .name = "one", .delay = WEFT_MS(20)),
                                weft_spawn(fetch, .name = "three", .delay = WEFT_MS(10))));
    WEFT_RETURN(weft_results_value(self->lengths, 0).i64 +
                weft_results_value(self->lengths, 1).i64);

    WEFT_FINALLY;
    weft_results_free(self->lengths);
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
    weft_timeout *limit;
    int64_t sum;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    WEFT_TIMEOUT_ENTER(self->limit, WEFT_S(1));
    WEFT_AWAIT_INTO(self->sum, weft_call(add));
    WEFT_TIMEOUT_EXIT(self->limit);
    printf("%d\n", (int)self->sum);

    WEFT_FINALLY;
    WEFT_TIMEOUT_EXIT(self->limit);
    WEFT_END;
}

int main(void)
{
    return weft_run(main_task);
}

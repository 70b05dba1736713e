/* SPDX-License-Identifier: MIT */
/* A program in somebody else's project, which knows of weft only what is installed. */
#include <stdio.h>
#include <weft/weft.h>

struct twice {
    WEFT_FRAME;
    int number;
};

static WEFT_ASYNC(twice)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_sleep(WEFT_MS(1)));
    WEFT_RETURN(2 * self->number);
    WEFT_END;
}

struct consumer {
    WEFT_FRAME;
    int doubled;
};

static WEFT_ASYNC(consumer)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->doubled, weft_spawn(twice, .number = 21));
    printf("weft %s says %d\n", weft_version(), self->doubled);
    WEFT_END;
}

int main(void)
{
    return weft_run(consumer);
}

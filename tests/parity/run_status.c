/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <weft/weft.h>

struct returns {
    WEFT_FRAME;
    int number;
};

static WEFT_ASYNC(returns)
{
    WEFT_BEGIN;
    WEFT_YIELD;
    WEFT_RETURN(self->number);
    WEFT_END;
}

struct fails {
    WEFT_FRAME;
};

static WEFT_ASYNC(fails)
{
    WEFT_BEGIN;
    WEFT_YIELD;
    WEFT_FAIL(-EIO, "main is broken");
    WEFT_END;
}

int main(void)
{
    printf("%d\n", weft_run(returns, .number = 0));
    printf("%d\n", weft_run(returns, .number = 7));
    printf("%d\n", weft_run(fails));
    printf("%d\n", weft_run(returns, .number = 3));
    return 0;
}

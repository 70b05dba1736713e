/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct fetch {
    WEFT_FRAME;
    const char *name;
};

static WEFT_ASYNC(fetch)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    if (self->name[0] == 'b')
        WEFT_FAIL(-EIO, "no such page");
    WEFT_RETURN("<a>");
    WEFT_END;
}

struct fetch_both {
    WEFT_FRAME;
    const char *page;
};

static WEFT_ASYNC(fetch_both)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->page, weft_call(fetch, .name = "a"));
    say("%s", self->page);
    WEFT_AWAIT_INTO(self->page, weft_call(fetch, .name = "b"));
    say("%s", self->page);
    say("not reached");
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
    int status;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    WEFT_CATCH(self->status, weft_call(fetch_both));
    if (self->status == -EIO)
        say("caught: %s", WEFT_CAUGHT_MESSAGE);
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}

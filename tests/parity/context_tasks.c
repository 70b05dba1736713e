/* SPDX-License-Identifier: MIT */
#include "virtual.h"

static WEFT_CONTEXT_KEY(name, const char *, NULL);

struct called {
    WEFT_FRAME;
};

static WEFT_ASYNC(called)
{
    WEFT_BEGIN;
    say("called: %s", weft_context_get(name));
    weft_context_set(name, "the called");
    WEFT_END;
}

struct child {
    WEFT_FRAME;
};

static WEFT_ASYNC(child)
{
    WEFT_BEGIN;
    say("child: %s", weft_context_get(name));
    weft_context_set(name, "the child");
    WEFT_AWAIT(weft_spawn(called));
    say("child after a task: %s", weft_context_get(name));
    WEFT_AWAIT(weft_call(called));
    say("child after a call: %s", weft_context_get(name));
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
    weft_future *task;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    say("main: %s", weft_context_is_set(name) ? weft_context_get(name) : "nobody");
    weft_context_set(name, "main");
    self->task = weft_spawn(child);
    weft_context_set(name, "main, later");
    WEFT_AWAIT(self->task);
    say("main at the end: %s", weft_context_get(name));
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}

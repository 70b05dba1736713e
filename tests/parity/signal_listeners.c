/* SPDX-License-Identifier: MIT */
#include <signal.h>
#include <stdio.h>
#include <weft/weft.h>

static void handler(int signum)
{
    (void)signum;
    puts("the handler from before hears it");
}

struct listener {
    WEFT_FRAME;
    const char *name;
    weft_signal *signals;
};

static WEFT_ASYNC(listener)
{
    WEFT_BEGIN;
    self->signals = weft_signal_open(SIGWINCH);
    WEFT_AWAIT(weft_signal_next(self->signals));
    printf("%s hears it\n", self->name);
    WEFT_FINALLY;
    weft_signal_close(self->signals);
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
    weft_future *first, *second;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    signal(SIGWINCH, handler);
    self->first = weft_spawn(listener, .name = "first");
    self->second = weft_spawn(listener, .name = "second");
    WEFT_YIELD;
    raise(SIGWINCH);
    WEFT_AWAIT(self->second);
    raise(SIGWINCH);
    weft_unref(self->first);
    puts("the end");
    WEFT_END;
}

int main(void)
{
    return weft_run(main_task);
}

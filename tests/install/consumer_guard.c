/* SPDX-License-Identifier: MIT */
/* The same with libweftguard. */
#define _DEFAULT_SOURCE 1
#include <stdio.h>
#include <unistd.h>
#include <weft/guard.h>
#include <weft/weft.h>

struct consumer {
    WEFT_FRAME;
    weft_guard_watch *watch;
};

static WEFT_ASYNC(consumer)
{
    WEFT_BEGIN;
    self->watch = weft_guard_watch_begin(WEFT_GUARD_STEPS);
    usleep(1); /* on purpose */
    printf("weft %s says %d\n", weft_version(), weft_guard_watch_count(self->watch) == 1 ? 42 : 0);

    WEFT_FINALLY;
    weft_guard_watch_end(self->watch);
    WEFT_END;
}

int main(void)
{
    return weft_run(consumer);
}

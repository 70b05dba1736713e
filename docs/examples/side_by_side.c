/* SPDX-License-Identifier: MIT */
/* README's program: two blocking calls and a timer, all at once. */
#include <stdio.h>
#include <unistd.h>
#include <weft/weft.h>

struct nap {
    unsigned seconds;
};

static WEFT_BLOCKING(nap) /* blocks a worker thread */
{
    return weft_ok(sleep(self->seconds));
}

struct main_task {
    WEFT_FRAME;
    weft_ns start;
};

static WEFT_ASYNC(main_task) /* never blocks the loop */
{
    WEFT_BEGIN;
    self->start = weft_now();
    WEFT_AWAIT(weft_gather(weft_to_thread(nap, .seconds = 1), weft_to_thread(nap, .seconds = 1),
                           weft_sleep(WEFT_S(1))));
    printf("three naps in %d s\n", (int)((weft_now() - self->start) / WEFT_S(1)));
    WEFT_END;
}

int main(void)
{
    return weft_run(main_task);
}

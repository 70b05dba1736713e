/* SPDX-License-Identifier: MIT */
/* README's program: two blocking calls at once. */
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

struct naps {
    WEFT_FRAME;
};

static WEFT_ASYNC(naps) /* never blocks the loop */
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_gather(weft_to_thread(nap, .seconds = 1), weft_to_thread(nap, .seconds = 1)));
    puts("two naps, side by side");
    WEFT_END;
}

int main(void)
{
    return weft_run(naps);
}

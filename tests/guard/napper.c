/* SPDX-License-Identifier: MIT */
/*
 * napper [TIMES]: a task that naps on the loop, so often at one place and once at another. Prints "done" and
 * ends with 0. It knows nothing of libweftguard.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <weft/blocking.h>
#include <weft/task.h>

void nap_briefly(void);
void nap_again(void);

volatile int naps;

/* Not the last thing that they do: who calls them would be seen in their place. */
void nap_briefly(void)
{
    usleep(1); /* on purpose */
    naps++;
}

void nap_again(void)
{
    usleep(1); /* on purpose */
    naps++;
}

struct napper {
    WEFT_FRAME;
    int times;
};

static WEFT_ASYNC(napper)
{
    WEFT_BEGIN;
    for (; self->times > 0; self->times--)
        nap_briefly();
    nap_again();
    WEFT_ALLOW_BLOCKING("it is tested")
        nap_again();
    WEFT_END;
}

int main(int argc, char **argv)
{
    int status = weft_run(napper, .times = argc > 1 ? atoi(argv[1]) : 3);
    puts("done");
    return status;
}

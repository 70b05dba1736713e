/* SPDX-License-Identifier: MIT */
#include <signal.h>
#include <stdio.h>
#include <weft/weft.h>

struct main_task {
    WEFT_FRAME;
    weft_signal *signals;
    int number;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->signals = weft_signal_open(SIGUSR1);
    for (self->number = 1; self->number < 4; self->number++) {
        raise(SIGUSR1);
        printf("sent %d\n", self->number);
        WEFT_AWAIT(weft_signal_next(self->signals));
        printf("came %d\n", self->number);
    }
    WEFT_FINALLY;
    weft_signal_close(self->signals);
    WEFT_END;
}

int main(void)
{
    return weft_run(main_task);
}

/* SPDX-License-Identifier: MIT */
/*
 * top_victim: a program with a load that is known, for `weft top`. The task `hot` has the loop all the time, nearly
 * always in the coroutine `spin` that it calls; `idler` waits for ever; a job of the default lane waits for the
 * end of stdin. Prints its PID, and runs until it is killed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <weft/weft.h>

static long long now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

struct spin {
    WEFT_FRAME;
};

static WEFT_ASYNC(spin)
{
    WEFT_BEGIN;
    for (long long end = now_ns() + 2000000; now_ns() < end;)
        ;
    WEFT_END;
}

struct hot {
    WEFT_FRAME;
};

static WEFT_ASYNC(hot)
{
    WEFT_BEGIN;
    for (;;) {
        WEFT_AWAIT(weft_call(spin));
        WEFT_YIELD;
    }
    WEFT_END;
}

struct idler {
    WEFT_FRAME;
};

static WEFT_ASYNC(idler)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_future_new());
    WEFT_END;
}

struct wait_for_end {
    int fd;
};

static WEFT_BLOCKING(wait_for_end)
{
    char byte;
    while (read(self->fd, &byte, 1) > 0)
        ;
    return weft_ok(0);
}

struct victim {
    WEFT_FRAME;
};

static WEFT_ASYNC(victim)
{
    WEFT_BEGIN;
    weft_unref(weft_spawn(idler));
    weft_unref(weft_spawn(hot));
    printf("%d\n", (int)getpid());
    fflush(stdout);
    WEFT_AWAIT(weft_to_thread(wait_for_end, .fd = STDIN_FILENO));
    WEFT_END;
}

int main(void)
{
    setenv("WEFT_CONTROL", "1", 1);
    return weft_run(victim);
}

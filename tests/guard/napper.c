/* SPDX-License-Identifier: MIT */
/*
 * napper [TIMES [EXTRA]]: a task that naps on the loop, so often at one place and once at another. Prints "done"
 * and ends with 0. It knows nothing of libweftguard. EXTRA is one of these:
 *
 *     vfork    a child of vfork() ends with 0 as well, or it ends with 1 itself
 *     signal   it naps in a signal handler, too
 *     places   it naps at 600 places
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
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

static int end_a_child(void)
{
    int status = -1;
    pid_t child = vfork();
    if (child == 0)
        _exit(0);
    WEFT_ALLOW_BLOCKING("it has ended")
        waitpid(child, &status, 0);
    return status != 0;
}

static void on_signal(int number)
{
    (void)number;
    nap_briefly();
}

#define SIX(nap) nap, nap, nap, nap, nap, nap
#define TEN(nap) nap, nap, nap, nap, nap, nap, nap, nap, nap, nap

static void nap_everywhere(void)
{
    SIX(TEN(TEN(usleep(1)))); /* on purpose */
    naps++;
}

struct napper {
    WEFT_FRAME;
    int times;
    const char *extra;
    int status;
};

static WEFT_ASYNC(napper)
{
    WEFT_BEGIN;
    for (; self->times > 0; self->times--)
        nap_briefly();
    nap_again();
    WEFT_ALLOW_BLOCKING("it is tested")
        nap_again();
    if (strcmp(self->extra, "vfork") == 0)
        self->status = end_a_child();
    if (strcmp(self->extra, "signal") == 0 && signal(SIGUSR1, on_signal) != SIG_ERR)
        raise(SIGUSR1);
    if (strcmp(self->extra, "places") == 0)
        nap_everywhere();
    WEFT_RETURN(self->status);
    WEFT_END;
}

int main(int argc, char **argv)
{
    int status =
        weft_run(napper, .times = argc > 1 ? atoi(argv[1]) : 3, .extra = argc > 2 ? argv[2] : "");
    puts("done");
    return status;
}

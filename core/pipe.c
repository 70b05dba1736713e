/* SPDX-License-Identifier: MIT */
/*
 * Writing to a pipe without SIGPIPE.
 *
 * There is no MSG_NOSIGNAL for pipes, and the signal's disposition is the host's. So it is blocked
 * on this thread for the write, and what the write raised, which is for this thread, is taken. One
 * that was pending before, which is only possible if the host has it blocked, is the host's.
 */
#include "core/pipe.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <time.h>

static bool is_pending(const sigset_t *blocked)
{
    sigset_t pending;
    return sigismember(blocked, SIGPIPE) && sigpending(&pending) == 0 &&
           sigismember(&pending, SIGPIPE);
}

ssize_t weft__pipe_writev(int fd, const struct iovec *pieces, int count)
{
    static const struct timespec at_once = {0, 0};
    sigset_t broken, before;
    sigemptyset(&broken);
    sigaddset(&broken, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &broken, &before);
    bool pending = is_pending(&before);
    ssize_t written = writev(fd, pieces, count);
    int error = errno;
    if (written < 0 && error == EPIPE && !pending)
        while (sigtimedwait(&broken, NULL, &at_once) < 0 && errno == EINTR)
            ;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = error;
    return written;
}

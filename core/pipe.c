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

#include "core/sys.h"

static bool is_pending(const sigset_t *blocked)
{
    sigset_t pending;
    return sigismember(blocked, SIGPIPE) && sigpending(&pending) == 0 &&
           sigismember(&pending, SIGPIPE);
}

/* What a write without the signal has to put back. */
struct guard {
    sigset_t before;
    bool pending;
};

static void make_broken(sigset_t *broken)
{
    sigemptyset(broken);
    sigaddset(broken, SIGPIPE);
}

static struct guard begin(void)
{
    struct guard guard;
    sigset_t broken;
    make_broken(&broken);
    pthread_sigmask(SIG_BLOCK, &broken, &guard.before);
    guard.pending = is_pending(&guard.before);
    return guard;
}

/* Returns `result`, and keeps errno. */
static ssize_t end(const struct guard *guard, ssize_t result)
{
    static const struct timespec at_once = {0, 0};
    int error = errno;
    sigset_t broken;
    make_broken(&broken);
    if (result < 0 && error == EPIPE && !guard->pending)
        while (sigtimedwait(&broken, NULL, &at_once) < 0 && errno == EINTR)
            ;
    pthread_sigmask(SIG_SETMASK, &guard->before, NULL);
    errno = error;
    return result;
}

ssize_t weft__pipe_writev(int fd, const struct iovec *pieces, int count)
{
    struct guard guard = begin();
    return end(&guard, writev(fd, pieces, count));
}

ssize_t weft__pipe_sendfile(int to, int from, off_t *offset, size_t size)
{
    struct guard guard = begin();
    return end(&guard, weft__sys.sendfile(to, from, offset, size));
}

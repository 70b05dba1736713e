/* SPDX-License-Identifier: MIT */
/*
 * A look at memory that another thread may be changing, or that may be gone.
 *
 * What a loop does is written to its own memory by plain stores, so that it costs nothing to be seen.
 * Who looks from another thread lets the kernel copy it: that is no data race of the program's, and an
 * address that leads nowhere is an error and no fault. What was copied may be from different moments. So
 * who looks does so twice, and goes by what did not change in between (the number of callbacks that the
 * loop has run, say); or follows pointers for a bounded number of steps and takes the worst as possible.
 */
#include "core/inspect/peek.h"

#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { PAGE = 4096 };

/* By the system call itself: sanitizers do not take it for a read by this thread. */
static size_t copy(void *to, const void *from, size_t size)
{
    struct iovec local = {to, size}, remote = {.iov_len = size};
    memcpy(&remote.iov_base, &from, sizeof(from)); /* it is not written to, for all its type says */
    long copied = syscall(SYS_process_vm_readv, getpid(), &local, 1L, &remote, 1L, 0L);
    return copied > 0 ? (size_t)copied : 0;
}

bool weft__peek(void *to, const void *from, size_t size)
{
    return from && copy(to, from, size) == size;
}

/* No further than to the end of a page: the next one need not be there. */
void weft__peek_text(char *to, size_t size, const char *from)
{
    size_t len = 0;
    while (from && len + 1 < size) {
        size_t room = size - 1 - len, page = PAGE - ((uintptr_t)(from + len) % PAGE);
        size_t copied = copy(to + len, from + len, room < page ? room : page);
        for (size_t end = len + copied; len < end; len++)
            if (!to[len])
                return;
        if (copied == 0)
            break;
    }
    to[len] = '\0';
}

/* SPDX-License-Identifier: MIT */
/*
 * A look at memory that another thread may be changing, or that may be gone.
 *
 * What a loop does is written to its own memory by plain stores, so that it costs nothing to be seen.
 * Who looks from another thread lets the kernel copy it: that is no data race of the program's, and an
 * address that leads nowhere is an error and no fault. What was copied may be from different moments. So
 * who looks does so twice, and goes by what did not change in between (the number of callbacks that the
 * loop has run, say); or follows pointers for a bounded number of steps and takes the worst as possible.
 *
 * Some containers refuse the system call that copies. Then /proc/self/mem is read, which takes three calls: it is
 * opened for each look, since the descriptor of a parent would be its memory still. Where that is not there,
 * either, nothing can be seen.
 */
#include "core/inspect/peek.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { PAGE = 4096 };

/* [atomic] relaxed: who does not know yet finds it out by himself. There is no way back from it. */
static atomic_bool is_refused;

#if __SIZEOF_LONG__ == 8

WEFT__PLAIN static long read_file(void *to, const void *from, size_t size)
{
    long fd = syscall(SYS_openat, (long)AT_FDCWD, "/proc/self/mem", (long)(O_RDONLY | O_CLOEXEC));
    if (fd < 0)
        return -1;
    long copied = syscall(SYS_pread64, fd, to, size, (long)(uintptr_t)from);
    syscall(SYS_close, fd);
    return copied;
}

#else

static long read_file(void *to, const void *from, size_t size)
{
    (void)to;
    (void)from;
    (void)size;
    return -1;
}

#endif

/* By the system call itself: sanitizers do not take it for a read by this thread. */
WEFT__PLAIN size_t weft__peek_some(void *to, const void *from, size_t size)
{
    long copied = -1;
    if (!atomic_load_explicit(&is_refused, memory_order_relaxed)) {
        struct iovec local = {to, size}, remote = {.iov_len = size};
        remote.iov_base = (void *)(uintptr_t)from; /* NOLINT(performance-no-int-to-ptr): it was one,
                                                      and is not written to for all its type says */
        copied = syscall(SYS_process_vm_readv, syscall(SYS_getpid), &local, 1L, &remote, 1L, 0L);
        if (copied < 0 && (errno == EPERM || errno == ENOSYS || errno == EACCES))
            atomic_store_explicit(&is_refused, true, memory_order_relaxed);
    }
    if (atomic_load_explicit(&is_refused, memory_order_relaxed))
        copied = read_file(to, from, size);
    return copied > 0 ? (size_t)copied : 0;
}

bool weft__peek(void *to, const void *from, size_t size)
{
    return from && weft__peek_some(to, from, size) == size;
}

/* No further than to the end of a page: the next one need not be there. */
void weft__peek_text(char *to, size_t size, const char *from)
{
    size_t len = 0;
    while (from && len + 1 < size) {
        size_t room = size - 1 - len, page = PAGE - ((uintptr_t)(from + len) % PAGE);
        size_t copied = weft__peek_some(to + len, from + len, room < page ? room : page);
        for (size_t end = len + copied; len < end; len++)
            if (!to[len])
                return;
        if (copied == 0)
            break;
    }
    to[len] = '\0';
}

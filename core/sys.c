/* SPDX-License-Identifier: MIT */
/*
 * The table of system calls, as it is outside of weft's own tests: each entry looks whether it is to
 * fail, which costs a load beside a system call, and then makes the call.
 */
#include "core/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>

/* A failure that is planned for one of the calls. */
struct plan {
    atomic_uint countdown; /* calls until the one that fails; 0: none does */
    atomic_int error;
    atomic_bool failed;
};

static struct plan plans[WEFT__SYS_COUNT];

static const char *const names[] = {
#define NAME(how, type, name, parameters, arguments) #name,
    WEFT__SYS_CALLS(NAME)
#undef NAME
};

/* 0, or the error with which this very call has to fail. */
static int planned(enum weft__sys_call call)
{
    struct plan *plan = &plans[call];
    unsigned left = atomic_load_explicit(&plan->countdown, memory_order_relaxed);
    if (!left)
        return 0;
    while (left && !atomic_compare_exchange_weak(&plan->countdown, &left, left - 1))
        ;
    if (left != 1)
        return 0;
    atomic_store(&plan->failed, true);
    return atomic_load(&plan->error);
}

static struct plan *find(const char *name)
{
    for (size_t i = 0; i < WEFT__SYS_COUNT; i++)
        if (strcmp(names[i], name) == 0)
            return &plans[i];
    return NULL;
}

bool weft__sys_fail(const char *name, unsigned n, int error)
{
    struct plan *plan = find(name);
    if (!plan)
        return false;
    atomic_store(&plan->countdown, 0);
    atomic_store(&plan->failed, false);
    atomic_store(&plan->error, error);
    atomic_store(&plan->countdown, n);
    return true;
}

bool weft__sys_failed(const char *name)
{
    struct plan *plan = find(name);
    return plan && atomic_load(&plan->failed);
}

/* ENOSYS: a kernel before 5.3. */
static int pidfd_open(pid_t pid, unsigned flags)
{
#ifdef SYS_pidfd_open
    return (int)syscall(SYS_pidfd_open, pid, flags);
#else
    (void)pid;
    (void)flags;
    errno = ENOSYS;
    return -1;
#endif
}

static int open_reserve(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* One piece needs no message around it, which the kernel would have to copy in first. */
static ssize_t send_message(int fd, const struct msghdr *message, int flags)
{
    const struct iovec *piece = message->msg_iov;
    bool plain = message->msg_iovlen == 1 && !message->msg_name && !message->msg_control;
    return plain ? send(fd, piece->iov_base, piece->iov_len, flags) : sendmsg(fd, message, flags);
}

static int fail_ERRNO(int error)
{
    errno = error;
    return -1;
}

static int fail_CODE(int error)
{
    return error;
}

#define sendmsg send_message
#define CALL(how, type, name, parameters, arguments)       \
    static type call_##name parameters                     \
    {                                                      \
        int error = planned(WEFT__SYS_##name);             \
        return error ? fail_##how(error) : name arguments; \
    }
WEFT__SYS_CALLS(CALL)
#undef CALL
#undef sendmsg

struct weft__sys weft__sys = {
#define ENTRY(how, type, name, parameters, arguments) .name = call_##name,
    WEFT__SYS_CALLS(ENTRY)
#undef ENTRY
};

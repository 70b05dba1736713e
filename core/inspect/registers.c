/* SPDX-License-Identifier: MIT */
/*
 * A thread that runs, asked by a signal.
 *
 * Its handler copies the registers and the end of the stack into a place that the asker has made ready,
 * and wakes the asker. It calls the kernel only (to copy, as an address that leads nowhere must not be a
 * fault) and takes no lock: it may have interrupted anything.
 *
 *     IDLE --asker--> ASKED --handler--> TAKEN --handler--> DONE --asker--> IDLE
 *                       \--asker, after MOST_WAIT--> IDLE
 *
 * A handler that comes too late finds nothing asked of its thread, and returns.
 *
 * Which signal: SIGURG, of which nothing happens in a program that has no handler for it, and which
 * debuggers pass on; or, if the program has one, the real-time signals SIGRTMAX - 2 and - 3. The handler
 * is installed when the first thread is asked, only where the program has none, and stays. SA_RESTART,
 * SA_ONSTACK. weft's own threads, which block all other signals, leave SIGURG open. It interrupts a system call
 * only if the thread comes to one that is never restarted (epoll_wait(), poll(), nanosleep()) between the
 * asker's last look and the signal.
 *
 * Under ThreadSanitizer the handler is put past it, straight into the kernel: it would hold the signal back
 * until the thread calls the C library, which one that spins need not. Hence no part of the handler is
 * instrumented.
 */
#include "core/inspect/registers.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>
#include <weft/time.h>

#include "core/inspect/peek.h"
#include "core/inspect/thread_state.h"

#if WEFT__UNWINDS

enum { IDLE, ASKED, TAKEN, DONE };

static const weft_ns MOST_WAIT = WEFT_MS(200);

/* [handler] while TAKEN, else [asker] */
static struct {
    _Atomic unsigned state; /* also what the asker sleeps at; release to pass on what is below */
    pid_t tid, pid;
    struct weft__regs regs;
    void *to;
    size_t size, copied;
    uint64_t from; /* was copied */
} answer;

/* ---- In the handler ---- */

WEFT__PLAIN static void take_registers(const mcontext_t *machine)
{
#if defined(__x86_64__)
    /* DWARF's numbers, in their order: rax, rdx, rcx, rbx, rsi, rdi, rbp, rsp, r8 … r15, rip */
    static const unsigned char order[WEFT__REGS] = {
        REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI, REG_RBP, REG_RSP, REG_R8,
        REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15, REG_RIP};
    for (unsigned i = 0; i < WEFT__REGS; i++)
        answer.regs.value[i] = (uint64_t)machine->gregs[order[i]];
#else
    for (unsigned i = 0; i < WEFT__SP; i++)
        *(volatile uint64_t *)&answer.regs.value[i] = machine->regs[i];
    answer.regs.value[WEFT__SP] = machine->sp;
    answer.regs.value[WEFT__PC] = machine->pc;
#endif
    answer.regs.known = (UINT64_C(1) << WEFT__REGS) - 1;
}

/* As much as there is. */
WEFT__PLAIN static void take_stack(uint64_t from)
{
    const void *at =
        (const void *)(uintptr_t)from; /* NOLINT(performance-no-int-to-ptr): it is looked at only */
    answer.from = from;
    answer.copied = weft__peek_some(answer.to, at, answer.size);
}

WEFT__PLAIN static void on_signal(int signum, siginfo_t *info, void *context)
{
    int error = errno;
    unsigned expected = ASKED;
    (void)signum;
    (void)info;
    if (atomic_load_explicit(&answer.state, memory_order_acquire) == ASKED &&
        answer.tid == (pid_t)syscall(SYS_gettid) &&
        atomic_compare_exchange_strong_explicit(&answer.state, &expected, TAKEN,
                                                memory_order_acquire, memory_order_relaxed)) {
        take_registers(&((ucontext_t *)context)->uc_mcontext);
        take_stack(answer.regs.value[WEFT__SP] - WEFT__RED_ZONE);
        if (!answer.copied) /* a signal that has a stack of its own needs no room there */
            take_stack(answer.regs.value[WEFT__SP]);
        atomic_store_explicit(&answer.state, DONE, memory_order_release);
        syscall(SYS_futex, &answer.state, FUTEX_WAKE_PRIVATE, 1);
    }
    errno = error;
}

/* ---- The signal ---- */

/* As the kernel has it: the handler, then flags, what returns from it, and the mask. */
struct action {
    uintptr_t handler;
    unsigned long rest[8];
};

enum { MASK_SIZE = _NSIG / 8 };

static uintptr_t handler_of(int signum)
{
    struct action action = {0, {0}};
    (void)syscall(SYS_rt_sigaction, (long)signum, NULL, &action, (long)MASK_SIZE);
    return action.handler;
}

bool weft__registers_may_use(int signum)
{
    uintptr_t handler = handler_of(signum);
    return handler == (uintptr_t)on_signal || handler == (uintptr_t)SIG_DFL;
}

static bool install(int signum)
{
    struct sigaction mine = {.sa_sigaction = on_signal,
                             .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK};
    struct action action = {0, {0}};
    sigfillset(&mine.sa_mask);
    if (sigaction(signum, &mine, NULL) < 0)
        return false;
    if (syscall(SYS_rt_sigaction, (long)signum, NULL, &action, (long)MASK_SIZE) < 0)
        return false;
    if (action.handler == (uintptr_t)on_signal)
        return true;
    action.handler = (uintptr_t)on_signal; /* a sanitizer's is there */
    return syscall(SYS_rt_sigaction, (long)signum, &action, NULL, (long)MASK_SIZE) == 0;
}

/* A signal that the program does not use and the thread does not block, or why there is none. */
static int choose_signal(uint64_t blocked)
{
    const int signals[] = {SIGURG, SIGRTMAX - 2, SIGRTMAX - 3};
    int status = -EBUSY;
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        if (!weft__registers_may_use(signals[i]))
            continue;
        if (blocked >> (signals[i] - 1) & 1)
            status = -EACCES;
        else if (handler_of(signals[i]) == (uintptr_t)on_signal || install(signals[i]))
            return signals[i];
    }
    return status;
}

/* ---- Asking ---- */

static weft_ns now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (weft_ns)time.tv_sec * WEFT_S(1) + time.tv_nsec;
}

/* 0: it is DONE. -ETIMEDOUT: nothing was taken, nor will be. */
static int wait_for_answer(void)
{
    for (weft_ns deadline = now() + MOST_WAIT;;) {
        unsigned state = atomic_load_explicit(&answer.state, memory_order_acquire), asked = ASKED;
        if (state == DONE)
            return 0;
        weft_ns left = deadline - now();
        if (left <= 0 &&
            atomic_compare_exchange_strong_explicit(&answer.state, &asked, IDLE,
                                                    memory_order_acquire, memory_order_acquire))
            return -ETIMEDOUT;
        if (left <= 0) /* the handler is at it, and needs no more than a CPU */
            left = MOST_WAIT;
        struct timespec timeout = {left / WEFT_S(1), left % WEFT_S(1)};
        syscall(SYS_futex, &answer.state, FUTEX_WAIT_PRIVATE, state, &timeout);
    }
}

/* 0: it runs. -EAGAIN: it has come to wait. */
static int is_in_a_call(pid_t tid)
{
    struct weft__thread_state state;
    int status = weft__thread_state_read(tid, &state);
    return status == 0 && weft__thread_is_parked(&state) ? -EAGAIN : status;
}

int weft__registers_of(pid_t tid, void *to, size_t size, struct weft__regs *ret_regs,
                       struct weft__memory *ret_memory)
{
    uint64_t blocked;
    int status = weft__thread_blocked_signals(tid, &blocked);
    if (status < 0)
        return status;
    int signum = choose_signal(blocked);
    if (signum < 0)
        return signum;
    status = is_in_a_call(tid);
    if (status != 0)
        return status;
    answer.tid = tid;
    answer.pid = getpid();
    answer.to = to;
    answer.size = size;
    atomic_store_explicit(&answer.state, ASKED, memory_order_release);
    status = syscall(SYS_tgkill, answer.pid, tid, signum) < 0 ? -errno : wait_for_answer();
    if (status == 0) {
        *ret_regs = answer.regs;
        *ret_memory = (struct weft__memory){answer.from, answer.copied, to};
    }
    atomic_store_explicit(&answer.state, IDLE, memory_order_relaxed);
    return status;
}

#else

int weft__registers_of(pid_t tid, void *to, size_t size, struct weft__regs *ret_regs,
                       struct weft__memory *ret_memory)
{
    (void)tid, (void)to, (void)size, (void)ret_regs, (void)ret_memory;
    return -ENOTSUP;
}

bool weft__registers_may_use(int signum)
{
    (void)signum;
    return false;
}

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The stack of another thread, as it is now.
 *
 * A thread that is parked in the kernel is not disturbed: a signal would cut short what it sleeps in. The kernel
 * tells where its stack ends and where it is; the stack is copied, and is what it was if the thread did
 * not run in between. One that runs is asked by a signal (core/inspect/registers.c), directly after a look
 * that it is in no system call. Then the copy is unwound (core/inspect/unwind.c), while the thread goes on.
 *
 * The copy has room for the ROOM bytes at the end of the stack; what is further up is read where it is,
 * as what has called so deep seldom changes meanwhile.
 *
 * Fork: in the child nobody asks, whatever a thread of the parent was at.
 *
 * Lock order: `mu` is taken last but for the C library's list of modules.
 */
#include "core/inspect/stack.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>
#include <weft/time.h>

#include "core/inspect/modules.h"
#include "core/inspect/peek.h"
#include "core/inspect/registers.h"
#include "core/inspect/thread_state.h"
#include "core/inspect/unwind.h"
#include "core/mutex.h"

enum { ROOM = 1 << 17, CHUNK = 1 << 12, MOST_TRIES = 5, MOST_PAUSES = 300 };
#define LONG_ENOUGH WEFT_MS(5)

static struct weft__mutex mu = {PTHREAD_MUTEX_INITIALIZER};
static unsigned char copy[ROOM] WEFT_GUARDED_BY(mu);
static struct weft__unwind work WEFT_GUARDED_BY(mu);

static void in_child(void)
{
    static const struct weft__mutex fresh = {PTHREAD_MUTEX_INITIALIZER};
    mu = fresh;
}

static void watch_forks(void)
{
    (void)pthread_atfork(NULL, NULL, in_child);
}

/* As much as there is. */
static size_t copy_stack(uint64_t from) WEFT_REQUIRES(mu)
{
    size_t size = 0, chunk = CHUNK - from % CHUNK;
    while (size + chunk <= ROOM && weft__peek(copy + size, weft__address(from + size), chunk)) {
        size += chunk;
        chunk = CHUNK;
    }
    return size;
}

static bool did_not_run(const struct weft__thread_state *before,
                        const struct weft__thread_state *after)
{
    return weft__thread_is_parked(after) && before->sp == after->sp && before->pc == after->pc &&
           before->slices == after->slices && before->ran == after->ran;
}

/* -EAGAIN: it ran meanwhile. */
static int look_at_parked(pid_t tid, const struct weft__thread_state *state,
                          struct weft__regs *regs, struct weft__memory *memory) WEFT_REQUIRES(mu)
{
    struct weft__thread_state after;
    *memory = (struct weft__memory){.from = state->sp - WEFT__RED_ZONE, .copy = copy};
    memory->size = copy_stack(memory->from);
    if (!memory->size) { /* it lies on a page that is not used yet */
        memory->from = state->sp;
        memory->size = copy_stack(memory->from);
    }
    int status = weft__thread_state_read(tid, &after);
    if (status < 0)
        return status;
    if (!did_not_run(state, &after))
        return -EAGAIN;
    *regs = (struct weft__regs){.known = 0};
    weft__regs_set(regs, WEFT__SP, state->sp);
    weft__regs_set(regs, WEFT__PC, state->pc);
    return 0;
}

static int look_at_running(pid_t tid, struct weft__regs *regs, struct weft__memory *memory)
    WEFT_REQUIRES(mu)
{
    int status = weft__registers_of(tid, copy, ROOM, regs, memory);
    return status == -ETIMEDOUT ? -EAGAIN : status;
}

static int look_once(pid_t tid, struct weft__regs *regs, struct weft__memory *memory)
    WEFT_REQUIRES(mu)
{
    struct weft__thread_state state;
    int status = weft__thread_state_read(tid, &state);
    if (status < 0)
        return status;
    if (state.state == 'Z' || state.state == 'X')
        return -ESRCH;
    if (weft__thread_is_parked(&state))
        return look_at_parked(tid, &state, regs, memory);
    return state.syscall_nr == WEFT__SYSCALL_UNKNOWN ? -ENOTSUP
                                                     : look_at_running(tid, regs, memory);
}

/* Is it worth another look? It was doing something else by then; or it blocks all signals, which the C library does for
 * moments (to start a thread, say), and the handler for an earlier question does. Such a moment lasts until
 * the thread has had a CPU. */
static bool may_change(int status, int looks, pid_t tid, weft_ns ran)
{
    struct weft__thread_state now;
    if (status == -EAGAIN)
        return looks < MOST_TRIES;
    return status == -EACCES && looks < MOST_PAUSES && weft__thread_state_read(tid, &now) == 0 &&
           now.ran - ran < LONG_ENOUGH;
}

static int look(pid_t tid, struct weft__regs *regs, struct weft__memory *memory) WEFT_REQUIRES(mu)
{
    const struct timespec pause = {0, WEFT_MS(1)};
    struct weft__thread_state first;
    int status = weft__thread_state_read(tid, &first);
    if (status == 0)
        status = look_once(tid, regs, memory);
    for (int looks = 1; may_change(status, looks, tid, first.ran); looks++) {
        nanosleep(&pause, NULL);
        status = look_once(tid, regs, memory);
    }
    return status == -EAGAIN ? -ETIMEDOUT : status;
}

int weft__stack_of(pid_t tid, struct weft__stack *ret)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct weft__modules modules;
    struct weft__memory memory;
    struct weft__regs regs;
    pthread_once(&once, watch_forks);
    *ret = (struct weft__stack){.count = 0};
    int status = weft__modules_read(&modules);
    if (status < 0)
        return status;
    weft__mutex_lock(&mu);
    status = look(tid, &regs, &memory);
    if (status == 0)
        weft__unwind(&work, &modules, &memory, regs, ret);
    weft__mutex_unlock(&mu);
    weft__modules_fini(&modules);
    return status;
}

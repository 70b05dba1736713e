/* SPDX-License-Identifier: MIT */
/*
 * A thread says that it waits for others of this process.
 *
 * Who blocks a thread until a loop, a job or another thread has done something (a queue's blocking
 * calls, say) puts the wait between weft__blocking_begin() and weft__blocking_end(). On a worker
 * of a pool these reach the pool, which lets another thread run meanwhile: what the wait is for may
 * itself need one. On any other thread they do nothing. core/ knows no pool, hence the pointers.
 */
#ifndef WEFT_CORE_BLOCKING_H
#define WEFT_CORE_BLOCKING_H

struct weft__blocking_ops {
    void (*begin)(void);
    void (*end)(void);
    void (*watch)(void (*fn)(void *arg), void *arg);
};

/** This thread's; NULL: it is no worker. */
extern _Thread_local const struct weft__blocking_ops *weft__blocking_ops
    __attribute__((tls_model("initial-exec")));

/** May start a thread: no lock of the caller's is held. May be nested. Thread: any. */
static inline void weft__blocking_begin(void)
{
    if (weft__blocking_ops)
        weft__blocking_ops->begin();
}

/** Once for each begin. Thread: the same. */
static inline void weft__blocking_end(void)
{
    if (weft__blocking_ops)
        weft__blocking_ops->end();
}

/**
 * Let `fn(arg)` be called when the job that waits here is told to stop: on another thread, or at once if
 * it was told before. Once at most. NULL: no more; when this returns, it is not being called. Nothing on
 * a thread that runs no such job. No lock of the caller's is held that `fn` takes. Thread: any.
 */
static inline void weft__blocking_watch(void (*fn)(void *arg), void *arg)
{
    if (weft__blocking_ops)
        weft__blocking_ops->watch(fn, arg);
}

#endif

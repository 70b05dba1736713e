/* SPDX-License-Identifier: MIT */
/*
 * Waiting for other threads. A lock is tried first: who gets it has not waited, and takes it by the very
 * call that was tried. A thread that has ended is joined the same way. Only what is contended is reported.
 *
 * A wait for a condition always waits; at a barrier all but the last one do.
 */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <threads.h>

#include "tools/guard/guard.h"

#define LOCK "weft_lock_acquire() between tasks; with threads a weft_queue, or weft_to_thread()"
#define CONDITION "weft_condition_wait() between tasks; with threads a weft_queue, or weft_post()"
#define SEMAPHORE "weft_semaphore_acquire() between tasks; with threads a weft_queue"
#define BARRIER "weft_barrier_wait() between tasks; with threads weft_post()"
#define JOIN "weft_to_thread() in place of a thread, or let that thread weft_post() at its end"

/*
 * A lock: it is tried by `trial`, which answers EBUSY when it is held. A call with a limit that fails at once
 * (it holds the lock itself, say) has not waited.
 */
#define LOCKS(name, trial, type, what, parameters, arguments) \
    GUARD_WRAPS int name parameters                           \
    {                                                         \
        GUARD_REAL(name);                                     \
        if (!guard__watches())                                \
            return real arguments;                            \
        int tried = try_##trial(what);                        \
        if (tried != EBUSY)                                   \
            return tried;                                     \
        struct guard__call call = guard__begin(#name, LOCK);  \
        int ret = real arguments;                             \
        if (ret == EDEADLK || ret == EINVAL || ret == EAGAIN) \
            guard__drop(&call);                               \
        else                                                  \
            guard__end(&call, type " %p", (void *)what);      \
        return ret;                                           \
    }

static int try_mutex(pthread_mutex_t *mutex)
{
    GUARD_REAL(pthread_mutex_trylock);
    return real(mutex);
}

static int try_read(pthread_rwlock_t *lock)
{
    GUARD_REAL(pthread_rwlock_tryrdlock);
    return real(lock);
}

static int try_write(pthread_rwlock_t *lock)
{
    GUARD_REAL(pthread_rwlock_trywrlock);
    return real(lock);
}

LOCKS(pthread_mutex_lock, mutex, "mutex", mutex, (pthread_mutex_t * mutex), (mutex))
LOCKS(pthread_mutex_timedlock, mutex, "mutex", mutex,
      (pthread_mutex_t * mutex, const struct timespec *until), (mutex, until))
LOCKS(pthread_mutex_clocklock, mutex, "mutex", mutex,
      (pthread_mutex_t * mutex, clockid_t clock, const struct timespec *until),
      (mutex, clock, until))
LOCKS(pthread_rwlock_rdlock, read, "rwlock", lock, (pthread_rwlock_t * lock), (lock))
LOCKS(pthread_rwlock_timedrdlock, read, "rwlock", lock,
      (pthread_rwlock_t * lock, const struct timespec *until), (lock, until))
LOCKS(pthread_rwlock_clockrdlock, read, "rwlock", lock,
      (pthread_rwlock_t * lock, clockid_t clock, const struct timespec *until),
      (lock, clock, until))
LOCKS(pthread_rwlock_wrlock, write, "rwlock", lock, (pthread_rwlock_t * lock), (lock))
LOCKS(pthread_rwlock_timedwrlock, write, "rwlock", lock,
      (pthread_rwlock_t * lock, const struct timespec *until), (lock, until))
LOCKS(pthread_rwlock_clockwrlock, write, "rwlock", lock,
      (pthread_rwlock_t * lock, clockid_t clock, const struct timespec *until),
      (lock, clock, until))

/* ---- Of C11: thrd_busy and so on in place of error numbers ---- */

static int try_mtx(mtx_t *mutex)
{
    GUARD_REAL(mtx_trylock);
    return real(mutex);
}

GUARD_WRAPS int mtx_lock(mtx_t *mutex)
{
    GUARD_REAL(mtx_lock);
    if (!guard__watches())
        return real(mutex);
    int tried = try_mtx(mutex);
    if (tried != thrd_busy)
        return tried;
    struct guard__call call = guard__begin("mtx_lock", LOCK);
    int ret = real(mutex);
    guard__end(&call, "mutex %p", (void *)mutex);
    return ret;
}

GUARD_WRAPS int mtx_timedlock(mtx_t *mutex, const struct timespec *until)
{
    GUARD_REAL(mtx_timedlock);
    if (!guard__watches())
        return real(mutex, until);
    int tried = try_mtx(mutex);
    if (tried != thrd_busy)
        return tried;
    struct guard__call call = guard__begin("mtx_timedlock", LOCK);
    int ret = real(mutex, until);
    guard__end(&call, "mutex %p", (void *)mutex);
    return ret;
}

/* ---- Conditions ---- */

#define WAITS(name, parameters, arguments)                        \
    GUARD_WRAPS int name parameters                               \
    {                                                             \
        GUARD_REAL(name);                                         \
        if (!guard__watches())                                    \
            return real arguments;                                \
        struct guard__call call = guard__begin(#name, CONDITION); \
        int ret = real arguments;                                 \
        guard__end(&call, "condition %p", (void *)condition);     \
        return ret;                                               \
    }

WAITS(pthread_cond_wait, (pthread_cond_t * condition, pthread_mutex_t *mutex), (condition, mutex))
WAITS(pthread_cond_timedwait,
      (pthread_cond_t * condition, pthread_mutex_t *mutex, const struct timespec *until),
      (condition, mutex, until))
WAITS(pthread_cond_clockwait,
      (pthread_cond_t * condition, pthread_mutex_t *mutex, clockid_t clock,
       const struct timespec *until),
      (condition, mutex, clock, until))
WAITS(cnd_wait, (cnd_t * condition, mtx_t *mutex), (condition, mutex))
WAITS(cnd_timedwait, (cnd_t * condition, mtx_t *mutex, const struct timespec *until),
      (condition, mutex, until))

/* ---- Semaphores ---- */

static bool try_semaphore(sem_t *semaphore)
{
    GUARD_REAL(sem_trywait);
    int error = errno;
    bool taken = real(semaphore) == 0;
    errno = error;
    return taken;
}

#define TAKES(name, parameters, arguments)                        \
    GUARD_WRAPS int name parameters                               \
    {                                                             \
        GUARD_REAL(name);                                         \
        if (!guard__watches())                                    \
            return real arguments;                                \
        if (try_semaphore(semaphore))                             \
            return 0;                                             \
        struct guard__call call = guard__begin(#name, SEMAPHORE); \
        int ret = real arguments;                                 \
        guard__end(&call, "semaphore %p", (void *)semaphore);     \
        return ret;                                               \
    }

TAKES(sem_wait, (sem_t * semaphore), (semaphore))
TAKES(sem_timedwait, (sem_t * semaphore, const struct timespec *until), (semaphore, until))
TAKES(sem_clockwait, (sem_t * semaphore, clockid_t clock, const struct timespec *until),
      (semaphore, clock, until))

/* ---- Barriers ---- */

GUARD_WRAPS int pthread_barrier_wait(pthread_barrier_t *barrier)
{
    GUARD_REAL(pthread_barrier_wait);
    if (!guard__watches())
        return real(barrier);
    struct guard__call call = guard__begin("pthread_barrier_wait", BARRIER);
    int ret = real(barrier);
    if (ret == PTHREAD_BARRIER_SERIAL_THREAD) /* the last one to come */
        guard__drop(&call);
    else
        guard__end(&call, "barrier %p", (void *)barrier);
    return ret;
}

/* ---- Threads ---- */

static int try_join(pthread_t thread, void **ret_value)
{
    GUARD_REAL(pthread_tryjoin_np);
    return real(thread, ret_value);
}

#define JOINS(name, parameters, arguments)                           \
    GUARD_WRAPS int name parameters                                  \
    {                                                                \
        GUARD_REAL(name);                                            \
        if (!guard__watches())                                       \
            return real arguments;                                   \
        int tried = try_join(thread, ret_value);                     \
        if (tried != EBUSY)                                          \
            return tried;                                            \
        struct guard__call call = guard__begin(#name, JOIN);         \
        int ret = real arguments;                                    \
        if (ret == EDEADLK || ret == EINVAL)                         \
            guard__drop(&call);                                      \
        else                                                         \
            guard__end(&call, "thread %#lx", (unsigned long)thread); \
        return ret;                                                  \
    }

JOINS(pthread_join, (pthread_t thread, void **ret_value), (thread, ret_value))
JOINS(pthread_timedjoin_np, (pthread_t thread, void **ret_value, const struct timespec *until),
      (thread, ret_value, until))
JOINS(pthread_clockjoin_np,
      (pthread_t thread, void **ret_value, clockid_t clock, const struct timespec *until),
      (thread, ret_value, clock, until))

/* Its result is an int, and in glibc its thread is a pthread_t. */
GUARD_WRAPS int thrd_join(thrd_t thread, int *ret_result)
{
    GUARD_REAL(thrd_join);
    void *value;
    if (!guard__watches())
        return real(thread, ret_result);
    int tried = try_join(thread, &value);
    if (tried != EBUSY) {
        if (tried == 0 && ret_result)
            *ret_result = (int)(intptr_t)value;
        return tried == 0 ? thrd_success : thrd_error;
    }
    struct guard__call call = guard__begin("thrd_join", JOIN);
    int ret = real(thread, ret_result);
    guard__end(&call, "thread %#lx", (unsigned long)thread);
    return ret;
}

/* SPDX-License-Identifier: MIT */
/*
 * Waiting for other threads. What can be tried is tried first: who gets a lock so has not waited, and has taken
 * it by the very call that was tried; a thread that has ended is joined so. Only what is contended is
 * reported. Nothing can be tried of a condition, which always waits, and of a barrier, at which all but
 * the last one do.
 *
 * A limit that is over is another way to write that it is to be tried.
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

/* It has not waited: the caller holds the lock himself, say. */
static bool was_refused(int ret)
{
    return ret == EDEADLK || ret == EINVAL || ret == EAGAIN;
}

/* ---- Trying: true says that the call is done with, and `ret` what it returns ---- */

#define TRIES(name, by, type, busy)        \
    static bool name(type *what, int *ret) \
    {                                      \
        GUARD_REAL(by);                    \
        *ret = real(what);                 \
        return *ret != (busy);             \
    }

TRIES(try_mutex, pthread_mutex_trylock, pthread_mutex_t, EBUSY)
TRIES(try_read, pthread_rwlock_tryrdlock, pthread_rwlock_t, EBUSY)
TRIES(try_write, pthread_rwlock_trywrlock, pthread_rwlock_t, EBUSY)
TRIES(try_mtx, mtx_trylock, mtx_t, thrd_busy)

/* For all errors there is a better answer: that of the call itself. */
static bool try_semaphore(sem_t *semaphore, int *ret)
{
    GUARD_REAL(sem_trywait);
    int error = errno;
    *ret = real(semaphore);
    errno = error;
    return *ret == 0;
}

static bool try_join(pthread_t thread, void **ret_value, int *ret)
{
    GUARD_REAL(pthread_tryjoin_np);
    *ret = real(thread, ret_value);
    return *ret != EBUSY;
}

/* Its result is an int, and in glibc its thread is a pthread_t. */
static bool try_thrd(thrd_t thread, int *ret_result, int *ret)
{
    void *value;
    int joined;
    if (!try_join(thread, &value, &joined))
        return false;
    if (joined == 0 && ret_result)
        *ret_result = (int)(intptr_t)value;
    *ret = joined == 0 ? thrd_success : thrd_error;
    return true;
}

/* By which clock a condition waits is its own: a time that has passed by both of them is over. One by the
 * monotonic clock is nowhere near the time of day. */
static bool is_over_by_any(const struct timespec *until)
{
    enum { NEAR = 10 * 365 * 86400 };
    struct timespec uptime;
    clock_gettime(CLOCK_MONOTONIC, &uptime);
    return guard__is_over(until->tv_sec < uptime.tv_sec + NEAR ? CLOCK_MONOTONIC : CLOCK_REALTIME,
                          until);
}

/* ---- All of them ---- */

/* A call that waits at `object`, unless it is to be left alone or trying it first is all. */
#define WAITS(name, kind, object, instead, left_alone, tried, parameters, arguments) \
    GUARD_WRAPS int name parameters                                                  \
    {                                                                                \
        GUARD_REAL(name);                                                            \
        int ret = 0;                                                                 \
        if (!guard__watches() || (left_alone))                                       \
            return real arguments;                                                   \
        if (tried)                                                                   \
            return ret;                                                              \
        struct guard__call call = guard__begin(#name, instead);                      \
        ret = real arguments;                                                        \
        if (was_refused(ret))                                                        \
            guard__drop(&call);                                                      \
        else                                                                         \
            guard__end(&call, kind " %#lx", (unsigned long)(uintptr_t)(object));     \
        return ret;                                                                  \
    }

#define OVER(clock) guard__is_over(clock, until)
#define NEVER false
#define NOT_TRIED false

#define LOCKS(name, kind, trial, left_alone, ...) \
    WAITS(name, kind, lock, LOCK, left_alone, try_##trial(lock, &ret), __VA_ARGS__)

LOCKS(pthread_mutex_lock, "mutex", mutex, NEVER, (pthread_mutex_t * lock), (lock))
LOCKS(pthread_mutex_timedlock, "mutex", mutex, OVER(CLOCK_REALTIME),
      (pthread_mutex_t * lock, const struct timespec *until), (lock, until))
LOCKS(pthread_mutex_clocklock, "mutex", mutex, OVER(clock),
      (pthread_mutex_t * lock, clockid_t clock, const struct timespec *until), (lock, clock, until))
LOCKS(mtx_lock, "mutex", mtx, NEVER, (mtx_t * lock), (lock))
LOCKS(mtx_timedlock, "mutex", mtx, OVER(CLOCK_REALTIME),
      (mtx_t * lock, const struct timespec *until), (lock, until))
LOCKS(pthread_rwlock_rdlock, "rwlock", read, NEVER, (pthread_rwlock_t * lock), (lock))
LOCKS(pthread_rwlock_timedrdlock, "rwlock", read, OVER(CLOCK_REALTIME),
      (pthread_rwlock_t * lock, const struct timespec *until), (lock, until))
LOCKS(pthread_rwlock_clockrdlock, "rwlock", read, OVER(clock),
      (pthread_rwlock_t * lock, clockid_t clock, const struct timespec *until),
      (lock, clock, until))
LOCKS(pthread_rwlock_wrlock, "rwlock", write, NEVER, (pthread_rwlock_t * lock), (lock))
LOCKS(pthread_rwlock_timedwrlock, "rwlock", write, OVER(CLOCK_REALTIME),
      (pthread_rwlock_t * lock, const struct timespec *until), (lock, until))
LOCKS(pthread_rwlock_clockwrlock, "rwlock", write, OVER(clock),
      (pthread_rwlock_t * lock, clockid_t clock, const struct timespec *until),
      (lock, clock, until))

#define CONDITIONS(name, left_alone, ...) \
    WAITS(name, "condition", condition, CONDITION, left_alone, NOT_TRIED, __VA_ARGS__)

CONDITIONS(pthread_cond_wait, NEVER, (pthread_cond_t * condition, pthread_mutex_t *mutex),
           (condition, mutex))
CONDITIONS(pthread_cond_timedwait, is_over_by_any(until),
           (pthread_cond_t * condition, pthread_mutex_t *mutex, const struct timespec *until),
           (condition, mutex, until))
CONDITIONS(pthread_cond_clockwait, OVER(clock),
           (pthread_cond_t * condition, pthread_mutex_t *mutex, clockid_t clock,
            const struct timespec *until),
           (condition, mutex, clock, until))
CONDITIONS(cnd_wait, NEVER, (cnd_t * condition, mtx_t *mutex), (condition, mutex))
CONDITIONS(cnd_timedwait, OVER(CLOCK_REALTIME),
           (cnd_t * condition, mtx_t *mutex, const struct timespec *until),
           (condition, mutex, until))

#define TAKES(name, left_alone, ...)                                                           \
    WAITS(name, "semaphore", semaphore, SEMAPHORE, left_alone, try_semaphore(semaphore, &ret), \
          __VA_ARGS__)

TAKES(sem_wait, NEVER, (sem_t * semaphore), (semaphore))
TAKES(sem_timedwait, OVER(CLOCK_REALTIME), (sem_t * semaphore, const struct timespec *until),
      (semaphore, until))
TAKES(sem_clockwait, OVER(clock),
      (sem_t * semaphore, clockid_t clock, const struct timespec *until), (semaphore, clock, until))

#define JOINS(name, left_alone, ...) \
    WAITS(name, "thread", thread, JOIN, left_alone, try_join(thread, ret_value, &ret), __VA_ARGS__)

JOINS(pthread_join, NEVER, (pthread_t thread, void **ret_value), (thread, ret_value))
JOINS(pthread_timedjoin_np, OVER(CLOCK_REALTIME),
      (pthread_t thread, void **ret_value, const struct timespec *until),
      (thread, ret_value, until))
JOINS(pthread_clockjoin_np, OVER(clock),
      (pthread_t thread, void **ret_value, clockid_t clock, const struct timespec *until),
      (thread, ret_value, clock, until))
WAITS(thrd_join, "thread", thread, JOIN, NEVER, try_thrd(thread, ret_result, &ret),
      (thrd_t thread, int *ret_result), (thread, ret_result))

/* Who is the last one to come does not wait. */
GUARD_WRAPS int pthread_barrier_wait(pthread_barrier_t *barrier)
{
    GUARD_REAL(pthread_barrier_wait);
    if (!guard__watches())
        return real(barrier);
    struct guard__call call = guard__begin("pthread_barrier_wait", BARRIER);
    int ret = real(barrier);
    if (ret == PTHREAD_BARRIER_SERIAL_THREAD)
        guard__drop(&call);
    else
        guard__end(&call, "barrier %p", (void *)barrier);
    return ret;
}

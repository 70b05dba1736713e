/* SPDX-License-Identifier: MIT */
/* Waits for other threads. */
#include <pthread.h>
#include <semaphore.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

#include "tests/guard/sins.h"
#include "tests/guard/stage.h"
#include "tests/support/sanitizer.h"

static struct timespec soon(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    time.tv_sec += 60;
    return time;
}

static struct timespec in_a_moment(void)
{
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    time.tv_nsec += 1000000;
    if (time.tv_nsec >= 1000000000) {
        time.tv_sec++;
        time.tv_nsec -= 1000000000;
    }
    return time;
}

/* ---- Mutexes: the other thread holds it, and lets it go ---- */

static void hold(void)
{
    pthread_mutex_lock(&stage.mutex);
}

static void let_go(void)
{
    pthread_mutex_unlock(&stage.mutex);
}

static void commit_pthread_mutex_lock(void)
{
    stage_do(hold);
    stage_when_blocked(let_go);
    SIN_OF(pthread_mutex_lock(&stage.mutex));
    pthread_mutex_unlock(&stage.mutex);
}

static void commit_pthread_mutex_timedlock(void)
{
    struct timespec until = soon(CLOCK_REALTIME);
    stage_do(hold);
    stage_when_blocked(let_go);
    SIN_OF(pthread_mutex_timedlock(&stage.mutex, &until));
    pthread_mutex_unlock(&stage.mutex);
}

static mtx_t mtx;

static void hold_mtx(void)
{
    mtx_lock(&mtx);
}

static void let_mtx_go(void)
{
    mtx_unlock(&mtx);
}

static void commit_mtx_lock(void)
{
    mtx_init(&mtx, mtx_plain);
    stage_do(hold_mtx);
    stage_when_blocked(let_mtx_go);
    SIN_OF(mtx_lock(&mtx));
    mtx_unlock(&mtx);
    mtx_destroy(&mtx);
}

/* ---- Read-write locks ---- */

static void hold_rwlock(void)
{
    pthread_rwlock_wrlock(&stage.rwlock);
}

static void let_rwlock_go(void)
{
    pthread_rwlock_unlock(&stage.rwlock);
}

static void commit_pthread_rwlock_rdlock(void)
{
    stage_do(hold_rwlock);
    stage_when_blocked(let_rwlock_go);
    SIN_OF(pthread_rwlock_rdlock(&stage.rwlock));
    pthread_rwlock_unlock(&stage.rwlock);
}

static void commit_pthread_rwlock_wrlock(void)
{
    stage_do(hold_rwlock);
    stage_when_blocked(let_rwlock_go);
    SIN_OF(pthread_rwlock_wrlock(&stage.rwlock));
    pthread_rwlock_unlock(&stage.rwlock);
}

static void commit_pthread_rwlock_timedrdlock(void)
{
    struct timespec until = soon(CLOCK_REALTIME);
    stage_do(hold_rwlock);
    stage_when_blocked(let_rwlock_go);
    SIN_OF(pthread_rwlock_timedrdlock(&stage.rwlock, &until));
    pthread_rwlock_unlock(&stage.rwlock);
}

static void commit_pthread_rwlock_timedwrlock(void)
{
    struct timespec until = soon(CLOCK_REALTIME);
    stage_do(hold_rwlock);
    stage_when_blocked(let_rwlock_go);
    SIN_OF(pthread_rwlock_timedwrlock(&stage.rwlock, &until));
    pthread_rwlock_unlock(&stage.rwlock);
}

/* ---- Semaphores, conditions, barriers, threads ---- */

static void post(void)
{
    sem_post(&stage.semaphore);
}

static void commit_sem_wait(void)
{
    stage_when_blocked(post);
    SIN_OF(sem_wait(&stage.semaphore));
}

static void commit_sem_timedwait(void)
{
    struct timespec until = soon(CLOCK_REALTIME);
    stage_when_blocked(post);
    SIN_OF(sem_timedwait(&stage.semaphore, &until));
}

/* It cannot be lost: the lock is free only when the wait has begun. */
static void signal_condition(void)
{
    pthread_mutex_lock(&stage.mutex);
    pthread_cond_signal(&stage.cond);
    pthread_mutex_unlock(&stage.mutex);
}

static void commit_pthread_cond_wait(void)
{
    pthread_mutex_lock(&stage.mutex);
    stage_when_blocked(signal_condition);
    SIN_OF(pthread_cond_wait(&stage.cond, &stage.mutex));
    pthread_mutex_unlock(&stage.mutex);
}

static void commit_pthread_cond_timedwait(void)
{
    struct timespec until = in_a_moment();
    pthread_mutex_lock(&stage.mutex);
    SIN_OF(pthread_cond_timedwait(&stage.cond, &stage.mutex, &until));
    pthread_mutex_unlock(&stage.mutex);
}

static cnd_t cnd;

static void commit_cnd_timedwait(void)
{
    struct timespec until = in_a_moment();
    mtx_init(&mtx, mtx_plain);
    cnd_init(&cnd);
    mtx_lock(&mtx);
    SIN_OF(cnd_timedwait(&cnd, &mtx, &until));
    mtx_unlock(&mtx);
    cnd_destroy(&cnd);
    mtx_destroy(&mtx);
}

static void signal_cnd(void)
{
    mtx_lock(&mtx);
    cnd_signal(&cnd);
    mtx_unlock(&mtx);
}

static void commit_cnd_wait(void)
{
    mtx_init(&mtx, mtx_plain);
    cnd_init(&cnd);
    mtx_lock(&mtx);
    stage_when_blocked(signal_cnd);
    SIN_OF(cnd_wait(&cnd, &mtx));
    mtx_unlock(&mtx);
    cnd_destroy(&cnd);
    mtx_destroy(&mtx);
}

/* Nobody is the last one but the helper: it comes when this thread is about to wait, and yet it may be
 * first. Then this thread has not waited, and the two of them meet again. */
static void meet(void)
{
    pthread_barrier_wait(&stage.barrier);
}

static void commit_pthread_barrier_wait(void)
{
    do {
        stage_when_blocked(meet);
        SIN_OF(pthread_barrier_wait(&stage.barrier));
    } while (sin_result == PTHREAD_BARRIER_SERIAL_THREAD);
}

static void commit_pthread_join(void)
{
    stage_start_thread();
    stage_when_blocked(stage_end_thread);
    SIN_OF(pthread_join(stage.joined, NULL));
}

#ifndef WEFT_TEST_NO_THREADS_OF_LIBC
static int wait_for_the_end(void *arg)
{
    char byte;
    (void)arg;
    return read(stage.joins[0], &byte, 1) == 1 ? 42 : 0;
}

static void commit_thrd_join(void)
{
    thrd_t thread;
    int result;
    if (thrd_create(&thread, wait_for_the_end, NULL) != thrd_success)
        return;
    stage_when_blocked(stage_end_thread);
    SIN_OF(thrd_join(thread, &result));
}
#endif

static void commit_mtx_timedlock(void)
{
    struct timespec until = soon(CLOCK_REALTIME);
    mtx_init(&mtx, mtx_timed);
    stage_do(hold_mtx);
    stage_when_blocked(let_mtx_go);
    SIN_OF(mtx_timedlock(&mtx, &until));
    mtx_unlock(&mtx);
    mtx_destroy(&mtx);
}

static void commit_pthread_timedjoin_np(void)
{
    struct timespec until = soon(CLOCK_REALTIME);
    stage_start_thread();
    stage_when_blocked(stage_end_thread);
    SIN_OF(pthread_timedjoin_np(stage.joined, NULL, &until));
}

const struct sin thread_sins[] = {
    {"pthread_mutex_lock", "mutex 0x", commit_pthread_mutex_lock},
    {"pthread_mutex_timedlock", "mutex 0x", commit_pthread_mutex_timedlock},
    {"mtx_lock", "mutex 0x", commit_mtx_lock},
    {"pthread_rwlock_rdlock", "rwlock 0x", commit_pthread_rwlock_rdlock},
    {"pthread_rwlock_wrlock", "rwlock 0x", commit_pthread_rwlock_wrlock},
    {"pthread_rwlock_timedrdlock", "rwlock 0x", commit_pthread_rwlock_timedrdlock},
    {"pthread_rwlock_timedwrlock", "rwlock 0x", commit_pthread_rwlock_timedwrlock},
    {"sem_wait", "semaphore 0x", commit_sem_wait},
    {"sem_timedwait", "semaphore 0x", commit_sem_timedwait},
    {"pthread_cond_wait", "condition 0x", commit_pthread_cond_wait},
    {"pthread_cond_timedwait", "condition 0x", commit_pthread_cond_timedwait},
    {"cnd_timedwait", "condition 0x", commit_cnd_timedwait},
    {"pthread_barrier_wait", "barrier 0x", commit_pthread_barrier_wait},
    {"pthread_join", "thread 0x", commit_pthread_join},
    {"pthread_timedjoin_np", "thread 0x", commit_pthread_timedjoin_np},
    {"cnd_wait", "condition 0x", commit_cnd_wait},
#ifndef WEFT_TEST_NO_THREADS_OF_LIBC
    {"thrd_join", "thread 0x", commit_thrd_join},
#endif
    {"mtx_timedlock", "mutex 0x", commit_mtx_timedlock},
    {NULL, NULL, NULL},
};

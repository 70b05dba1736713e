/* SPDX-License-Identifier: MIT */
/*
 * Jobs whose system call is interrupted: the calls, the races, the handler, and that nobody else is hit.
 */
#include <criterion/criterion.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <weft/weft.h>

#include "core/sys.h"
#include "tests/support/child.h"
#include "tests/support/gate.h"
#include "tests/support/loop.h"
#include "tests/support/pool.h"
#include "tests/support/sanitizer.h"
#include "tests/support/trace.h"

TestSuite(job_interrupt, .init = weft_test_loop_begin_real, .timeout = 60);

static const struct weft_job_options interrupt = {.on_cancel = WEFT_CANCEL_INTERRUPT};

/* ---- The calls ---- */

/* A function that says that it is about to call, and blocks. */
struct blocks {
    struct gate *gate;
    int fd;
};

static weft_result say(int result)
{
    return result < 0 ? weft_err(-errno) : weft_ok(result);
}

static weft_result block_in_read(void *arg)
{
    struct blocks *blocks = arg;
    char byte;
    sem_post(&blocks->gate->entered);
    return say((int)read(blocks->fd, &byte, 1));
}

static weft_result block_in_nanosleep(void *arg)
{
    struct blocks *blocks = arg;
    const struct timespec hour = {.tv_sec = 3600};
    sem_post(&blocks->gate->entered);
    return say(nanosleep(&hour, NULL)); /* on purpose: to be interrupted */
}

static weft_result block_in_flock(void *arg)
{
    struct blocks *blocks = arg;
    sem_post(&blocks->gate->entered);
    return say(flock(blocks->fd, LOCK_EX));
}

static weft_result block_in_waitpid(void *arg)
{
    struct blocks *blocks = arg;
    sem_post(&blocks->gate->entered);
    return say(waitpid(blocks->fd, NULL, 0));
}

static weft_result block_in_accept(void *arg)
{
    struct blocks *blocks = arg;
    sem_post(&blocks->gate->entered);
    return say(accept(blocks->fd, NULL, NULL));
}

/* Whether the first signal comes before the call or in it is left to chance. */
static void must_be_interrupted(weft_result (*fn)(void *), int fd)
{
    struct gate gate;
    struct blocks blocks = {&gate, fd};
    gate_init(&gate);
    weft_future *job = weft_offload_fn(&interrupt, fn, &blocks);
    gate_wait_entered(&gate);
    cr_assert(weft_cancel(job));
    cr_assert_eq(weft_test_run(weft_ref(job)), -ECANCELED);
    cr_assert_eq(weft_job_outcome(job), WEFT_JOB_FINISHED);
    weft_unref(job);
}

Test(job_interrupt, ends_a_read)
{
    int fds[2];
    cr_assert_eq(pipe2(fds, O_CLOEXEC), 0);
    must_be_interrupted(block_in_read, fds[0]);
    close(fds[0]);
    close(fds[1]);
    weft_test_loop_end();
}

Test(job_interrupt, ends_a_nanosleep)
{
    must_be_interrupted(block_in_nanosleep, -1);
    weft_test_loop_end();
}

Test(job_interrupt, ends_a_flock)
{
    char name[] = "/tmp/weft-test-XXXXXX";
    int holder = mkostemp(name, O_CLOEXEC);
    int waiter = open(name, O_RDWR | O_CLOEXEC);
    cr_assert(holder >= 0 && waiter >= 0);
    unlink(name);
    cr_assert_eq(flock(holder, LOCK_EX), 0);
    must_be_interrupted(block_in_flock, waiter);
    close(holder);
    close(waiter);
    weft_test_loop_end();
}

Test(job_interrupt, ends_a_waitpid)
{
    pid_t child = fork();
    if (child == 0) {
        pause();
        weft_test_child_exit(0);
    }
    must_be_interrupted(block_in_waitpid, child);
    kill(child, SIGKILL);
    cr_assert_eq(waitpid(child, NULL, 0), child);
    weft_test_loop_end();
}

Test(job_interrupt, ends_an_accept)
{
    struct sockaddr address = {.sa_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(listener, &address, sizeof(address.sa_family)), 0);
    cr_assert_eq(listen(listener, 1), 0);
    must_be_interrupted(block_in_accept, listener);
    close(listener);
    weft_test_loop_end();
}

/* ---- A signal too early ---- */

/* Counts how often it was interrupted before it calls, so that no signal in there reaches the call. */
struct early {
    int fd;
    struct gate *gate;
};

static WEFT_BLOCKING(early)
{
    char byte;
    sem_post(&self->gate->entered);
    for (int hits = 0; hits < 3;)
        hits += sem_wait(&self->gate->opened) < 0;
    return say((int)read(self->fd, &byte, 1));
}

Test(job_interrupt, sends_again_since_a_signal_may_come_just_before_the_call)
{
    int fds[2];
    struct gate gate;
    gate_init(&gate);
    cr_assert_eq(pipe2(fds, O_CLOEXEC), 0);
    weft_future *job = weft_offload(&interrupt, early, .fd = fds[0], .gate = &gate);
    gate_wait_entered(&gate);
    cr_assert(weft_cancel(job));
    cr_assert_eq(weft_test_run(job), -ECANCELED);
    close(fds[0]);
    close(fds[1]);
    weft_test_loop_end();
}

Test(job_interrupt, sends_again_though_virtual_time_stands_still_and_the_loop_does_not_run)
{
    int fds[2];
    struct gate gate;
    gate_init(&gate);
    weft_test_loop_end();
    weft_test_loop_begin();
    cr_assert_eq(pipe2(fds, O_CLOEXEC), 0);
    weft_pool *pool = use_pool(&(struct weft_pool_options){.max_threads = 1});
    weft_future *job = weft_offload(&interrupt, early, .fd = fds[0], .gate = &gate);
    gate_wait_entered(&gate);
    cr_assert(weft_cancel(job));
    wait_for_idle(pool, 1);
    cr_assert_eq(weft_test_run(job), -ECANCELED);
    close(fds[0]);
    close(fds[1]);
    weft_test_loop_end();
}

/* ---- What it does then ---- */

struct notices {
    struct gate *gate;
    int how;
    int fd;
};

static bool is_noticed(int how)
{
    if (how == 0)
        return weft_job_cancelled();
    if (how == 1)
        return weft_job_poll(-1, 0, 0) == -ECANCELED;
    return weft_job_commit() == -ECANCELED;
}

static atomic_int handled;

static void count_signal(int signum)
{
    (void)signum;
    atomic_fetch_add(&handled, 1);
}

/* Hears of it in one way, and then waits for a child of its own, undisturbed. */
static WEFT_BLOCKING(notices)
{
    char byte;
    sem_post(&self->gate->entered);
    while (sem_wait(&self->gate->opened) == 0 || errno != EINTR)
        ;
    if (!is_noticed(self->how))
        return weft_err(-EPIPE);
    sem_post(&self->gate->entered);
    int got = (int)read(self->fd, &byte, 1);
    return got == 1 ? weft_ok(1) : weft_err(-errno);
}

static void must_be_left_alone(int how)
{
    int fds[2];
    struct gate gate;
    gate_init(&gate);
    cr_assert_eq(pipe2(fds, O_CLOEXEC), 0);
    weft_future *job = weft_offload(&interrupt, notices, .gate = &gate, .how = how, .fd = fds[0]);
    gate_wait_entered(&gate);
    cr_assert(weft_cancel(job));
    gate_wait_entered(&gate);
    cr_assert_eq(weft_test_run(weft_sleep(WEFT_MS(20))), 0); /* in which signals would come */
    cr_assert_eq(write(fds[1], "x", 1), 1);
    cr_assert_eq(weft_test_run(job), 0);
    close(fds[0]);
    close(fds[1]);
}

Test(job_interrupt, leaves_a_job_alone_that_has_noticed)
{
    for (int how = 0; how < 3; how++)
        must_be_left_alone(how);
    weft_test_loop_end();
}

static weft_result eintr_unasked(void *arg)
{
    (void)arg;
    return weft_err(-EINTR);
}

Test(job_interrupt, an_interruption_that_nobody_asked_for_is_a_failure_like_others)
{
    cr_assert_eq(weft_test_run(weft_offload_fn(&interrupt, eintr_unasked, NULL)), -EINTR);
    struct gate gate;
    gate_init(&gate);
    weft_lane *lane = weft_loop_lane(test_loop, "default");
    weft_future *job = weft_offload(&interrupt, early, .gate = &gate, .fd = -1);
    gate_wait_entered(&gate);
    cr_assert(weft_cancel(job));
    cr_assert_eq(weft_test_run(job), -EBADF);
    struct weft_lane_stats stats;
    weft_lane_get_stats(lane, &stats);
    cr_assert_eq(stats.cancelled_interrupted, 0);
    must_be_interrupted(block_in_nanosleep, -1);
    weft_lane_get_stats(lane, &stats);
    cr_assert_eq(stats.cancelled_interrupted, 1);
    weft_test_loop_end();
}

Test(job_interrupt, interrupts_at_the_deadline)
{
    struct gate gate;
    struct blocks blocks = {&gate, -1};
    struct weft_job_options options = {.on_cancel = WEFT_CANCEL_INTERRUPT, .max_run = WEFT_MS(1)};
    gate_init(&gate);
    cr_assert_eq(weft_test_run(weft_offload_fn(&options, block_in_nanosleep, &blocks)), -ETIMEDOUT);
    weft_test_loop_end();
}

Test(job_interrupt, interrupts_running_jobs_when_the_loop_shuts_down)
{
    struct gate gate;
    struct blocks blocks = {&gate, -1};
    gate_init(&gate);
    weft_future *job = weft_offload_fn(&interrupt, block_in_nanosleep, &blocks);
    gate_wait_entered(&gate);
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    cr_assert_eq(weft_future_status(job), -ECANCELED);
    weft_unref(job);
    weft_test_loop_end();
}

/* ---- Nobody else ---- */

static void handle_by(int signum, void (*fn)(int))
{
    struct sigaction action = {.sa_handler = fn};
    cr_assert_eq(sigaction(signum, &action, NULL), 0);
}

static void (*handler_of(int signum))(int)
{
    struct sigaction action;
    cr_assert_eq(sigaction(signum, NULL, &action), 0);
    return action.sa_flags & SA_SIGINFO ? NULL : action.sa_handler;
}

/* Returns with a signal that it has put off. */
static weft_result return_with_one_pending(void *arg)
{
    sigset_t urgent, pending;
    sigemptyset(&urgent);
    sigaddset(&urgent, SIGURG);
    pthread_sigmask(SIG_BLOCK, &urgent, NULL);
    sem_post(arg);
    do {
        sched_yield();
        sigpending(&pending);
    } while (!sigismember(&pending, SIGURG));
    return weft_err(-EINTR);
}

static weft_result is_hit(void *arg)
{
    const struct timespec soon = {.tv_nsec = 1000000};
    (void)arg;
    return weft_ok(nanosleep(&soon, NULL) < 0); /* on purpose: not to be interrupted */
}

Test(job_interrupt, does_not_hit_the_next_job_of_the_thread)
{
    sem_t entered;
    sem_init(&entered, 0, 0);
    handle_by(SIGURG, count_signal);
    use_pool(&(struct weft_pool_options){.max_threads = 1});
    weft_future *job = weft_offload_fn(&interrupt, return_with_one_pending, &entered);
    weft_future *next = weft_offload_fn(&interrupt, is_hit, NULL);
    while (sem_wait(&entered) < 0)
        ;
    cr_assert(weft_cancel(job));
    cr_assert_eq(weft_test_run(job), -ECANCELED);
    cr_assert_eq(weft_test_run(weft_ref(next)), 0);
    cr_assert_eq(weft_future_value(next).i64, 0);
    cr_assert_eq(atomic_load(&handled), 0);
    weft_unref(next);
    weft_test_loop_end();
}

static atomic_int handled_by_main;
static pthread_t main_thread;

static void count_where(int signum)
{
    (void)signum;
    atomic_fetch_add(pthread_equal(pthread_self(), main_thread) ? &handled_by_main : &handled, 1);
}

/* Returns with a signal of somebody else's that it has put off, which is in the way of the timer's. */
static weft_result return_with_anothers_pending(void *gate)
{
    sigset_t urgent;
    sigemptyset(&urgent);
    sigaddset(&urgent, SIGURG);
    pthread_sigmask(SIG_BLOCK, &urgent, NULL);
    raise(SIGURG);
    gate_pass(gate);
    return weft_err(-EINTR);
}

/* By a thread that does not block it, as weft's threads do when no such job runs there. */
Test(job_interrupt, gives_back_what_others_have_sent_to_its_thread)
{
    struct gate gate;
    gate_init(&gate);
    main_thread = pthread_self();
    handle_by(SIGURG, count_where);
    weft_future *job = weft_offload_fn(&interrupt, return_with_anothers_pending, &gate);
    gate_wait_entered(&gate);
    cr_assert(weft_cancel(job));
    gate_open(&gate);
    cr_assert_eq(weft_test_run(job), -ECANCELED);
    while (atomic_load(&handled_by_main) == 0)
        cr_assert_eq(weft_test_run(weft_sleep(WEFT_MS(1))), 0);
    cr_assert_eq(atomic_load(&handled), 0);
    weft_test_loop_end();
}

static weft_result is_blocked(void *arg)
{
    sigset_t now;
    (void)arg;
    pthread_sigmask(SIG_SETMASK, NULL, &now);
    return weft_ok(sigismember(&now, SIGURG));
}

Test(job_interrupt, leaves_the_signal_blocked_where_others_run)
{
    use_pool(&(struct weft_pool_options){.max_threads = 1});
    must_be_interrupted(block_in_nanosleep, -1);
    weft_future *job = weft_to_thread_fn(NULL, is_blocked, NULL);
    cr_assert_eq(weft_test_run(weft_ref(job)), 0);
    cr_assert_eq(weft_future_value(job).i64, 1);
    weft_unref(job);
    weft_test_loop_end();
}

Test(job_interrupt, passes_on_what_others_send_and_gives_the_handler_back)
{
    handle_by(SIGURG, count_signal);
    must_be_interrupted(block_in_nanosleep, -1);
    cr_assert_null(handler_of(SIGURG));
    cr_assert_eq(atomic_load(&handled), 0);
    raise(SIGURG);
    cr_assert_eq(atomic_load(&handled), 1);
    weft_test_loop_end();
    cr_assert_eq(handler_of(SIGURG), count_signal);
}

static void count_info(int signum, siginfo_t *info, void *context)
{
    (void)context;
    atomic_fetch_add(&handled, info->si_signo == signum);
}

Test(job_interrupt, passes_on_to_handlers_of_each_kind)
{
    struct sigaction with_info = {.sa_sigaction = count_info, .sa_flags = SA_SIGINFO};
    cr_assert_eq(sigaction(SIGURG, &with_info, NULL), 0);
    must_be_interrupted(block_in_nanosleep, -1);
    raise(SIGURG);
    cr_assert_eq(atomic_load(&handled), 1);
    weft_test_loop_end();
    static void (*const none[])(int) = {SIG_IGN, SIG_DFL};
    for (int i = 0; i < 2; i++) {
        handle_by(SIGURG, none[i]);
        weft_test_loop_begin_real();
        must_be_interrupted(block_in_nanosleep, -1);
        raise(SIGURG);
        weft_test_loop_end();
        cr_assert_eq(handler_of(SIGURG), none[i]);
    }
    cr_assert_eq(atomic_load(&handled), 1);
}

#ifndef WEFT_TEST_NO_SIGNALS_IN_CHILD
static void die_of_it(void *arg)
{
    (void)arg;
    weft_test_loop_begin_real();
    use_pool(&(struct weft_pool_options){.interrupt_signal = SIGUSR1});
    must_be_interrupted(block_in_nanosleep, -1);
    raise(SIGUSR1);
}

Test(job_interrupt, lets_a_signal_kill_that_would_without_weft)
{
    pid_t child = fork();
    int status;
    if (child == 0) {
        die_of_it(NULL);
        weft_test_child_exit(0);
    }
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGUSR1, "status %d", status);
    weft_test_loop_end();
}
#endif

Test(job_interrupt, takes_the_signal_that_the_pool_is_told_to)
{
    use_pool(&(struct weft_pool_options){.interrupt_signal = SIGRTMAX});
    must_be_interrupted(block_in_nanosleep, -1);
    cr_assert_null(handler_of(SIGRTMAX));
    cr_assert_eq(handler_of(SIGURG), SIG_DFL);
    weft_test_loop_end();
    cr_assert_eq(handler_of(SIGRTMAX), SIG_DFL);
}

Test(job_interrupt, keeps_the_handler_until_the_last_pool_that_uses_it_ends)
{
    weft_pool *other = weft_pool_new(NULL);
    must_be_interrupted(block_in_nanosleep, -1);
    cr_assert_eq(weft_loop_set_pool(test_loop, other), 0);
    cr_assert_eq(handler_of(SIGURG), SIG_DFL);
    must_be_interrupted(block_in_nanosleep, -1);
    cr_assert_eq(weft_loop_set_pool(test_loop, NULL), 0);
    must_be_interrupted(block_in_nanosleep, -1);
    weft_pool_unref(other);
    cr_assert_null(handler_of(SIGURG));
    must_be_interrupted(block_in_nanosleep, -1);
    weft_test_loop_end();
    cr_assert_eq(handler_of(SIGURG), SIG_DFL);
}

Test(job_interrupt, does_not_run_what_it_could_not_interrupt_nor_touch_a_handler_that_replaced_it)
{
    must_be_interrupted(block_in_nanosleep, -1);
    handle_by(SIGURG, count_signal);
    weft_future *job = weft_offload_fn(&interrupt, return_nothing, NULL);
    cr_assert_eq(weft_test_run(weft_ref(job)), -EBUSY);
    cr_assert_eq(weft_job_outcome(job), WEFT_JOB_NOT_STARTED);
    weft_unref(job);
    weft_test_loop_end();
    cr_assert_eq(handler_of(SIGURG), count_signal);
}

Test(job_interrupt, is_not_started_without_a_timer)
{
    cr_assert(weft__sys_fail("timer_create", 1, EAGAIN));
    cr_assert_eq(weft_test_run(weft_offload_fn(&interrupt, return_nothing, NULL)), -EAGAIN);
    must_be_interrupted(block_in_nanosleep, -1);
    weft_test_loop_end();
}

Test(job_interrupt, refuses_signals_that_cannot_be_used)
{
    static const int impossible[] = {SIGKILL, SIGSTOP, SIGSEGV, -1, 65, 33};
    for (size_t i = 0; i < sizeof(impossible) / sizeof(impossible[0]); i++) {
        errno = 0;
        cr_assert_null(
            weft_pool_new(&(struct weft_pool_options){.interrupt_signal = impossible[i]}));
        cr_assert_eq(errno, EINVAL);
    }
    weft_test_loop_end();
}

#ifndef WEFT_TEST_NO_THREADS_IN_CHILD
static void go_on_in_child(void *job)
{
    CHILD_EXPECT(weft_after_fork_child(test_loop) == 0);
    weft_unref(job);
    must_be_interrupted(block_in_nanosleep, -1);
    weft_loop_free(test_loop);
    CHILD_EXPECT(handler_of(SIGURG) == SIG_DFL);
}

Test(job_interrupt, works_in_a_forked_child_that_goes_on)
{
    struct gate gate;
    struct blocks blocks = {&gate, -1};
    gate_init(&gate);
    weft_future *job = weft_offload_fn(&interrupt, block_in_nanosleep, &blocks);
    gate_wait_entered(&gate);
    weft_test_in_child(go_on_in_child, job);
    cr_assert(weft_cancel(job));
    cr_assert_eq(weft_test_run(job), -ECANCELED);
    weft_test_loop_end();
}
#endif

static int start_one(void)
{
    return weft_test_run(weft_offload_fn(&interrupt, return_nothing, NULL));
}

Test(job_interrupt, survives_the_failure_of_any_allocation)
{
    weft_test_every_lack_of_memory(start_one);
    weft_test_loop_end();
}

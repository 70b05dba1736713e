/* SPDX-License-Identifier: MIT */
/* Jobs that are told to stop: what they hear, and what becomes of what they return. */
#include <criterion/criterion.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>
#include <weft/weft.h>

#include "core/sys.h"
#include "tests/support/child.h"
#include "tests/support/gate.h"
#include "tests/support/heap.h"
#include "tests/support/loop.h"
#include "tests/support/pool.h"
#include "tests/support/trace.h"

TestSuite(job_cancel, .init = weft_test_loop_begin_real, .timeout = 60);

static const struct weft_job_options cooperative = {.on_cancel = WEFT_CANCEL_COOPERATIVE};

/* ---- Asking ---- */

/* Enters, looks whether it is told, passes the gate, looks again. */
struct look {
    struct gate *gate;
    int64_t value; /* returned if it is told, else 1 */
};

static bool looked_before, looked_after;

static WEFT_BLOCKING(look)
{
    looked_before = weft_job_cancelled();
    gate_pass(self->gate);
    looked_after = weft_job_cancelled();
    if (looked_after && !self->value)
        return weft_err(-ECANCELED);
    return weft_ok(self->value);
}

struct awaits {
    WEFT_FRAME;
    const struct weft_job_options *options;
    struct gate *gate;
    int64_t value;
    int status, later;
    unsigned cancelling;
};

/* Its value: what it got, then whether the await after that was cancelled. */
static WEFT_ASYNC(awaits)
{
    WEFT_BEGIN;
    WEFT_CATCH_INTO(self->status, self->value,
                    weft_offload(self->options, look, .gate = self->gate, .value = self->value));
    WEFT_CATCH(self->later, weft_sleep(0));
    WEFT_RETURN((self->status < 0 ? 0 : self->value) * 10 + (self->later == -ECANCELED));
    WEFT_END;
}

static int64_t value_of(weft_future *future)
{
    cr_assert_eq(weft_test_run(weft_ref(future)), 0);
    int64_t value = weft_future_value(future).i64;
    weft_unref(future);
    return value;
}

/* Start the task, cancel it while its job runs, let the job go on. */
static int64_t cancel_while_it_runs(const struct weft_job_options *options, int64_t value)
{
    struct gate gate;
    gate_init(&gate);
    weft_future *task = weft_spawn(awaits, .options = options, .gate = &gate, .value = value);
    cr_assert_eq(weft_test_run(weft_sleep(0)), 0);
    gate_wait_entered(&gate);
    cr_assert(weft_cancel(task));
    cr_assert_eq(weft_test_run(weft_sleep(0)), 0);
    cr_assert_not(weft_is_done(task));
    gate_open(&gate);
    return value_of(task);
}

Test(job_cancel, answers_the_request_with_the_canceled_that_a_told_job_returns)
{
    cr_assert_eq(cancel_while_it_runs(&cooperative, 0), 0);
    cr_assert_not(looked_before);
    cr_assert(looked_after);
    weft_test_loop_end();
}

Test(job_cancel, delivers_the_value_of_a_told_job_and_keeps_the_request_for_the_next_await)
{
    cr_assert_eq(cancel_while_it_runs(&cooperative, 3), 31);
    cr_assert(looked_after);
    weft_test_loop_end();
}

Test(job_cancel, does_not_tell_a_job_that_is_to_be_waited_for)
{
    cr_assert_eq(cancel_while_it_runs(NULL, 3), 31);
    cr_assert_not(looked_after);
    weft_test_loop_end();
}

static weft_result fail_when_told(void *gate)
{
    gate_pass(gate);
    return weft_err(weft_job_cancelled() ? -EIO : -EPIPE);
}

Test(job_cancel, delivers_another_failure_of_a_told_job)
{
    struct gate gate;
    gate_init(&gate);
    weft_future *job = weft_offload_fn(&cooperative, fail_when_told, &gate);
    gate_wait_entered(&gate);
    cr_assert(weft_cancel_because(job, "enough"));
    cr_assert(weft_cancel_because(job, "really"));
    gate_open(&gate);
    cr_assert_eq(weft_test_run(job), -EIO);
    weft_test_loop_end();
}

Test(job_cancel, never_runs_a_queued_job_whatever_its_mode)
{
    struct gate gate, never;
    gate_init(&gate);
    gate_init(&never);
    use_pool(&(struct weft_pool_options){.max_threads = 1});
    weft_future *running = weft_to_thread_fn(NULL, gate_pass, &gate);
    weft_future *job = weft_offload_fn(&cooperative, gate_pass, &never);
    gate_wait_entered(&gate);
    cr_assert(weft_cancel(job));
    cr_assert(weft_is_cancelled(job));
    weft_unref(job);
    gate_open(&gate);
    cr_assert_eq(weft_test_run(running), 0);
    cr_assert_eq(sem_trywait(&never.entered), -1);
    weft_test_loop_end();
}

static void note_thread(void *arg)
{
    *(pthread_t *)arg = pthread_self();
}

/* ---- The descriptor ---- */

/* Waits on a descriptor that never gets ready. */
static weft_result wait_on_pipe(void *arg)
{
    const int *fds = arg;
    int cancel_fd = weft_job_cancel_fd();
    if (cancel_fd < 0 || cancel_fd != weft_job_cancel_fd())
        return weft_err(cancel_fd < 0 ? cancel_fd : -EIO);
    if (write(fds[1], "x", 1) != 1)
        return weft_err(-errno);
    return weft_err(weft_job_poll(fds[2], POLLIN, WEFT_FOREVER));
}

static void open_pipes(int fds[4])
{
    cr_assert_eq(pipe2(fds, O_CLOEXEC), 0);
    cr_assert_eq(pipe2(fds + 2, O_CLOEXEC), 0);
}

static void close_pipes(const int fds[4])
{
    for (int i = 0; i < 4; i++)
        close(fds[i]);
}

Test(job_cancel, ends_a_wait_on_a_descriptor)
{
    int fds[4];
    char byte;
    open_pipes(fds);
    weft_future *job = weft_offload_fn(&cooperative, wait_on_pipe, fds);
    cr_assert_eq(read(fds[0], &byte, 1), 1);
    cr_assert(weft_cancel(job));
    cr_assert_eq(weft_test_run(job), -ECANCELED);
    close_pipes(fds);
    weft_test_loop_end();
}

struct polled {
    int fd;
    weft_ns deadline;
};

static WEFT_BLOCKING(polled)
{
    int status = weft_job_poll(self->fd, POLLIN, self->deadline);
    return status < 0 ? weft_err(status) : weft_ok(status);
}

Test(job_cancel, polls_like_poll_when_nobody_cancels)
{
    int fds[4];
    open_pipes(fds);
    cr_assert_eq(write(fds[1], "x", 1), 1);
    const struct weft_job_options *modes[] = {NULL, &cooperative};
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(
            value_of(weft_offload(modes[i], polled, .fd = fds[0], .deadline = WEFT_FOREVER)),
            POLLIN);
        cr_assert_eq(value_of(weft_offload(modes[i], polled, .fd = fds[0], .deadline = 0)), POLLIN);
        cr_assert_eq(weft_test_run(weft_offload(modes[i], polled, .fd = fds[2], .deadline = 0)),
                     -ETIMEDOUT);
        cr_assert_eq(weft_test_run(weft_offload(modes[i], polled, .fd = -1,
                                                .deadline = weft_now() + WEFT_MS(1))),
                     -ETIMEDOUT);
    }
    close_pipes(fds);
    weft_test_loop_end();
}

static weft_result fd_when_told(void *gate)
{
    struct pollfd told = {.events = POLLIN};
    gate_pass(gate);
    told.fd = weft_job_cancel_fd();
    return weft_ok(told.fd >= 0 && poll(&told, 1, -1) == 1);
}

Test(job_cancel, descriptor_that_is_asked_for_later_is_readable_at_once)
{
    struct gate gate;
    gate_init(&gate);
    weft_future *job = weft_offload_fn(&cooperative, fd_when_told, &gate);
    gate_wait_entered(&gate);
    cr_assert(weft_cancel(job));
    gate_open(&gate);
    cr_assert_eq(value_of(job), 1);
    weft_test_loop_end();
}

static weft_result just_fd(void *arg)
{
    (void)arg;
    int fd = weft_job_cancel_fd();
    int polled = weft_job_poll(-1, 0, 0);
    return weft_ok((int64_t)(fd < 0 ? fd : 1) * 1000 + polled);
}

Test(job_cancel, says_why_there_is_no_descriptor)
{
    cr_assert_eq(value_of(weft_offload_fn(NULL, just_fd, NULL)), -EINVAL * 1000 - ETIMEDOUT);
    cr_assert(weft__sys_fail("eventfd", 1, EMFILE));
    cr_assert_eq(value_of(weft_offload_fn(&cooperative, just_fd, NULL)),
                 -EMFILE * 1000 - ETIMEDOUT);
    weft_test_loop_end();
}

static weft_result poll_without_fd(void *arg)
{
    (void)arg;
    return weft_err(weft_job_poll(-1, 0, WEFT_FOREVER));
}

Test(job_cancel, does_not_wait_when_it_could_not_be_told)
{
    cr_assert(weft__sys_fail("eventfd", 1, EMFILE));
    cr_assert_eq(weft_test_run(weft_offload_fn(&cooperative, poll_without_fd, NULL)), -EMFILE);
    weft_test_loop_end();
}

/* ---- The callback ---- */

struct called {
    struct gate *gate;
    pthread_t *by;
    bool remove;
};

static WEFT_BLOCKING(called)
{
    weft_job_on_cancel(note_thread, self->by);
    if (self->remove)
        weft_job_on_cancel(NULL, NULL);
    gate_pass(self->gate);
    return weft_err(weft_job_cancelled() ? -ECANCELED : -EPIPE);
}

static pthread_t cancel_called(const struct weft_job_options *options, bool remove)
{
    struct gate gate;
    pthread_t by = 0;
    gate_init(&gate);
    weft_future *job = weft_offload(options, called, .gate = &gate, .by = &by, .remove = remove);
    gate_wait_entered(&gate);
    weft_cancel(job);
    weft_cancel(job);
    gate_open(&gate);
    int status = weft_test_run(job);
    cr_assert_eq(status, options ? -ECANCELED : -EPIPE);
    return by;
}

Test(job_cancel, calls_what_the_job_has_set_on_the_thread_of_who_cancels)
{
    cr_assert(pthread_equal(cancel_called(&cooperative, false), pthread_self()));
    cr_assert_eq(cancel_called(&cooperative, true), 0);
    cr_assert_eq(cancel_called(NULL, false), 0);
    weft_test_loop_end();
}

struct late {
    struct gate *gate;
    pthread_t by[2];
};

static WEFT_BLOCKING(late)
{
    gate_pass(self->gate);
    for (int i = 0; i < 2; i++)
        weft_job_on_cancel(note_thread, &self->by[i]);
    bool here = pthread_equal(self->by[0], pthread_self());
    return weft_ok(here && pthread_equal(self->by[1], pthread_self()));
}

Test(job_cancel, calls_at_once_what_is_set_after_the_cancel)
{
    struct gate gate;
    gate_init(&gate);
    weft_future *job = weft_offload(&cooperative, late, .gate = &gate);
    gate_wait_entered(&gate);
    weft_cancel(job);
    gate_open(&gate);
    cr_assert_eq(value_of(job), 1);
    weft_test_loop_end();
}

/* ---- It has ended, and is on its way home ---- */

static void cancel_on_the_way_home(enum weft_on_cancel mode)
{
    struct gate gate;
    gate_init(&gate);
    gate_open(&gate);
    weft_pool *pool = use_pool(&(struct weft_pool_options){.max_threads = 1});
    const struct weft_job_options options = {.on_cancel = mode};
    weft_future *job = weft_offload_fn(&options, gate_pass, &gate);
    wait_for_idle(pool, 1);
    cr_assert(weft_cancel(job));
    cr_assert_eq(value_of(job), 7);
    weft_test_loop_end();
}

Test(job_cancel, that_comes_when_a_told_job_is_on_its_way_home_loses_no_result)
{
    cancel_on_the_way_home(WEFT_CANCEL_COOPERATIVE);
}

Test(job_cancel, that_comes_when_an_interruptible_job_is_on_its_way_home_loses_no_result)
{
    cancel_on_the_way_home(WEFT_CANCEL_INTERRUPT);
}

Test(job_cancel, that_comes_when_a_job_to_be_abandoned_is_on_its_way_home_loses_no_result)
{
    cancel_on_the_way_home(WEFT_CANCEL_ABANDON);
}

/* ---- The point of no return ---- */

struct commits {
    struct gate *gate;
    struct gate *between;
};

static int committed[2];

static WEFT_BLOCKING(commits)
{
    if (self->between)
        gate_pass(self->between);
    committed[0] = weft_job_commit();
    gate_pass(self->gate);
    committed[1] = weft_job_commit();
    return committed[0] < 0 ? weft_err(committed[0]) : weft_ok(5 + weft_job_cancelled());
}

Test(job_cancel, does_not_stop_or_tell_a_job_that_has_committed)
{
    struct gate gate;
    gate_init(&gate);
    weft_future *job = weft_offload(&cooperative, commits, .gate = &gate);
    gate_wait_entered(&gate);
    cr_assert(weft_cancel(job));
    gate_open(&gate);
    cr_assert_eq(value_of(job), 5);
    cr_assert_eq(committed[0], 0);
    cr_assert_eq(committed[1], 0);
    weft_test_loop_end();
}

Test(job_cancel, refuses_a_commit_that_comes_after_the_cancel)
{
    struct gate gate, between;
    gate_init(&gate);
    gate_init(&between);
    gate_open(&gate);
    weft_future *job = weft_offload(&cooperative, commits, .gate = &gate, .between = &between);
    gate_wait_entered(&between);
    cr_assert(weft_cancel(job));
    gate_open(&between);
    cr_assert_eq(weft_test_run(job), -ECANCELED);
    cr_assert_eq(committed[1], -ECANCELED);
    weft_test_loop_end();
}

static weft_result commit_and_call(void *by)
{
    int status = weft_job_commit();
    weft_job_on_cancel(note_thread, by);
    return weft_ok(status);
}

Test(job_cancel, a_job_that_is_waited_for_may_commit_all_the_same)
{
    pthread_t by = 0;
    cr_assert_eq(value_of(weft_offload_fn(NULL, commit_and_call, &by)), 0);
    cr_assert_eq(by, 0);
    weft_test_loop_end();
}

/* ---- Where there is no job ---- */

static void must_fail_here(int error)
{
    CHILD_EXPECT(!weft_job_cancelled());
    CHILD_EXPECT(weft_job_commit() == error);
    CHILD_EXPECT(weft_job_cancel_fd() == error);
    CHILD_EXPECT(weft_job_poll(-1, 0, 0) == error);
    CHILD_EXPECT(weft_job_on_cancel(note_thread, NULL) == error);
}

static void without_job(void *arg)
{
    (void)arg;
    must_fail_here(WEFT_ENOJOB);
}

Test(job_cancel, is_an_error_where_no_job_runs)
{
    weft_test_in_child(without_job, NULL);
    weft_test_loop_end();
}

static void forked(void *arg)
{
    (void)arg;
    must_fail_here(WEFT_EFORK);
}

static weft_result fork_in_job(void *arg)
{
    weft_test_in_child(forked, arg);
    return weft_ok(weft_job_commit());
}

Test(job_cancel, is_an_error_in_a_child_that_the_job_forked)
{
    cr_assert_eq(value_of(weft_offload_fn(&cooperative, fork_in_job, NULL)), 0);
    weft_test_loop_end();
}

static void go_on_in_child(void *arg)
{
    weft_future *job = arg;
    CHILD_EXPECT(weft_after_fork_child(test_loop) == 0);
    CHILD_EXPECT(weft_future_status(job) == WEFT_EFORK);
    weft_unref(job);
    weft_loop_free(test_loop);
}

Test(job_cancel, fails_in_a_forked_child_with_all_that_it_holds)
{
    int fds[4];
    char byte;
    open_pipes(fds);
    weft_future *job = weft_offload_fn(&cooperative, wait_on_pipe, fds);
    cr_assert_eq(read(fds[0], &byte, 1), 1);
    weft_test_in_child(go_on_in_child, job);
    cr_assert(weft_cancel(job));
    cr_assert_eq(weft_test_run(job), -ECANCELED);
    close_pipes(fds);
    weft_test_loop_end();
}

/* ---- Ends ---- */

Test(job_cancel, tells_running_jobs_when_the_loop_shuts_down)
{
    int fds[4];
    char byte;
    open_pipes(fds);
    weft_future *job = weft_offload_fn(&cooperative, wait_on_pipe, fds);
    cr_assert_eq(read(fds[0], &byte, 1), 1);
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    cr_assert_eq(weft_future_status(job), -ECANCELED);
    weft_unref(job);
    close_pipes(fds);
    weft_test_loop_end();
}

Test(job_cancel, refuses_a_mode_that_there_is_not)
{
    struct weft_job_options options = {.on_cancel = (enum weft_on_cancel)9};
    cr_assert_eq(weft_test_run(weft_offload_fn(&options, return_nothing, NULL)), -EINVAL);
    weft_test_loop_end();
}

static int start_cooperative(void)
{
    return weft_test_run(weft_offload_fn(&cooperative, return_nothing, NULL));
}

Test(job_cancel, survives_the_failure_of_any_allocation)
{
    weft_test_every_lack_of_memory(start_cooperative);
    weft_test_loop_end();
}

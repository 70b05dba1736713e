/* SPDX-License-Identifier: MIT */
/* What a job's arguments own is released once, however the job ends. */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <weft/testing.h>
#include <weft/weft.h>

#include "core/sys.h"
#include "tests/support/child.h"
#include "tests/support/gate.h"
#include "tests/support/heap.h"
#include "tests/support/loop.h"
#include "tests/support/trace.h"

TestSuite(job_release, .init = weft_test_loop_begin, .timeout = 30);

static atomic_int released, at_run;
static pthread_t released_on;

struct uses {
    struct gate *gate;
    int number;
};

static WEFT_BLOCKING(uses)
{
    if (self->gate)
        gate_pass(self->gate);
    atomic_store(&at_run, atomic_load(&released));
    return weft_ok(self->number);
}

static void release(void *args)
{
    const struct uses *uses = args;
    cr_assert_eq(uses->number, 5);
    released_on = pthread_self();
    atomic_fetch_add(&released, 1);
}

static const struct weft_job_options with_release = {.release = release};

Test(job_release, is_on_the_worker_after_the_function_has_returned)
{
    cr_assert_eq(weft_test_run(weft_offload(&with_release, uses, .number = 5)), 0);
    cr_assert_eq(atomic_load(&released), 1);
    cr_assert_eq(atomic_load(&at_run), 0);
    cr_assert_not(pthread_equal(released_on, pthread_self()));
    weft_test_loop_end();
}

Test(job_release, is_on_the_loop_for_a_job_that_was_cancelled_while_queued)
{
    struct gate gate;
    gate_init(&gate);
    weft_pool *pool = weft_pool_new(&(struct weft_pool_options){.max_threads = 1});
    cr_assert_eq(weft_loop_set_pool(test_loop, pool), 0);
    weft_future *first = weft_to_thread_fn(NULL, gate_pass, &gate);
    gate_wait_entered(&gate);
    weft_future *second = weft_offload(&with_release, uses, .number = 5);
    cr_assert(weft_cancel(second));
    cr_assert_eq(atomic_load(&released), 1);
    cr_assert(pthread_equal(released_on, pthread_self()));
    gate_open(&gate);
    cr_assert_eq(weft_test_run(first), 0);
    cr_assert_eq(weft_test_run(second), -ECANCELED);
    cr_assert_eq(atomic_load(&released), 1);
    weft_pool_unref(pool);
    weft_test_loop_end();
}

static int cannot_start(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *),
                        void *arg)
{
    (void)thread;
    (void)attributes;
    (void)start;
    (void)arg;
    return EAGAIN;
}

Test(job_release, is_on_the_loop_for_a_job_for_which_there_is_no_thread)
{
    weft__sys.pthread_create = cannot_start;
    cr_assert_eq(weft_test_run(weft_offload(&with_release, uses, .number = 5)), -EAGAIN);
    cr_assert_eq(atomic_load(&released), 1);
    weft_test_loop_end();
}

static weft_result never(void *arg)
{
    (void)arg;
    cr_assert_fail("it runs");
    return weft_err(-EIO);
}

Test(job_release, is_at_once_for_a_job_that_cannot_be_started)
{
    struct uses arg = {.number = 5};
    weft_pool *other = weft_pool_new(NULL);
    struct weft_job_options elsewhere = {.lane = weft_pool_lane(other, "default"),
                                         .release = release};
    cr_assert_eq(weft_test_run(weft_offload(&elsewhere, uses, .number = 5)), -EINVAL);
    cr_assert_eq(atomic_load(&released), 1);
    cr_assert_eq(weft_test_run(weft_offload_fn(&elsewhere, never, &arg)), -EINVAL);
    cr_assert_eq(atomic_load(&released), 2);
    cr_assert_eq(weft_test_run(weft_offload_fn(&with_release, NULL, &arg)), -EINVAL);
    cr_assert_eq(atomic_load(&released), 3);
    weft_pool_unref(other);
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    weft_future *late = weft_offload(&with_release, uses, .number = 5);
    cr_assert_eq(weft_future_status(late), -ESHUTDOWN);
    weft_unref(late);
    cr_assert_eq(atomic_load(&released), 4);
    weft_loop_free(test_loop);
    cr_assert_eq(weft_future_status(weft_offload(&with_release, uses, .number = 5)), WEFT_ENOLOOP);
    cr_assert_eq(atomic_load(&released), 5);
}

static int offload(void)
{
    int before = atomic_load(&released);
    int status = weft_test_run(weft_offload(&with_release, uses, .number = 5));
    cr_assert_eq(atomic_load(&released), before + 1);
    return status;
}

Test(job_release, is_once_at_every_lack_of_memory)
{
    weft_test_every_lack_of_memory(offload);
    weft_test_loop_end();
}

Test(job_release, gives_a_function_that_exists_already_its_own_argument)
{
    struct uses arg = {.number = 5};
    struct gate gate;
    gate_init(&gate);
    gate_open(&gate);
    arg.gate = &gate;
    cr_assert_eq(weft_test_run(weft_offload_fn(&with_release, weft__blocking_uses()->run, &arg)),
                 0);
    cr_assert_eq(atomic_load(&released), 1);
    weft_test_loop_end();
}

static const struct weft_shutdown_options soon = {.jobs_timeout = 1};

Test(job_release, waits_for_the_function_though_the_loop_gave_the_job_up)
{
    struct gate gate;
    gate_init(&gate);
    weft_pool *pool = weft_pool_new(NULL);
    cr_assert_eq(weft_loop_set_pool(test_loop, pool), 0);
    weft_unref(weft_offload(&with_release, uses, .gate = &gate, .number = 5));
    gate_wait_entered(&gate);
    cr_assert_eq(weft_loop_shutdown(test_loop, &soon, NULL), WEFT_ESTUCK);
    weft_loop_free(test_loop);
    cr_assert_eq(atomic_load(&released), 0);
    gate_open(&gate);
    weft_pool_unref(pool); /* does not wait for it */
    while (!atomic_load(&released))
        sched_yield();
    while (weft_test_heap_live())
        sched_yield();
    cr_assert_eq(atomic_load(&at_run), 0);
}

/* ---- In a forked child ---- */

static weft_future *victim;
static int became;

static void cancel_another(void *arg)
{
    weft_future *other = victim;
    (void)arg;
    victim = NULL;
    if (!other)
        return;
    weft_cancel(other);
    weft_unref(other);
}

static void note_end(weft_future *future, void *arg)
{
    (void)arg;
    became = weft_future_status(future);
}

static void lose_jobs(void *first)
{
    CHILD_EXPECT(weft_after_fork_child(test_loop) == 0);
    CHILD_EXPECT(victim == NULL);
    CHILD_EXPECT(weft_future_status(first) == WEFT_EFORK);
    weft_test_ticks(1);
    CHILD_EXPECT(became == WEFT_EFORK);
    weft_unref(first);
    weft_loop_free(test_loop);
}

Test(job_release, of_a_job_that_a_fork_lost_may_ask_others_to_stop_that_are_lost_as_well)
{
    weft_pool *pool = weft_testing_pool_new(WEFT_TESTING_STEPPED);
    cr_assert_eq(weft_loop_set_pool(test_loop, pool), 0);
    const struct weft_job_options options = {.release = cancel_another};
    weft_future *first = weft_offload_fn(&options, gate_pass, NULL);
    victim = weft_to_thread_fn(NULL, gate_pass, NULL);
    cr_assert_eq(weft_then(weft_ref(victim), note_end, NULL), 0);
    weft_test_in_child(lose_jobs, first);
    weft_cancel(first);
    weft_unref(first);
    weft_test_ticks(1);
    cr_assert_eq(became, -ECANCELED);
    weft_pool_unref(pool);
    weft_test_loop_end();
}

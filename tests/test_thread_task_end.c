/* SPDX-License-Identifier: MIT */
/* Tasks that other threads started: failures nobody sees, the loop's end, fork, want of memory, and
 * many at once. */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <weft/weft.h>

#include "tests/support/beside.h"
#include "tests/support/child.h"
#include "tests/support/heap.h"
#include "tests/support/loop.h"
#include "tests/support/trace.h"

TestSuite(thread_task_end, .init = weft_test_loop_begin_real, .timeout = 120);

struct fails {
    WEFT_FRAME;
    int unused;
};

static WEFT_ASYNC(fails)
{
    WEFT_BEGIN;
    WEFT_FAIL(-EIO, "it broke");
    WEFT_END;
}

static int now(weft_thread_task *task)
{
    return weft_thread_task_wait(task, 0, NULL, NULL);
}

/* ---- Failures nobody sees ---- */

Test(thread_task_end, failure_of_one_whose_handle_was_dropped_is_reported)
{
    weft_thread_task_unref(weft_spawn_from_thread(test_loop, fails));
    weft_test_take_mail();
    cr_assert_eq(test_reports.count, 1);
    cr_assert_eq(test_reports.status, -EIO);
    cr_assert_str_eq(test_reports.task, "fails");
    cr_assert_str_eq(test_reports.message, "it broke");
    cr_assert(strstr(test_reports.spawned_at, "test_thread_task_end.c:"));
    weft_test_loop_end();
    cr_assert_eq(test_reports.count, 1);
}

Test(thread_task_end, failure_is_reported_when_the_handle_is_dropped_unseen_after_it)
{
    weft_thread_task *task = weft_spawn_from_thread(test_loop, fails);
    weft_test_take_mail();
    cr_assert(weft_thread_task_is_done(task));
    cr_assert_eq(test_reports.count, 0);
    weft_thread_task_unref(task);
    weft_test_take_mail();
    cr_assert_eq(test_reports.count, 1);
    weft_test_loop_end();
    cr_assert_eq(test_reports.count, 1);
}

Test(thread_task_end,
     failure_nobody_saw_is_reported_when_the_loop_ends_though_somebody_has_the_handle)
{
    weft_thread_task *task = weft_spawn_from_thread(test_loop, fails);
    weft_test_take_mail();
    weft_loop_free(test_loop);
    cr_assert_eq(test_reports.count, 1);
    cr_assert_eq(now(task), -EIO);
    cr_assert_str_eq(weft_thread_task_message(task), "it broke");
    weft_thread_task_unref(task);
    cr_assert_eq(weft_test_heap_live(), 0);
}

Test(thread_task_end, failure_that_was_seen_is_not_reported)
{
    weft_thread_task *task = weft_spawn_from_thread(test_loop, fails);
    weft_thread_task *late = weft_spawn_from_thread(test_loop, fails);
    weft_test_take_mail();
    cr_assert_eq(now(task), -EIO);
    weft_test_take_mail();
    weft_thread_task_unref(task);
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    cr_assert_eq(now(late), -EIO); /* the mailbox is closed */
    weft_thread_task_unref(late);
    weft_test_loop_end();
    cr_assert_eq(test_reports.count, 0);
}

/* ---- The loop's end ---- */

struct sleeps {
    WEFT_FRAME;
    sem_t *entered;
    weft_future *never; /* a reference */
    int status;
};

static WEFT_ASYNC(sleeps)
{
    WEFT_BEGIN;
    sem_post(self->entered);
    while (self->never) /* does not heed a cancel */
        WEFT_CATCH(self->status, weft_shield(weft_ref(self->never)));
    WEFT_AWAIT(weft_sleep(WEFT_S(1000)));
    WEFT_END;
}

struct waiter {
    pthread_t thread;
    weft_thread_task *task;
    int status;
};

static void *wait_for_it(void *arg)
{
    struct waiter *waiter = arg;
    waiter->status = weft_thread_task_wait(waiter->task, WEFT_FOREVER, NULL, NULL);
    return NULL;
}

static int status_at_the_end(weft_thread_task *task, weft_ns timeout)
{
    struct waiter waiter = {.task = task};
    struct weft_shutdown_options options = {.tasks_timeout = timeout};
    cr_assert_eq(pthread_create(&waiter.thread, NULL, wait_for_it, &waiter), 0);
    (void)weft_loop_shutdown(test_loop, &options, NULL);
    cr_assert_eq(pthread_join(waiter.thread, NULL), 0);
    weft_thread_task_unref(task);
    return waiter.status;
}

Test(thread_task_end, shutdown_cancels_the_task_and_wakes_who_waits)
{
    sem_t entered;
    sem_init(&entered, 0, 0);
    weft_thread_task *task = weft_spawn_from_thread(test_loop, sleeps, .entered = &entered);
    weft_test_take_mail();
    cr_assert_eq(sem_trywait(&entered), 0);
    cr_assert_eq(status_at_the_end(task, 0), -ECANCELED);
    weft_test_loop_end();
}

Test(thread_task_end, task_that_had_not_begun_at_the_shutdown_fails_with_that)
{
    sem_t entered;
    sem_init(&entered, 0, 0);
    weft_thread_task *task = weft_spawn_from_thread(test_loop, sleeps, .entered = &entered);
    cr_assert_eq(status_at_the_end(task, 0), -ESHUTDOWN);
    cr_assert_eq(sem_trywait(&entered), -1);
    weft_test_loop_end();
    cr_assert_eq(test_reports.count, 0);
}

Test(thread_task_end, task_that_is_stuck_at_the_shutdown_is_given_up)
{
    sem_t entered;
    sem_init(&entered, 0, 0);
    weft_future *never = weft_future_new();
    weft_thread_task *task =
        weft_spawn_from_thread(test_loop, sleeps, .entered = &entered, .never = never);
    weft_test_take_mail();
    cr_assert_eq(sem_trywait(&entered), 0);
    cr_assert_eq(status_at_the_end(task, 1), WEFT_ESTUCK);
    weft_unref(never);
    weft_test_loop_end();
}

Test(thread_task_end, after_the_shutdown_none_can_be_started)
{
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    errno = 0;
    cr_assert_null(weft_spawn_from_thread(test_loop, fails));
    cr_assert_eq(errno, ESHUTDOWN);
    weft_test_loop_end();
}

/* ---- Want of memory ---- */

struct yields {
    WEFT_FRAME;
    int number;
};

static WEFT_ASYNC(yields)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_sleep(0));
    WEFT_RETURN(self->number);
    WEFT_END;
}

static int start_one(void)
{
    weft_value value;
    errno = 0;
    weft_thread_task *task = weft_spawn_from_thread(test_loop, yields, .number = 5);
    if (!task)
        return -errno;
    weft_test_take_mail();
    int status = weft_thread_task_wait(task, 0, &value, NULL);
    cr_assert(status < 0 || value.i64 == 5);
    weft_thread_task_unref(task);
    weft_test_take_mail();
    return status;
}

Test(thread_task_end, survives_every_lack_of_memory)
{
    weft_test_every_lack_of_memory(start_one);
    weft_test_loop_end();
}

/* ---- Fork ---- */

static void look_in_child(void *arg)
{
    weft_value value;
    weft_thread_task *task = arg;
    CHILD_EXPECT(weft_thread_task_wait(task, WEFT_FOREVER, &value, NULL) == WEFT_EFORK);
    CHILD_EXPECT(weft_thread_task_cancel(task) == WEFT_EFORK);
    CHILD_EXPECT(weft_thread_task_cancel_and_wait(task, 0) == WEFT_EFORK);
    CHILD_EXPECT(!weft_thread_task_is_done(task));
    CHILD_EXPECT(!weft_thread_task_message(task));
    CHILD_EXPECT(weft_thread_task_ref(task) == task);
    errno = 0;
    CHILD_EXPECT(!weft_spawn_from_thread(test_loop, yields) && errno == -WEFT_EFORK);
    weft_thread_task_unref(task);
}

Test(thread_task_end, in_a_forked_child_every_call_is_refused)
{
    weft_thread_task *task = weft_spawn_from_thread(test_loop, yields, .number = 3);
    weft_test_in_child(look_in_child, task);
    weft_test_take_mail();
    cr_assert_eq(now(task), 0);
    weft_thread_task_unref(task);
    weft_test_loop_end();
}

struct two {
    weft_thread_task *started, *sent;
};

static void go_on_in_child(void *arg)
{
    const struct two *two = arg;
    weft_value value;
    CHILD_EXPECT(weft_after_fork_child(test_loop) == 0);
    weft_test_take_mail();
    CHILD_EXPECT(weft_thread_task_wait(two->started, 0, &value, NULL) == 0 && value.i64 == 1);
    CHILD_EXPECT(weft_thread_task_wait(two->sent, 0, &value, NULL) == 0 && value.i64 == 2);
    weft_thread_task_unref(two->started);
    weft_thread_task_unref(two->sent);
    weft_loop_free(test_loop);
    CHILD_EXPECT(weft_test_heap_live() == 0);
}

Test(thread_task_end, in_a_forked_child_in_which_the_loop_goes_on_its_tasks_do_too)
{
    struct two two;
    two.started = weft_spawn_from_thread(test_loop, yields, .number = 1);
    weft_test_ticks(1);
    two.sent = weft_spawn_from_thread(test_loop, yields, .number = 2);
    weft_test_in_child(go_on_in_child, &two);
    weft_test_take_mail();
    cr_assert_eq(now(two.started), 0);
    cr_assert_eq(now(two.sent), 0);
    weft_thread_task_unref(two.started);
    weft_thread_task_unref(two.sent);
    weft_test_loop_end();
}

/* ---- Many at once ---- */

enum { THREADS = 4, ROUNDS = 300 };

static atomic_int values_made, values_destroyed;

static void destroy(void *ptr)
{
    atomic_fetch_add(&values_destroyed, 1);
    free(ptr);
}

/* Ends in one of several ways, some ticks later. */
struct varied {
    WEFT_FRAME;
    unsigned ticks, way;
};

static WEFT_ASYNC(varied)
{
    WEFT_BEGIN;
    while (self->ticks-- > 0)
        WEFT_YIELD;
    if (self->way == 0)
        WEFT_FAIL(-EIO, "by design");
    if (self->way == 1)
        WEFT_RETURN(11);
    atomic_fetch_add(&values_made, 1);
    WEFT_RETURN(malloc(1), destroy);
    WEFT_END;
}

/* What a thread may do with one, by chance. */
static void play(weft_thread_task *task, unsigned *seed)
{
    static const weft_ns timeouts[] = {0, 1, WEFT_US(50), WEFT_FOREVER};
    weft_value value = weft_value_i64(0);
    weft_destructor *destructor = NULL;
    weft_ns timeout = timeouts[rand_r(seed) % 4];
    switch (rand_r(seed) % 4) {
    case 0:
        break;
    case 1:
        (void)weft_thread_task_cancel(task);
        break;
    case 2:
        (void)!weft_thread_task_cancel_and_wait(task, timeout);
        break;
    default:
        if (weft_thread_task_wait(task, timeout, &value, &destructor) == 0 && destructor)
            destructor(value.ptr);
    }
    if (timeout == WEFT_FOREVER && weft_thread_task_wait(task, timeout, &value, &destructor) == 0 &&
        destructor)
        destructor(value.ptr);
    weft_thread_task_unref(task);
}

struct player {
    pthread_t thread;
    unsigned seed;
};

static void *play_all(void *arg)
{
    struct player *player = arg;
    unsigned seed = player->seed;
    for (int i = 0; i < ROUNDS; i++) {
        weft_thread_task *task =
            weft_spawn_from_thread(test_loop, varied, .ticks = (unsigned)rand_r(&seed) % 4,
                                   .way = (unsigned)rand_r(&seed) % 3);
        if (!task)
            break;
        play(task, &seed);
    }
    return NULL;
}

static void play_together(void *arg)
{
    struct player players[THREADS];
    unsigned seed = *(unsigned *)arg;
    for (unsigned i = 0; i < THREADS; i++) {
        players[i].seed = seed * THREADS + i;
        cr_assert_eq(pthread_create(&players[i].thread, NULL, play_all, &players[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(players[i].thread, NULL);
}

Test(thread_task_end, many_threads_start_cancel_wait_and_drop_at_random_and_nothing_leaks)
{
    for (unsigned seed = 1; seed <= 8; seed++)
        weft_test_beside(play_together, &seed);
    weft_test_loop_end();
    cr_assert_eq(atomic_load(&values_made), atomic_load(&values_destroyed));
    cr_assert_gt(atomic_load(&values_made), 0);
}

static void shut_down_soon(void *arg)
{
    (void)arg;
    weft_loop_stop(test_loop);
}

Test(thread_task_end, loop_that_ends_in_the_middle_leaves_nobody_waiting)
{
    for (unsigned seed = 1; seed <= 20; seed++) {
        struct player players[THREADS];
        for (unsigned i = 0; i < THREADS; i++) {
            players[i].seed = seed * THREADS + i;
            cr_assert_eq(pthread_create(&players[i].thread, NULL, play_all, &players[i]), 0);
        }
        weft_unref(weft_call_later(WEFT_US(200) * seed, shut_down_soon, NULL));
        cr_assert_eq(weft_loop_run(test_loop), 0);
        cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
        for (unsigned i = 0; i < THREADS; i++)
            pthread_join(players[i].thread, NULL);
        weft_test_loop_end();
        weft_test_loop_begin_real();
    }
    weft_test_loop_end();
    cr_assert_eq(atomic_load(&values_made), atomic_load(&values_destroyed));
}

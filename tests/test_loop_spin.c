/* SPDX-License-Identifier: MIT */
/*
 * A loop that spins. It has a job out, as far as it knows, and most spins last for ever: a test that
 * ends shows what has ended them.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <sched.h>
#include <unistd.h>
#include <weft/weft.h>

#include "core/loop.h"
#include "tests/support/child.h"
#include "tests/support/gate.h"
#include "tests/support/loop.h"

#define FOR_EVER WEFT_S(3600)

static void begin(void)
{
    weft_test_loop_begin_real();
    weft__spin_pretend(2);
    test_loop->jobs = 1;
    test_loop->spin_wanted = FOR_EVER;
}

static void end(void)
{
    test_loop->jobs = 0;
    weft_test_loop_end();
}

TestSuite(loop_spin, .init = begin, .timeout = 60);

static void stop(void *arg)
{
    (void)arg;
    weft_loop_stop(test_loop);
}

static void expect_spins(uint64_t spins, uint64_t paid)
{
    struct weft_loop_stats stats;
    weft_loop_get_stats(test_loop, &stats);
    cr_assert_eq(stats.spins, spins);
    cr_assert_eq(stats.spins_paid, paid);
}

static void *post_stop(void *arg)
{
    (void)arg;
    cr_assert_eq(weft_post(test_loop, stop, NULL), 0);
    return NULL;
}

static void wait_for_spin(void)
{
    while (weft__spin_places_taken() == 0)
        sched_yield();
}

static void *post_stop_in_spin(void *arg)
{
    wait_for_spin();
    return post_stop(arg);
}

static void run_until(void *(*other_thread)(void *), void *arg)
{
    pthread_t thread;
    pthread_create(&thread, NULL, other_thread, arg);
    cr_assert_eq(weft_loop_run(test_loop), 0);
    pthread_join(thread, NULL);
}

/* Run until another thread posts. */
static void run_until_posted(void)
{
    run_until(post_stop, NULL);
}

static void run_until_posted_in_spin(void)
{
    run_until(post_stop_in_spin, NULL);
}

static uint64_t spins(void)
{
    struct weft_loop_stats stats;
    weft_loop_get_stats(test_loop, &stats);
    return stats.spins;
}

/* Run until it has spun, and a timer stops it. On a slow machine that may be due before it spins. */
static void run_until_late(void)
{
    while (spins() == 0) {
        weft_unref(weft_call_later(WEFT_MS(5), stop, NULL));
        cr_assert_eq(weft_loop_run(test_loop), 0);
    }
}

Test(loop_spin, takes_what_comes_while_it_looks)
{
    run_until_posted_in_spin();
    expect_spins(1, 1);
    run_until_posted_in_spin();
    expect_spins(2, 2);
    end();
}

Test(loop_spin, is_not_made_without_jobs)
{
    test_loop->jobs = 0;
    run_until_posted();
    expect_spins(0, 0);
    end();
}

Test(loop_spin, is_not_made_with_one_cpu)
{
    weft__spin_pretend(1);
    run_until_posted();
    expect_spins(0, 0);
    end();
}

Test(loop_spin, is_an_option)
{
    weft_loop_free(test_loop);
    test_loop = weft_loop_new(&(struct weft_loop_options){.spin = -1});
    test_loop->jobs = 1;
    run_until_posted();
    expect_spins(0, 0);
    weft_loop_free(test_loop);
    test_loop = weft_loop_new(&(struct weft_loop_options){.spin = FOR_EVER});
    test_loop->jobs = 1;
    run_until_posted_in_spin();
    expect_spins(1, 1);
    end();
}

Test(loop_spin, is_not_made_in_virtual_time)
{
    weft_loop_free(test_loop);
    test_loop = weft_loop_new(&(struct weft_loop_options){.clock = WEFT_CLOCK_VIRTUAL});
    test_loop->jobs = 1;
    run_until_posted();
    expect_spins(0, 0);
    end();
}

static struct passed {
    struct weft_callback callback;
    weft_ns deadline;
} passed[] = {{.deadline = 10}, {.deadline = 5}, {.deadline = 0}, {.deadline = 3}};

enum { PASSED = sizeof(passed) / sizeof(*passed) };

static struct {
    weft_ns deadline;
    uint64_t tick;
} called[PASSED];

static size_t calls;

static void note_passed(void *arg);

static void arm_passed(struct passed *one)
{
    weft_callback_init(&one->callback, note_passed, one);
    cr_assert_eq(weft_callback_at(&one->callback, one->deadline), 0);
}

static void note_passed(void *arg)
{
    const struct passed *one = arg;
    called[calls].deadline = one->deadline;
    called[calls++].tick = test_loop->ticks;
    if (one->deadline == 0)
        arm_passed(&passed[PASSED - 1]);
    if (calls == PASSED)
        weft_loop_stop(test_loop);
}

Test(loop_spin, or_none_lets_timers_come_in_order_before_the_clock_was_looked_at)
{
    weft_loop_free(test_loop);
    test_loop = weft_loop_new(&(struct weft_loop_options){.spin = -1});
    test_loop->jobs = 1;
    for (size_t i = 0; i < PASSED - 1; i++)
        arm_passed(&passed[i]);
    cr_assert_eq(weft_loop_run(test_loop), 0);
    for (size_t i = 1; i < PASSED; i++)
        cr_assert(called[i].tick > called[i - 1].tick ||
                  called[i].deadline > called[i - 1].deadline);
    end();
}

Test(loop_spin, is_not_made_on_a_hosts_base)
{
    struct event_base *base = event_base_new();
    weft_loop_free(test_loop);
    test_loop = weft_loop_attach(base);
    test_loop->jobs = 1;
    run_until_posted();
    expect_spins(0, 0);
    test_loop->jobs = 0;
    weft_loop_free(test_loop);
    test_loop = NULL;
    event_base_free(base);
    weft_test_loop_end();
}

Test(loop_spin, ends_when_a_timer_is_due)
{
    run_until_late();
    expect_spins(1, 0);
    end();
}

/* In vain: nothing comes. Then it sleeps until the timer. */
Test(loop_spin, ends_by_itself)
{
    test_loop->spin_wanted = 1;
    run_until_late();
    expect_spins(1, 0);
    cr_assert_eq(test_loop->spin.left, 1);
    end();
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    char byte;
    (void)what;
    (void)arg;
    cr_assert_eq(read(fd, &byte, 1), 1);
    weft_loop_stop(test_loop);
}

static void *write_byte(void *fd)
{
    wait_for_spin();
    cr_assert_eq(write(*(int *)fd, "x", 1), 1);
    return NULL;
}

Test(loop_spin, looks_for_io_meanwhile)
{
    int fds[2];
    cr_assert_eq(pipe(fds), 0);
    struct event *event = event_new(test_loop->base, fds[0], EV_READ, on_readable, NULL);
    event_add(event, NULL);
    run_until(write_byte, &fds[1]);
    expect_spins(1, 0);
    event_free(event);
    close(fds[0]);
    close(fds[1]);
    end();
}

static void call_soon(evutil_socket_t fd, short what, void *callback)
{
    char byte;
    (void)what;
    cr_assert_eq(read(fd, &byte, 1), 1);
    cr_assert_eq(weft_callback_soon(callback), 0);
}

/* Nothing else would ever end a sleep. */
Test(loop_spin, ends_with_what_a_poll_has_made_ready)
{
    int fds[2];
    struct weft_callback callback;
    cr_assert_eq(pipe(fds), 0);
    weft_callback_init(&callback, stop, NULL);
    struct event *event = event_new(test_loop->base, fds[0], EV_READ, call_soon, &callback);
    event_add(event, NULL);
    run_until(write_byte, &fds[1]);
    expect_spins(1, 0);
    event_free(event);
    close(fds[0]);
    close(fds[1]);
    end();
}

static void say_nothing(int severity, const char *message)
{
    (void)severity;
    (void)message;
}

/* A base cannot be polled by what it calls. */
static void spin_within(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    cr_assert(weft__loop_spin(test_loop, arg));
}

Test(loop_spin, ends_when_the_base_cannot_be_polled)
{
    int status = 0;
    event_set_log_callback(say_nothing);
    struct event *event = event_new(test_loop->base, -1, 0, spin_within, &status);
    event_active(event, EV_READ, 0);
    cr_assert_eq(weft__loop_poll(test_loop, EVLOOP_NONBLOCK), 0);
    cr_assert_eq(status, -EIO);
    expect_spins(1, 0);
    test_loop->spin.left = 0;
    cr_assert_eq(weft_post(test_loop, stop, NULL), 0);
    cr_assert(weft__loop_spin(test_loop, &status));
    cr_assert_eq(status, 0, "it is told once");
    event_free(event);
    event_set_log_callback(NULL);
    end();
}

static void on_last_end(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
    test_loop->jobs = 0;
}

/* A shutdown waits for that, and would sleep until its deadline. */
Test(loop_spin, ends_once_a_poll_has_found_that_nothing_is_out_any_more)
{
    struct event *event = event_new(test_loop->base, -1, 0, on_last_end, NULL);
    event_active(event, EV_READ, 0);
    cr_assert_eq(weft__loop_step(test_loop), 0);
    expect_spins(1, 0);
    event_free(event);
    end();
}

/* A job that keeps all mail coming must not keep I/O out. */
static void post_again(void *arg)
{
    (void)arg;
    if (!test_loop->stop)
        cr_assert_eq(weft_post(test_loop, post_again, NULL), 0);
}

Test(loop_spin, looks_for_io_while_mail_keeps_coming)
{
    int fds[2];
    cr_assert_eq(pipe(fds), 0);
    struct event *event = event_new(test_loop->base, fds[0], EV_READ, on_readable, NULL);
    event_add(event, NULL);
    cr_assert_eq(write(fds[1], "x", 1), 1);
    post_again(NULL);
    cr_assert_eq(weft_loop_run(test_loop), 0);
    event_free(event);
    close(fds[0]);
    close(fds[1]);
    end();
}

static pid_t child;

static void fork_off(evutil_socket_t fd, short what, void *arg)
{
    on_readable(fd, what, arg);
    child = fork();
    test_loop->stop = child > 0;
}

Test(loop_spin, ends_in_a_child_that_was_forked_off_by_a_callback)
{
    int fds[2];
    cr_assert_eq(pipe(fds), 0);
    struct event *event = event_new(test_loop->base, fds[0], EV_READ, fork_off, NULL);
    event_add(event, NULL);
    cr_assert_eq(write(fds[1], "x", 1), 1);
    int status = weft_loop_run(test_loop);
    if (child == 0) {
        CHILD_EXPECT(status == WEFT_EFORK);
        weft_test_child_exit(0);
    }
    weft_test_reap(child);
    cr_assert_eq(status, 0);
    event_free(event);
    close(fds[0]);
    close(fds[1]);
    end();
}

static weft_ns run_with_jobs(size_t jobs)
{
    test_loop->jobs = jobs;
    run_until_posted_in_spin();
    return test_loop->paced_at;
}

Test(loop_spin, lets_more_come_with_many_jobs_out)
{
    weft_ns first = run_with_jobs(64), second = run_with_jobs(64);
    cr_assert_gt(first, 0);
    cr_assert_geq(second - first, WEFT_US(2));
    end();
}

Test(loop_spin, does_not_let_a_few_jobs_wait)
{
    cr_assert_eq(run_with_jobs(63), 0);
    end();
}

static weft_ns run_with_mail(size_t jobs)
{
    test_loop->jobs = jobs;
    cr_assert_eq(weft_post(test_loop, stop, NULL), 0);
    cr_assert_eq(weft_loop_run(test_loop), 0);
    return test_loop->paced_at;
}

static void expect_pace(size_t jobs, weft_ns pace)
{
    weft_ns before = run_with_mail(jobs);
    for (int i = 0; i < 1000; i++) {
        weft_ns now = run_with_mail(jobs);
        cr_assert(now == before || now - before >= pace);
        before = now;
    }
}

Test(loop_spin, lets_the_more_come_the_more_jobs_are_out)
{
    expect_pace(64, WEFT_US(2));
    expect_pace(256, WEFT_US(4));
    end();
}

Test(loop_spin, does_not_let_many_jobs_wait_where_it_may_not_spin)
{
    test_loop->spin_wanted = -1;
    test_loop->spin.cpus = 2;
    for (int i = 0; i < 100; i++)
        cr_assert_eq(run_with_mail(64), 0);
    weft__spin_pretend(1);
    test_loop->spin_wanted = FOR_EVER;
    test_loop->spin.cpus = 1;
    for (int i = 0; i < 100; i++)
        cr_assert_eq(run_with_mail(64), 0);
    end();
}

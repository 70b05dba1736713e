/* SPDX-License-Identifier: MIT */
/* What a test asks of libweftguard, and where it looks. What it looks for is in tests/guard/. */
#include <criterion/criterion.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>
#include <weft/guard.h>
#include <weft/weft.h>

#include "tests/support/loop.h"
#include "tests/support/sanitizer.h"

TestSuite(guard, .init = weft_test_loop_begin_real, .timeout = 60);

static void nap(void)
{
    usleep(1); /* on purpose */
}

static void nap_soon(void *arg)
{
    int *naps = arg;
    nap();
    ++*naps;
}

struct napper {
    WEFT_FRAME;
};

static WEFT_ASYNC(napper)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_sleep(1));
    nap();
    WEFT_END;
}

static void run(weft_future *future)
{
    cr_assert_eq(weft_test_run(future), 0);
}

/* ---- Where it looks ---- */

Test(guard, tells_the_task_its_places_and_what_to_use)
{
    struct weft_guard_report report;
    char spawned_at[64];
    weft_guard_watch *watch = weft_guard_watch_begin(WEFT_GUARD_STEPS);
    int line = __LINE__ + 1;
    run(weft_spawn(napper));
    snprintf(spawned_at, sizeof(spawned_at), "test_guard.c:%d", line);
    cr_assert(weft_guard_watch_get(watch, 0, &report));
    cr_assert_str_eq(report.call, "usleep");
    cr_assert_str_eq(report.argument, "1 us");
    cr_assert_str_eq(report.task, "napper");
    cr_assert_eq(report.task_id, 1);
    cr_assert(strstr(report.spawned_at, spawned_at));
    cr_assert(strstr(report.awaited_at, "test_guard.c:"));
    cr_assert_str_eq(report.instead, "weft_sleep()");
    cr_assert_gt(report.took, 0);
    cr_assert_gt(strlen(report.place), 0);
    weft_guard_watch_end(watch);
    weft_test_loop_end();
}

Test(guard, looks_at_callbacks)
{
    struct weft_guard_report report;
    int naps = 0;
    weft_guard_watch *watch = weft_guard_watch_begin(WEFT_GUARD_STEPS);
    run(weft_call_soon(nap_soon, &naps));
    cr_assert_eq(naps, 1);
    cr_assert(weft_guard_watch_get(watch, 0, &report));
    cr_assert_str_eq(report.task, "");
    weft_guard_watch_end(watch);
    weft_test_loop_end();
}

static void on_event(evutil_socket_t fd, short what, void *arg)
{
    char byte;
    (void)what;
    cr_assert_eq(read(fd, &byte, 1), 1);
    nap();
    weft_loop_stop(arg);
}

Test(guard, looks_at_events_of_the_users_own_and_not_at_the_poll_around_them)
{
    weft_loop *loop = weft_loop_current();
    int fds[2];
    cr_assert_eq(pipe2(fds, O_CLOEXEC), 0);
    struct event *event =
        event_new(weft_loop_base(loop), fds[0], EV_READ | EV_PERSIST, on_event, loop);
    event_add(event, NULL);
    weft_guard_watch *watch = weft_guard_watch_begin(WEFT_GUARD_STEPS);
    for (int i = 0; i < 3; i++) {
        run(weft_sleep(WEFT_MS(1)));
        cr_assert_eq(write(fds[1], "", 1), 1);
        cr_assert_eq(weft_loop_run(loop), 0);
    }
    cr_assert_eq(weft_guard_watch_count(watch), 3);
    cr_assert_eq(weft_guard_watch_count_of(watch, "usleep"), 3);
    weft_guard_watch_end(watch);
    event_free(event);
    close(fds[0]);
    close(fds[1]);
    weft_test_loop_end();
}

Test(guard, does_not_look_where_no_step_is)
{
    weft_guard_watch *watch = weft_guard_watch_begin(WEFT_GUARD_STEPS);
    nap();
    run(weft_sleep(WEFT_MS(1)));
    cr_assert_eq(weft_guard_watch_count(watch), 0);
    weft_guard_watch_end(watch);
    weft_test_loop_end();
}

Test(guard, looks_at_everything_when_it_is_asked_to_but_the_loops_own_sleep)
{
    weft_guard_watch *watch = weft_guard_watch_begin(WEFT_GUARD_EVERYTHING);
    run(weft_sleep(WEFT_MS(1)));
    cr_assert_eq(weft_guard_watch_count(watch), 0);
    nap();
    cr_assert_eq(weft_guard_watch_count(watch), 1);
    weft_guard_watch_end(watch);
    weft_test_loop_end();
}

static void *nap_elsewhere(void *arg)
{
    nap();
    return arg;
}

Test(guard, does_not_look_at_other_threads)
{
    pthread_t thread;
    weft_guard_watch *watch = weft_guard_watch_begin(WEFT_GUARD_EVERYTHING);
    cr_assert_eq(pthread_create(&thread, NULL, nap_elsewhere, NULL), 0);
    WEFT_ALLOW_BLOCKING("it is not what is tested")
        pthread_join(thread, NULL);
    cr_assert_eq(weft_guard_watch_count(watch), 0);
    weft_guard_watch_end(watch);
    weft_test_loop_end();
}

/* ---- Watches ---- */

Test(guard, keeps_in_the_innermost_watch)
{
    weft_guard_watch *outer = weft_guard_watch_begin(WEFT_GUARD_EVERYTHING);
    weft_guard_watch *inner = weft_guard_watch_begin(WEFT_GUARD_STEPS);
    nap();
    cr_assert_eq(weft_guard_watch_count(inner), 1);
    cr_assert_eq(weft_guard_watch_count(outer), 0);
    weft_guard_watch_end(inner);
    nap();
    cr_assert_eq(weft_guard_watch_count(outer), 1);
    weft_guard_watch_end(outer);
    cr_assert_eq(weft_guard_reported(), 0);
    weft_test_loop_end();
}

Test(guard, counts_more_than_it_keeps)
{
    struct weft_guard_report report = {.call = "untouched"};
    weft_guard_watch *watch = weft_guard_watch_begin(WEFT_GUARD_EVERYTHING);
    for (int i = 0; i < 70; i++)
        nap();
    cr_assert_eq(weft_guard_watch_count(watch), 70);
    cr_assert_eq(weft_guard_watch_count_of(watch, "usleep"), 70);
    cr_assert(weft_guard_watch_get(watch, 63, &report));
    report.call = "untouched";
    cr_assert_not(weft_guard_watch_get(watch, 64, &report));
    cr_assert_str_eq(report.call, "untouched");
    weft_guard_watch_end(watch);
    weft_guard_watch_end(NULL);
    weft_test_loop_end();
}

Test(guard, a_block_that_must_not_block_passes_when_it_does_not)
{
    int runs = 0;
    WEFT_GUARD_MUST_NOT_BLOCK(WEFT_GUARD_EVERYTHING) {
        runs++;
    }
    WEFT_GUARD_MUST_CATCH(WEFT_GUARD_EVERYTHING, "usleep") {
        nap();
        runs++;
    }
    cr_assert_eq(runs, 2);
    weft_test_loop_end();
}

Test(guard, a_block_that_must_not_block_ends_the_process_when_it_does, .signal = SIGABRT)
{
    WEFT_GUARD_MUST_NOT_BLOCK(WEFT_GUARD_EVERYTHING)
        nap();
}

Test(guard, a_block_that_must_be_caught_ends_the_process_when_it_is_not, .signal = SIGABRT)
{
    WEFT_GUARD_MUST_CATCH(WEFT_GUARD_EVERYTHING, "usleep")
        (void)getpid();
}

static void note(void *arg, const char *call)
{
    const char **noted = arg;
    *noted = call;
    nap(); /* which is not looked at */
}

Test(guard, calls_back_before_a_call_blocks)
{
    const char *noted = "";
    weft_guard_watch *watch = weft_guard_watch_begin(WEFT_GUARD_EVERYTHING);
    weft_guard_before(note, &noted);
    nap();
    cr_assert_str_eq(noted, "usleep");
    cr_assert_eq(weft_guard_watch_count(watch), 1);
    weft_guard_before(NULL, NULL);
    noted = "";
    nap();
    cr_assert_str_eq(noted, "");
    weft_guard_watch_end(watch);
    weft_test_loop_end();
}

Test(guard, keeps_errno)
{
    int fds[2];
    cr_assert_eq(pipe2(fds, O_CLOEXEC), 0);
    weft_guard_watch *watch = weft_guard_watch_begin(WEFT_GUARD_EVERYTHING);
    errno = ESTALE;
    nap();
    cr_assert_eq(errno, ESTALE);
    cr_assert_eq(write(fds[1], "", 1), 1);
    cr_assert_eq(errno, ESTALE);
    cr_assert_eq(read(-1, fds, 1), -1);
    cr_assert_eq(errno, EBADF);
    weft_guard_watch_end(watch);
    close(fds[0]);
    close(fds[1]);
    weft_test_loop_end();
}

static void on_signal(int number)
{
    (void)number;
    nap();
}

/* It could have come within malloc(): nothing is asked for, and nothing is kept but the number. */
Test(guard, counts_what_blocks_in_a_signal_handler)
{
    struct weft_guard_report report;
    cr_assert_neq(signal(SIGUSR1, on_signal), SIG_ERR);
    weft_guard_watch *watch = weft_guard_watch_begin(WEFT_GUARD_EVERYTHING);
    raise(SIGUSR1);
    cr_assert_eq(weft_guard_watch_count(watch), 1);
    cr_assert_eq(weft_guard_watch_count_of(watch, "usleep"), 1);
    cr_assert_not(weft_guard_watch_get(watch, 0, &report));
    nap();
    cr_assert(weft_guard_watch_get(watch, 0, &report));
    weft_guard_watch_end(watch);
    weft_test_loop_end();
}

#ifndef WEFT_TEST_NO_JUMPS_OUT_OF_LIBC
static jmp_buf out;

static void jump_out(void *arg, const char *call)
{
    (void)arg;
    (void)call;
    longjmp(out, 1);
}

static void nap_and_jump_out(void *arg)
{
    weft_guard_before(jump_out, NULL);
    if (setjmp(out) == 0)
        nap();
    weft_guard_before(NULL, NULL);
    *(int *)arg = 1;
}

/* As the handler of an alarm does, to end a call that takes too long. */
Test(guard, looks_again_after_a_call_was_left_by_longjmp)
{
    int jumped = 0, naps = 0;
    weft_guard_watch *watch = weft_guard_watch_begin(WEFT_GUARD_STEPS);
    run(weft_call_soon(nap_and_jump_out, &jumped));
    cr_assert_eq(jumped, 1);
    run(weft_sleep(WEFT_MS(1)));
    run(weft_call_soon(nap_soon, &naps));
    cr_assert_eq(naps, 1);
    cr_assert_eq(weft_guard_watch_count_of(watch, "usleep"), 1);
    weft_guard_watch_end(watch);
    weft_test_loop_end();
}
#endif

/* ---- Who may ---- */

Test(guard, counts_what_is_allowed)
{
    uint64_t before = weft_guard_allowed();
    weft_guard_watch *watch = weft_guard_watch_begin(WEFT_GUARD_EVERYTHING);
    WEFT_ALLOW_BLOCKING("a test")
        nap();
    cr_assert_eq(weft_guard_allowed(), before + 1);
    cr_assert_eq(weft_guard_watch_count(watch), 0);
    weft_guard_watch_end(watch);
    weft_test_loop_end();
}

Test(guard, allows_a_caller_by_its_program)
{
    weft_guard_watch *watch = weft_guard_watch_begin(WEFT_GUARD_EVERYTHING);
    cr_assert_eq(weft_guard_allow("test_nobody*"), 0);
    nap();
    cr_assert_eq(weft_guard_watch_count(watch), 1);
    cr_assert_eq(weft_guard_allow("test_guar[d]"), 0);
    nap();
    cr_assert_eq(weft_guard_watch_count(watch), 1);
    weft_guard_watch_end(watch);
    weft_test_loop_end();
}

Test(guard, refuses_bad_patterns)
{
    char too_long[129];
    memset(too_long, 'a', 128);
    too_long[128] = '\0';
    cr_assert_eq(weft_guard_allow(NULL), -EINVAL);
    cr_assert_eq(weft_guard_allow(""), -EINVAL);
    cr_assert_eq(weft_guard_allow(too_long), -EINVAL);
    too_long[127] = '\0';
    for (int i = 0; i < 64; i++)
        cr_assert_eq(weft_guard_allow(too_long), 0);
    cr_assert_eq(weft_guard_allow("one more"), -ENOSPC);
    weft_test_loop_end();
}

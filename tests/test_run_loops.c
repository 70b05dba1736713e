/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <weft/weft.h>

#include "core/cpus.h"
#include "core/sys.h"
#include "tests/support/fixture.h"
#include "tests/support/heap.h"
#include "tests/support/loop.h"
#include "tests/support/trace.h"

static struct weft_test_census before;
static FILE *errors; /* what was printed to stderr */
static char printed[4096];

static void begin(void)
{
    weft_test_heap_install();
    errors = tmpfile();
    cr_assert_not_null(errors);
    before = weft_test_take_census();
}

TestSuite(run_loops, .init = begin, .timeout = 60);

static void end(void)
{
    cr_assert_null(weft_loop_current());
    cr_assert_eq(weft_run_loops_index(), -EINVAL);
    cr_assert_eq(weft_test_heap_live(), 0, "%zu blocks of memory are left", weft_test_heap_live());
    weft_test_assert_nothing_left(before);
}

/* Runs `run` with stderr in `printed`. */
static int quietly(int (*run)(void))
{
    int saved = dup(STDERR_FILENO);
    cr_assert_geq(dup2(fileno(errors), STDERR_FILENO), 0);
    int status = run();
    cr_assert_geq(dup2(saved, STDERR_FILENO), 0);
    close(saved);
    rewind(errors);
    size_t length = fread(printed, 1, sizeof(printed) - 1, errors);
    printed[length] = 0;
    return status;
}

static const struct weft_run_loops_options three = {.loops = 3};

/* What the coroutines of a test share. */
static struct {
    atomic_uint begun, ended, cancels; /* how many did */
    atomic_uint indices;               /* bits */
    pthread_t threads[8];
    atomic_uint held; /* stay in their clean-up until they are cancelled once more */
} all;

/* ---- The end by itself ---- */

struct counts {
    WEFT_FRAME;
    int results[4]; /* of each loop; negative: a failure */
    bool yields;
};

static WEFT_ASYNC(counts)
{
    WEFT_BEGIN;
    cr_assert_geq(weft_run_loops_index(), 0);
    atomic_fetch_or(&all.indices, 1u << weft_run_loops_index());
    all.threads[weft_run_loops_index()] = pthread_self();
    atomic_fetch_add(&all.begun, 1);
    if (self->yields)
        WEFT_AWAIT(weft_sleep(WEFT_MS(1)));
    if (self->results[weft_run_loops_index()] < 0)
        WEFT_FAIL(self->results[weft_run_loops_index()], "no luck");
    WEFT_RETURN(self->results[weft_run_loops_index()]);
    WEFT_END;
}

Test(run_loops, runs_the_coroutine_on_each_loop_in_a_thread_of_its_own)
{
    cr_assert_eq(weft_run_loops(&three, counts, .yields = true), 0);
    cr_assert_eq(all.begun, 3);
    cr_assert_eq(all.indices, 7);
    cr_assert(pthread_equal(all.threads[0], pthread_self()));
    cr_assert(!pthread_equal(all.threads[0], all.threads[1]));
    cr_assert(!pthread_equal(all.threads[1], all.threads[2]));
    end();
}

Test(run_loops, one_for_each_cpu_is_the_default)
{
    cr_assert_eq(weft_run_loops(NULL, counts), 0);
    cr_assert_eq(all.begun, weft__cpus());
    end();
}

Test(run_loops, one_loop_needs_no_thread)
{
    weft__sys_fail("pthread_create", 1, EAGAIN);
    struct weft_run_loops_options one = {.loops = 1};
    cr_assert_eq(weft_run_loops(&one, counts), 0);
    cr_assert(!weft__sys_failed("pthread_create"));
    end();
}

Test(run_loops, exit_status_is_the_first_that_is_not_zero)
{
    cr_assert_eq(weft_run_loops(&three, counts, .results = {0, 5, 6}), 5);
    end();
}

static int run_with_failure(void)
{
    return weft_run_loops(&three, counts, .results = {0, 5, -EACCES}, .yields = true);
}

Test(run_loops, failure_on_a_loop_is_reported)
{
    int status = quietly(run_with_failure);
    cr_assert(status == 1 || status == 5, "%d: the first one was perhaps cancelled", status);
    cr_assert(strstr(printed, "counts"));
    cr_assert(strstr(printed, "no luck"));
    cr_assert(strstr(printed, "test_run_loops.c:"));
    end();
}

/* ---- Asked to end ---- */

/* Runs until it is cancelled, and when it is held, until it is cancelled twice. The last to begin does
 * `then`. */
struct waits {
    WEFT_FRAME;
    void (*then)(void);
    int status;
    int result; /* when it was cancelled; below 0: as it came */
};

static WEFT_ASYNC(waits)
{
    WEFT_BEGIN;
    if (atomic_fetch_add(&all.begun, 1) == 2 && self->then)
        self->then();
    WEFT_AWAIT(weft_sleep(WEFT_FOREVER));
    WEFT_FINALLY;
    atomic_fetch_add(&all.cancels, 1);
    if (all.held) {
        /* All of them are here before anybody asks again. */
        if (atomic_fetch_sub(&all.held, 1) == 1)
            self->then();
        WEFT_CATCH(self->status, weft_sleep(WEFT_FOREVER));
        atomic_fetch_add(&all.cancels, self->status == -ECANCELED);
    }
    atomic_fetch_add(&all.ended, 1);
    if (self->result >= 0)
        WEFT_RETURN(self->result);
    WEFT_END;
}

static void stop(void)
{
    cr_assert_eq(weft_run_loops_stop(), 0);
}

static void interrupt(void)
{
    cr_assert_eq(kill(getpid(), SIGINT), 0);
}

static void terminate(void)
{
    cr_assert_eq(kill(getpid(), SIGTERM), 0);
}

Test(run_loops, stop_cancels_every_one_and_is_no_failure)
{
    cr_assert_eq(weft_run_loops(&three, waits, .then = stop, .result = -1), 0);
    cr_assert_eq(all.ended, 3);
    end();
}

Test(run_loops, stop_elsewhere_is_refused)
{
    cr_assert_eq(weft_run_loops_stop(), -EINVAL);
    end();
}

Test(run_loops, signal_cancels_every_one)
{
    cr_assert_eq(weft_run_loops(&three, waits, .then = interrupt, .result = -1), 128 + SIGINT);
    cr_assert_eq(all.ended, 3);
    cr_assert_eq(weft_run_loops(&three, counts), 0);
    end();
}

Test(run_loops, sigterm_is_heard_too)
{
    cr_assert_eq(weft_run_loops(&three, waits, .then = terminate, .result = -1), 128 + SIGTERM);
    end();
}

Test(run_loops, who_cleans_up_and_returns_decides_the_exit_status)
{
    cr_assert_eq(weft_run_loops(&three, waits, .then = terminate, .result = 0), 0);
    cr_assert_eq(all.cancels, 3);
    end();
}

static void stop_twice(void)
{
    stop();
    stop();
}

Test(run_loops, two_requests_at_once_are_two_cancels)
{
    all.held = 100; /* the clean-up asks for nothing */
    cr_assert_eq(weft_run_loops(&three, waits, .then = stop_twice, .result = 0), 0);
    cr_assert_eq(all.cancels, 6);
    end();
}

static void handled(int signum)
{
    (void)signum;
}

Test(run_loops, second_signal_cancels_the_clean_up)
{
    all.held = 3;
    cr_assert_eq(weft_run_loops(&three, waits, .then = terminate, .result = 0), 0);
    cr_assert_eq(all.cancels, 6);
    end();
}

static struct sigaction disposition(int signum)
{
    struct sigaction now;
    cr_assert_eq(sigaction(signum, NULL, &now), 0);
    return now;
}

static int third_status;

struct third {
    WEFT_FRAME;
    int status;
    int times;
};

static WEFT_ASYNC(third)
{
    WEFT_BEGIN;
    raise(SIGINT);
    WEFT_AWAIT(weft_sleep(WEFT_FOREVER));
    WEFT_FINALLY;
    raise(SIGTERM);
    WEFT_CATCH(self->status, weft_sleep(WEFT_FOREVER));
    third_status =
        disposition(SIGINT).sa_handler == SIG_DFL && disposition(SIGTERM).sa_handler == SIG_DFL;
    WEFT_RETURN(0);
    WEFT_END;
}

Test(run_loops, third_signal_is_as_if_weft_were_not_there)
{
    struct weft_run_loops_options one = {.loops = 1};
    cr_assert_eq(weft_run_loops(&one, third), 0);
    cr_assert(third_status);
    end();
}

struct looks {
    WEFT_FRAME;
    void (*interrupt_is)(int);
};

static WEFT_ASYNC(looks)
{
    WEFT_BEGIN;
    cr_assert_eq(disposition(SIGINT).sa_handler, self->interrupt_is);
    WEFT_END;
}

Test(run_loops, signals_that_the_program_handles_or_ignores_are_left_alone)
{
    signal(SIGINT, handled);
    cr_assert_eq(weft_run_loops(&three, looks, .interrupt_is = handled), 0);
    signal(SIGINT, SIG_IGN);
    cr_assert_eq(weft_run_loops(&three, looks, .interrupt_is = SIG_IGN), 0);
    signal(SIGINT, SIG_DFL);
    struct weft_run_loops_options alone = {.loops = 2, .flags = WEFT_RUN_LOOPS_NO_SIGNALS};
    cr_assert_eq(weft_run_loops(&alone, looks, .interrupt_is = SIG_DFL), 0);
    cr_assert_eq(weft_run_loops(&three, counts), 0);
    cr_assert_eq(disposition(SIGINT).sa_handler, SIG_DFL, "it is as it was");
    end();
}

struct masks {
    WEFT_FRAME;
};

static WEFT_ASYNC(masks)
{
    WEFT_BEGIN;
    sigset_t now;
    pthread_sigmask(SIG_BLOCK, NULL, &now);
    bool first = weft_run_loops_index() == 0;
    cr_assert_eq(sigismember(&now, SIGUSR1), first ? 0 : 1);
    cr_assert_eq(sigismember(&now, SIGSEGV), 0);
    WEFT_END;
}

Test(run_loops, signals_go_to_the_callers_thread)
{
    cr_assert_eq(weft_run_loops(&three, masks), 0);
    end();
}

/* ---- One fails ---- */

struct one_fails {
    WEFT_FRAME;
    int status;
};

static WEFT_ASYNC(one_fails)
{
    WEFT_BEGIN;
    if (atomic_fetch_add(&all.begun, 1) == 2)
        WEFT_FAIL(-EADDRINUSE, "port 80 is taken");
    WEFT_AWAIT(weft_sleep(WEFT_FOREVER));
    WEFT_FINALLY;
    atomic_fetch_add(&all.ended, 1);
    WEFT_END;
}

static int run_one_fails(void)
{
    return weft_run_loops(&three, one_fails);
}

Test(run_loops, failure_on_one_loop_ends_all)
{
    cr_assert_eq(quietly(run_one_fails), 1);
    cr_assert_eq(all.ended, 3);
    cr_assert(strstr(printed, "port 80 is taken"));
    cr_assert_null(strchr(strchr(printed, '\n') + 1, '\n'), "one line only: %s", printed);
    end();
}

struct stops_loop {
    WEFT_FRAME;
    unsigned which;
};

static WEFT_ASYNC(stops_loop)
{
    WEFT_BEGIN;
    if ((unsigned)weft_run_loops_index() == self->which)
        weft_loop_stop(weft_loop_current());
    WEFT_AWAIT(weft_sleep(WEFT_FOREVER));
    WEFT_FINALLY;
    atomic_fetch_add(&all.ended, 1);
    WEFT_END;
}

static unsigned stopped;

static int run_stopped(void)
{
    return weft_run_loops(&three, stops_loop, .which = stopped);
}

Test(run_loops, loop_that_is_stopped_ends_all)
{
    for (stopped = 0; stopped < 3; stopped++) {
        atomic_store(&all.ended, 0);
        cr_assert_eq(quietly(run_stopped), 1);
        cr_assert_eq(all.ended, 3, "with clean-up");
        cr_assert(strstr(printed, "EINTR"), "%s", printed);
    }
    end();
}

/* ---- What cannot be had ---- */

static int run_three(void)
{
    return weft_run_loops(&three, counts);
}

Test(run_loops, thread_that_cannot_be_had_ends_all_before_they_begin)
{
    for (unsigned n = 1; n <= 2; n++) {
        weft__sys_fail("pthread_create", n, EAGAIN);
        cr_assert_eq(quietly(run_three), 1);
        cr_assert_eq(all.begun, 0);
        cr_assert(strstr(printed, "cannot run counts on 3 loops: Resource temporarily"), "%s",
                  printed);
    }
    end();
}

Test(run_loops, loop_that_cannot_be_had_ends_all_before_they_begin)
{
    for (unsigned n = 1; n <= 3; n++) {
        weft__sys_fail("timerfd_create", n, EMFILE);
        cr_assert_eq(quietly(run_three), 1);
        cr_assert_eq(all.begun, 0);
        cr_assert(strstr(printed, "Too many open files"), "%s", printed);
    }
    end();
}

static const struct weft_run_loops_options bad[] = {
    {.size = 1}, {.loops = WEFT_RUN_LOOPS_MOST + 1}, {.flags = (enum weft_run_loops_flags)64}};

static int run_bad(void)
{
    int status = 0;
    for (size_t i = 0; i < 3; i++)
        status += weft_run_loops(&bad[i], counts);
    return status;
}

Test(run_loops, bad_options_are_refused)
{
    cr_assert_eq(quietly(run_bad), 3);
    cr_assert_eq(all.begun, 0);
    cr_assert(strstr(printed, "Invalid argument"));
    end();
}

Test(run_loops, thread_that_has_a_loop_is_refused)
{
    weft_loop *loop = weft_loop_new(NULL);
    cr_assert_eq(quietly(run_three), 1);
    cr_assert(strstr(printed, "this thread has a loop already"));
    cr_assert_eq(weft_loop_current(), loop);
    weft_loop_free(loop);
    end();
}

static int run_once(void)
{
    int status = weft_run_loops(&three, counts, .results = {7, 7, 7}, .yields = true);
    return status == 7 ? 0 : status == 1 ? -ENOMEM : status;
}

/* Which thread's allocation is the n-th is luck; a status of 7 is one that did not matter. */
static int run_without_memory(void)
{
    bool failed = true;
    for (size_t n = 1; failed; n++) {
        weft_test_heap_fail_at(n);
        int status = run_once();
        failed = weft_test_heap_failed();
        weft_test_heap_fail_at(0);
        cr_assert(status == 0 || (failed && status == -ENOMEM), "allocation %zu: %d", n, status);
    }
    return 0;
}

Test(run_loops, survives_every_lack_of_memory)
{
    cr_assert_eq(quietly(run_without_memory), 0);
    end();
}

/* ---- Many times, with the requests at any moment ---- */

struct hurried {
    WEFT_FRAME;
    unsigned seed;
    unsigned ticks;
};

static WEFT_ASYNC(hurried)
{
    WEFT_BEGIN;
    self->ticks = (self->seed >> (3 * weft_run_loops_index())) & 7;
    while (self->ticks--)
        WEFT_YIELD;
    if (weft_run_loops_index() == (int)(self->seed % 3) || self->seed % 5 == 0)
        weft_run_loops_stop();
    if (self->seed % 7 == 0 && weft_run_loops_index() == 0)
        WEFT_RETURN(0);
    WEFT_AWAIT(weft_sleep(WEFT_FOREVER));
    WEFT_END;
}

Test(run_loops, request_is_lost_at_no_moment)
{
    for (unsigned i = 0; i < 300; i++)
        cr_assert_eq(weft_run_loops(&three, hurried, .seed = i * 2654435761u >> 7), 0);
    end();
}

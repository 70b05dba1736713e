/* SPDX-License-Identifier: MIT */
/* The watchdog of a whole process: what it prints, and whose fault it is when nothing of it runs. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <weft/job.h>
#include <weft/lane.h>
#include <weft/pool.h>
#include <weft/weft.h>

#include "core/inspect/blocked.h"
#include "tests/support/blocked.h"
#include "tests/support/child.h"

TestSuite(watchdog_process, .timeout = 120);

/* ---- What is printed ---- */

static int release[2]; /* a byte lets a step go on */
static char printed[65536];

struct hangs {
    WEFT_FRAME;
};

static WEFT_ASYNC(hangs)
{
    WEFT_BEGIN;
    char byte;
    WEFT_ALLOW_BLOCKING("the watchdog is to see it") {
        CHILD_EXPECT(read(release[0], &byte, 1) == 1);
    }
    WEFT_END;
}

static void run_one_that_hangs(void)
{
    weft_loop *loop = weft_loop_new(NULL);
    CHILD_EXPECT(loop && weft_loop_run_until(loop, weft_spawn(hangs)) == 0);
    while (blocks_reported() == 0)
        ;
    wait_for_rounds(2); /* until it is told that it is over */
    weft_loop_free(loop);
}

/* Run it in a child, and let what hangs go on once `sign` was printed. */
static void run_and_print_in_a_child(void (*run)(int out), const char *sign)
{
    int out[2];
    bool is_released = false;
    size_t len = 0;
    ssize_t got;
    cr_assert_eq(pipe(out) + pipe(release), 0);
    pid_t child = fork();
    if (child == 0) {
        close(out[0]);
        run(out[1]);
        weft_test_child_exit(0);
    }
    close(out[1]);
    while ((got = read(out[0], printed + len, sizeof(printed) - 1 - len)) > 0) {
        len += (size_t)got;
        printed[len] = '\0';
        if (!is_released && strstr(printed, sign))
            is_released = write(release[1], "x", 1) == 1;
    }
    close(out[0]);
    weft_test_reap(child);
}

static void print_one_that_hangs(int out)
{
    CHILD_EXPECT(dup2(out, STDERR_FILENO) >= 0);
    run_one_that_hangs();
}

static void print_in_a_child(const char *sign)
{
    run_and_print_in_a_child(print_one_that_hangs, sign);
}

#define ASSERT_PRINTED(what) \
    cr_assert_not_null(strstr(printed, (what)), "\"%s\" is not in:\n%s", (what), printed)

Test(watchdog_process, prints_for_people_unless_told_otherwise)
{
    setenv("WEFT_WATCHDOG", "20", 1);
    print_in_a_child("; now in ");
    ASSERT_PRINTED("weft: loop 1 is blocked, for ");
    ASSERT_PRINTED(" ms: task 1 \"hangs\", spawned at ");
    ASSERT_PRINTED(", no await yet\nweft:   on a CPU for ");
    ASSERT_PRINTED("; now in read(fd ");
    ASSERT_PRINTED("weft: loop 1 goes on, after ");
}

Test(watchdog_process, prints_json_that_others_can_read)
{
    setenv("WEFT_WATCHDOG", "20", 1);
    setenv("WEFT_WATCHDOG_FORMAT", "json", 1);
    print_in_a_child("\"stage\":\"found\"");
    ASSERT_PRINTED("{\"kind\":\"loop\",\"stage\":\"found\",\"serial\":1,");
    ASSERT_PRINTED("{\"kind\":\"loop\",\"stage\":\"over\",\"serial\":1,");
    FILE *reader = popen("python3 -m json.tool --json-lines >/dev/null", "w");
    fputs(printed, reader);
    cr_assert_eq(pclose(reader), 0, "%s", printed);
}

Test(watchdog_process, says_which_settings_make_no_sense)
{
    setenv("WEFT_WATCHDOG", "0.1s", 1);
    print_in_a_child("; now in ");
    ASSERT_PRINTED(
        "weft: WEFT_WATCHDOG is no number of milliseconds from 0 to a day, 100 are taken: 0.1s\n");
    setenv("WEFT_WATCHDOG", "20", 1);
    setenv("WEFT_WATCHDOG_FORMAT", "xml", 1);
    print_in_a_child("; now in ");
    ASSERT_PRINTED("weft: WEFT_WATCHDOG_FORMAT is neither text nor json, text is taken: xml\n");
}

Test(watchdog_process, in_debug_mode_the_end_is_told_by_the_report_of_the_slow_step)
{
    setenv("WEFT_DEBUG", "1", 1);
    print_in_a_child("; now in ");
    ASSERT_PRINTED("weft: loop 1 is blocked, for ");
    ASSERT_PRINTED(": a slow step: ");
    cr_assert_null(strstr(printed, " goes on, after "), "%s", printed);
}

struct waits {
    int unused;
};

static WEFT_BLOCKING(waits)
{
    char byte;
    return read(release[0], &byte, 1) == 1 ? weft_ok(0) : weft_err(-EIO);
}

static void *watch_meanwhile(void *arg)
{
    struct weft_loop_options options = {.watchdog = WEFT_MS(20)};
    weft_loop *loop = weft_loop_new(&options);
    CHILD_EXPECT(loop && write(*(int *)arg, "x", 1) == 1);
    while (blocks_reported() == 0)
        ;
    wait_for_rounds(2);
    weft_loop_free(loop);
    return NULL;
}

/* Its loop has no watchdog, but there is one; and somebody else has changed the environment by then. */
static void run_a_slow_job(int out)
{
    pthread_t thread;
    int begun[2];
    char byte;
    struct weft_lane_options options;
    CHILD_EXPECT(dup2(out, STDERR_FILENO) >= 0 && pipe(begun) == 0);
    pthread_create(&thread, NULL, watch_meanwhile, &begun[1]);
    CHILD_EXPECT(read(begun[0], &byte, 1) == 1);
    unsetenv("WEFT_WATCHDOG_FORMAT");
    weft_loop *loop = weft_loop_new(&(struct weft_loop_options){.watchdog = -1});
    weft_pool *pool = weft_pool_new(NULL);
    CHILD_EXPECT(loop && pool && weft_loop_set_pool(loop, pool) == 0);
    weft_lane_get_options(weft_pool_lane(pool, "default"), &options);
    options.slow_job = WEFT_MS(20);
    CHILD_EXPECT(weft_lane_configure(weft_pool_lane(pool, "default"), &options) == 0);
    CHILD_EXPECT(weft_loop_run_until(loop, weft_to_thread(waits, .unused = 0)) == 0);
    pthread_join(thread, NULL);
    weft_loop_free(loop);
    weft_pool_unref(pool);
}

Test(watchdog_process, prints_a_job_of_a_loop_without_one_as_the_environment_said)
{
    setenv("WEFT_WATCHDOG_FORMAT", "json", 1);
    run_and_print_in_a_child(run_a_slow_job, "\"stage\":\"found\"");
    ASSERT_PRINTED("{\"kind\":\"job\",\"stage\":\"found\",\"serial\":1,");
    ASSERT_PRINTED("\"function\":\"waits\"");
}

static void *let_go_once_it_is_kept(void *arg)
{
    for (bool is_kept = false; !is_kept; sched_yield()) {
        struct weft__text text = {0};
        weft__blocked_write(&text);
        is_kept = text.len > 2;
        weft__text_fini(&text);
    }
    CHILD_EXPECT(write(release[1], "x", 1) == 1);
    return arg;
}

static void print_where_nobody_reads(void *arg)
{
    pthread_t thread;
    int full[2];
    (void)arg;
    CHILD_EXPECT(pipe(full) == 0 && fcntl(full[1], F_SETFL, O_NONBLOCK) == 0);
    while (write(full[1], "x", 1) == 1)
        ;
    CHILD_EXPECT(fcntl(full[1], F_SETFL, 0) == 0);
    dup2(full[1], STDERR_FILENO);
    pthread_create(&thread, NULL, let_go_once_it_is_kept, NULL);
    run_one_that_hangs();
    pthread_join(thread, NULL);
}

Test(watchdog_process, is_not_held_up_by_a_stderr_that_nobody_empties)
{
    setenv("WEFT_WATCHDOG", "20", 1);
    cr_assert_eq(pipe(release), 0);
    weft_test_in_child(print_where_nobody_reads, NULL);
}

/* ---- Whose fault it is ---- */

struct stops {
    WEFT_FRAME;
};

static WEFT_ASYNC(stops)
{
    WEFT_BEGIN;
    raise(SIGSTOP);
    WEFT_END;
}

static void stop_within_steps(void)
{
    struct weft_loop_options options = {.watchdog = WEFT_MS(200)};
    weft_loop *loop = weft_loop_new(&options);
    for (int i = 0; i < 3; i++) {
        wait_for_rounds(2);
        CHILD_EXPECT(weft_loop_run_until(loop, weft_spawn(stops)) == 0);
    }
    wait_for_rounds(2);
    CHILD_EXPECT(blocks_reported() == 0);
    weft_loop_free(loop);
}

/* However long it is stopped; this is five times the limit. */
Test(watchdog_process, a_process_that_was_stopped_is_not_reported)
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        stop_within_steps();
        weft_test_child_exit(0);
    }
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(waitpid(child, &status, WUNTRACED), child);
        cr_assert(WIFSTOPPED(status), "the child failed: status %#x", (unsigned)status);
        nanosleep(&(struct timespec){1, 0}, NULL); /* on purpose */
        kill(child, SIGCONT);
    }
    weft_test_reap(child);
}

static atomic_bool is_enough;

static void stay_on_the_first_cpu(void)
{
    cpu_set_t all, one;
    size_t first = 0;
    CHILD_EXPECT(sched_getaffinity(0, sizeof(all), &all) == 0);
    while (!CPU_ISSET(first, &all))
        first++;
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    CHILD_EXPECT(sched_setaffinity(0, sizeof(one), &one) == 0);
}

static void *spin(void *arg)
{
    stay_on_the_first_cpu();
    while (!atomic_load_explicit(&is_enough, memory_order_relaxed))
        ;
    return arg;
}

struct works {
    WEFT_FRAME;
    struct weft_watchdog_stats stats;
};

/* Little steps, until one of them took longer than the limit and was excused. */
static WEFT_ASYNC(works)
{
    WEFT_BEGIN;
    while (self->stats.excused == 0) {
        for (volatile int i = 0; i < 100000; i = i + 1)
            ;
        weft_watchdog_get_stats(&self->stats);
        WEFT_YIELD;
    }
    CHILD_EXPECT(self->stats.blocks + self->stats.left_out == 0);
    WEFT_END;
}

static void starve(void *arg)
{
    pthread_t spinners[2];
    struct weft_loop_options options = {.watchdog = WEFT_MS(100)};
    weft_loop *loop = weft_loop_new(&options);
    (void)arg;
    for (int i = 0; i < 2; i++)
        pthread_create(&spinners[i], NULL, spin, NULL);
    stay_on_the_first_cpu();
    CHILD_EXPECT(sched_setscheduler(0, SCHED_IDLE, &(struct sched_param){0}) == 0);
    CHILD_EXPECT(weft_loop_run_until(loop, weft_spawn(works)) == 0);
    atomic_store(&is_enough, true);
    for (int i = 0; i < 2; i++)
        pthread_join(spinners[i], NULL);
    weft_loop_free(loop);
}

Test(watchdog_process, a_loop_that_gets_no_cpu_is_excused)
{
    weft_test_in_child(starve, NULL);
}

/* ---- Fork ---- */

static void go_on_in_the_child(void *arg)
{
    weft_loop *loop = arg;
    struct weft_watchdog_stats stats;
    weft_watchdog_get_stats(&stats);
    CHILD_EXPECT(stats.rounds == 0);
    CHILD_EXPECT(weft_after_fork_child(loop) == 0);
    wait_for_rounds(1);
    CHILD_EXPECT(weft_loop_run_until(loop, weft_spawn(hangs)) == 0);
    weft_loop_free(loop);
    weft_watchdog_get_stats(&stats);
    CHILD_EXPECT(stats.rounds == 0);
}

static void let_it_go_on(const struct weft_blocked_report *report, void *arg)
{
    (void)arg;
    if (report->stage == WEFT_BLOCKED_FOUND)
        (void)!write(release[1], "x", 1);
}

Test(watchdog_process, a_loop_that_goes_on_in_a_forked_child_has_one_there)
{
    struct weft_loop_options options = {.watchdog = WEFT_MS(20)};
    weft_loop *loop = weft_loop_new(&options);
    cr_assert_eq(pipe(release), 0);
    weft_loop_set_block_handler(loop, let_it_go_on, NULL);
    cr_assert_eq(weft_loop_run_until(loop, weft_spawn(hangs)), 0);
    weft_test_in_child(go_on_in_the_child, loop);
    cr_assert_eq(weft_loop_run_until(loop, weft_spawn(hangs)), 0);
    weft_loop_free(loop);
}

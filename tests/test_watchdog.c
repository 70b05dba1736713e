/* SPDX-License-Identifier: MIT */
/* The watchdog: what it says of a loop that is held up, while it is. */
#include <criterion/criterion.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include <weft/testing.h>
#include <weft/weft.h>

#include "core/inspect/blocked.h"
#include "core/inspect/lookout.h"
#include "core/loop.h"
#include "core/memory.h"
#include "tests/support/blocked.h"
#include "tests/support/heap.h"
#include "tests/support/loop.h"
#include "tests/support/parked.h"
#include "tests/support/sanitizer.h"

#define LIMIT WEFT_MS(20)

static struct listener heard;

static void begin(void)
{
    watch_the_loop(LIMIT);
    listen_to_it(&heard);
}

static void end(void)
{
    stop_listening(&heard);
    weft_test_loop_end();
}

TestSuite(watchdog, .init = weft_test_loop_begin, .timeout = 60);

/* The n-th report. */
static const struct told *told(int n)
{
    cr_assert_lt(n, atomic_load(&heard.total));
    return heard.told[n];
}

#define ASSERT_SAYS(text, what) \
    cr_assert_not_null(strstr((text), (what)), "\"%s\" is not in:\n%s", (what), (text))

/* ---- Steps ---- */

struct hangs {
    WEFT_FRAME;
    int reports;
};

static int await_line;
static bool was_cut_short;

static WEFT_ASYNC(hangs)
{
    WEFT_BEGIN;
    await_line = __LINE__ + 1;
    WEFT_AWAIT(weft_sleep(1));
    for (int i = 0; i < self->reports; i++)
        was_cut_short |= !block_until_told(&heard);
    WEFT_END;
}

Test(watchdog, names_task_places_duration_and_system_call_while_the_step_is_blocked)
{
    begin();
    char spawned_at[300], awaited_at[64], syscall[64];
    weft_future *task = weft_spawn(hangs, .reports = 1);
    cr_assert_eq(weft_task_set_name(task, "the slow one"), 0);
    snprintf(spawned_at, sizeof(spawned_at), ", spawned at %s,", weft_task_spawned_at(task));
    uint64_t id = weft_task_id(task);
    cr_assert_eq(weft_test_run(task), 0);
    cr_assert_not(was_cut_short);
    const struct told *found = told(0);
    snprintf(awaited_at, sizeof(awaited_at), "test_watchdog.c:%d", await_line);
    snprintf(syscall, sizeof(syscall), "read(fd %d: ", heard.pipe[0]);
    ASSERT_SAYS(found->text, "\"the slow one\", spawned at ");
    ASSERT_SAYS(found->text, spawned_at);
    ASSERT_SAYS(found->text, ", in hangs(), last await at ");
    ASSERT_SAYS(found->text, awaited_at);
    ASSERT_SAYS(found->text, syscall);
    ASSERT_SAYS(found->text, " block_until_told at ");
    ASSERT_SAYS(found->text, " hangs at ");
    cr_assert_eq(found->report.kind, WEFT_BLOCKED_LOOP);
    cr_assert_eq(found->report.stage, WEFT_BLOCKED_FOUND);
    cr_assert_eq(found->report.task_id, id);
    cr_assert_eq(found->report.tid, gettid());
    cr_assert_eq(found->report.loop_id, test_loop->id);
    cr_assert_eq(atomic_load(&test_loop->load.blocked), 1); /* weft_loop_blocked_total */
    cr_assert_geq(found->report.lasts, LIMIT);
    cr_assert_eq(found->report.lasts,
                 found->report.on_cpu + found->report.runnable + found->report.waiting);
    cr_assert_gt(found->report.waiting, found->report.on_cpu);
    end();
}

Test(watchdog, tells_again_when_the_time_has_doubled_and_once_when_it_is_over)
{
    begin();
    cr_assert_eq(weft_test_run(weft_spawn(hangs, .reports = 3)), 0);
    sem_wait(&heard.over);
    cr_assert_eq(told(0)->report.stage, WEFT_BLOCKED_FOUND);
    cr_assert_eq(told(1)->report.stage, WEFT_BLOCKED_STILL);
    cr_assert_eq(told(2)->report.stage, WEFT_BLOCKED_STILL);
    cr_assert_eq(told(3)->report.stage, WEFT_BLOCKED_OVER);
    for (int i = 1; i < 4; i++) {
        cr_assert_eq(told(i)->report.serial, told(0)->report.serial);
        cr_assert_geq(told(i)->report.lasts, told(i - 1)->report.lasts);
    }
    cr_assert_geq(told(2)->report.lasts, 4 * LIMIT);
    ASSERT_SAYS(told(0)->text, " is blocked, for ");
    ASSERT_SAYS(told(1)->text, " is still blocked, for ");
    ASSERT_SAYS(told(3)->text, " goes on, after ");
    ASSERT_SAYS(told(3)->text, "\"hangs\"");
    end();
}

struct computes {
    WEFT_FRAME;
};

static __attribute__((noinline)) void count_sheep(void)
{
    compute_until_told(&heard);
    await_line = 0; /* no tail call: this function stays on the stack */
}

static WEFT_ASYNC(computes)
{
    WEFT_BEGIN;
    count_sheep();
    WEFT_END;
}

Test(watchdog, a_step_that_computes_is_in_no_system_call_and_has_been_on_a_cpu)
{
    begin();
    cr_assert_eq(weft_test_run(weft_spawn(computes)), 0);
    cr_assert_null(strstr(told(0)->text, "; now in"), "%s", told(0)->text);
    ASSERT_SAYS(told(0)->text, ", no await yet");
    ASSERT_SAYS(told(0)->json, "\"syscall\":null");
    ASSERT_SAYS(told(0)->text, " count_sheep at ");
    ASSERT_SAYS(told(0)->text, "test_watchdog.c:");
    cr_assert_gt(told(0)->report.on_cpu, 0);
    end();
}

struct calls {
    WEFT_FRAME;
};

static WEFT_ASYNC(calls)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_call(hangs, .reports = 1));
    WEFT_AWAIT(weft_call(computes));
    WEFT_END;
}

Test(watchdog, names_the_innermost_call_and_the_task_whose_it_is)
{
    begin();
    cr_assert_eq(weft_test_run(weft_spawn(calls)), 0);
    ASSERT_SAYS(told(0)->text, "\"calls\", spawned at ");
    ASSERT_SAYS(told(0)->text, ", in hangs(), last await at ");
    const struct told *last = told(atomic_load(&heard.total) - 1);
    ASSERT_SAYS(last->text, "\"calls\", spawned at ");
    ASSERT_SAYS(last->text, ", in computes(), no await yet");
    end();
}

struct ends_slowly {
    WEFT_FRAME;
};

static WEFT_ASYNC(ends_slowly)
{
    WEFT_BEGIN;
    WEFT_FINALLY;
    WEFT_AWAIT(weft_sleep(1));
    was_cut_short |= !block_until_told(&heard);
    WEFT_END;
}

static void hang(void *arg)
{
    (void)arg;
    was_cut_short |= !block_until_told(&heard);
}

Test(watchdog, a_callback_is_reported_as_such)
{
    begin();
    cr_assert_eq(weft_test_run(weft_call_soon(hang, NULL)), 0);
    ASSERT_SAYS(told(0)->text, ": a callback\n");
    cr_assert_eq(weft_test_run(weft_spawn(ends_slowly)), 0);
    ASSERT_SAYS(told(atomic_load(&heard.total) - 1)->text, "\"ends_slowly\"");
    end();
}

static void on_event(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    hang(arg);
    weft_loop_stop(test_loop);
}

Test(watchdog, an_event_of_the_programs_own_is_reported)
{
    begin();
    struct event *event = evtimer_new(weft_loop_base(test_loop), on_event, NULL);
    event_add(event, &(struct timeval){0, 0});
    cr_assert_eq(weft_loop_run(test_loop), 0);
    ASSERT_SAYS(told(0)->text, ": an event callback\n");
    event_free(event);
    end();
}

/* It waits as the loop itself does when it has nothing to do. */
static void wait_in_an_epoll_of_its_own(evutil_socket_t fd, short what, void *arg)
{
    struct epoll_event wanted = {.events = EPOLLIN}, got;
    int epoll = epoll_create1(0);
    (void)fd;
    (void)what;
    (void)arg;
    cr_assert_eq(epoll_ctl(epoll, EPOLL_CTL_ADD, heard.pipe[0], &wanted), 0);
    WEFT_ALLOW_BLOCKING("the watchdog is to see it") {
        while (epoll_wait(epoll, &got, 1, -1) != 1)
            ;
    }
    close(epoll);
    weft_loop_stop(test_loop);
}

Test(watchdog, an_event_that_waits_in_another_epoll_is_not_taken_for_sleep)
{
    begin();
    struct event *event = evtimer_new(weft_loop_base(test_loop), wait_in_an_epoll_of_its_own, NULL);
    event_add(event, &(struct timeval){0, 0});
    cr_assert_eq(weft_loop_run(test_loop), 0);
    ASSERT_SAYS(told(0)->text, ": an event callback\n");
    ASSERT_SAYS(told(0)->text, "now in epoll_");
    event_free(event);
    end();
}

static void hang_in_report(weft_loop *loop, const struct weft_error_report *report, void *arg)
{
    (void)loop;
    (void)report;
    hang(arg);
}

struct fails {
    WEFT_FRAME;
};

static WEFT_ASYNC(fails)
{
    WEFT_BEGIN;
    WEFT_FAIL(-EIO, "for nobody");
    WEFT_END;
}

Test(watchdog, the_error_handler_is_reported)
{
    begin();
    weft_loop_set_error_handler(test_loop, hang_in_report, NULL);
    weft_unref(weft_spawn(fails));
    cr_assert_eq(weft_test_run(weft_sleep(1)), 0);
    ASSERT_SAYS(told(0)->text, ": an error handler");
    end();
}

struct has_no_descriptors {
    WEFT_FRAME;
    struct rlimit limit;
};

static WEFT_ASYNC(has_no_descriptors)
{
    WEFT_BEGIN;
    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &self->limit), 0);
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &(struct rlimit){0, self->limit.rlim_max}), 0);
    was_cut_short |= !block_until_told(&heard) || !block_until_told(&heard);
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &self->limit), 0);
    WEFT_END;
}

/* A server that has none left is slow for that reason, as like as not. */
Test(watchdog, names_the_task_though_no_descriptor_is_left)
{
    begin();
    cr_assert_eq(weft_test_run(weft_spawn(has_no_descriptors)), 0);
    sem_wait(&heard.over);
    ASSERT_SAYS(told(0)->text, "\"has_no_descriptors\", spawned at ");
    ASSERT_SAYS(told(0)->text, "(the stack could not be read)");
    ASSERT_SAYS(told(1)->text, " is still blocked, for ");
    end();
}

/* Each of its system calls is reported on, or a while after that another one. */
struct naps {
    WEFT_FRAME;
};

static WEFT_ASYNC(naps)
{
    WEFT_BEGIN;
    struct timespec nap = {0, WEFT_MS(5)}, left;
    while (atomic_load(&heard.total) < 3)
        WEFT_ALLOW_BLOCKING("the watchdog is to see it") {
            was_cut_short |= nanosleep(&nap, &left) != 0; /* on purpose */
        }
    WEFT_END;
}

Test(watchdog, sleeps_of_the_program_are_not_cut_short)
{
    begin();
    cr_assert_eq(weft_test_run(weft_spawn(naps)), 0);
    cr_assert_not(was_cut_short);
    end();
}

/* ---- What is no block ---- */

static void stop(void *loop)
{
    weft_loop_stop(loop);
}

static void *stop_later(void *arg)
{
    wait_for_rounds(20);
    cr_assert_eq(weft_post(test_loop, stop, test_loop), 0);
    return arg;
}

Test(watchdog, a_loop_that_sleeps_is_not_reported)
{
    begin();
    pthread_t thread;
    pthread_create(&thread, NULL, stop_later, NULL);
    cr_assert_eq(weft_loop_run(test_loop), 0);
    pthread_join(thread, NULL);
    cr_assert_eq(blocks_reported(), 0);
    end();
}

/* Flushing all streams holds the list of them, which is needed to open one. */
static void flush_all(void *arg)
{
    (void)arg;
    fflush(NULL);
}

Test(watchdog, looks_on_while_somebody_holds_all_of_stdio)
{
    int full[2];
    char bytes[4096];
    struct parked parked;
    pthread_t thread;
    cr_assert_eq(pipe2(full, O_NONBLOCK), 0);
    while (write(full[1], "x", 1) == 1)
        ;
    cr_assert_eq(fcntl(full[1], F_SETFL, 0), 0);
    FILE *stream = fdopen(full[1], "w");
    fputs("y", stream);
    parked_start(&parked, flush_all, NULL);
    parked_in(&parked, "write");
    begin();
    pthread_create(&thread, NULL, stop_later, NULL);
    cr_assert_eq(weft_loop_run(test_loop), 0);
    pthread_join(thread, NULL);
    cr_assert_eq(blocks_reported(), 0);
    while (read(full[0], bytes, sizeof(bytes)) > 0)
        ;
    parked_join(&parked);
    fclose(stream);
    close(full[0]);
    end();
}

struct yields {
    WEFT_FRAME;
    uint64_t from;
};

static uint64_t rounds(void)
{
    struct weft_watchdog_stats stats;
    weft_watchdog_get_stats(&stats);
    return stats.rounds;
}

static WEFT_ASYNC(yields)
{
    WEFT_BEGIN;
    self->from = rounds();
    while (rounds() < self->from + 20)
        WEFT_YIELD;
    WEFT_END;
}

Test(watchdog, a_loop_that_is_busy_with_many_steps_is_not_reported)
{
    begin();
    cr_assert_eq(weft_test_run(weft_spawn(yields)), 0);
    cr_assert_eq(blocks_reported(), 0);
    end();
}

static struct event *again;
static uint64_t enough;

static void come_again(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
    if (rounds() < enough)
        event_add(again, &(struct timeval){0, 0});
    else
        weft_loop_stop(test_loop);
}

Test(watchdog, a_loop_that_is_busy_with_many_events_is_not_reported)
{
    begin();
    again = evtimer_new(weft_loop_base(test_loop), come_again, NULL);
    event_add(again, &(struct timeval){0, 0});
    enough = rounds() + 20;
    cr_assert_eq(weft_loop_run(test_loop), 0);
    cr_assert_eq(blocks_reported(), 0);
    event_free(again);
    end();
}

Test(watchdog, what_the_program_does_outside_of_the_loop_is_its_own_business)
{
    begin();
    wait_for_rounds(20);
    cr_assert_eq(blocks_reported(), 0);
    end();
}

/* ---- On a host's base ---- */

static void host_works(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    wait_for_rounds(20);
    event_base_loopbreak(arg);
}

Test(watchdog, of_an_attached_loop_only_its_ticks_are_looked_at)
{
    struct event_base *base = event_base_new();
    weft_loop_free(test_loop);
    setenv("WEFT_WATCHDOG", "20", 1);
    test_loop = weft_loop_attach(base);
    unsetenv("WEFT_WATCHDOG");
    listen_to_it(&heard);
    struct event *event = evtimer_new(base, host_works, base);
    event_add(event, &(struct timeval){0, 0});
    event_base_dispatch(base);
    cr_assert_eq(blocks_reported(), 0);
    cr_assert_eq(weft_test_run(weft_spawn(hangs, .reports = 1)), 0);
    ASSERT_SAYS(told(0)->text, "\"hangs\"");
    event_free(event);
    stop_listening(&heard);
    weft_loop_free(test_loop);
    test_loop = NULL;
    event_base_free(base);
    weft_test_loop_end();
}

static void wait_for_a_round(void *arg)
{
    wait_for_rounds(1);
    ++*(int *)arg;
}

/* They run in one tick, within which an attached loop does not poll: so it lasts for longer than the limit. */
Test(watchdog, a_tick_of_many_callbacks_is_not_reported)
{
    enum { CALLBACKS = 30 };
    weft_future *calls[CALLBACKS];
    struct event_base *base = event_base_new();
    int waited = 0;
    weft_loop_free(test_loop);
    setenv("WEFT_WATCHDOG", "20", 1);
    test_loop = weft_loop_attach(base);
    unsetenv("WEFT_WATCHDOG");
    for (int i = 0; i < CALLBACKS; i++)
        calls[i] = weft_call_soon(wait_for_a_round, &waited);
    cr_assert_eq(weft_test_run(calls[CALLBACKS - 1]), 0);
    cr_assert_eq(waited, CALLBACKS);
    cr_assert_eq(blocks_reported(), 0);
    for (int i = 0; i + 1 < CALLBACKS; i++)
        weft_unref(calls[i]);
    weft_loop_free(test_loop);
    test_loop = NULL;
    event_base_free(base);
    weft_test_loop_end();
}

/* ---- How it is switched on ---- */

static weft_ns limit_with(const char *debug, const char *ms,
                          const struct weft_loop_options *options)
{
    weft_loop_free(test_loop);
    setenv("WEFT_DEBUG", debug, 1);
    setenv("WEFT_WATCHDOG", ms, 1);
    test_loop = weft_loop_new(options);
    unsetenv("WEFT_DEBUG");
    unsetenv("WEFT_WATCHDOG");
    cr_assert_not_null(test_loop);
    return test_loop->lookout ? test_loop->lookout->limit : 0;
}

Test(watchdog, is_switched_on_by_option_environment_or_debug_mode)
{
    struct weft_loop_options none = {0}, never = {.watchdog = -1}, own = {.watchdog = WEFT_MS(7)},
                             debug = {.debug = true, .slow_step = WEFT_MS(300)};
    cr_assert_eq(limit_with("", "", NULL), 0);
    cr_assert_eq(limit_with("", "", &none), 0);
    cr_assert_eq(limit_with("", "", &own), WEFT_MS(7));
    cr_assert_eq(limit_with("", "50", &none), WEFT_MS(50));
    cr_assert_eq(limit_with("", "50", &own), WEFT_MS(7));
    cr_assert_eq(limit_with("1", "50", &never), 0);
    cr_assert_eq(limit_with("1", "", NULL), WEFT_MS(100));
    cr_assert_eq(limit_with("1", "0", NULL), 0);
    cr_assert_eq(limit_with("", "", &debug), WEFT_MS(300));
    cr_assert_eq(limit_with("", "ten", &none),
                 WEFT_MS(100)); /* and says so: test_watchdog_process.c */
    cr_assert_eq(limit_with("", "-5", &none), WEFT_MS(100));
    cr_assert_eq(limit_with("", "99999999999999999999", &none), WEFT_MS(100));
    weft_test_loop_end();
}

Test(watchdog, without_memory_or_a_thread_there_is_no_loop)
{
    struct weft_loop_options options = {.watchdog = LIMIT};
    weft_loop_free(test_loop);
    for (size_t n = 1;; n++) {
        weft_test_heap_fail_at(n);
        test_loop = weft_loop_new(&options);
        weft_test_heap_fail_at(0);
        if (test_loop)
            break;
        cr_assert_eq(errno, ENOMEM);
    }
    weft_loop_free(test_loop);
    cr_assert_eq(weft_testing_fail_call("pthread_create", 1, EAGAIN), 0);
    cr_assert_null(weft_loop_new(&options));
    cr_assert_eq(errno, EAGAIN);
    setenv("WEFT_WATCHDOG", "20", 1); /* then the program goes on without */
    cr_assert_eq(weft_testing_fail_call("pthread_create", 1, EAGAIN), 0);
    test_loop = weft_loop_new(NULL);
    cr_assert_not_null(test_loop);
    cr_assert_null(test_loop->lookout);
    weft_loop_set_block_handler(test_loop, NULL, NULL);
    unsetenv("WEFT_WATCHDOG");
    weft_test_loop_end();
}

static void *make_and_free(void *arg)
{
    struct weft_loop_options options = {.watchdog = WEFT_MS(1)};
    for (int i = 0; i < 100; i++) {
        weft_loop *loop = weft_loop_new(&options);
        cr_assert_not_null(loop);
        cr_assert_eq(weft_loop_run_until(loop, weft_sleep(1)), 0);
        weft_loop_free(loop);
    }
    return arg;
}

Test(watchdog, comes_with_the_first_loop_and_goes_with_the_last)
{
    pthread_t threads[3];
    struct weft_watchdog_stats stats;
    for (int i = 0; i < 3; i++)
        pthread_create(&threads[i], NULL, make_and_free, NULL);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    weft_watchdog_get_stats(&stats);
    cr_assert_eq(stats.rounds, 0);
    weft_test_loop_end();
}

/* ---- Many reports ---- */

static uint64_t left_out(void)
{
    struct weft_watchdog_stats stats;
    weft_watchdog_get_stats(&stats);
    return stats.left_out;
}

static void wait_for_one_more(void)
{
    int before = atomic_load(&heard.count[WEFT_BLOCKED_FOUND]);
    while (atomic_load(&heard.count[WEFT_BLOCKED_FOUND]) == before && left_out() == 0)
        ;
}

struct hangs_often {
    WEFT_FRAME;
};

static WEFT_ASYNC(hangs_often)
{
    WEFT_BEGIN;
    while (left_out() == 0) {
        wait_for_one_more();
        if (left_out() == 0)
            WEFT_YIELD;
    }
    wait_for_rounds(50); /* the last one lasts: it is one all the same */
    WEFT_END;
}

Test(watchdog, too_many_reports_are_left_out_and_counted)
{
    begin();
    struct weft_watchdog_stats stats;
    cr_assert_eq(weft_test_run(weft_spawn(hangs_often)), 0);
    weft_watchdog_get_stats(&stats);
    cr_assert_geq(stats.blocks, 8);
    cr_assert_eq(stats.left_out, 1);
    cr_assert_eq(atomic_load(&heard.count[WEFT_BLOCKED_FOUND]), (int)stats.blocks);
    end();
}

Test(watchdog, a_trace_has_each_report_on_a_block_that_lasts)
{
    begin();
    char expected[128], *trace = NULL;
    cr_assert_eq(weft_trace_start(NULL), 0);
    cr_assert_eq(weft_test_run(weft_spawn(hangs, .reports = 2)), 0);
    sem_wait(&heard.over);
    cr_assert_eq(weft_trace_stop(), 0);
    cr_assert_eq(weft_trace_read(&trace, NULL), 0);
    const char *first = strstr(trace, "\"name\":\"blocked\""), *second = NULL;
    for (int i = 0; i < 2; i++) {
        snprintf(expected, sizeof(expected),
                 "\"args\":{\"thread\":%d,\"for_ms\":%d,\"by\":\"hangs\"}", gettid(),
                 (int)(told(i)->report.lasts / WEFT_MS(1)));
        ASSERT_SAYS(trace, expected);
    }
    cr_assert(first && (second = strstr(first + 1, "\"name\":\"blocked\"")));
    cr_assert_null(strstr(second + 1, "\"name\":\"blocked\""), "its end is not one");
    weft_trace_discard();
    weft__free(trace);
    end();
}

Test(watchdog, the_last_reports_are_kept_one_for_each_block)
{
    begin();
    struct weft__text kept = {0};
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(weft_test_run(weft_spawn(hangs, .reports = 2)), 0);
        sem_wait(&heard.over);
    }
    wait_for_rounds(1); /* it is kept when it has been told */
    weft__blocked_write(&kept);
    const char *second = strstr(kept.data, "\"serial\":2,"),
               *first = strstr(kept.data, "\"serial\":1,");
    cr_assert(second && first && second < first, "%s", kept.data);
    cr_assert_null(strstr(second + 1, "\"serial\":2,"));
    cr_assert_null(strstr(first + 1, "\"serial\":1,"));
    cr_assert_null(strstr(kept.data, "\"stage\":\"found\""));
    weft__text_fini(&kept);
    end();
}

/* ---- Handlers ---- */

struct stuck_handler {
    sem_t is_called, may_return;
    atomic_bool has_returned;
};

static void stay_in_handler(const struct weft_blocked_report *report, void *arg)
{
    struct stuck_handler *handler = arg;
    if (report->stage != WEFT_BLOCKED_FOUND)
        return;
    sem_post(&handler->is_called);
    sem_wait(&handler->may_return);
    atomic_store(&handler->has_returned, true);
}

static void *let_return(void *arg)
{
    struct stuck_handler *handler = arg;
    for (int i = 0; i < 1000; i++)
        sched_yield();
    sem_post(&handler->may_return);
    return NULL;
}

static void wait_for_handler(void *arg)
{
    struct stuck_handler *handler = arg;
    WEFT_ALLOW_BLOCKING("the watchdog is to see it") {
        sem_wait(&handler->is_called);
    }
}

Test(watchdog, a_handler_is_not_called_any_more_once_it_was_replaced)
{
    begin();
    struct stuck_handler handler = {0};
    pthread_t thread;
    sem_init(&handler.is_called, 0, 0);
    sem_init(&handler.may_return, 0, 0);
    weft_loop_set_block_handler(test_loop, stay_in_handler, &handler);
    cr_assert_eq(weft_test_run(weft_call_soon(wait_for_handler, &handler)), 0);
    pthread_create(&thread, NULL, let_return, &handler);
    weft_loop_set_block_handler(test_loop, NULL, NULL);
    cr_assert(atomic_load(&handler.has_returned));
    pthread_join(thread, NULL);
    end();
}

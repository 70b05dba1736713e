/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <weft/weft.h>

#include "tests/support/fixture.h"
#include "tests/support/heap.h"
#include "tests/support/loop.h"
#include "tests/support/trace.h"

TestSuite(loop, .init = weft_test_loop_begin_real, .timeout = 20);

static void mark_soon(const char *name)
{
    weft_unref(weft_call_soon(weft_test_mark_call, (void *)name));
}

static int run_one_tick(void)
{
    weft_loop_stop(test_loop);
    return weft_loop_run(test_loop);
}

/* ---- Making one ---- */

Test(loop, is_one_a_thread)
{
    cr_assert_eq(weft_loop_current(), test_loop);
    errno = 0;
    cr_assert_null(weft_loop_new(NULL));
    cr_assert_eq(errno, EEXIST);
    errno = 0;
    cr_assert_null(weft_loop_attach(weft_loop_base(test_loop)));
    cr_assert_eq(errno, EEXIST);
    weft_test_loop_end();
    cr_assert_null(weft_loop_current());
}

Test(loop, refuses_what_makes_no_sense)
{
    struct weft_loop_options options = {.clock = (enum weft_clock)7};
    weft_test_loop_end();
    errno = 0;
    cr_assert_null(weft_loop_new(&options));
    cr_assert_eq(errno, EINVAL);
    errno = 0;
    cr_assert_null(weft_loop_attach(NULL));
    cr_assert_eq(errno, EINVAL);
}

static int new_loop(void)
{
    weft_loop *loop = weft_loop_new(NULL);
    int status = loop ? 0 : -errno;
    weft_loop_free(loop);
    return status;
}

Test(loop, refuses_options_of_another_version)
{
    struct weft_loop_options options = {.size = sizeof(options) + 1};
    struct weft_shutdown_options end = {.size = sizeof(end) - 1};
    cr_assert_eq(weft_loop_shutdown(test_loop, &end, NULL), -EINVAL);
    weft_loop_free(test_loop);
    errno = 0;
    cr_assert_null(weft_loop_new(&options));
    cr_assert_eq(errno, EINVAL);
    options.size = sizeof(options);
    test_loop = weft_loop_new(&options);
    cr_assert_not_null(test_loop);
    end.size = sizeof(end);
    cr_assert_eq(weft_loop_shutdown(test_loop, &end, NULL), 0);
    weft_test_loop_end();
}

Test(loop, without_memory_is_null_and_leaves_nothing)
{
    weft_test_loop_end();
    struct weft_test_census before = weft_test_take_census();
    weft_test_every_lack_of_memory(new_loop);
    cr_assert_eq(weft_test_heap_live(), 0);
    weft_test_assert_nothing_left(before);
}

static size_t event_countdown;

static bool event_memory_fails(void)
{
    return event_countdown && --event_countdown == 0;
}

static void *event_malloc(size_t size)
{
    return event_memory_fails() ? NULL : malloc(size);
}

static void *event_realloc(void *ptr, size_t size)
{
    return event_memory_fails() ? NULL : realloc(ptr, size);
}

static void no_warnings(int severity, const char *text)
{
    (void)severity;
    (void)text;
}

Test(loop, when_libevent_has_no_memory_is_null_and_leaves_nothing)
{
    int status = -ENOMEM;
    weft_test_loop_end();
    event_set_log_callback(no_warnings);
    event_set_mem_functions(event_malloc, event_realloc, free);
    struct weft_test_census before = weft_test_take_census();
    for (size_t n = 1; event_countdown == 0; n++) {
        event_countdown = n;
        status = new_loop();
        cr_assert(status == 0 || status == -ENOMEM, "allocation %zu: %d", n, status);
    }
    cr_assert_eq(status, 0);
    cr_assert_eq(weft_test_heap_live(), 0);
    weft_test_assert_nothing_left(before);
}

Test(loop, without_descriptors_is_null_and_leaves_nothing)
{
    struct rlimit limit;
    int status = -EMFILE;
    weft_test_loop_end();
    event_set_log_callback(no_warnings);
    struct weft_test_census before = weft_test_take_census();
    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    int refused = -1;
    for (rlim_t room = 0; status < 0; room++) {
        limit.rlim_cur = (rlim_t)before.fds + room;
        cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
        status = new_loop();
        limit.rlim_cur = limit.rlim_max; /* Criterion needs some to say what failed */
        cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
        cr_assert(status == 0 || status == -EMFILE, "room %d: %d", (int)room, status);
        refused++;
    }
    cr_assert_gt(refused, 0);
    cr_assert_eq(weft_test_heap_live(), 0);
    weft_test_assert_nothing_left(before);
}

/* ---- Running and stopping ---- */

static void stop(void *arg)
{
    (void)arg;
    weft_test_mark("s");
    weft_loop_stop(test_loop);
}

Test(loop, runs_until_the_end_of_the_tick_in_which_it_is_stopped)
{
    mark_soon("a");
    weft_unref(weft_call_soon(stop, NULL));
    mark_soon("b");
    cr_assert_eq(weft_loop_run(test_loop), 0);
    cr_assert_str_eq(test_trace, "asb");
    weft_test_loop_end();
}

static void soon_twice(void *arg)
{
    (void)arg;
    weft_test_mark("1");
    mark_soon("2");
}

Test(loop, stopped_before_runs_one_tick)
{
    weft_unref(weft_call_soon(soon_twice, NULL));
    cr_assert_eq(run_one_tick(), 0);
    cr_assert_str_eq(test_trace, "1");
    cr_assert_eq(run_one_tick(), 0);
    cr_assert_str_eq(test_trace, "12");
    weft_test_loop_end();
}

Test(loop, stopped_before_does_not_block)
{
    weft_future *never = weft_future_new();
    cr_assert_eq(run_one_tick(), 0);
    weft_loop_stop(test_loop);
    cr_assert_eq(weft_loop_run_until(test_loop, weft_ref(never)), -EINTR);
    cr_assert_not(weft_is_done(never));
    weft_unref(never);
    weft_test_loop_end();
}

Test(loop, stop_is_forgotten_when_the_run_ends)
{
    cr_assert_eq(run_one_tick(), 0);
    cr_assert_eq(weft_test_run(weft_sleep(WEFT_MS(1))), 0);
    weft_test_loop_end();
}

Test(loop, run_until_gives_the_status_of_the_future)
{
    weft_future *future = weft_future_failed(-EIO, NULL);
    cr_assert_eq(weft_loop_run_until(test_loop, future), -EIO);
    future = weft_future_new();
    cr_assert_eq(weft_future_resolve(future, weft_value_i64(5), NULL), 0);
    cr_assert_eq(weft_loop_run_until(test_loop, weft_ref(future)), 0);
    cr_assert_eq(weft_future_value(future).i64, 5);
    weft_unref(future);
    weft_test_loop_end();
}

struct resolves {
    WEFT_FRAME;
    weft_future *future;
};

static WEFT_ASYNC(resolves)
{
    WEFT_BEGIN;
    WEFT_YIELD;
    cr_assert_eq(weft_future_resolve(self->future, weft_value_i64(1), NULL), 0);
    weft_loop_stop(test_loop);
    WEFT_END;
}

Test(loop, stopped_in_the_tick_in_which_the_future_is_done_gives_its_status)
{
    weft_future *future = weft_future_new();
    weft_unref(weft_spawn(resolves, .future = future));
    cr_assert_eq(weft_loop_run_until(test_loop, weft_ref(future)), 0);
    cr_assert_eq(weft_test_run(weft_sleep(WEFT_MS(1))), 0);
    weft_unref(future);
    weft_test_loop_end();
}

struct nests {
    WEFT_FRAME;
};

static WEFT_ASYNC(nests)
{
    WEFT_BEGIN;
    cr_assert_eq(weft_loop_run(test_loop), -EDEADLK);
    cr_assert_eq(weft_loop_run_until(test_loop, weft_sleep(1)), -EDEADLK);
    WEFT_RETURN(1);
    WEFT_END;
}

Test(loop, run_within_a_run_is_refused_and_drops_the_reference)
{
    cr_assert_eq(weft_test_run(weft_spawn(nests)), 0);
    weft_test_loop_end();
}

/* ---- The tick ---- */

static void read_and_mark(evutil_socket_t fd, short what, void *name)
{
    char byte;
    (void)what;
    cr_assert_eq(read(fd, &byte, 1), 1);
    mark_soon(name);
}

static struct event *pipe_event(struct event_base *base, int gate[2], event_callback_fn fn,
                                void *arg)
{
    cr_assert_eq(pipe(gate), 0);
    struct event *event = event_new(base, gate[0], EV_READ | EV_PERSIST, fn, arg);
    cr_assert_not_null(event);
    cr_assert_eq(event_add(event, NULL), 0);
    return event;
}

static void close_pipe(struct event *event, int gate[2])
{
    event_free(event);
    close(gate[0]);
    close(gate[1]);
}

static void post_mark(const char *name)
{
    cr_assert_eq(weft_post(test_loop, weft_test_mark_call, (void *)name), 0);
}

Test(loop, tick_is_io_then_timers_then_posts_in_one_go)
{
    int gate[2];
    struct event *event = pipe_event(weft_loop_base(test_loop), gate, read_and_mark, (void *)"i");
    post_mark("p");
    weft_unref(weft_call_at(1, weft_test_mark_call, (void *)"t"));
    cr_assert_eq(write(gate[1], "x", 1), 1);
    cr_assert_eq(run_one_tick(), 0);
    cr_assert_str_eq(test_trace, "itp");
    close_pipe(event, gate);
    weft_test_loop_end();
}

/* Yields until it is told to stop; counts. */
struct storm {
    WEFT_FRAME;
    const bool *stop;
    size_t count;
};

static WEFT_ASYNC(storm)
{
    WEFT_BEGIN;
    for (; !*self->stop; self->count++)
        WEFT_YIELD;
    WEFT_RETURN(self->count);
    WEFT_END;
}

static bool calm;

static void calm_down(void *arg)
{
    (void)arg;
    calm = true;
}

static void calm_down_event(evutil_socket_t fd, short what, void *arg)
{
    char byte;
    (void)what;
    (void)arg;
    cr_assert_eq(read(fd, &byte, 1), 1);
    calm = true;
}

static size_t storm_until_calm(void)
{
    weft_future *task = weft_spawn(storm, .stop = &calm);
    cr_assert_eq(weft_test_run(weft_ref(task)), 0);
    size_t count = (size_t)weft_future_value(task).i64;
    weft_unref(task);
    calm = false;
    return count;
}

Test(loop, storm_of_ready_tasks_does_not_keep_io_timers_or_posts_waiting)
{
    int gate[2];
    struct event *event = pipe_event(weft_loop_base(test_loop), gate, calm_down_event, NULL);
    cr_assert_eq(write(gate[1], "x", 1), 1);
    cr_assert_leq(storm_until_calm(), 300);
    weft_unref(weft_call_at(1, calm_down, NULL));
    cr_assert_leq(storm_until_calm(), 300);
    cr_assert_eq(weft_post(test_loop, calm_down, NULL), 0);
    cr_assert_leq(storm_until_calm(), 300);
    close_pipe(event, gate);
    weft_test_loop_end();
}

Test(loop, storm_of_very_many_tasks_does_not_keep_io_waiting)
{
    int gate[2];
    struct event *event = pipe_event(weft_loop_base(test_loop), gate, calm_down_event, NULL);
    for (int i = 0; i < 1000; i++)
        weft_unref(weft_spawn(storm, .stop = &calm));
    cr_assert_eq(run_one_tick(), 0);
    cr_assert_eq(write(gate[1], "x", 1), 1);
    cr_assert_leq(storm_until_calm(), 2);
    close_pipe(event, gate);
    weft_test_loop_end();
}

/* ---- The base ---- */

static void resolve_event(evutil_socket_t fd, short what, void *future)
{
    (void)fd;
    (void)what;
    cr_assert_eq(weft_future_resolve(future, weft_value_i64(what == EV_TIMEOUT), NULL), 0);
}

Test(loop, base_takes_events_whose_callbacks_use_weft)
{
    struct timeval moment = {.tv_usec = 1000};
    weft_future *future = weft_future_new();
    cr_assert_eq(
        event_base_once(weft_loop_base(test_loop), -1, EV_TIMEOUT, resolve_event, future, &moment),
        0);
    cr_assert_eq(weft_test_run(weft_ref(future)), 0);
    cr_assert_eq(weft_future_value(future).i64, 1);
    weft_unref(future);
    weft_test_loop_end();
}

static void nest_event(evutil_socket_t fd, short what, void *future)
{
    (void)fd;
    (void)what;
    cr_assert_eq(weft_loop_run(test_loop), -EDEADLK);
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), -EDEADLK);
    cr_assert_eq(weft_future_resolve(future, weft_value_i64(0), NULL), 0);
}

Test(loop, run_within_a_callback_of_its_base_is_refused)
{
    struct timeval at_once = {0, 0};
    weft_future *future = weft_future_new();
    cr_assert_eq(
        event_base_once(weft_loop_base(test_loop), -1, EV_TIMEOUT, nest_event, future, &at_once),
        0);
    cr_assert_eq(weft_test_run(weft_ref(future)), 0);
    weft_unref(future);
    weft_test_loop_end();
}

/* ---- Threads ---- */

static void on_thread(void *(*fn)(void *), void *arg)
{
    pthread_t thread;
    cr_assert_eq(pthread_create(&thread, NULL, fn, arg), 0);
    cr_assert_eq(pthread_join(thread, NULL), 0);
}

static void *without_a_loop(void *arg)
{
    weft_future *futures[] = {weft_spawn(nests), weft_call(nests), weft_future_new(), weft_sleep(1),
                              weft_gather_array(0, NULL, WEFT_GATHER_ALL)};
    cr_assert_null(weft_loop_current());
    cr_assert_null(weft_current_task());
    for (size_t i = 0; i < sizeof(futures) / sizeof(futures[0]); i++) {
        cr_assert_eq(weft_future_status(futures[i]), WEFT_ENOLOOP);
        weft_unref(futures[i]);
    }
    return arg;
}

Test(loop, a_thread_without_one_gets_futures_that_have_failed)
{
    on_thread(without_a_loop, NULL);
    weft_test_loop_end();
}

struct awaits {
    WEFT_FRAME;
    weft_future *on;
};

static WEFT_ASYNC(awaits)
{
    WEFT_BEGIN;
    WEFT_AWAIT(self->on);
    WEFT_END;
}

static void *use_foreign_future(void *foreign)
{
    weft_loop *loop = weft_loop_new(NULL);
    cr_assert_not_null(loop);
    cr_assert_eq(weft_loop_run_until(loop, foreign), -EXDEV);
    cr_assert_eq(weft_loop_run_until(loop, weft_spawn(awaits, .on = foreign)), -EXDEV);
    cr_assert_eq(weft_loop_run_until(loop, weft_gather(foreign)), WEFT_ETHREAD);
    cr_assert_eq(weft_loop_run_until(loop, weft_wait_for(foreign, 1)), WEFT_ETHREAD);
    cr_assert_eq(weft_loop_run_until(loop, weft_shield(foreign)), WEFT_ETHREAD);
    weft_loop_free(loop);
    return NULL;
}

Test(loop, future_of_another_loop_is_refused_and_its_reference_stays_with_the_caller)
{
    weft_future *future = weft_future_new();
    on_thread(use_foreign_future, future);
    cr_assert_not(weft_is_done(future));
    weft_unref(future);
    weft_test_loop_end();
}

struct counts {
    WEFT_FRAME;
    int rounds;
    int i;
};

static WEFT_ASYNC(counts)
{
    WEFT_BEGIN;
    for (self->i = 0; self->i < self->rounds; self->i++)
        WEFT_AWAIT(weft_sleep(self->i % 2 ? WEFT_US(50) : 0));
    WEFT_RETURN(self->i);
    WEFT_END;
}

static void *run_a_loop(void *barrier)
{
    weft_loop *loop = weft_loop_new(NULL);
    cr_assert_not_null(loop);
    pthread_barrier_wait(barrier);
    weft_future *gather =
        weft_gather(weft_spawn(counts, .rounds = 50), weft_spawn(counts, .rounds = 100),
                    weft_wait_for(weft_spawn(counts, .rounds = 50), WEFT_S(10)));
    cr_assert_eq(weft_loop_run_until(loop, weft_ref(gather)), 0);
    const weft_results *results = weft_future_value(gather).ptr;
    cr_assert_eq(weft_results_value(results, 1).i64, 100);
    weft_unref(gather);
    weft_loop_free(loop);
    return NULL;
}

Test(loop, several_run_in_several_threads_at_once)
{
    enum { LOOPS = 6 };
    pthread_t threads[LOOPS];
    pthread_barrier_t barrier;
    cr_assert_eq(pthread_barrier_init(&barrier, NULL, LOOPS), 0);
    for (int i = 0; i < LOOPS; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, run_a_loop, &barrier), 0);
    for (int i = 0; i < LOOPS; i++)
        cr_assert_eq(pthread_join(threads[i], NULL), 0);
    pthread_barrier_destroy(&barrier);
    weft_test_loop_end();
}

struct drives {
    WEFT_FRAME;
};

static WEFT_ASYNC(drives)
{
    WEFT_BEGIN;
    cr_assert_eq(weft_loop_run(test_loop), -EDEADLK);
    cr_assert_eq(weft_loop_run_until(test_loop, weft_sleep(0)), -EDEADLK);
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), -EDEADLK);
    weft_loop_free(test_loop);
    cr_assert_eq(test_reports.count, 1);
    cr_assert_eq(test_reports.status, -EDEADLK);
    WEFT_END;
}

Test(loop, cannot_be_driven_by_a_coroutine_that_was_called_outside_of_a_run)
{
    cr_assert_eq(weft_test_run(weft_call(drives)), 0);
    weft_test_loop_end();
}

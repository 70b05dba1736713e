/* SPDX-License-Identifier: MIT */
/* Traces. What they look like in the whole is tried by tests/trace. */
#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <weft/job.h>
#include <weft/lane.h>
#include <weft/pool.h>
#include <weft/weft.h>

#include "core/inspect/symbol.h"
#include "core/inspect/trace.h"
#include "core/loop.h"
#include "core/memory.h"
#include "core/step.h"
#include "tests/support/child.h"
#include "tests/support/gate.h"
#include "tests/support/heap.h"
#include "tests/support/loop.h"
#include "tests/support/trace.h"

TestSuite(trace, .init = weft_test_loop_begin, .timeout = 30);

/* What was recorded, until the next call; and a look into it. */
static char *text;

static const char *read_trace(void)
{
    size_t len;
    weft__free(text);
    text = NULL;
    cr_assert_eq(weft_trace_read(&text, &len), 0);
    cr_assert_eq(len, strlen(text));
    return text;
}

static int times(const char *what)
{
    int count = 0;
    for (const char *at = text; (at = strstr(at, what)); at++)
        count++;
    return count;
}

static void end(void)
{
    weft_trace_discard();
    weft__free(text);
    text = NULL;
    weft_test_loop_end();
}

/* ---- Beginning and ending ---- */

Test(trace, it_begins_and_ends_once)
{
    cr_assert_eq(weft_trace_stop(), -EALREADY);
    cr_assert_eq(weft_trace_is_on(), 0);
    cr_assert_eq(weft_trace_start(NULL), 0);
    cr_assert_eq(weft_trace_start(NULL), -EALREADY);
    cr_assert_eq(weft_trace_is_on(), 1);
    cr_assert_eq(weft_trace_stop(), 0);
    cr_assert_eq(weft_trace_stop(), -EALREADY);
    end();
}

Test(trace, nothing_was_recorded_before_the_first_one)
{
    char *none = NULL;
    cr_assert_eq(weft_trace_read(&none, NULL), -ENODATA);
    cr_assert_eq(weft_trace_write("/dev/null"), -ENODATA);
    cr_assert_null(none);
    end();
}

Test(trace, options_that_make_no_sense_are_refused)
{
    cr_assert_eq(weft_trace_start(&(struct weft_trace_options){.size = 1}), -EINVAL);
    cr_assert_eq(weft_trace_start(&(struct weft_trace_options){.buffer_size = 100}), -EINVAL);
    cr_assert_eq(weft_trace_start(&(struct weft_trace_options){.buffer_size = (size_t)2 << 30}),
                 -EINVAL);
    cr_assert_eq(weft_trace_read(NULL, NULL), -EINVAL);
    cr_assert_eq(weft_trace_write(NULL), -EINVAL);
    end();
}

Test(trace, what_was_recorded_is_kept_until_the_next_one_begins)
{
    cr_assert_eq(weft_trace_start(NULL), 0);
    weft_trace_mark("first", 1);
    weft_trace_stop();
    weft_trace_mark("unheard", 1);
    read_trace();
    cr_assert_eq(times("first"), 1);
    cr_assert_eq(times("unheard"), 0);
    cr_assert_eq(weft_trace_start(NULL), 0);
    weft_trace_mark("second", 1);
    read_trace();
    cr_assert_eq(times("first"), 0);
    cr_assert_eq(times("second"), 1);
    end();
}

Test(trace, a_file_is_written)
{
    char path[] = "/tmp/weft-trace-XXXXXX", begin[16] = "";
    close(mkstemp(path));
    cr_assert_eq(weft_trace_start(NULL), 0);
    cr_assert_eq(weft_trace_write(path), 0);
    FILE *file = fopen(path, "r");
    cr_assert_not_null(fgets(begin, sizeof(begin), file));
    fclose(file);
    unlink(path);
    cr_assert_str_eq(begin, "{\"traceEvents\":");
    cr_assert_eq(weft_trace_write("/no/such/folder/trace.json"), -ENOENT);
    cr_assert_eq(weft_trace_write("/dev/full"), -ENOSPC);
    end();
}

/* A disk that is full half-way leaves nothing that looks like a trace. */
Test(trace, half_a_file_is_not_left)
{
    char path[] = "/tmp/weft-trace-XXXXXX";
    struct rlimit all, little;
    struct stat left = {.st_size = 1};
    close(mkstemp(path));
    signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(weft_trace_start(NULL), 0);
    for (int i = 0; i < 100; i++)
        weft_trace_mark("mark", i);
    getrlimit(RLIMIT_FSIZE, &all);
    little = (struct rlimit){.rlim_cur = 1000, .rlim_max = all.rlim_max};
    setrlimit(RLIMIT_FSIZE, &little);
    int status = weft_trace_write(path);
    setrlimit(RLIMIT_FSIZE, &all);
    stat(path, &left);
    unlink(path);
    cr_assert_eq(status, -EFBIG);
    cr_assert_eq(left.st_size, 0);
    end();
}

/* ---- Steps ---- */

struct naps {
    WEFT_FRAME;
};

static WEFT_ASYNC(naps)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_sleep(1));
    WEFT_YIELD;
    WEFT_FINALLY;
    WEFT_AWAIT(weft_sleep(1));
    WEFT_END;
}

struct calls {
    WEFT_FRAME;
};

static WEFT_ASYNC(calls)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_call(naps));
    WEFT_END;
}

Test(trace, steps_are_named_with_where_they_come_from_and_go_to)
{
    cr_assert_eq(weft_trace_start(NULL), 0);
    cr_assert_eq(weft_test_run(weft_spawn(naps)), 0);
    weft_trace_stop();
    read_trace();
    cr_assert_eq(times("\"cat\":\"step\""), 4, "%s", text);
    cr_assert_eq(times("\"then\":\"awaits\""), 2);
    cr_assert_eq(times("\"then\":\"yields\""), 1);
    cr_assert_eq(times("\"then\":\"ends\""), 1);
    cr_assert_eq(times("test_trace.c, its beginning"), 1);
    cr_assert_eq(times("\"spawned_at\":\""), 1);
    cr_assert_eq(times("unfinished"), 0);
    end();
}

Test(trace, a_call_and_its_task_have_awaits_of_their_own)
{
    cr_assert_eq(weft_trace_start(NULL), 0);
    cr_assert_eq(weft_test_run(weft_spawn(calls)), 0);
    weft_trace_stop();
    read_trace();
    cr_assert_eq(times("\"name\":\"await naps\",\"ph\":\"b\""), 1, "%s", text);
    cr_assert_eq(times("\"name\":\"await naps\",\"ph\":\"e\""), 1);
    cr_assert_eq(times("\"name\":\"await sleep\",\"ph\":\"b\""), 2);
    cr_assert_eq(times("\"name\":\"calls\",\"ph\":\"b\""), 1);
    end();
}

struct looks {
    WEFT_FRAME;
};

static WEFT_ASYNC(looks)
{
    WEFT_BEGIN;
    weft_trace_begin("my part");
    read_trace();
    weft_trace_end();
    WEFT_END;
}

Test(trace, what_goes_on_is_said_to_be_unfinished)
{
    cr_assert_eq(weft_trace_start(NULL), 0);
    weft_future *naps = weft_spawn(naps);
    cr_assert_eq(weft_test_run(weft_spawn(looks)), 0);
    cr_assert_eq(times("\"unfinished\":true"), 4, "%s", text); /* step, part; await, task */
    cr_assert_eq(weft_test_run(naps), 0);
    end();
}

Test(trace, who_makes_a_task_ready_has_an_arrow_to_its_step)
{
    cr_assert_eq(weft_trace_start(NULL), 0);
    cr_assert_eq(weft_test_run(weft_spawn(calls)), 0);
    weft_trace_stop();
    read_trace();
    cr_assert_gt(times("\"name\":\"ready\",\"ph\":\"s\""), 0);
    cr_assert_eq(times("\"name\":\"ready\",\"ph\":\"s\""),
                 times("\"name\":\"ready\",\"ph\":\"f\""));
    end();
}

Test(trace, a_loop_is_not_looked_at_any_more_when_it_is_over)
{
    cr_assert_eq(weft_trace_start(NULL), 0);
    cr_assert(test_loop->watched & WEFT__WATCHED_FOR_TRACE && test_loop->schedules_specially);
    weft_trace_stop();
    cr_assert_eq(weft_test_run(weft_spawn(naps)), 0);
    cr_assert(!test_loop->watched && !test_loop->schedules_specially);
    end();
}

/* The kernel counts them up when somebody attaches. */
Test(trace, a_loop_passes_the_probes_of_steps_once_somebody_looks_at_them)
{
    weft_step_end_semaphore = 1;
    cr_assert_eq(weft_test_run(weft_spawn(naps)), 0);
    cr_assert_eq(test_loop->watched, WEFT__WATCHED_FOR_PROBES);
    weft_step_end_semaphore = 0;
    cr_assert_eq(weft_test_run(weft_spawn(naps)), 0);
    cr_assert_eq(test_loop->watched, 0);
    end();
}

static void tidy_up(void *arg)
{
    *(int *)arg += 1;
}

static void tidy_up_after(weft_future *future, void *arg)
{
    (void)future;
    tidy_up(arg);
}

/* Whichever way it came to the loop; what weft runs itself is "callback". */
Test(trace, a_callback_has_the_name_of_its_function)
{
    int calls = 0;
    struct weft_callback own;
    bool has_names = weft__symbols_prepare();
    cr_assert_eq(weft_trace_start(NULL), 0);
    weft_unref(weft_call_soon(tidy_up, &calls));
    cr_assert_eq(weft_post(test_loop, tidy_up, &calls), 0);
    weft_callback_init(&own, tidy_up, &calls);
    cr_assert_eq(weft_callback_soon(&own), 0);
    weft_future *done = weft_future_new();
    cr_assert_eq(weft_then(done, tidy_up_after, &calls), 0);
    weft_future_resolve(done, weft_value_i64(0), NULL);
    weft_test_ticks(3);
    cr_assert_eq(calls, 4);
    read_trace();
    cr_assert_eq(times("\"name\":\"tidy_up\",\"ph\":\"X\""), has_names ? 3 : 0, "%s", text);
    cr_assert_eq(times("\"function\":\"tidy_up ("), has_names ? 3 : 0, "%s", text);
    cr_assert_eq(times("\"name\":\"tidy_up_after\",\"ph\":\"X\""), has_names, "%s", text);
    end();
}

Test(trace, callbacks_and_counts_are_recorded)
{
    cr_assert_eq(weft_trace_start(NULL), 0);
    weft_unref(weft_call_soon(weft_test_mark_call, (void *)"c"));
    weft_test_ticks(1);
    read_trace();
    cr_assert_geq(times("\"cat\":\"callback\""), 1, "%s", text);
    cr_assert_eq(times("\"ready\":"), 1);
    cr_assert_eq(times("(test_trace)"), 1); /* "loop 1 (test_trace)" */
    cr_assert_eq(times("\"name\":\"thread_name\""), 1);
    end();
}

/* ---- The user's ---- */

Test(trace, a_program_adds_events_of_its_own)
{
    cr_assert_eq(weft_trace_start(NULL), 0);
    weft_trace_mark("here", -7);
    weft_trace_counter("level", 5);
    weft_trace_begin("outer");
    weft_trace_begin("inner");
    weft_trace_end();
    weft_trace_end();
    weft_trace_end(); /* of nothing */
    weft_trace_stop();
    read_trace();
    cr_assert_eq(times("\"name\":\"here\",\"ph\":\"i\""), 1);
    cr_assert_eq(times("{\"value\":-7}"), 1);
    cr_assert_eq(times("\"name\":\"level\",\"ph\":\"C\""), 1);
    cr_assert_eq(times("\"name\":\"outer\",\"ph\":\"X\""), 1);
    cr_assert_eq(times("\"name\":\"inner\",\"ph\":\"X\""), 1);
    cr_assert_eq(times("unfinished"), 0);
    end();
}

Test(trace, a_name_that_is_gone_is_no_fault)
{
    cr_assert_eq(weft_trace_start(NULL), 0);
    weft_trace_mark((const char *)16, 1);
    weft_trace_mark(NULL, 2);
    read_trace();
    cr_assert_eq(times("{\"value\":1}"), 1);
    cr_assert_eq(times("\"name\":\"?\""), 1);
    end();
}

/* ---- Rings ---- */

Test(trace, a_full_ring_keeps_the_newest_and_says_so)
{
    enum { ROOM = 4096 / 32 };
    cr_assert_eq(weft_trace_start(&(struct weft_trace_options){.buffer_size = 4096}), 0);
    for (int i = 0; i < 2 * ROOM; i++)
        weft_trace_mark("m", i);
    read_trace();
    cr_assert_eq(times("\"name\":\"m\""), ROOM - 1);
    cr_assert_eq(times("{\"value\":255}"), 1);
    cr_assert_eq(times("\"records_overwritten\":129,"), 1, "%s", text);
    end();
}

/* What began before the oldest record that is left is left out. */
Test(trace, ends_without_a_beginning_are_left_out)
{
    cr_assert_eq(weft_trace_start(&(struct weft_trace_options){.buffer_size = 4096}), 0);
    weft_trace_begin("lost");
    for (int i = 0; i < 200; i++)
        weft_trace_mark("m", i);
    weft_trace_end();
    read_trace();
    cr_assert_eq(times("lost"), 0);
    cr_assert_eq(times("\"ph\":\"X\""), 0);
    end();
}

static void *mark_once(void *arg)
{
    (void)arg;
    weft_trace_mark("thread", 0);
    return NULL;
}

static void run_threads(int count)
{
    for (int i = 0; i < count; i++) {
        pthread_t thread;
        cr_assert_eq(pthread_create(&thread, NULL, mark_once, NULL), 0);
        pthread_join(thread, NULL);
    }
}

Test(trace, a_thread_that_has_ended_is_heard_still)
{
    cr_assert_eq(weft_trace_start(NULL), 0);
    run_threads(3);
    read_trace();
    cr_assert_eq(times("\"name\":\"thread\",\"ph\":\"i\""), 3);
    cr_assert_eq(times("\"threads_not_recorded\":0"), 1);
    end();
}

Test(trace, of_too_many_threads_the_oldest_make_room)
{
    enum { MOST = 128, MORE = 5 };
    cr_assert_eq(weft_trace_start(&(struct weft_trace_options){.buffer_size = 4096}), 0);
    weft_trace_mark("thread", 0);
    run_threads(MOST + MORE);
    read_trace();
    cr_assert_eq(times("\"name\":\"thread\",\"ph\":\"i\""), MOST);
    cr_assert_eq(times("\"threads_not_recorded\":6"), 1, "%s", text + strlen(text) - 200);
    end();
}

/* ---- Jobs ---- */

struct waits {
    WEFT_FRAME;
    struct gate *gate;
};

static WEFT_ASYNC(waits)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_to_thread_fn(NULL, gate_pass, self->gate));
    WEFT_END;
}

Test(trace, a_job_is_followed_from_its_submission_to_its_end)
{
    struct gate gate;
    gate_init(&gate);
    gate_open(&gate);
    cr_assert_eq(weft_trace_start(NULL), 0);
    cr_assert_eq(weft_test_run(weft_spawn(waits, .gate = &gate)), 0);
    weft_trace_stop();
    read_trace();
    cr_assert_eq(times("\"name\":\"submit\""), 1, "%s", text);
    cr_assert_eq(times("\"name\":\"gate_pass\",\"ph\":\"X\""), 1);
    cr_assert_eq(times("\"name\":\"job done\""), 1);
    cr_assert_eq(times("\"name\":\"job\",\"ph\":\"s\""), 1);
    cr_assert_eq(times("\"name\":\"job\",\"ph\":\"t\""), 1);
    cr_assert_eq(times("\"name\":\"job\",\"ph\":\"f\""), 1);
    cr_assert_eq(times("{\"queued\":1,\"running\":0}"), 1);
    cr_assert_eq(times("{\"queued\":0,\"running\":1}"), 1);
    cr_assert_eq(times("{\"queued\":0,\"running\":0}"), 1);
    cr_assert_geq(times("wake a worker"), 1);
    end();
}

Test(trace, a_job_that_runs_is_seen_from_outside)
{
    struct gate gate;
    gate_init(&gate);
    cr_assert_eq(weft_trace_start(NULL), 0);
    weft_future *task = weft_spawn(waits, .gate = &gate);
    weft_test_ticks(1);
    gate_wait_entered(&gate);
    read_trace();
    cr_assert_eq(times("\"name\":\"gate_pass\",\"ph\":\"X\""), 1, "%s", text);
    cr_assert_geq(times("\"unfinished\":true"), 1);
    cr_assert_eq(times("\"name\":\"job\",\"ph\":\"s\""), 1);
    cr_assert_eq(times("\"name\":\"job\",\"ph\":\"f\""), 1);
    gate_open(&gate);
    cr_assert_eq(weft_test_run(task), 0);
    end();
}

Test(trace, a_job_that_is_cancelled_in_the_queue_leaves_it)
{
    struct gate gate;
    weft_lane *lane;
    gate_init(&gate);
    weft_pool *pool = weft_pool_new(NULL);
    cr_assert_eq(weft_loop_set_pool(test_loop, pool), 0);
    lane = weft_lane_new(pool, &(struct weft_lane_options){.name = "one", .max_running = 1});
    cr_assert_eq(weft_trace_start(NULL), 0);
    weft_future *first = weft_to_thread_fn(lane, gate_pass, &gate);
    gate_wait_entered(&gate);
    weft_future *second = weft_to_thread_fn(lane, gate_pass, &gate);
    weft_cancel(second);
    cr_assert_eq(weft_test_run(second), -ECANCELED);
    gate_open(&gate);
    cr_assert_eq(weft_test_run(first), 0);
    weft_lane_unref(lane);
    weft_pool_unref(pool);
    weft_trace_stop();
    read_trace();
    cr_assert_eq(times("\"name\":\"gate_pass\",\"ph\":\"X\""), 1);
    cr_assert_eq(times("\"error\":\"ECANCELED\""), 2, "%s", text); /* point and span */
    cr_assert_eq(times("\"name\":\"lane one\""), 5);
    cr_assert_eq(times("{\"queued\":0,\"running\":0}"), 1);
    end();
}

/* ---- Other loops ---- */

struct other {
    struct gate *gate;
    weft_loop *_Atomic loop;
    pthread_barrier_t ready;
};

static void *run_other(void *arg)
{
    struct other *other = arg;
    weft_loop *loop = weft_loop_new(NULL);
    other->loop = loop;
    pthread_barrier_wait(&other->ready);
    weft_loop_run(loop);
    pthread_barrier_wait(&other->ready); /* who posts has done so */
    weft_loop_free(loop);
    return NULL;
}

static void stop(void *loop)
{
    weft_loop_stop(loop);
}

static void spawn_and_stop(void *unused)
{
    (void)unused;
    weft_unref(weft_spawn(calls));
    weft_unref(weft_call_later(WEFT_MS(1), stop, weft_loop_current()));
}

Test(trace, a_loop_on_another_thread_takes_part)
{
    struct other other = {.loop = NULL};
    pthread_t thread;
    pthread_barrier_init(&other.ready, NULL, 2);
    cr_assert_eq(pthread_create(&thread, NULL, run_other, &other), 0);
    pthread_barrier_wait(&other.ready);
    cr_assert_eq(weft_trace_start(NULL), 0);
    cr_assert_eq(weft_post(other.loop, spawn_and_stop, NULL), 0);
    pthread_barrier_wait(&other.ready);
    pthread_join(thread, NULL);
    read_trace();
    cr_assert_eq(times("\"name\":\"calls\",\"ph\":\"X\""), 2, "%s", text);
    pthread_barrier_destroy(&other.ready);
    end();
}

/* ---- Signals, forks ---- */

/* Their words belong together. */
static void put_one(uint32_t which, bool in_handler)
{
    (in_handler ? weft__trace_record_here : weft__trace_record)(WEFT__TRACE_MARK, which, which,
                                                                which, NULL);
}

static void put_note(int signum)
{
    (void)signum;
    put_one(2, true);
}

struct interrupts {
    pthread_t whom;
    atomic_bool over;
};

static void *interrupt(void *arg)
{
    struct interrupts *interrupts = arg;
    while (!interrupts->over)
        pthread_kill(interrupts->whom, SIGUSR1);
    return NULL;
}

static void check_records(void)
{
    struct weft__trace_copy copy;
    cr_assert_eq(weft__trace_copy(&copy), 0);
    for (size_t i = 0; i < copy.threads[0].count; i++) {
        const struct weft__trace_record *record = &copy.threads[0].records[i];
        uint32_t which = (uint32_t)record->id;
        cr_assert_eq(record->what, weft__trace_what(WEFT__TRACE_MARK, which, which));
    }
    weft__trace_copy_fini(&copy);
}

/* What the handler wrote into one that is being written would spoil it. */
Test(trace, a_signal_handler_does_not_spoil_a_record)
{
    enum { ROUNDS = 30, RECORDS = 30000 };
    struct interrupts interrupts = {.whom = pthread_self()};
    struct sigaction action = {.sa_handler = put_note};
    pthread_t thread;
    cr_assert_eq(sigaction(SIGUSR1, &action, NULL), 0);
    cr_assert_eq(weft_trace_start(NULL), 0);
    put_one(1, false);
    cr_assert_eq(pthread_create(&thread, NULL, interrupt, &interrupts), 0);
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < RECORDS; i++)
            put_one(1, false);
        check_records();
    }
    interrupts.over = true;
    pthread_join(thread, NULL);
    end();
}

static void look_in_child(void *unused)
{
    (void)unused;
    char *own = NULL;
    CHILD_EXPECT(!weft_trace_is_on());
    CHILD_EXPECT(weft_trace_stop() == -EALREADY);
    CHILD_EXPECT(weft_trace_start(NULL) == 0);
    weft_trace_mark("childs", 1);
    CHILD_EXPECT(weft_trace_read(&own, NULL) == 0);
    CHILD_EXPECT(strstr(own, "childs") && !strstr(own, "parents"));
    weft__free(own);
    weft_trace_discard();
}

Test(trace, no_trace_goes_on_in_a_forked_child)
{
    cr_assert_eq(weft_trace_start(NULL), 0);
    weft_trace_mark("parents", 1);
    weft_test_in_child(look_in_child, NULL);
    read_trace();
    cr_assert_eq(times("parents"), 1);
    cr_assert_eq(times("childs"), 0);
    end();
}

/* ---- The environment ---- */

struct quick {
    WEFT_FRAME;
};

static WEFT_ASYNC(quick)
{
    WEFT_BEGIN;
    WEFT_RETURN(3);
    WEFT_END;
}

static bool file_has(const char *path, const char *what)
{
    char *line = NULL;
    size_t size = 0;
    FILE *file = fopen(path, "r");
    bool found = file && getline(&line, &size, file) > 0 && strstr(line, what);
    free(line);
    if (file)
        fclose(file);
    return found;
}

Test(trace, a_program_is_traced_by_its_environment)
{
    const char *path = "/tmp/weft-trace-%p-%%.json";
    char named[64];
    weft_loop_free(test_loop);
    snprintf(named, sizeof(named), "/tmp/weft-trace-%d-%%.json", (int)getpid());
    setenv("WEFT_TRACE", path, 1);
    cr_assert_eq(weft_run(quick), 3);
    cr_assert(file_has(named, "\"name\":\"quick\",\"ph\":\"X\""));
    unlink(named);
    cr_assert_eq(weft_run_loops(&(struct weft_run_loops_options){.loops = 2}, quick), 3);
    cr_assert(file_has(named, "\"name\":\"quick\",\"ph\":\"X\""));
    unlink(named);
    unsetenv("WEFT_TRACE");
    cr_assert_eq(weft_trace_is_on(), 0);
    test_loop = weft_loop_new(NULL);
    end();
}

struct forgets {
    WEFT_FRAME;
};

static WEFT_ASYNC(forgets)
{
    WEFT_BEGIN;
    unsetenv("WEFT_TRACE");
    cr_assert_eq(chdir("/"), 0);
    WEFT_RETURN(weft_trace_is_on());
    WEFT_END;
}

/* Runs it with WEFT_TRACE; true: it was traced. */
static bool is_traced(const char *path)
{
    setenv("WEFT_TRACE", path, 1);
    return weft_run(forgets) == 1;
}

Test(trace, a_program_that_changes_its_environment_and_its_folder_is_traced_to_its_end)
{
    char named[64];
    weft_loop_free(test_loop);
    snprintf(named, sizeof(named), "/tmp/weft-trace-%d.json", (int)getpid());
    cr_assert_eq(chdir("/tmp"), 0);
    cr_assert(is_traced("weft-trace-%p.json"));
    cr_assert(file_has(named, "\"name\":\"forgets\",\"ph\":\"X\""));
    unlink(named);
    test_loop = weft_loop_new(NULL);
    end();
}

Test(trace, a_file_that_cannot_be_written_is_told_of_before_there_is_something_to_lose)
{
    weft_loop_free(test_loop);
    cr_redirect_stderr();
    cr_assert_not(is_traced("/no/such/folder/trace.json"));
    cr_assert_not(is_traced("/tmp"));
    fflush(stderr);
    cr_assert_stderr_eq_str(
        "weft: loop: nothing is traced, as WEFT_TRACE cannot be written: No such file or directory "
        "(ENOENT): /no/such/folder/trace.json\n"
        "weft: loop: nothing is traced, as WEFT_TRACE cannot be written: Is a directory (EISDIR): "
        "/tmp\n");
    test_loop = weft_loop_new(NULL);
    end();
}

struct discards {
    WEFT_FRAME;
};

static WEFT_ASYNC(discards)
{
    WEFT_BEGIN;
    weft_trace_discard();
    WEFT_END;
}

Test(trace, a_program_that_discards_the_trace_of_its_environment_is_told)
{
    weft_loop_free(test_loop);
    cr_redirect_stderr();
    setenv("WEFT_TRACE", "/dev/null", 1);
    cr_assert_eq(weft_run(discards), 0);
    fflush(stderr);
    cr_assert_stderr_eq_str("weft: loop: the program has discarded the trace that WEFT_TRACE asked "
                            "for: No data available (ENODATA): /dev/null\n");
    unsetenv("WEFT_TRACE");
    test_loop = weft_loop_new(NULL);
    end();
}

/* ---- Memory ---- */

static int record_and_read(void)
{
    int status = weft_trace_start(&(struct weft_trace_options){.buffer_size = 4096});
    if (status == 0) {
        char *json = NULL;
        weft_trace_mark("m", 1);
        for (int i = 0; i < 3000; i++)
            weft__trace_record(WEFT__TRACE_READY, 0, 1, (uint64_t)i * 64, NULL);
        weft_trace_begin("m");
        weft_trace_mark("m", 1);
        status = weft_trace_read(&json, NULL);
        weft__free(json);
        if (status == 0)
            status = weft_trace_write("/dev/null");
    }
    weft_trace_discard();
    return status;
}

/* A thread for which there is none is counted, and nothing else fails. */
Test(trace, out_of_memory_is_an_error_and_leaves_nothing)
{
    for (size_t n = 1;; n++) {
        weft_test_heap_fail_at(n);
        int status = record_and_read();
        bool failed = weft_test_heap_failed();
        weft_test_heap_fail_at(0);
        cr_assert(status == 0 || (failed && status == -ENOMEM), "%zu: %d", n, status);
        if (!failed)
            break;
    }
    end();
}

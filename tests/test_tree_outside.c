/* SPDX-License-Identifier: MIT */
/* The task tree while the loop is stuck, while it runs, and when what is seen makes no sense. */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <weft/weft.h>

#include "core/inspect/thread_state.h"
#include "core/inspect/tree.h"
#include "core/inspect/walk.h"
#include "core/loop.h"
#include "core/memory.h"
#include "core/task.h"
#include "tests/support/gate.h"
#include "tests/support/loop.h"
#include "tests/support/net.h"
#include "tests/support/pool.h"
#include "tests/support/tree.h"

TestSuite(tree_outside, .init = weft_test_loop_begin, .timeout = 240);

struct sleeper {
    WEFT_FRAME;
};

static WEFT_ASYNC(sleeper)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    WEFT_END;
}

struct awaits {
    WEFT_FRAME;
    weft_future *what; /* consumed */
};

static WEFT_ASYNC(awaits)
{
    WEFT_BEGIN;
    WEFT_AWAIT(self->what);
    WEFT_END;
}

static void assert_has(const char *text, const char *part)
{
    cr_assert_not_null(strstr(text, part), "\n%s\nhas no\n%s", text, part);
}

/* ---- Stuck in a step ---- */

struct stuck {
    WEFT_FRAME;
    struct gate *gate;
};

static WEFT_ASYNC(stuck)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_sleep(0));
    gate_pass(self->gate);
    WEFT_END;
}

struct calls_stuck {
    WEFT_FRAME;
    struct gate *gate;
};

static WEFT_ASYNC(calls_stuck)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_call(stuck, .gate = self->gate));
    WEFT_END;
}

static char *stuck_text, *stuck_json;

/* That it is at the gate is said before it sleeps there. */
static void wait_until_it_sleeps(pid_t tid)
{
    struct weft__thread_state state;
    do
        sched_yield();
    while (weft__thread_state_read(tid, &state) == 0 && state.syscall_nr != SYS_futex);
}

static void *look_when_stuck(void *gate)
{
    gate_wait_entered(gate);
    wait_until_it_sleeps(test_loop->tid);
    stuck_text = test_tree_text(true);
    stuck_json = test_tree_json(true);
    gate_open(gate);
    return NULL;
}

Test(tree_outside, is_seen_while_the_loop_is_stuck_in_a_step)
{
    struct gate gate;
    pthread_t thread;
    gate_init(&gate);
    weft_future *other = weft_spawn(sleeper);
    weft_future *task = weft_spawn(calls_stuck, .gate = &gate);
    cr_assert_eq(pthread_create(&thread, NULL, look_when_stuck, &gate), 0);
    cr_assert_eq(weft_test_run(task), 0);
    cr_assert_eq(pthread_join(thread, NULL), 0);
    cr_assert_str_eq(stuck_text, "#1 sleeper, waiting at HERE\n"
                                 "    sleep, 1.0 s\n"
                                 "#2 calls_stuck, running at HERE\n"
                                 "    in stuck at HERE\n");
    assert_has(stuck_json, "\"state\":\"blocked\",\"seen\":\"from outside\",\"moved\":false,"
                           "\"doing\":\"futex(");
    free(stuck_text);
    free(stuck_json);
    cr_assert_eq(weft_test_run(other), 0);
    weft_test_loop_end();
}

/* ---- Jobs and descriptors ---- */

Test(tree_outside, shows_a_job_its_lane_and_its_thread)
{
    struct gate gate;
    gate_init(&gate);
    weft_pool *pool = use_pool(NULL);
    weft_lane *lane =
        weft_lane_new(pool, &(struct weft_lane_options){.name = "one", .max_running = 1});
    weft_future *first = weft_spawn(awaits, .what = weft_to_thread_fn(lane, gate_pass, &gate));
    weft_future *second = weft_spawn(awaits, .what = weft_to_thread_fn(lane, gate_pass, &gate));
    test_tree_settle();
    gate_wait_entered(&gate);
    test_tree_has(
        "\"waits_for\":{\"kind\":\"job\",\"name\":\"gate_pass\",\"made_at\":\"HERE\",\"resource\":"
        "\"@\",\"stage\":\"running\",\"tid\":");
    test_tree_has("\"stage\":\"queued\",\"detail\":\"lane one\"");
    char *text = test_tree_text(true);
    assert_has(text, "running, lane one, made at HERE, thread ");
    free(text);
    gate_open(&gate);
    gate_open(&gate);
    cr_assert_eq(weft_test_run(first), 0);
    cr_assert_eq(weft_test_run(second), 0);
    weft_lane_unref(lane);
    weft_test_loop_end();
}

Test(tree_outside, shows_descriptors_and_what_they_are)
{
    int fds[2];
    cr_assert_eq(pipe(fds), 0);
    weft_future *readable = weft_spawn(awaits, .what = weft_wait_readable(fds[0]));
    test_tree_settle();
    char expected[128];
    snprintf(expected, sizeof(expected),
             "\"waits_for\":{\"kind\":\"wait_readable\",\"stage\":\"to read\",\"fd\":%d,\"detail\":"
             "\"fd %d: pipe\"}",
             fds[0], fds[0]);
    test_tree_has(expected);
    cr_assert_eq(write(fds[1], "x", 1), 1);
    cr_assert_eq(weft_test_run(readable), 0);
    close(fds[0]);
    close(fds[1]);
    weft_test_loop_end();
}

Test(tree_outside, shows_a_stream_that_is_read)
{
    int peer;
    char buffer[16];
    weft_stream *stream = weft_test_stream(&peer);
    weft_future *task = weft_spawn(awaits, .what = weft_read(stream, buffer, sizeof(buffer)));
    test_tree_settle();
    char *text = test_tree_text(true);
    assert_has(text, "    read @, fd ");
    assert_has(text, ": unix socket, received 0, written 0\n");
    free(text);
    weft_test_send_text(peer, "x");
    cr_assert_eq(weft_test_run(task), 0);
    weft_stream_free(stream);
    close(peer);
    weft_test_loop_end();
}

/* ---- Every kind of operation ---- */

/* What has nothing to say: futures that are done when they are made, and those that stand for themselves. */
static const char *const silent[] = {
    "operation",     /* failed at once, or permanent */
    "future",        /* of weft_future_new(): whoever resolves it is not known */
    "lock",          /* that was free */
    "semaphore",     /* that had a unit */
    "event",         /* that was set */
    "barrier",       /* by the last one */
    "condition",     /* that was true */
    "watch",         /* that had changed */
    "net",           /* a drain of what is empty */
    "file",          /* done at once */
    "resolve",       /* that was known */
    "sleep",         /* in its task's own waiter, or interrupted: the task says it */
    "process start", /* done at once */
};

static bool is_silent(const char *name)
{
    size_t i = 0;
    while (i < sizeof(silent) / sizeof(*silent) && strcmp(silent[i], name) != 0)
        i++;
    return i < sizeof(silent) / sizeof(*silent);
}

static void check_ops(void *arg, const struct weft__future_ops *ops)
{
    size_t *explained = arg;
    *explained += ops->explain != NULL;
    cr_assert(ops->explain || is_silent(ops->name), "%s does not explain itself", ops->name);
}

Test(tree_outside, is_told_by_every_operation)
{
    size_t explained = 0;
    weft__each_known_ops(check_ops, &explained);
    cr_assert_geq(explained, 50, "%zu", explained);
    weft_test_loop_end();
}

/* ---- What makes no sense ---- */

/* From outside, with one word of the loop's overwritten: what can be seen then. */
static char *with(void *place, void *value)
{
    void *kept;
    memcpy(&kept, place, sizeof(kept));
    memcpy(place, &value, sizeof(value));
    char *text = test_tree_text(true);
    memcpy(place, &kept, sizeof(kept));
    return text;
}

static void assert_seen(char *text, const char *expected)
{
    cr_assert_str_eq(text, expected);
    free(text);
}

Test(tree_outside, leaves_out_what_is_not_there)
{
    static max_align_t nothing[64];
    void *wrong[] = {NULL, (void *)8, (void *)3, (void *)(uintptr_t)-4096, nothing, NULL};
    wrong[5] = wrong;
    weft_future *task = weft_spawn(sleeper);
    weft_future *newest = weft_spawn(awaits, .what = weft_ref(task));
    test_tree_settle();
    weft__coro *coro = test_loop->tasks;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        assert_seen(with(&test_loop->tasks, wrong[i]), "");
        assert_seen(with(&coro->next, wrong[i]), "#2 awaits, waiting at HERE\n"
                                                 "    #1 sleeper, waiting at HERE\n"
                                                 "        sleep, 1.0 s\n");
        assert_seen(with(&coro->future.ops, wrong[i]), "");
        free(with(&coro->waiter.future, wrong[i]));
        free(with(&coro->code, wrong[i]));
        free(with(&coro->spawned_at, wrong[i]));
        free(with(&test_loop->current, wrong[i]));
        free(with(&test_loop->first_steps, wrong[i]));
        free(with(&test_loop->timers.blocks, wrong[i]));
    }
    assert_seen(with(&coro->next, coro), "#2 awaits, waiting at HERE\n"
                                         "    #1 sleeper, waiting at HERE\n"
                                         "        sleep, 1.0 s\n");
    cr_assert_eq(weft_test_run(newest), 0);
    weft_unref(task);
    weft_test_loop_end();
}

/* ---- Limits ---- */

Test(tree_outside, shows_the_newest_of_too_many_tasks)
{
    enum { COUNT = 12000 };
    static weft_future *tasks[COUNT];
    char *json;
    for (size_t i = 0; i < COUNT; i++)
        tasks[i] = weft_spawn(sleeper);
    test_tree_settle();
    cr_assert_eq(weft_inspect_tasks(&(struct weft_inspect_options){.most_tasks = 2}, &json), 0);
    assert_has(json, "\"task_count\":12000,\"tasks\":[{\"id\":11999,");
    weft__free(json);
    cr_assert_eq(weft_inspect_tasks(NULL, &json), 0);
    assert_has(json, "\"tasks\":[{\"id\":2001,");
    weft__free(json);
    char *outside = test_tree_json(true);
    assert_has(outside, "\"tasks\":[{\"id\":2001,");
    free(outside);
    for (size_t i = 0; i < COUNT; i++)
        cr_assert_eq(weft_test_run(tasks[i]), 0);
    weft_test_loop_end();
}

/* ---- At full speed ---- */

static atomic_bool seen_enough;

struct child {
    WEFT_FRAME;
    weft_lock *lock;
    bool has_lock;
};

static WEFT_ASYNC(child)
{
    WEFT_BEGIN;
    WEFT_YIELD;
    WEFT_AWAIT(weft_lock_acquire(self->lock));
    self->has_lock = true;
    WEFT_AWAIT(weft_wait_for(weft_sleep(0), WEFT_S(1)));
    WEFT_FINALLY;
    if (self->has_lock)
        weft_lock_release(self->lock);
    WEFT_END;
}

struct inner {
    WEFT_FRAME;
    weft_lock *lock;
};

static WEFT_ASYNC(inner)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_gather(weft_spawn(child, .lock = self->lock),
                           weft_spawn(child, .lock = self->lock),
                           weft_to_thread_fn(NULL, return_nothing, NULL)));
    WEFT_END;
}

struct busy {
    WEFT_FRAME;
    weft_lock *lock;
    weft_scope *scope;
};

static WEFT_ASYNC(busy)
{
    WEFT_BEGIN;
    while (!atomic_load(&seen_enough)) {
        self->scope = weft_scope_open(NULL);
        weft_scope_spawn(self->scope, inner, .lock = self->lock);
        WEFT_AWAIT(weft_call(inner, .lock = self->lock));
        WEFT_AWAIT(weft_race(weft_sleep(1), weft_spawn(inner, .lock = self->lock)));
        WEFT_AWAIT(weft_scope_close(self->scope, 0));
        weft_scope_free(self->scope);
        self->scope = NULL;
    }
    WEFT_FINALLY;
    weft_scope_free(self->scope);
    WEFT_END;
}

static bool is_whole(const char *json)
{
    int depth = 0;
    bool quoted = false;
    for (; *json; json++) {
        if (*json == '\\')
            json++;
        else if (*json == '"')
            quoted = !quoted;
        else if (!quoted)
            depth += (*json == '{' || *json == '[') - (*json == '}' || *json == ']');
    }
    return depth == 0 && !quoted;
}

/* Not by an assertion, which would end the thread and leave the loop running. */
static size_t failed_looks;

static void *look_all_the_time(void *unused)
{
    for (int i = 0; i < 300; i++) {
        struct weft__text text = {0};
        int status = weft__tree_write(test_loop, true, &text);
        failed_looks += status < 0 || !is_whole(text.data);
        weft__text_fini(&text);
        free(test_tree_text(true));
    }
    atomic_store(&seen_enough, true);
    return unused;
}

Test(tree_outside, bears_a_loop_that_runs_at_full_speed)
{
    pthread_t thread;
    weft_lock *lock = weft_lock_new();
    weft_future *tasks[4];
    for (int i = 0; i < 4; i++)
        tasks[i] = weft_spawn(busy, .lock = lock);
    cr_assert_eq(pthread_create(&thread, NULL, look_all_the_time, NULL), 0);
    for (int i = 0; i < 4; i++)
        cr_assert_eq(weft_test_run(tasks[i]), 0);
    cr_assert_eq(pthread_join(thread, NULL), 0);
    cr_assert_eq(failed_looks, 0);
    weft_lock_free(lock);
    weft_test_loop_end();
}

/* SPDX-License-Identifier: MIT */
/* What the control socket answers: of loops that run, of loops that are stuck, and cancelling. */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <weft/weft.h>

#include "core/inspect/ask.h"
#include "core/inspect/trace.h"
#include "core/loop.h"
#include "tests/support/child.h"
#include "tests/support/control.h"
#include "tests/support/gate.h"
#include "tests/support/heap.h"
#include "tests/support/loop.h"
#include "tests/support/pool.h"
#include "tests/support/sanitizer.h"

TestSuite(control_ask, .init = control_begin, .timeout = 60);

struct waits {
    WEFT_FRAME;
    weft_future *future;
};

static WEFT_ASYNC(waits)
{
    WEFT_BEGIN;
    WEFT_AWAIT(self->future);
    WEFT_END;
}

static weft_future *future, *task;

/* Task 1, which waits for `future`. */
static void spawn_task(void)
{
    future = weft_future_new();
    task = weft_spawn(waits, .future = weft_ref(future));
    cr_assert_eq(weft_test_run(weft_sleep(1)), 0);
}

static void end_task(void)
{
    weft_unref(future);
    weft_unref(task);
    control_end();
}

static char answer[1 << 16];

static void keep(char *text)
{
    snprintf(answer, sizeof(answer), "%s", text);
    free(text);
}

static void assert_has(const char *part)
{
    cr_assert(strstr(answer, part), "\n%s\nhas no\n%s", answer, part);
}

/* ---- Tasks ---- */

Test(control_ask, a_loop_that_runs_answers_by_itself)
{
    spawn_task();
    keep(control_ask_running("ps\n"));
    assert_has("\"seen\":\"by itself\"");
    assert_has("\"tasks\":[{\"id\":1,\"name\":\"waits\",\"state\":\"waiting\"");
    assert_has("\"thread\":{\"state\":\"");
    end_task();
}

Test(control_ask, a_loop_that_is_stuck_is_seen_from_outside)
{
    spawn_task();
    keep(control_ask("pstree\n")); /* this thread is in there */
    assert_has("\"seen\":\"from outside\"");
    assert_has("\"tasks\":[{\"id\":1,\"name\":\"waits\",\"state\":\"waiting\"");
    assert_has("\"syscall\":\"recvfrom(");
    end_task();
}

/* Of a loop with very many tasks, a look at all of them would be felt. */
Test(control_ask, shows_one_task_alone)
{
    static const char *const wrong[] = {"ps 1\n", "ps x\n", "ps 0 1\n", "ps 1 -1\n",
                                        "pstree 1 2x\n"};
    char request[64];
    spawn_task();
    weft_future *other = weft_spawn(waits, .future = weft_ref(future));
    cr_assert_eq(weft_test_run(weft_sleep(1)), 0);
    snprintf(request, sizeof(request), "ps 1 %u\n", test_loop->id);
    for (int i = 0; i < 2; i++) {
        keep(i == 0 ? control_ask_running(request) : control_ask(request));
        assert_has(i == 0 ? "\"seen\":\"by itself\"" : "\"seen\":\"from outside\"");
        assert_has(
            "\"task_count\":2,\"tasks\":[{\"id\":1,\"name\":\"waits\",\"state\":\"waiting\"");
        assert_has("\"waits_for\":{\"kind\":\"future\"");
        cr_assert_null(strstr(answer, "\"id\":2,"), "%s", answer);
    }
    snprintf(request, sizeof(request), "ps 7 %u\n", test_loop->id);
    keep(control_ask_running(request));
    assert_has("\"task_count\":2,\"tasks\":[]");
    keep(control_ask_running("ps 1 4000000000\n"));
    assert_has("\"loops\":[]");
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        keep(control_ask_running(wrong[i]));
        assert_has("{\"error\":\"ps takes nothing, or a task's id and a loop's\"}\n");
    }
    cr_assert_eq(weft_future_resolve(future, weft_value_i64(0), NULL), 0);
    cr_assert_eq(weft_test_run(other), 0);
    end_task();
}

/* The request that was left is in the mailbox still: it is freed by the loop, or at its end. */
Test(control_ask, a_late_answer_harms_nobody)
{
    spawn_task();
    keep(control_ask("ps\n"));
    cr_assert_eq(weft_test_run(weft_sleep(1)), 0);
    keep(control_ask("ps\n"));
    keep(control_ask_running("ps\n"));
    assert_has("\"seen\":\"by itself\"");
    keep(control_ask("ps\n"));
    end_task();
}

#ifndef WEFT_TEST_NO_THREADS_IN_CHILD
static void run_in_child(void *arg)
{
    (void)arg;
    CHILD_EXPECT(weft_after_fork_child(test_loop) == 0);
    CHILD_EXPECT(weft_test_run(weft_sleep(1)) == 0);
    keep(control_ask_running("ps\n"));
    CHILD_EXPECT(strstr(answer, "\"seen\":\"by itself\""));
    weft_loop_free(test_loop);
}

Test(control_ask, a_request_that_a_child_inherits_is_nothing_to_it)
{
    spawn_task();
    keep(control_ask("ps\n"));
    weft_test_in_child(run_in_child, NULL);
    end_task();
}
#endif

/* ---- Several loops ---- */

struct other {
    pthread_t thread;
    struct gate gate;
    weft_future *stop; /* of its loop */
    weft_loop *loop;
    uint32_t id;
    bool is_stuck;
    sem_t told; /* the post has returned: the loop may be freed */
};

static void end_other(void *arg)
{
    struct other *other = arg;
    weft_future_resolve(other->stop, weft_value_i64(0), NULL);
}

static void *run_other(void *arg)
{
    struct other *other = arg;
    other->loop = weft_loop_new(NULL);
    other->id = other->loop->id;
    other->stop = weft_future_new();
    weft_future *waiting = weft_spawn(waits, .future = weft_ref(other->stop));
    if (other->is_stuck)
        gate_pass(&other->gate);
    else
        sem_post(&other->gate.entered);
    cr_assert_eq(weft_loop_run_until(other->loop, waiting), 0);
    while (sem_wait(&other->told) < 0)
        ;
    weft_unref(other->stop);
    weft_loop_free(other->loop);
    return NULL;
}

static void begin_other(struct other *other, bool is_stuck)
{
    other->is_stuck = is_stuck;
    gate_init(&other->gate);
    sem_init(&other->told, 0, 0);
    cr_assert_eq(pthread_create(&other->thread, NULL, run_other, other), 0);
    gate_wait_entered(&other->gate);
}

static void join_other(struct other *other)
{
    if (other->is_stuck)
        gate_open(&other->gate);
    cr_assert_eq(weft_post(other->loop, end_other, other), 0);
    sem_post(&other->told);
    pthread_join(other->thread, NULL);
}

Test(control_ask, one_stuck_loop_does_not_keep_another_from_answering)
{
    struct other other = {0};
    spawn_task();
    begin_other(&other, true);
    keep(control_ask_running("ps\n"));
    join_other(&other);
    const char *first = strstr(answer, "\"seen\":\"by itself\"");
    cr_assert(first && strstr(first, "\"seen\":\"from outside\""), "%s", answer);
    end_task();
}

/* ---- Cancelling ---- */

Test(control_ask, cancels_a_task_with_a_reason)
{
    struct weft_cancel_info info;
    spawn_task();
    keep(control_ask_running("cancel 1 0 it waits for \"nothing\"\n"));
    assert_has("{\"cancelled\":true,\"loop\":");
    assert_has(",\"task\":1,\"name\":\"waits\",\"note\":null}\n");
    cr_assert_eq(weft_test_run(weft_ref(task)), -ECANCELED);
    cr_assert(weft_task_cancel_info(task, &info));
    cr_assert_str_eq(info.reason, "it waits for \"nothing\"");
    cr_assert_str_eq(info.at, "weft cancel");
    end_task();
}

/* What was given up must not be done when the loop comes to it. */
Test(control_ask, a_stuck_loop_cancels_nothing_neither_now_nor_later)
{
    char request[64];
    spawn_task();
    snprintf(request, sizeof(request), "cancel 1 %u too late\n", test_loop->id);
    keep(control_ask(request));
    assert_has("{\"error\":\"nothing was done: loop ");
    assert_has(" did not answer within 200 ms\"}\n");
    keep(control_ask("cancel 1 0\n"));
    assert_has("nothing was done: loop ");
    cr_assert_eq(weft_test_run(weft_sleep(1)), 0);
    cr_assert_not(weft_is_done(task));
    cr_assert_eq(weft_cancelling(task), 0);
    end_task();
}

Test(control_ask, refuses_what_it_cannot_cancel)
{
    static const struct {
        const char *request, *error;
    } cases[] = {
        {"cancel\n", "cancel takes a task's id, a loop's or 0, and a reason"},
        {"cancel 0 0 x\n", "cancel takes"},
        {"cancel -1 0 x\n", "cancel takes"},
        {"cancel 1\n", "cancel takes"},
        {"cancel 1x 0\n", "cancel takes"},
        {"cancel 4294967296 0\n", "cancel takes"},
        {"cancel 99999999999999999999 0\n", "cancel takes"},
        {"cancel 7 0\n", "there is no task 7"},
        {"cancel 1 4000000000 x\n", "there is no loop 4000000000"},
    };
    spawn_task();
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        keep(control_ask_running(cases[i].request));
        cr_assert(strstr(answer, cases[i].error), "%s is answered by %s", cases[i].request, answer);
    }
    char request[700];
    snprintf(request, sizeof(request), "cancel 1 0 %0512d\n", 0);
    keep(control_ask_running(request));
    assert_has("the reason is too long");
    snprintf(request, sizeof(request), "cancel 7 %u x\n", test_loop->id);
    keep(control_ask_running(request));
    assert_has("has no task 7");
    cr_assert_not(weft_is_done(task));
    end_task();
}

Test(control_ask, wants_to_know_the_loop_where_two_have_such_a_task)
{
    struct other other = {0};
    char request[64];
    spawn_task();
    begin_other(&other, false);
    keep(control_ask_running("cancel 1 0 which\n"));
    assert_has("nothing was done: loops ");
    assert_has(" have a task 1; say which");
    snprintf(request, sizeof(request), "cancel 1 %u this\n", test_loop->id);
    keep(control_ask_running(request));
    assert_has("\"cancelled\":true");
    join_other(&other);
    cr_assert_eq(weft_test_run(weft_ref(task)), -ECANCELED);
    end_task();
}

struct cleans {
    WEFT_FRAME;
    weft_cleanup *cleanup;
    weft_future *future;
    int how, status;
};

enum { SHIELD, CLEAN_UP, FINALLY };

static WEFT_ASYNC(cleans)
{
    WEFT_BEGIN;
    if (self->how == SHIELD)
        WEFT_AWAIT(weft_shield(weft_ref(self->future)));
    if (self->how == CLEAN_UP) {
        self->cleanup = weft_cleanup_enter(WEFT_S(60));
        WEFT_CATCH(self->status, weft_ref(self->future));
        self->status = weft_cleanup_exit(self->cleanup, self->status);
        WEFT_AWAIT(weft_sleep(1));
    }
    WEFT_FINALLY;
    if (self->how == FINALLY)
        WEFT_AWAIT(self->future);
    else
        weft_unref(self->future);
    WEFT_END;
}

static void expect_note(int how, const char *note)
{
    weft_future *resource = weft_future_new();
    weft_future *cleaning = weft_spawn(cleans, .future = weft_ref(resource), .how = how);
    char request[64];
    cr_assert_eq(weft_test_run(weft_sleep(1)), 0);
    snprintf(request, sizeof(request), "cancel %u 0 note\n", (unsigned)weft_task_id(cleaning));
    keep(control_ask_running(request));
    assert_has(note);
    if (!weft_is_done(resource))
        cr_assert_eq(weft_future_resolve(resource, weft_value_i64(0), NULL), 0);
    cr_assert_eq(weft_test_run(cleaning), -ECANCELED);
    weft_unref(resource);
}

Test(control_ask, says_what_a_request_to_cancel_comes_to)
{
    expect_note(SHIELD, "\"note\":\"what it awaits is shielded, and goes on without it\"");
    expect_note(CLEAN_UP,
                "\"note\":\"it is in a clean-up block: the request is kept until that ends\"");
    expect_note(FINALLY, "\"note\":\"it is in its WEFT_FINALLY already\"");
    control_end();
}

/* ---- Pools, numbers, all ---- */

Test(control_ask, shows_the_jobs_of_a_pool_with_their_threads)
{
    struct gate gate;
    gate_init(&gate);
    weft_pool *pool = use_pool(&(struct weft_pool_options){.max_threads = 2});
    cr_assert_not_null(pool);
    weft_future *job = weft_to_thread_fn(NULL, gate_pass, &gate);
    cr_assert_eq(weft_test_run(weft_sleep(1)), 0);
    gate_wait_entered(&gate);
    keep(control_ask("pool\n"));
    gate_open(&gate);
    cr_assert_eq(weft_test_run(job), 0);
    assert_has("\"busy\":[{\"tid\":");
    assert_has("\"lane\":\"default\"");
    assert_has("\"buckets\":[["); /* of the time for which it was queued */
    assert_has("\"is_abandoned\":false,");
    assert_has(",\"thread\":{\"state\":\"");
    control_end();
}

Test(control_ask, shows_the_numbers_of_a_stuck_loop)
{
    spawn_task();
    keep(control_ask("stats\n"));
    assert_has("\"process\":{\"cpu_ns\":");
    assert_has("\"loops\":[{\"id\":");
    assert_has("\"lag\":{\"count\":");
    assert_has("\"pools\":[");
    end_task();
}

Test(control_ask, dumps_everything_in_one_answer)
{
    spawn_task();
    keep(control_ask_running("dump\n"));
    assert_has("{\"hello\":{\"weft\":");
    assert_has(",\"pstree\":{\"pid\":");
    assert_has(",\"pool\":{\"pid\":");
    assert_has(",\"stats\":{\"pid\":");
    end_task();
}

Test(control_ask, traces_on_request)
{
    spawn_task();
    keep(control_ask("trace dump\n"));
    assert_has("{\"error\":\"there was no trace\"}\n");
    keep(control_ask("trace stop\n"));
    assert_has("{\"error\":\"no trace goes on\"}\n");
    keep(control_ask("trace\n"));
    assert_has("{\"error\":\"trace takes start, stop or dump\"}\n");
    keep(control_ask("trace start\n"));
    assert_has("{\"trace\":\"started\"}\n");
    keep(control_ask("trace start\n"));
    assert_has("{\"error\":\"a trace goes on already; weft trace --stop ends it\"}\n");
    cr_assert_eq(weft_test_run(weft_sleep(1)), 0);
    keep(control_ask("trace stop\n"));
    assert_has("{\"trace\":\"stopped\"}\n");
    keep(control_ask("trace dump\n"));
    cr_assert_eq(answer[0], '{');
    assert_has("\"traceEvents\":[");
    cr_assert_str_eq(answer + strlen(answer) - 2, "}\n");
    weft__trace_discard();
    end_task();
}

/* ---- Out of memory ---- */

struct asking {
    int status;
    unsigned shown;
};

static int say(weft_loop *loop, const struct weft__subject *subject, struct weft__text *to)
{
    (void)loop;
    (void)subject;
    weft__json_int(to, NULL, 1);
    return to->status;
}

static void count(void *arg, const struct weft__answer *shown)
{
    (void)shown;
    ++*(unsigned *)arg;
}

static void stop(void *arg)
{
    weft_loop_stop(arg);
}

static void *ask(void *arg)
{
    static const struct weft__question question = {.by_itself = say, .from_outside = say};
    struct asking *asking = arg;
    asking->status = weft__ask(&question, count, &asking->shown);
    weft_test_heap_fail_at(0);
    cr_assert_eq(weft_post(test_loop, stop, test_loop), 0);
    return NULL;
}

Test(control_ask, out_of_memory_is_an_error_and_nothing_is_shown)
{
    struct asking asking = {.status = -ENOMEM};
    pthread_t thread;
    for (size_t n = 1; n < 3; n++) {
        asking.shown = 0;
        weft_test_heap_fail_at(n);
        cr_assert_eq(pthread_create(&thread, NULL, ask, &asking), 0);
        cr_assert_eq(weft_loop_run(test_loop), 0);
        pthread_join(thread, NULL);
        cr_assert_eq(asking.status, n == 1 ? -ENOMEM : 0);
        cr_assert_eq(asking.shown, n == 1 ? 0 : 1); /* the second is the text's: it says so */
    }
    control_end();
}

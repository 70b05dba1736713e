/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <weft/weft.h>

#include "core/memory.h"
#include "tests/support/gate.h"
#include "tests/support/heap.h"
#include "tests/support/loop.h"
#include "tests/support/trace.h"

TestSuite(context, .init = weft_test_loop_begin, .timeout = 20);

static atomic_int destroyed;

static void destroy(void *text)
{
    atomic_fetch_add(&destroyed, 1);
    weft__free(text);
}

static WEFT_CONTEXT_KEY(request_id, char *, destroy);
static WEFT_CONTEXT_KEY(user, const char *, NULL);
static WEFT_CONTEXT_KEY(depth, int, NULL);
static WEFT_CONTEXT_KEY(ratio, double, NULL);

/* The text of a key, marked; "-" when it is not set. */
static void mark_user(const char *prefix)
{
    weft_test_mark(prefix);
    weft_test_mark(weft_context_get(user) ? weft_context_get(user) : "-");
}

static void set_user(const char *name)
{
    cr_assert_eq(weft_context_set(user, name), 0);
}

/* As a weft_call_fn: marks, then sets another. */
static void mark_and_set_user(void *prefix)
{
    mark_user(prefix);
    set_user("inside");
}

static char space[] = " ";

/* ---- Keys ---- */

Test(context, keys_have_types)
{
    cr_assert_eq(weft_context_set(depth, -3), 0);
    cr_assert_eq(weft_context_set(ratio, 0.5), 0);
    cr_assert_eq(weft_context_set(user, "ann"), 0);
    cr_assert_eq(weft_context_get(depth), -3);
    cr_assert_float_eq(weft_context_get(ratio), 0.5, 1e-9);
    cr_assert_str_eq(weft_context_get(user), "ann");
    weft_test_loop_end();
}

Test(context, key_that_is_not_set_is_zero)
{
    cr_assert_eq(weft_context_get(depth), 0);
    cr_assert_null(weft_context_get(user));
    cr_assert_not(weft_context_is_set(depth));
    cr_assert_eq(weft_context_set(depth, 0), 0);
    cr_assert(weft_context_is_set(depth));
    cr_assert_null(weft_context_get(user));
    weft_test_loop_end();
}

Test(context, key_can_be_set_again_and_unset)
{
    cr_assert_eq(weft_context_set(depth, 1), 0);
    cr_assert_eq(weft_context_set(user, "ann"), 0);
    cr_assert_eq(weft_context_set(depth, 2), 0);
    cr_assert_eq(weft_context_get(depth), 2);
    cr_assert_eq(weft_context_unset(depth), 0);
    cr_assert_not(weft_context_is_set(depth));
    cr_assert_str_eq(weft_context_get(user), "ann");
    cr_assert_eq(weft_context_unset(depth), 0);
    cr_assert_eq(weft_context_unset(user), 0);
    cr_assert_not(weft_context_is_set(user));
    weft_context *empty = weft_context_current();
    cr_assert_null(empty);
    weft_test_loop_end();
}

Test(context, value_is_destroyed_with_the_last_context_that_holds_it)
{
    cr_assert_eq(weft_context_set(request_id, weft__strdup("r-1")), 0);
    weft_context *before = weft_context_current();
    cr_assert_eq(weft_context_set(request_id, weft__strdup("r-2")), 0);
    cr_assert_eq(destroyed, 0);
    cr_assert_str_eq(weft_context_get(request_id), "r-2");
    cr_assert_str_eq(weft_context_get_from(before, request_id), "r-1");
    weft_context_unref(before);
    cr_assert_eq(destroyed, 1);
    cr_assert_eq(weft_context_unset(request_id), 0);
    cr_assert_eq(destroyed, 2);
    weft_test_loop_end();
}

Test(context, set_again_and_again_holds_one_value)
{
    cr_assert_eq(weft_context_set(user, "ann"), 0);
    cr_assert_eq(weft_context_set(request_id, weft__strdup("r")), 0);
    size_t live = weft_test_heap_live();
    for (int i = 0; i < 1000; i++)
        cr_assert_eq(weft_context_set(request_id, weft__strdup("r")), 0);
    cr_assert_eq(weft_test_heap_live(), live);
    cr_assert_eq(destroyed, 1000);
    weft_test_loop_end();
}

Test(context, of_the_loop_is_dropped_with_the_loop)
{
    cr_assert_eq(weft_context_set(request_id, weft__strdup("r-1")), 0);
    weft_loop_free(test_loop);
    test_loop = NULL;
    cr_assert_eq(destroyed, 1);
    weft_test_loop_end();
}

Test(context, without_a_loop_has_nowhere_to_set_a_key)
{
    weft_loop_free(test_loop);
    test_loop = NULL;
    cr_assert_eq(weft_context_set(request_id, weft__strdup("r-1")), WEFT_ENOLOOP);
    cr_assert_eq(destroyed, 1);
    cr_assert_not(weft_context_is_set(request_id));
    cr_assert_eq(weft_context_unset(request_id), 0);
    weft_context *none = weft_context_current();
    cr_assert_null(none);
    weft_test_loop_end();
}

Test(context, run_gives_a_thread_without_a_loop_one_for_the_call)
{
    weft_loop_free(test_loop);
    test_loop = NULL;
    weft_context_run(NULL, mark_and_set_user, space);
    cr_assert_null(weft_context_get(user));
    weft_test_loop_end();
}

static void nest(void *context)
{
    mark_user("a:");
    set_user("bob");
    weft_context_run(context, mark_and_set_user, space);
    mark_user(" c:");
}

Test(context, run_keeps_what_is_set_inside)
{
    set_user("ann");
    weft_context *ann = weft_context_current();
    weft_context_run(ann, nest, ann);
    mark_user(" d:");
    cr_assert_str_eq(test_trace, "a:ann ann c:bob d:ann");
    weft_context_unref(ann);
    weft_test_loop_end();
}

static int set_both(void)
{
    int status = weft_context_set(request_id, weft__strdup("r"));
    if (status == 0)
        status = weft_context_set(user, "ann");
    if (status == 0)
        status = weft_context_unset(request_id);
    weft_context_unset(user);
    weft_context_unset(request_id);
    return status;
}

Test(context, survives_every_lack_of_memory)
{
    weft_test_every_lack_of_memory(set_both);
    weft_test_loop_end();
}

/* ---- Tasks ---- */

struct speaker {
    WEFT_FRAME;
    const char *name; /* what it sets; NULL: nothing */
};

static WEFT_ASYNC(speaker)
{
    WEFT_BEGIN;
    mark_user(" in:");
    if (self->name)
        set_user(self->name);
    WEFT_YIELD;
    mark_user(" on:");
    WEFT_END;
}

Test(context, is_a_snapshot_at_the_spawn)
{
    set_user("ann");
    weft_future *task = weft_spawn(speaker);
    set_user("bob");
    cr_assert_eq(weft_test_run(task), 0);
    cr_assert_str_eq(test_trace, " in:ann on:ann");
    weft_test_loop_end();
}

Test(context, set_in_a_task_is_its_own)
{
    set_user("ann");
    weft_future *one = weft_spawn(speaker, .name = "one");
    weft_future *two = weft_spawn(speaker, .name = "two");
    cr_assert_eq(weft_test_run(one), 0);
    cr_assert_eq(weft_test_run(two), 0);
    cr_assert_str_eq(test_trace, " in:ann in:ann on:one on:two");
    cr_assert_str_eq(weft_context_get(user), "ann");
    weft_test_loop_end();
}

struct parent {
    WEFT_FRAME;
    int i;
};

static WEFT_ASYNC(parent)
{
    WEFT_BEGIN;
    set_user("parent");
    WEFT_AWAIT(weft_spawn(speaker, .name = "child"));
    mark_user(" then:");
    WEFT_AWAIT(weft_call(speaker, .name = "call"));
    mark_user(" at last:");
    WEFT_END;
}

Test(context, of_a_child_begins_as_its_parents_and_of_a_call_is_its_callers)
{
    cr_assert_eq(weft_test_run(weft_spawn(parent)), 0);
    cr_assert_str_eq(test_trace, " in:parent on:child then:parent in:parent on:call at last:call");
    cr_assert_null(weft_context_get(user));
    weft_test_loop_end();
}

Test(context, of_choice_is_given_to_a_task)
{
    set_user("ann");
    weft_context *ann = weft_context_current();
    set_user("bob");
    weft_future *of_ann = weft_spawn_in(ann, speaker, .name = "x");
    weft_future *of_none = weft_spawn_in(NULL, speaker);
    weft_context_unref(ann);
    cr_assert_eq(weft_test_run(of_ann), 0);
    cr_assert_eq(weft_test_run(of_none), 0);
    cr_assert_str_eq(test_trace, " in:ann in:- on:x on:-");
    weft_test_loop_end();
}

Test(context, of_a_task_is_dropped_with_the_task)
{
    cr_assert_eq(weft_context_set(request_id, weft__strdup("r-1")), 0);
    weft_future *task = weft_spawn(speaker);
    cr_assert_eq(weft_context_unset(request_id), 0);
    cr_assert_eq(weft_test_run(weft_ref(task)), 0);
    cr_assert_eq(destroyed, 0);
    weft_unref(task);
    cr_assert_eq(destroyed, 1);
    weft_test_loop_end();
}

/* ---- Callbacks ---- */

static void then_mark_user(weft_future *future, void *prefix)
{
    (void)future;
    mark_user(prefix);
    set_user("inside");
}

Test(context, is_a_snapshot_for_calls_continuations_and_posts)
{
    set_user("soon");
    weft_unref(weft_call_soon(mark_and_set_user, space));
    set_user("later");
    weft_unref(weft_call_later(WEFT_S(1), mark_and_set_user, space));
    set_user("at");
    weft_unref(weft_call_at(WEFT_S(2), mark_and_set_user, space));
    set_user("then");
    cr_assert_eq(weft_then(weft_sleep(WEFT_S(3)), then_mark_user, space), 0);
    set_user("post");
    cr_assert_eq(weft_post(test_loop, mark_and_set_user, space), 0);
    set_user("own");
    cr_assert_eq(weft_test_run(weft_sleep(WEFT_S(4))), 0);
    cr_assert_str_eq(test_trace, " soon post later at then");
    cr_assert_str_eq(weft_context_get(user), "own");
    weft_test_loop_end();
}

Test(context, of_a_call_that_is_taken_back_is_dropped)
{
    cr_assert_eq(weft_context_set(request_id, weft__strdup("r-1")), 0);
    weft_future *call = weft_call_later(WEFT_S(1), mark_and_set_user, space);
    weft_future *soon = weft_call_soon(mark_and_set_user, space);
    cr_assert_eq(weft_context_unset(request_id), 0);
    cr_assert(weft_cancel(call));
    cr_assert(weft_cancel(soon));
    weft_unref(call);
    weft_unref(soon);
    weft_test_ticks(1);
    cr_assert_eq(destroyed, 1);
    cr_assert_str_eq(test_trace, "");
    weft_test_loop_end();
}

static void post_from_here(void *loop)
{
    set_user("thread");
    cr_assert_eq(weft_post(loop, mark_and_set_user, space), 0);
    set_user("changed");
}

static void *post_from_a_thread(void *loop)
{
    weft_context_run(NULL, post_from_here, loop);
    return NULL;
}

Test(context, of_the_posting_thread_is_that_of_the_post)
{
    pthread_t thread;
    set_user("loop");
    cr_assert_eq(pthread_create(&thread, NULL, post_from_a_thread, test_loop), 0);
    pthread_join(thread, NULL);
    weft_test_ticks(1);
    cr_assert_str_eq(test_trace, " thread");
    weft_test_loop_end();
}

/* ---- Jobs ---- */

struct read_user {
    pthread_t caller;
};

static WEFT_BLOCKING(read_user)
{
    cr_assert_not(pthread_equal(self->caller, pthread_self()));
    const char *seen = weft_context_get(user);
    int refused = weft_context_set(user, "worker");
    if (refused < 0 || strcmp(weft_context_get(user), "worker") != 0)
        return weft_err(-EIO);
    return weft_ok(seen);
}

static const char *user_of(weft_future *job)
{
    cr_assert_eq(weft_test_run(weft_ref(job)), 0);
    const char *seen = weft_future_value(job).ptr;
    weft_unref(job);
    return seen;
}

Test(context, is_a_snapshot_for_a_job_and_readable_on_the_worker)
{
    set_user("ann");
    weft_future *job = weft_to_thread(read_user, .caller = pthread_self());
    set_user("bob");
    cr_assert_str_eq(user_of(job), "ann");
    cr_assert_str_eq(user_of(weft_to_thread(read_user, .caller = pthread_self())), "bob");
    cr_assert_str_eq(weft_context_get(user), "bob");
    weft_test_loop_end();
}

Test(context, of_a_job_that_never_ran_is_dropped)
{
    struct weft_pool_options one = {.max_threads = 1, .max_queued = 1};
    weft_pool *pool = weft_pool_new(&one);
    cr_assert_eq(weft_loop_set_pool(test_loop, pool), 0);
    cr_assert_eq(weft_context_set(request_id, weft__strdup("r-1")), 0);
    weft_future *jobs[3];
    for (int i = 0; i < 3; i++)
        jobs[i] = weft_to_thread(read_user, .caller = pthread_self());
    cr_assert_eq(weft_context_unset(request_id), 0);
    for (int i = 0; i < 3; i++) {
        weft_cancel(jobs[i]);
        int status = weft_test_run(jobs[i]);
        cr_assert(status == 0 || status == -ECANCELED || status == -EAGAIN, "%d", status);
    }
    weft_pool_unref(pool);
    weft_loop_free(test_loop);
    test_loop = NULL;
    cr_assert_eq(destroyed, 1);
    weft_test_loop_end();
}

Test(context, of_a_job_that_outlives_its_loop_is_dropped_when_it_returns)
{
    struct gate gate;
    gate_init(&gate);
    weft_pool *pool = weft_pool_new(NULL);
    cr_assert_eq(weft_loop_set_pool(test_loop, pool), 0);
    cr_assert_eq(weft_context_set(request_id, weft__strdup("r-1")), 0);
    weft_unref(weft_to_thread_fn(NULL, gate_pass, &gate));
    cr_assert_eq(weft_context_unset(request_id), 0);
    gate_wait_entered(&gate);
    struct weft_shutdown_options at_once = {.jobs_timeout = 1};
    cr_assert_eq(weft_loop_shutdown(test_loop, &at_once, NULL), WEFT_ESTUCK);
    weft_loop_free(test_loop);
    test_loop = NULL;
    cr_assert_eq(destroyed, 0);
    struct weft_pool_stats stats;
    gate_open(&gate);
    do
        weft_pool_get_stats(pool, &stats);
    while (stats.idle == 0); /* it has let go of the job before */
    weft_pool_unref(pool);
    cr_assert_eq(destroyed, 1);
    weft_test_loop_end();
}

struct fail_on_worker {
    int code;
};

static WEFT_BLOCKING(fail_on_worker)
{
    return weft_errf(-EIO, "code %d", self->code);
}

struct handle_request {
    WEFT_FRAME;
    int code;
};

static WEFT_ASYNC(handle_request)
{
    WEFT_BEGIN;
    char id[] = "r-00";
    id[3] = (char)('0' + self->code);
    cr_assert_eq(weft_context_set(request_id, weft__strdup(id)), 0);
    weft_unref(weft_to_thread(fail_on_worker, .code = self->code));
    cr_assert_eq(weft_context_set(request_id, weft__strdup("another")), 0);
    WEFT_END;
}

static void note_request(weft_loop *loop, const struct weft_error_report *report, void *arg)
{
    (void)loop;
    (void)arg;
    cr_assert_eq(report->status, -EIO);
    cr_assert_str_eq(report->task, "fail_on_worker");
    weft_test_mark(report->message);
    weft_test_mark(" in ");
    weft_test_mark(weft_context_get_from(report->context, request_id));
    weft_test_mark(";");
}

Test(context, request_id_set_in_a_handler_shows_in_the_report_of_a_job_that_failed_on_a_worker)
{
    weft_loop_set_error_handler(test_loop, note_request, NULL);
    cr_assert_eq(weft_test_run(weft_spawn(handle_request, .code = 7)), 0);
    cr_assert_eq(weft_test_run(weft_sleep(WEFT_S(1))), 0); /* waits for the job */
    cr_assert_str_eq(test_trace, "code 7 in r-07;");
    weft_test_loop_end();
}

static void read_only(void *arg)
{
    (void)arg;
    weft_context_get(user);
}

static int everything(void)
{
    int status = weft_context_set(request_id, weft__strdup("r"));
    int noted = weft_post(test_loop, read_only, NULL);
    int task = weft_test_run(weft_spawn(speaker));
    int call = weft_test_run(weft_call_soon(read_only, NULL));
    int job = weft_test_run(weft_to_thread(fail_on_worker));
    weft_context_unset(request_id);
    test_trace[0] = '\0';
    if (status == 0)
        status = noted < 0 ? noted : task < 0 ? task : call;
    return status == 0 && job != -EIO ? job : status;
}

Test(context, of_all_that_runs_survives_every_lack_of_memory)
{
    weft_test_every_lack_of_memory(everything);
    weft_test_loop_end();
}

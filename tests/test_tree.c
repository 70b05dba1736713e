/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft/weft.h>

#include "core/inspect/tree.h"
#include "core/memory.h"
#include "tests/support/gate.h"
#include "tests/support/heap.h"
#include "tests/support/loop.h"
#include "tests/support/tree.h"

TestSuite(tree, .init = weft_test_loop_begin, .timeout = 20);

struct sleeper {
    WEFT_FRAME;
};

static WEFT_ASYNC(sleeper)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    WEFT_END;
}

struct caller {
    WEFT_FRAME;
};

static WEFT_ASYNC(caller)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_call(sleeper));
    WEFT_END;
}

static void cancel_and_drop(weft_future *task)
{
    weft_cancel(task);
    weft_test_run(task);
}

/* ---- Tasks ---- */

Test(tree, shows_a_task_its_calls_and_its_sleep)
{
    weft_future *task = weft_spawn(caller);
    test_tree_settle();
    test_tree_is("#1 caller, waiting at HERE\n"
                 "    in sleeper at HERE\n"
                 "    sleep, 1.0 s\n");
    test_tree_has("\"tasks\":[{\"id\":1,\"name\":\"caller\",\"state\":\"waiting\",\"spawned_at\":"
                  "\"HERE\",\"parent\":0,\"awaits_at\":\"HERE\",\"in_finally\":false,"
                  "\"shielded\":false,\"cancel_requested\":0,\"calls\":[{\"name\":\"sleeper\","
                  "\"called_at\":\"HERE\",\"awaits_at\":\"HERE\"}],\"waits_for\":"
                  "{\"kind\":\"sleep\",\"deadline_ns\":1000000000}}],\"cycles\":[]}");
    weft_test_run(task);
    weft_test_loop_end();
}

/* Awaits what it is given. */
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

Test(tree, shows_a_new_task_and_a_name_that_was_set)
{
    weft_future *task = weft_spawn(sleeper);
    cr_assert_eq(weft_task_set_name(task, "Ann"), 0);
    test_tree_is("#1 Ann, new, spawned at HERE\n");
    weft_test_run(task);
    weft_test_loop_end();
}

Test(tree, shows_who_awaits_whom)
{
    weft_future *inner = weft_spawn(sleeper);
    weft_future *outer = weft_spawn(awaits, .what = weft_ref(inner));
    weft_future *both = weft_spawn(awaits, .what = weft_gather(inner, weft_ref(outer)));
    test_tree_settle();
    test_tree_is("#3 awaits, waiting at HERE\n"
                 "    gather, count 2, left 2\n"
                 "        #1 sleeper, waiting at HERE\n"
                 "            sleep, 1.0 s\n"
                 "        #2 awaits, waiting at HERE\n"
                 "            #1 sleeper, see there\n");
    test_tree_has(
        "\"waits_for\":{\"kind\":\"gather\",\"count\":2,\"left\":2,\"children\":[{\"kind\":"
        "\"task\",\"task\":1,\"name\":\"sleeper\"},{\"kind\":\"task\",\"task\":2,"
        "\"name\":\"awaits\"}]}");
    weft_test_run(both);
    weft_test_run(outer);
    weft_test_loop_end();
}

Test(tree, shows_who_asked_for_a_cancel)
{
    weft_future *inner = weft_future_new();
    weft_future *task = weft_spawn(awaits, .what = weft_shield(weft_ref(inner)));
    test_tree_settle();
    test_tree_is("#1 awaits, waiting at HERE\n"
                 "    shield\n"
                 "        future\n");
    weft_cancel_because(task, "too late");
    test_tree_has("\"cancel_requested\":1,\"cancel\":{\"reason\":\"too late\",\"at\":\"HERE\"}");
    weft_test_run(task);
    weft_future_resolve(inner, weft_value_i64(0), NULL);
    weft_unref(inner);
    weft_test_loop_end();
}

/* ---- Operations ---- */

Test(tree, shows_combinators)
{
    weft_future *plain = weft_future_new();
    weft_future *race =
        weft_spawn(awaits, .what = weft_race(weft_sleep(WEFT_S(1)), weft_ref(plain)));
    weft_future *some[] = {weft_ref(plain), weft_sleep(WEFT_S(2))};
    weft_future *wait =
        weft_spawn(awaits, .what = weft_wait_array(2, some, WEFT_FIRST_COMPLETED, WEFT_S(3)));
    weft_future *limited = weft_spawn(awaits, .what = weft_wait_for(weft_ref(plain), WEFT_S(4)));
    test_tree_settle();
    test_tree_is("#1 awaits, waiting at HERE\n"
                 "    race, count 2, left 2\n"
                 "        sleep, 1.0 s\n"
                 "        future\n"
                 "#2 awaits, waiting at HERE\n"
                 "    wait, left 2, count 2, 3.0 s\n"
                 "        future\n"
                 "        sleep, 2.0 s\n"
                 "#3 awaits, waiting at HERE\n"
                 "    wait_for, 4.0 s\n"
                 "        future\n");
    weft_future_resolve(plain, weft_value_i64(0), NULL);
    weft_unref(plain);
    weft_test_run(race);
    weft_test_run(wait);
    weft_test_run(limited);
    weft_test_loop_end();
}

struct holder {
    WEFT_FRAME;
    weft_lock *lock;
    weft_future *until;
};

static WEFT_ASYNC(holder)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_lock_acquire(self->lock));
    WEFT_AWAIT(self->until);
    weft_lock_release(self->lock);
    WEFT_END;
}

Test(tree, shows_a_lock_and_its_owner)
{
    weft_lock *lock = weft_lock_new();
    weft_future *first = weft_spawn(holder, .lock = lock, .until = weft_sleep(WEFT_S(1)));
    weft_future *second = weft_spawn(holder, .lock = lock, .until = weft_sleep(WEFT_S(2)));
    test_tree_settle();
    test_tree_is("#1 holder, waiting at HERE\n"
                 "    sleep, 1.0 s\n"
                 "#2 holder, waiting at HERE\n"
                 "    lock @, which task 1 (holder) has\n");
    test_tree_has(
        "\"waits_for\":{\"kind\":\"lock\",\"resource\":\"@\",\"owner\":1,\"owners\":[{\"task\":1,"
        "\"name\":\"holder\"}]}");
    weft_test_run(first);
    weft_test_run(second);
    weft_lock_free(lock);
    weft_test_loop_end();
}

Test(tree, shows_queues_semaphores_and_their_like)
{
    weft_queue *queue = weft_queue_new(&(struct weft_queue_options){.bound = 3});
    weft_semaphore *semaphore = weft_semaphore_new(0, 2);
    weft_event *event = weft_event_new();
    weft_barrier *barrier = weft_barrier_new(2);
    weft_future *tasks[] = {weft_spawn(awaits, .what = weft_queue_get(queue)),
                            weft_spawn(awaits, .what = weft_semaphore_acquire(semaphore)),
                            weft_spawn(awaits, .what = weft_event_wait(event)),
                            weft_spawn(awaits, .what = weft_barrier_wait(barrier))};
    test_tree_settle();
    test_tree_is("#1 awaits, waiting at HERE\n"
                 "    queue get @, values 0, bound 3, unfinished 0\n"
                 "#2 awaits, waiting at HERE\n"
                 "    semaphore @, value 0, bound 2\n"
                 "#3 awaits, waiting at HERE\n"
                 "    event @\n"
                 "#4 awaits, waiting at HERE\n"
                 "    barrier @, inside 1, parties 2\n");
    for (int i = 0; i < 4; i++)
        cancel_and_drop(tasks[i]);
    weft_queue_unref(queue);
    weft_semaphore_free(semaphore);
    weft_event_free(event);
    weft_barrier_free(barrier);
    weft_test_loop_end();
}

struct opens_scope {
    WEFT_FRAME;
    weft_scope *scope;
};

static WEFT_ASYNC(opens_scope)
{
    WEFT_BEGIN;
    self->scope =
        weft_scope_open(&(struct weft_scope_options){.name = "both", .timeout = WEFT_S(9)});
    weft_scope_spawn(self->scope, sleeper);
    WEFT_AWAIT(weft_sleep(WEFT_MS(500)));
    WEFT_AWAIT(weft_scope_close(self->scope, 0));
    WEFT_FINALLY;
    weft_scope_free(self->scope);
    WEFT_END;
}

/* Takes a unit for the task, and keeps it for so long. */
struct takes {
    WEFT_FRAME;
    weft_semaphore *semaphore;
    weft_event *until;
};

static WEFT_ASYNC(takes)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_semaphore_acquire(self->semaphore));
    WEFT_AWAIT(weft_event_wait(self->until));
    cr_assert_eq(weft_semaphore_release(self->semaphore), 0);
    WEFT_END;
}

static void text_has(const char *part, bool has)
{
    char *text = test_tree_text(true);
    cr_assert_eq(strstr(text, part) != NULL, has, "%s", text);
    free(text);
}

Test(tree, shows_who_has_the_units_of_a_semaphore)
{
    weft_semaphore *semaphore = weft_semaphore_new(2, 2);
    weft_event *first = weft_event_new(), *others = weft_event_new();
    weft_future *tasks[4];
    for (int i = 0; i < 4; i++)
        tasks[i] = weft_spawn(takes, .semaphore = semaphore, .until = i ? others : first);
    test_tree_settle();
    text_has("semaphore @, which task 1 (takes) has, which task 2 (takes) has, value 0, bound 2\n",
             true);
    test_tree_has("\"owners\":[{\"task\":1,\"name\":\"takes\"},{\"task\":2,\"name\":\"takes\"}]");
    weft_event_set(first); /* it is handed on to the third */
    test_tree_settle();
    text_has("semaphore @, which task 3 (takes) has, which task 2 (takes) has, value 0, bound 2\n",
             true);
    weft_event_set(others);
    for (int i = 0; i < 4; i++)
        cr_assert_eq(weft_test_run(tasks[i]), 0);
    weft_event_free(first);
    weft_event_free(others);
    weft_semaphore_free(semaphore);
    weft_test_loop_end();
}

/* Nobody in the program knows who that was. */
Test(tree, names_nobody_where_a_unit_was_dropped_or_is_a_signal)
{
    weft_semaphore *semaphore = weft_semaphore_new(2, 0);
    weft_event *until = weft_event_new();
    weft_future *tasks[2];
    weft_unref(weft_semaphore_acquire(semaphore)); /* granted, and back again */
    for (int i = 0; i < 2; i++)
        tasks[i] = weft_spawn(takes, .semaphore = semaphore, .until = until);
    test_tree_settle();
    weft_future *waits = weft_spawn(awaits, .what = weft_semaphore_acquire(semaphore));
    test_tree_settle();
    text_has("semaphore @, which task 1 (takes) has, which task 2 (takes) has, value 0\n", true);
    cr_assert_eq(weft_semaphore_release(semaphore), 0); /* by who has none: a signal */
    cr_assert_eq(weft_test_run(waits), 0);
    waits = weft_spawn(awaits, .what = weft_semaphore_acquire(semaphore));
    test_tree_settle();
    text_has("semaphore @, value 0\n", true);
    weft_event_set(until);
    cr_assert_eq(weft_test_run(waits), 0);
    for (int i = 0; i < 2; i++)
        cr_assert_eq(weft_test_run(tasks[i]), 0);
    weft_event_free(until);
    weft_semaphore_free(semaphore);
    weft_test_loop_end();
}

Test(tree, shows_scopes_open_and_closing)
{
    weft_future *task = weft_spawn(opens_scope);
    test_tree_settle();
    test_tree_is("#1 opens_scope, waiting at HERE, limited to 9.0 s\n"
                 "    sleep, 500.0 ms\n"
                 "    scope both, open, left 1, count 1, made at HERE, 9.0 s\n"
                 "        #2 sleeper, waiting at HERE\n"
                 "            sleep, 1.0 s\n");
    weft_test_run(weft_sleep(WEFT_MS(600)));
    test_tree_has(
        "\"waits_for\":{\"kind\":\"scope\",\"name\":\"both\",\"made_at\":\"HERE\",\"stage\":"
        "\"closing\",\"left\":1,\"count\":1,\"deadline_ns\":8400000000,\"children\":["
        "{\"kind\":\"task\",\"task\":2,\"name\":\"sleeper\"}]}");
    weft_test_run(task);
    weft_test_loop_end();
}

/* ---- Out of memory ---- */

Test(tree, fails_without_memory_and_leaves_nothing)
{
    weft_future *task = weft_spawn(caller);
    test_tree_settle();
    int status = -ENOMEM;
    for (size_t n = 1; status < 0; n++) {
        struct weft__text text = {0};
        weft_test_heap_fail_at(n);
        status = weft__tree_write(test_loop, false, &text);
        cr_assert_eq(status, weft_test_heap_failed() ? -ENOMEM : 0);
        weft_test_heap_fail_at(0);
        weft__text_fini(&text);
    }
    weft_test_run(task);
    weft_test_loop_end();
}

/* ---- For the program itself ---- */

Test(tree, can_be_had_as_json_and_as_text_by_the_program)
{
    char *json, *text, printed[512] = "";
    weft_future *task = weft_spawn(sleeper);
    test_tree_settle();
    cr_assert_eq(weft_inspect_tasks(NULL, &json), 0);
    cr_assert_eq(weft_format_tasks(&(struct weft_inspect_options){.most_tasks = 1}, &text), 0);
    cr_assert_not_null(strstr(json, "\"name\":\"sleeper\""));
    cr_assert_not_null(strstr(text, "#1 sleeper, waiting at "));
    FILE *file = fmemopen(printed, sizeof(printed), "w");
    cr_assert_eq(weft_print_tasks(file), 0);
    fclose(file);
    cr_assert_str_eq(printed, text);
    weft__free(json);
    weft__free(text);
    weft_test_run(task);
    weft_test_loop_end();
}

Test(tree, refuses_what_makes_no_sense)
{
    char *text;
    const struct weft_inspect_options other = {.size = 1};
    cr_assert_eq(weft_inspect_tasks(&other, &text), -EINVAL);
    cr_assert_eq(weft_format_tasks(&other, &text), -EINVAL);
    cr_assert_eq(weft_print_tasks(NULL), -EINVAL);
    FILE *full = fopen("/dev/full", "w");
    cr_assert_eq(weft_print_tasks(full), -EIO);
    fclose(full);
    weft_test_loop_end();
    cr_assert_eq(weft_inspect_tasks(NULL, &text), WEFT_ENOLOOP);
    cr_assert_eq(weft_print_tasks(stderr), WEFT_ENOLOOP);
}

/* Each of the three, with the n-th allocation failing. */
static int all_three(void)
{
    char *json = NULL, *text = NULL;
    FILE *file = fopen("/dev/null", "w");
    int status = weft_inspect_tasks(NULL, &json);
    if (status == 0)
        status = weft_format_tasks(NULL, &text);
    if (status == 0)
        status = weft_print_tasks(file);
    fclose(file);
    weft__free(json);
    weft__free(text);
    return status;
}

Test(tree, without_memory_is_an_error_for_the_program)
{
    weft_future *task = weft_spawn(caller);
    test_tree_settle();
    int status = -ENOMEM;
    for (size_t n = 1; status < 0; n++) {
        weft_test_heap_fail_at(n);
        status = all_three();
        cr_assert_eq(status, weft_test_heap_failed() ? -ENOMEM : 0);
        weft_test_heap_fail_at(0);
    }
    weft_test_run(task);
    weft_test_loop_end();
}

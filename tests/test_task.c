/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft/weft.h>

#include "tests/support/heap.h"
#include "tests/support/loop.h"
#include "tests/support/trace.h"

TestSuite(task, .init = weft_test_loop_begin, .timeout = 20);

/* What coroutines did, a letter a step. */
static char trace[256];

static void mark(const char *text)
{
    strncat(trace, text, sizeof(trace) - strlen(trace) - 1);
}

struct value {
    WEFT_FRAME;
    int number;
    int fail;
};

static WEFT_ASYNC(value)
{
    WEFT_BEGIN;
    WEFT_YIELD;
    if (self->fail)
        WEFT_FAIL(self->fail, "number %d", self->number);
    WEFT_RETURN(self->number);
    WEFT_END;
}

struct stepper {
    WEFT_FRAME;
    const char *name;
    int count, i;
};

static WEFT_ASYNC(stepper)
{
    WEFT_BEGIN;
    for (self->i = 0; self->i < self->count; self->i++) {
        mark(self->name);
        WEFT_YIELD;
    }
    WEFT_END;
}

Test(task, starts_at_the_next_tick_and_takes_turns)
{
    weft_future *a = weft_spawn(stepper, .name = "a", .count = 3);
    weft_future *b = weft_spawn(stepper, .name = "b", .count = 3);
    cr_assert_str_eq(trace, "");
    cr_assert_eq(weft_test_run(weft_gather(a, b)), 0);
    cr_assert_str_eq(trace, "ababab");
    weft_test_loop_end();
}

Test(task, returns_its_value)
{
    weft_value value;
    weft_future *task = weft_ref(weft_spawn(value, .number = 42));
    cr_assert_eq(weft_test_run(task), 0);
    cr_assert_eq(weft_future_take(task, &value), 0);
    cr_assert_eq(value.i64, 42);
    weft_unref(task);
    weft_test_loop_end();
}

Test(task, failure_carries_its_message)
{
    weft_future *task = weft_ref(weft_spawn(value, .number = 7, .fail = -EIO));
    cr_assert_eq(weft_test_run(task), -EIO);
    cr_assert_str_eq(weft_message(task), "number 7");
    weft_unref(task);
    cr_assert_eq(test_reports.count, 0);
    weft_test_loop_end();
}

Test(task, unobserved_failure_is_reported_with_name_and_place)
{
    weft_unref(weft_spawn(value, .number = 9, .fail = -EPIPE));
    cr_assert_eq(weft_test_run(weft_sleep(WEFT_MS(1))), 0);
    cr_assert_eq(test_reports.count, 1);
    cr_assert_eq(test_reports.status, -EPIPE);
    cr_assert_str_eq(test_reports.task, "value");
    cr_assert_str_eq(test_reports.message, "number 9");
    cr_assert(strstr(test_reports.spawned_at, "test_task.c:"));
    weft_test_loop_end();
}

struct adder {
    WEFT_FRAME;
    int a, b, status;
    int sum;
};

static WEFT_ASYNC(adder)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->a, weft_call(value, .number = 3));
    WEFT_AWAIT_INTO(self->b, weft_spawn(value, .number = 4));
    WEFT_CATCH(self->status, weft_call(value, .number = 5, .fail = -ERANGE));
    cr_assert_eq(self->status, -ERANGE);
    cr_assert_str_eq(WEFT_CAUGHT_MESSAGE, "number 5");
    self->sum = 100;
    WEFT_CATCH_INTO(self->status, self->sum, weft_call(value, .fail = -EDOM));
    cr_assert_eq(self->sum, 100);
    WEFT_RETURN(self->a + self->b);
    WEFT_END;
}

Test(task, awaits_calls_and_tasks_and_catches)
{
    weft_future *task = weft_ref(weft_spawn(adder));
    cr_assert_eq(weft_test_run(task), 0);
    cr_assert_eq(weft_future_value(task).i64, 7);
    weft_unref(task);
    weft_test_loop_end();
}

struct nested {
    WEFT_FRAME;
    int depth;
    int below;
};

static WEFT_ASYNC(nested)
{
    WEFT_BEGIN;
    if (self->depth == 0) {
        WEFT_YIELD;
        WEFT_RETURN(0);
    }
    WEFT_AWAIT_INTO(self->below, weft_call(nested, .depth = self->depth - 1));
    WEFT_RETURN(self->below + 1);
    WEFT_END;
}

Test(task, call_chain_of_any_depth_returns_in_the_step_in_which_its_leaf_ends)
{
    weft_future *task = weft_ref(weft_spawn(nested, .depth = 150));
    weft_future *witness = weft_ref(weft_spawn(stepper, .name = ".", .count = 10));
    cr_assert_eq(weft_test_run(task), 0);
    cr_assert_eq(weft_future_value(task).i64, 150);
    /* Tick 1 starts, tick 2 goes on after the yield and ends the task, tick 3 stops the loop. */
    cr_assert_str_eq(trace, "...");
    cr_assert_eq(weft_test_run(witness), 0);
    weft_unref(task);
    weft_unref(witness);
    weft_test_loop_end();
}

Test(task, call_chain_deeper_than_the_stack_works)
{
    weft_future *task = weft_ref(weft_spawn(nested, .depth = 100000));
    cr_assert_eq(weft_test_run(task), 0);
    cr_assert_eq(weft_future_value(task).i64, 100000);
    weft_unref(task);
    weft_test_loop_end();
}

struct tidy {
    WEFT_FRAME;
    int how; /* 0 end, 1 return, 2 fail, 3 await fails, 4 wait for ever */
};

static WEFT_ASYNC(tidy)
{
    WEFT_BEGIN;
    mark("b");
    if (self->how == 1)
        WEFT_RETURN(5);
    if (self->how == 2)
        WEFT_FAIL(-EIO);
    if (self->how == 3)
        WEFT_AWAIT(weft_future_failed(-EBADF, "%s", "broken"));
    if (self->how == 4)
        WEFT_AWAIT(weft_future_new());
    WEFT_FINALLY;
    mark("f");
    WEFT_YIELD;
    mark("!");
    WEFT_END;
}

static int run_tidy(int how)
{
    trace[0] = 0;
    return weft_test_run(weft_spawn(tidy, .how = how));
}

Test(task, finally_runs_however_the_body_ends_and_may_await)
{
    static const int expected[] = {0, 0, -EIO, -EBADF};
    for (int how = 0; how < 4; how++) {
        cr_assert_eq(run_tidy(how), expected[how]);
        cr_assert_str_eq(trace, "bf!");
    }
    weft_test_loop_end();
}

Test(task, finally_runs_when_cancelled)
{
    weft_future *task = weft_ref(weft_spawn(tidy, .how = 4));
    cr_assert_eq(weft_test_run(weft_sleep(0)), 0);
    cr_assert(weft_cancel_because(task, "test"));
    cr_assert_eq(weft_test_run(weft_ref(task)), -ECANCELED);
    cr_assert_str_eq(trace, "bf!");
    cr_assert_str_eq(weft_message(task), "test");
    weft_unref(task);
    weft_unref(task);
    weft_test_loop_end();
}

Test(task, cancelled_before_its_first_step_never_runs)
{
    weft_future *task = weft_spawn(tidy, .how = 1);
    cr_assert(weft_cancel(task));
    cr_assert_eq(weft_test_run(task), -ECANCELED);
    cr_assert_str_eq(trace, "");
    weft_test_loop_end();
}

struct switcher {
    WEFT_FRAME;
    int kind;
};

static WEFT_ASYNC(switcher)
{
    WEFT_BEGIN;
    switch (self->kind) {
    case 1:
        WEFT_AWAIT(weft_sleep(1));
        break;
    default:
        break;
    }
    mark("never");
    WEFT_FINALLY;
    mark("f");
    WEFT_END;
}

Test(task, await_in_a_switch_of_its_own_fails_with_file_and_line)
{
    weft_future *task = weft_ref(weft_spawn(switcher, .kind = 1));
    cr_assert_eq(weft_test_run(task), WEFT_EAWAIT);
    cr_assert(strstr(weft_message(task), "switcher at test_task.c:"));
    cr_assert_str_eq(trace, "f");
    weft_unref(task);
    weft_test_loop_end();
}

struct selfish {
    WEFT_FRAME;
    int status;
};

static WEFT_ASYNC(selfish)
{
    WEFT_BEGIN;
    WEFT_CATCH(self->status, weft_ref(weft_current_task()));
    WEFT_RETURN(self->status);
    WEFT_END;
}

Test(task, awaiting_itself_is_an_error)
{
    weft_future *task = weft_ref(weft_spawn(selfish));
    cr_assert_eq(weft_test_run(task), 0);
    cr_assert_eq(weft_future_value(task).i64, -EDEADLK);
    weft_unref(task);
    weft_test_loop_end();
}

struct taker {
    WEFT_FRAME;
    weft_future *source;
    char *text;
};

static WEFT_ASYNC(taker)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->text, weft_ref(self->source));
    WEFT_FINALLY;
    free(self->text);
    WEFT_END;
}

Test(task, a_value_with_a_destructor_has_one_taker)
{
    weft_future *source = weft_future_new();
    weft_future *first = weft_spawn(taker, .source = source);
    weft_future *second = weft_spawn(taker, .source = source);
    cr_assert_eq(weft_future_resolve(source, weft_value_ptr(strdup("x")), free), 0);
    cr_assert_eq(weft_test_run(first), 0);
    cr_assert_eq(weft_test_run(second), -EALREADY);
    weft_unref(source);
    weft_test_loop_end();
}

Test(task, survives_every_lack_of_memory)
{
    for (size_t n = 1;; n++) {
        weft_test_heap_fail_at(n);
        int status = weft_test_run(weft_spawn(nested, .depth = 5));
        bool failed = weft_test_heap_failed();
        weft_test_heap_fail_at(0);
        cr_assert(status == 0 || status == -ENOMEM, "status %d", status);
        if (!failed)
            break;
    }
    weft_test_loop_end();
}

Test(task, costs_one_block_of_memory)
{
    size_t before = weft_test_heap_live();
    weft_future *task = weft_spawn(stepper, .name = ".", .count = 1);
    cr_assert_eq(weft_test_heap_live(), before + 1);
    cr_assert_eq(weft_test_run(task), 0);
    cr_assert_eq(weft_test_heap_live(), before);
    weft_test_loop_end();
}

struct greedy {
    WEFT_FRAME;
    weft_future *done;
    size_t before;
    int i;
};

static WEFT_ASYNC(greedy)
{
    WEFT_BEGIN;
    self->before = weft_test_heap_live();
    for (self->i = 0; self->i < 10; self->i++) {
        mark("g");
        WEFT_AWAIT(weft_ref(self->done));
    }
    cr_assert_eq(weft_test_heap_live(), self->before);
    WEFT_END;
}

Test(task, await_of_a_finished_future_does_not_suspend)
{
    weft_future *done = weft_sleep(0);
    cr_assert_eq(weft_test_run(weft_ref(done)), 0);
    weft_future *task = weft_spawn(greedy, .done = done);
    weft_future *witness = weft_spawn(stepper, .name = ".", .count = 3);
    cr_assert_eq(weft_test_run(weft_gather(task, witness)), 0);
    cr_assert_str_eq(trace, "gggggggggg...");
    weft_unref(done);
    weft_test_loop_end();
}

/* ---- Values ---- */

static weft_future *resolved(weft_value value)
{
    weft_future *future = weft_future_new();
    cr_assert_eq(weft_future_resolve(future, value, NULL), 0);
    return future;
}

struct stores {
    WEFT_FRAME;
    double real;
    float single;
    _Bool truth;
    char letter;
    unsigned char octet;
    short brief;
    unsigned natural;
    unsigned long long wide;
    const char *text;
    int status;
};

static WEFT_ASYNC(stores)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->real, resolved(weft_value_of(2.5)));
    WEFT_AWAIT_INTO(self->single, resolved(weft_value_of(1.5f)));
    WEFT_AWAIT_INTO(self->truth, resolved(weft_value_of(256)));
    WEFT_AWAIT_INTO(self->letter, resolved(weft_value_of((char)'x')));
    WEFT_AWAIT_INTO(self->octet, resolved(weft_value_of(200)));
    WEFT_AWAIT_INTO(self->brief, resolved(weft_value_of(-7)));
    WEFT_AWAIT_INTO(self->natural, resolved(weft_value_of(4000000000u)));
    WEFT_AWAIT_INTO(self->wide, resolved(weft_value_of(UINT64_MAX)));
    WEFT_AWAIT_INTO(self->text, resolved(weft_value_of("text")));
    cr_assert_eq(self->real, 2.5);
    cr_assert_eq(self->single, 1.5f);
    cr_assert(self->truth);
    cr_assert_eq(self->letter, 'x');
    cr_assert_eq(self->octet, 200);
    cr_assert_eq(self->brief, -7);
    cr_assert_eq(self->natural, 4000000000u);
    cr_assert_eq(self->wide, UINT64_MAX);
    cr_assert_str_eq(self->text, "text");
    WEFT_END;
}

Test(task, await_into_stores_every_kind_of_number_and_pointers)
{
    cr_assert_eq(weft_test_run(weft_spawn(stores)), 0);
    weft_test_loop_end();
}

struct catches {
    WEFT_FRAME;
    weft_future *on; /* consumed */
    int status;
};

static WEFT_ASYNC(catches)
{
    WEFT_BEGIN;
    WEFT_CATCH(self->status, self->on);
    WEFT_RETURN(self->status);
    WEFT_END;
}

Test(task, awaiting_null_is_an_error)
{
    weft_future *task = weft_ref(weft_spawn(catches));
    cr_assert_eq(weft_test_run(task), 0);
    cr_assert_eq(weft_future_value(task).i64, -EINVAL);
    weft_unref(task);
    weft_test_loop_end();
}

/* ---- Names and places ---- */

struct knows_itself {
    WEFT_FRAME;
    weft_future *seen; /* borrowed */
};

static WEFT_ASYNC(knows_itself)
{
    WEFT_BEGIN;
    self->seen = weft_current_task();
    cr_assert_eq(weft_task_await_line(self->seen), 0);
    WEFT_YIELD;
    cr_assert_eq(weft_current_task(), self->seen);
    WEFT_RETURN(self->seen);
    WEFT_END;
}

struct calls_one {
    WEFT_FRAME;
    weft_future *seen; /* borrowed */
};

static WEFT_ASYNC(calls_one)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->seen, weft_call(knows_itself));
    cr_assert_eq(self->seen, weft_current_task());
    WEFT_END;
}

Test(task, call_runs_under_its_callers_identity)
{
    cr_assert_null(weft_current_task());
    weft_future *task = weft_ref(weft_spawn(knows_itself));
    cr_assert_eq(weft_test_run(task), 0);
    cr_assert_eq(weft_future_value(task).ptr, task);
    weft_unref(task);
    cr_assert_eq(weft_test_run(weft_spawn(calls_one)), 0);
    cr_assert_null(weft_current_task());
    weft_test_loop_end();
}

Test(task, knows_its_name_its_place_and_the_line_of_its_await)
{
    weft_future *task = weft_spawn(catches, .on = weft_sleep(WEFT_S(1)));
    char place[256];
    snprintf(place, sizeof(place), "%s:%d", __FILE__, __LINE__ - 2);
    cr_assert_str_eq(weft_task_name(task), "catches");
    cr_assert_str_eq(weft_task_spawned_at(task), place);
    cr_assert_eq(weft_task_await_line(task), 0);
    cr_assert_eq(weft_test_run(weft_sleep(0)), 0);
    cr_assert_gt(weft_task_await_line(task), 0);
    cr_assert_eq(weft_test_run(task), 0);
    weft_test_loop_end();
}

Test(task, call_outside_of_a_task_starts_at_once)
{
    weft_future *task = weft_call(stepper, .name = "x", .count = 2);
    cr_assert_str_eq(trace, "x");
    cr_assert_eq(weft_test_run(task), 0);
    cr_assert_str_eq(trace, "xx");
    weft_test_loop_end();
}

/* ---- Awaiting at once ---- */

Test(task, await_of_what_is_done_does_not_suspend)
{
    weft_future *task = weft_call(catches, .on = weft_future_failed(-EIO, NULL));
    cr_assert(weft_is_done(task));
    cr_assert_eq(weft_future_value(task).i64, -EIO);
    weft_unref(task);
    weft_test_loop_end();
}

Test(task, unobserved_failure_of_a_call_is_reported)
{
    weft_unref(weft_call(value, .number = 4, .fail = -EIO));
    cr_assert_eq(weft_test_run(weft_sleep(WEFT_MS(1))), 0);
    cr_assert_eq(test_reports.count, 1);
    cr_assert_str_eq(test_reports.task, "value");
    weft_test_loop_end();
}

struct spawns {
    WEFT_FRAME;
    int status, spawned, called;
};

static WEFT_ASYNC(spawns)
{
    WEFT_BEGIN;
    WEFT_CATCH(self->spawned, weft_spawn(tidy, .how = 3));
    WEFT_CATCH(self->called, weft_call(tidy, .how = 2));
    if (self->spawned == -ENOMEM || self->called == -ENOMEM)
        WEFT_FAIL(-ENOMEM);
    if (self->spawned != -EBADF || self->called != -EIO)
        WEFT_FAIL(-EINVAL);
    WEFT_END;
}

static int run_spawns(void)
{
    return weft_test_run(weft_spawn(spawns));
}

Test(task, that_awaits_tasks_and_calls_survives_every_lack_of_memory)
{
    weft_test_every_lack_of_memory(run_spawns);
    weft_test_loop_end();
}

/* SPDX-License-Identifier: MIT */
/* Group errors by themselves; how scopes make them is in test_scope.c. */
#include "core/group.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <weft/weft.h>

#include "core/future.h"
#include "core/memory.h"
#include "tests/support/heap.h"
#include "tests/support/loop.h"
#include "tests/support/trace.h"

TestSuite(group, .init = weft_test_loop_begin, .timeout = 20);

struct fails {
    WEFT_FRAME;
    int with;
    const char *text;
};

static WEFT_ASYNC(fails)
{
    WEFT_BEGIN;
    if (self->text)
        WEFT_FAIL(self->with, "%s", self->text);
    WEFT_FAIL(self->with);
    WEFT_END;
}

static weft_future *failed(int status, const char *text)
{
    weft_future *task = weft_spawn(fails, .with = status, .text = text);
    weft_test_ticks(1);
    return task;
}

/* A future that fails with a group of two. */
static weft_future *failed_group(void)
{
    static const struct weft__future_ops ops = {.name = "group"};
    weft_future *future = weft__future_alloc(test_loop, &ops, sizeof(*future), 1);
    weft_errors *errors = weft__errors_new(2);
    if (!future || !errors) {
        weft__future_free(future);
        weft__errors_unref(errors);
        return weft__future_enomem(test_loop);
    }
    weft_future *child = weft_future_failed(-EIO, "%s", "disk");
    weft__errors_add(errors, child);
    weft_unref(child);
    weft__errors_add_failure(
        errors, (struct weft__failure){.status = -EPIPE, .name = "body", .place = "a.c:7"});
    weft__complete_group(future, errors, 5);
    weft__errors_unref(errors);
    return future;
}

Test(group, keeps_each_status_message_name_and_place)
{
    weft_future *future = failed_group();
    const weft_errors *errors = weft_future_errors(future);
    cr_assert_eq(weft_future_status(future), WEFT_EGROUP);
    cr_assert_eq(weft_errors_count(errors), 2);
    cr_assert_eq(weft_errors_status(errors, 0), -EIO);
    cr_assert_str_eq(weft_errors_message(errors, 0), "disk");
    cr_assert_str_eq(weft_errors_name(errors, 0), "operation");
    cr_assert_null(weft_errors_spawned_at(errors, 0));
    cr_assert_eq(weft_errors_status(errors, 1), -EPIPE);
    cr_assert_null(weft_errors_message(errors, 1));
    cr_assert_str_eq(weft_errors_name(errors, 1), "body");
    cr_assert_str_eq(weft_errors_spawned_at(errors, 1), "a.c:7");
    weft_unref(future);
    weft_test_loop_end();
}

Test(group, message_names_every_failure)
{
    weft_future *future = failed_group();
    cr_assert_str_eq(weft_message(future),
                     "2 of 5 failed: operation: EIO: disk; body at a.c:7: EPIPE");
    cr_assert_eq(weft_future_status(future), WEFT_EGROUP);
    weft_unref(future);
    weft_test_loop_end();
}

Test(group, of_a_task_has_its_name_and_where_it_was_spawned)
{
    weft_errors *errors = weft__errors_new(1);
    weft_future *task = failed(-EIO, NULL);
    weft__errors_add(errors, task);
    weft_unref(task);
    cr_assert_str_eq(weft_errors_name(errors, 0), "fails");
    cr_assert_not_null(strstr(weft_errors_spawned_at(errors, 0), "test_group.c:"));
    weft__errors_unref(errors);
    weft_test_loop_end();
    cr_assert_eq(test_reports.count, 0, "it counts as observed");
}

Test(group, message_of_very_many_failures_names_the_first_ones)
{
    weft_errors *errors = weft__errors_new(1000);
    for (int i = 0; i < 1000; i++)
        weft__errors_add_failure(
            errors, (struct weft__failure){.status = -EIO, .name = i == 999 ? "last" : "some"});
    char *text = weft__errors_text(errors, 1000);
    cr_assert_not_null(strstr(text, "1000 of 1000 failed: some: EIO; some: EIO"));
    cr_assert_not_null(strstr(text, "; and 984 more"));
    cr_assert_null(strstr(text, "last"));
    weft__free(text);
    weft__errors_unref(errors);
    weft_test_loop_end();
}

Test(group, of_nothing_is_empty)
{
    weft_future *plain = weft_future_new();
    cr_assert_null(weft_future_errors(NULL));
    cr_assert_null(weft_future_errors(plain));
    cr_assert_eq(weft_errors_count(NULL), 0);
    cr_assert_eq(weft_errors_status(NULL, 0), -ERANGE);
    cr_assert_null(weft_errors_message(NULL, 0));
    cr_assert_null(weft_errors_name(NULL, 0));
    cr_assert_null(weft_errors_spawned_at(NULL, 0));
    cr_assert_null(weft_errors_nested(NULL, 0));
    cr_assert_not(weft_errors_has(NULL, -EIO));
    weft_unref(plain);
    weft_test_loop_end();
}

/* ---- Passed on ---- */

struct passes {
    WEFT_FRAME;
    weft_future *on; /* consumed */
    int then;
};

static WEFT_ASYNC(passes)
{
    WEFT_BEGIN;
    WEFT_AWAIT(self->on);

    WEFT_FINALLY;
    if (self->then < 0)
        WEFT_FAIL(self->then);
    WEFT_END;
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
    if (weft_errors_has(WEFT_CAUGHT_ERRORS, -EPIPE))
        weft_test_mark("p");
    if (!weft_errors_has(WEFT_CAUGHT_ERRORS, -ENOENT))
        weft_test_mark("n");
    WEFT_AWAIT(weft_sleep(0));
    if (!WEFT_CAUGHT_ERRORS)
        weft_test_mark("0");
    WEFT_END;
}

Test(group, can_be_looked_at_where_it_is_caught_until_the_next_await)
{
    cr_assert_eq(weft_test_run(weft_spawn(catches, .on = failed_group())), 0);
    cr_assert_str_eq(test_trace, "pn0");
    weft_test_loop_end();
}

Test(group, is_passed_on_by_tasks_that_fail_with_it)
{
    weft_future *inner = weft_spawn(passes, .on = failed_group());
    weft_future *outer = weft_spawn(passes, .on = inner);
    cr_assert_eq(weft_test_run(weft_ref(outer)), WEFT_EGROUP);
    cr_assert_eq(weft_errors_count(weft_future_errors(outer)), 2);
    weft_unref(outer);
    weft_test_loop_end();
}

Test(group, is_passed_on_by_wait_for_shield_and_gather)
{
    weft_future *waits = weft_wait_for(weft_spawn(passes, .on = failed_group()), WEFT_S(1));
    weft_future *shield = weft_shield(waits);
    weft_future *gather = weft_gather(shield);
    cr_assert_eq(weft_test_run(weft_ref(gather)), WEFT_EGROUP);
    cr_assert_eq(weft_errors_count(weft_future_errors(gather)), 2);
    weft_unref(gather);
    weft_test_loop_end();
}

Test(group, is_gone_when_the_clean_up_fails_otherwise)
{
    weft_future *task = weft_spawn(passes, .on = failed_group(), .then = -EBUSY);
    cr_assert_eq(weft_test_run(weft_ref(task)), -EBUSY);
    cr_assert_null(weft_future_errors(task));
    weft_unref(task);
    weft_test_loop_end();
}

Test(group, within_a_group_is_kept)
{
    weft_errors *errors = weft__errors_new(1);
    weft_future *future = failed_group();
    weft__errors_add(errors, future);
    weft_unref(future);
    cr_assert_eq(weft_errors_count(weft_errors_nested(errors, 0)), 2);
    cr_assert(weft_errors_has(errors, WEFT_EGROUP));
    cr_assert(weft_errors_has(errors, -EPIPE));
    cr_assert_not(weft_errors_has(errors, -EBUSY));
    weft__errors_unref(errors);
    weft_test_loop_end();
}

static int make_and_pass(void)
{
    weft_future *group = failed_group();
    int status = weft_test_run(weft_wait_for(weft_gather(weft_ref(group)), WEFT_S(1)));
    if (status == WEFT_EGROUP)
        status = weft_test_run(weft_spawn(passes, .on = weft_ref(group)));
    if (status == -ENOMEM && group->refs > 1 && !(group->flags & WEFT__PERMANENT))
        weft_unref(group); /* the task was not made that should have consumed it */
    weft_unref(group);
    return status == WEFT_EGROUP ? 0 : status;
}

Test(group, survives_every_lack_of_memory)
{
    weft_test_every_lack_of_memory(make_and_pass);
    weft_test_loop_end();
}

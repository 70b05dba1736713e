/* SPDX-License-Identifier: MIT */
/* What a look from outside tells of a loop: who has the thread, and which tasks are the oldest. */
#include "core/inspect/sample.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <weft/weft.h>

#include "core/inspect/json.h"
#include "core/loop.h"
#include "tests/support/loop.h"

TestSuite(sample, .init = weft_test_loop_begin, .timeout = 60);

static struct weft__text text; /* what was written last */

/* What is written of the loop now. */
static const char *written(void)
{
    weft__text_fini(&text);
    weft__json_open(&text, NULL, '{');
    weft__sample_write(test_loop, &text);
    weft__json_close(&text, '}');
    cr_assert_eq(text.status, 0);
    return text.data;
}

static void expect(const char *wanted)
{
    const char *all = written();
    cr_assert(strstr(all, wanted), "%s is not in %s", wanted, all);
}

static void end(void)
{
    weft__text_fini(&text);
    weft_test_loop_end();
}

struct inner {
    WEFT_FRAME;
    int times;
};

static WEFT_ASYNC(inner)
{
    WEFT_BEGIN;
    for (int i = 0; i < self->times; i++)
        weft__sample_take();
    WEFT_END;
}

struct outer {
    WEFT_FRAME;
    int times;
};

static WEFT_ASYNC(outer)
{
    WEFT_BEGIN;
    weft__sample_take();
    WEFT_AWAIT(weft_call(inner, .times = self->times));
    WEFT_END;
}

Test(sample, counts_who_has_the_thread_by_task_and_innermost_coroutine)
{
    weft__sample_want();
    cr_assert_eq(weft_test_run(weft_spawn(outer, .times = 3)), 0);
    expect("{\"taken\":4,\"busy\":4,\"in_tasks\":4,");
    expect("{\"name\":\"outer\",\"in\":\"outer\",\"id\":1,\"tasks\":1,\"samples\":1}");
    expect("{\"name\":\"outer\",\"in\":\"inner\",\"id\":1,\"tasks\":1,\"samples\":3}");
    cr_assert_eq(weft_test_run(weft_spawn(outer, .times = 1)), 0);
    expect("{\"name\":\"outer\",\"in\":\"inner\",\"id\":2,\"tasks\":2,\"samples\":4}");
    end();
}

Test(sample, knows_a_task_by_the_name_that_it_was_given)
{
    weft__sample_want();
    weft_future *task = weft_spawn(outer, .times = 0);
    cr_assert_eq(weft_task_set_name(task, "of client 7"), 0);
    cr_assert_eq(weft_test_run(task), 0);
    expect("{\"name\":\"of client 7\",\"in\":\"outer\",");
    end();
}

static void take_one(void *arg)
{
    (void)arg;
    weft__sample_take();
}

Test(sample, tells_a_callback_and_an_idle_loop_from_a_task)
{
    weft__sample_want();
    weft__sample_take();
    expect("{\"taken\":1,\"busy\":0,\"in_tasks\":0,\"kinds\":[]}");
    cr_assert_eq(weft_test_run(weft_call_soon(take_one, NULL)), 0);
    expect("{\"taken\":2,\"busy\":1,\"in_tasks\":0,\"kinds\":[]}");
    end();
}

struct one_of_many {
    WEFT_FRAME;
};

static WEFT_ASYNC(one_of_many)
{
    WEFT_BEGIN;
    weft__sample_take();
    WEFT_END;
}

Test(sample, gives_up_the_rarest_kind_for_a_new_one)
{
    weft__sample_want();
    cr_assert_eq(weft_test_run(weft_spawn(outer, .times = 2)), 0);
    for (int i = 0; i < 60; i++) {
        char name[16];
        snprintf(name, sizeof(name), "kind %d", i);
        weft_future *task = weft_spawn(one_of_many);
        weft_task_set_name(task, name);
        cr_assert_eq(weft_test_run(task), 0);
    }
    expect("\"in\":\"inner\",\"id\":1,\"tasks\":1,\"samples\":2}");
    expect("\"name\":\"kind 59\"");
    expect("\"taken\":63,\"busy\":63,\"in_tasks\":63,");
    end();
}

struct waits {
    WEFT_FRAME;
    weft_future *until;
};

static WEFT_ASYNC(waits)
{
    WEFT_BEGIN;
    WEFT_AWAIT(self->until);
    WEFT_END;
}

/* How often a text is in another. */
static int times(const char *in, const char *wanted)
{
    int count = 0;
    for (; (in = strstr(in, wanted)); in++)
        count++;
    return count;
}

Test(sample, shows_the_oldest_tasks_first_and_where_they_wait)
{
    weft_future *gate = weft_future_new(), *tasks[40];
    for (int i = 0; i < 40; i++)
        tasks[i] = weft_spawn(waits, .until = weft_ref(gate));
    cr_assert_eq(weft_test_run(weft_sleep(1)), 0);
    expect("\"oldest_is_exact\":true,\"oldest\":[{\"id\":1,\"name\":\"waits\",\"spawned_at\":\"");
    expect("test_sample.c:");
    expect("\"awaits_at\":");
    cr_assert_eq(times(written(), "\"name\":\"waits\""), 16);
    cr_assert_eq(times(written(), "\"id\":17,"), 0);
    weft_future_resolve(gate, weft_value_i64(0), NULL);
    for (int i = 0; i < 40; i++)
        cr_assert_eq(weft_test_run(tasks[i]), 0);
    weft_unref(gate);
    expect("\"oldest\":[]");
    end();
}

enum { MANY = 20000 };

Test(sample, finds_the_oldest_of_many_tasks_or_says_that_it_did_not)
{
    static weft_future *tasks[MANY];
    weft_future *gate = weft_future_new();
    for (int i = 0; i < MANY; i++)
        tasks[i] = weft_spawn(waits, .until = weft_ref(gate));
    cr_assert_eq(weft_test_run(weft_sleep(1)), 0);
    weft__sample_patience = WEFT_S(3600);
    expect("\"oldest_is_exact\":true,\"oldest\":[{\"id\":1,");
    weft__sample_patience = -1;
    expect("\"oldest_is_exact\":false,\"oldest\":[{\"id\":19");
    cr_assert_eq(times(written(), "\"name\":\"waits\""), 15);
    weft_future_resolve(gate, weft_value_i64(0), NULL);
    for (int i = 0; i < MANY; i++)
        cr_assert_eq(weft_test_run(tasks[i]), 0);
    weft_unref(gate);
    end();
}

Test(sample, says_how_old_a_task_is_at_least)
{
    weft_future *gate = weft_future_new();
    weft_future *task = weft_spawn(waits, .until = weft_ref(gate));
    weft__sample_want();
    weft__sample_take(); /* notes that there are tasks up to this one */
    weft_future *later = weft_spawn(waits, .until = weft_ref(gate));
    expect("\"is_older\":true");
    expect("\"age_ns\":0,\"is_older\":false");
    weft_future_resolve(gate, weft_value_i64(0), NULL);
    cr_assert_eq(weft_test_run(task), 0);
    cr_assert_eq(weft_test_run(later), 0);
    weft_unref(gate);
    end();
}

Test(sample, is_due_while_somebody_looks_on)
{
    cr_assert_eq(weft__sample_due_ms(), -1);
    weft__sample_want();
    cr_assert_eq(weft__sample_due_ms(), 0);
    weft__sample_take();
    cr_assert_leq(weft__sample_due_ms(), 5);
    cr_assert_geq(weft__sample_due_ms(), 0);
    end();
}

/* ---- While the loop works ---- */

struct child {
    WEFT_FRAME;
};

static WEFT_ASYNC(child)
{
    WEFT_BEGIN;
    WEFT_YIELD;
    WEFT_END;
}

/* Tasks come and go, so that most looks find something else than the one before. */
struct churns {
    WEFT_FRAME;
    atomic_bool *stop;
};

static WEFT_ASYNC(churns)
{
    WEFT_BEGIN;
    while (!atomic_load(self->stop)) {
        weft_unref(weft_spawn(child));
        WEFT_AWAIT(weft_spawn(child));
    }
    WEFT_END;
}

static void *look_on(void *arg)
{
    atomic_bool *stop = arg;
    weft__sample_want();
    for (int i = 0; i < 2000; i++) {
        weft__sample_take();
        if (i % 50 == 0)
            written();
    }
    atomic_store(stop, true);
    return NULL;
}

Test(sample, may_be_taken_by_another_thread_while_tasks_come_and_go)
{
    pthread_t thread;
    atomic_bool stop = false;
    cr_assert_eq(pthread_create(&thread, NULL, look_on, &stop), 0);
    cr_assert_eq(weft_test_run(weft_spawn(churns, .stop = &stop)), 0);
    pthread_join(thread, NULL);
    expect("\"taken\":2000,");
    end();
}

/* SPDX-License-Identifier: MIT */
/* Who waits in a circle, as the task tree shows it. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <weft/weft.h>

#include "core/inspect/tree.h"
#include "tests/support/loop.h"
#include "tests/support/tree.h"

TestSuite(tree_cycles, .init = weft_test_loop_begin, .timeout = 120);

static weft_future *tasks[4];

/* Awaits what is made for it. */
struct awaits {
    WEFT_FRAME;
    weft_future *(*make)(void);
};

static WEFT_ASYNC(awaits)
{
    WEFT_BEGIN;
    WEFT_AWAIT(self->make());
    WEFT_END;
}

static weft_future *first(void)
{
    return weft_ref(tasks[0]);
}

static weft_future *second(void)
{
    return weft_ref(tasks[1]);
}

static weft_future *second_in_a_race(void)
{
    return weft_race(weft_shield(second()), weft_sleep(WEFT_S(2)));
}

static weft_future *second_in_a_race_with_third(void)
{
    return weft_race(weft_shield(second()), weft_shield(weft_ref(tasks[2])));
}

static weft_future *second_with_a_limit(void)
{
    return weft_wait_for(weft_shield(second()), WEFT_S(3));
}

static weft_future *second_beside_a_sleep(void)
{
    return weft_gather(second(), weft_sleep(WEFT_S(1)));
}

static void spawn(size_t count, weft_future *(*const make[])(void))
{
    for (size_t i = 0; i < count; i++)
        tasks[i] = weft_spawn(awaits, .make = make[i]);
    test_tree_settle();
}

/* Nothing ends a ring but the end of the loop, which reports what is stuck. */
static void give_up(void)
{
    for (size_t i = 0; i < 4 && tasks[i]; i++)
        weft_unref(tasks[i]);
    weft_test_loop_end();
}

#define SPAWN(...)                                          \
    do {                                                    \
        weft_future *(*const make[])(void) = {__VA_ARGS__}; \
        spawn(sizeof(make) / sizeof(*make), make);          \
    } while (0)

Test(tree_cycles, of_two_tasks_is_shown)
{
    SPAWN(second, first);
    test_tree_is("#1 awaits, waiting at HERE\n"
                 "    #2 awaits, waiting at HERE\n"
                 "        #1 awaits, see there\n"
                 "waiting in a circle, for ever: #1 awaits waits at HERE for task 2 (awaits); "
                 "#2 awaits waits at HERE for task 1 (awaits)\n");
    test_tree_has("\"cycles\":[{\"for_ever\":true,\"tasks\":[{\"id\":1,\"name\":\"awaits\","
                  "\"waits_for\":\"task 2 (awaits)\",\"awaits_at\":\"HERE\"},{\"id\":2,\"name\":"
                  "\"awaits\",\"waits_for\":\"task 1 (awaits)\",\"awaits_at\":\"HERE\"}]}]");
    give_up();
}

Test(tree_cycles, of_a_gather_is_one_for_ever_even_beside_a_sleep)
{
    SPAWN(second_beside_a_sleep, first);
    test_tree_has("\"cycles\":[{\"for_ever\":true,\"tasks\":[{\"id\":1,");
    give_up();
}

Test(tree_cycles, with_a_limit_of_time_says_when_it_ends)
{
    SPAWN(second_with_a_limit, first);
    test_tree_has("\"cycles\":[{\"for_ever\":false,\"until_ns\":3000000000,\"tasks\":[{\"id\":1,");
    cr_assert_eq(weft_test_run(tasks[1]), -ETIMEDOUT);
    cr_assert_eq(weft_test_run(tasks[0]), -ETIMEDOUT);
    weft_test_loop_end();
}

Test(tree_cycles, are_none_in_a_race_that_goes_on)
{
    SPAWN(second_in_a_race, first);
    test_tree_has("\"cycles\":[]");
    cr_assert_eq(weft_test_run(tasks[1]), 0);
    cr_assert_eq(weft_test_run(tasks[0]), 0);
    weft_test_loop_end();
}

Test(tree_cycles, are_in_a_race_that_nobody_can_win)
{
    SPAWN(second_in_a_race_with_third, first, first);
    test_tree_has("\"cycles\":[{\"for_ever\":true,\"tasks\":[{\"id\":1,");
    give_up();
}

Test(tree_cycles, are_not_of_those_who_only_wait_for_one)
{
    SPAWN(second, first, first);
    test_tree_has(
        "\"cycles\":[{\"for_ever\":true,\"tasks\":[{\"id\":1,\"name\":\"awaits\",\"waits_for\":"
        "\"task 2 (awaits)\",\"awaits_at\":\"HERE\"},{\"id\":2,\"name\":\"awaits\","
        "\"waits_for\":\"task 1 (awaits)\",\"awaits_at\":\"HERE\"}]}]");
    give_up();
}

/* Each waits for the next, the last one for nobody: no circle, and deep. */
static weft_future **line;
static size_t line_length;

struct links {
    WEFT_FRAME;
    size_t number;
};

static WEFT_ASYNC(links)
{
    WEFT_BEGIN;
    WEFT_AWAIT(self->number + 1 < line_length ? weft_ref(line[self->number + 1])
                                              : weft_sleep(WEFT_S(1)));
    WEFT_END;
}

Test(tree_cycles, are_looked_for_in_long_lines_without_recursion)
{
    line_length = 2000;
    line = malloc(line_length * sizeof(weft_future *));
    for (size_t i = 0; i < line_length; i++)
        line[i] = weft_spawn(links, .number = i);
    test_tree_settle();
    test_tree_has("\"cycles\":[]");
    char *text = test_tree_text(false);
    cr_assert_not_null(strstr(text, "#2000 links, waiting at HERE"));
    free(text);
    for (size_t i = 0; i < line_length; i++)
        cr_assert_eq(weft_test_run(line[i]), 0);
    free(line);
    weft_test_loop_end();
}

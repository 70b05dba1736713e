/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft/weft.h>

#include "core/inspect/tree.h"
#include "tests/support/heap.h"
#include "tests/support/loop.h"

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

/* The picture of the loop as JSON, in which places have no folder and no line. */
static char *picture(bool from_outside)
{
    static char plain[65536];
    struct weft__text text = {0};
    size_t len = 0;
    cr_assert_eq(weft__tree_write(test_loop, from_outside, &text), 0);
    for (const char *at = text.data; *at && len < sizeof(plain) - 1;) {
        const char *name = strncmp(at, "\"/", 2) == 0 ? strstr(at, "test_tree.c:") : NULL;
        if (name) {
            len += (size_t)snprintf(plain + len, sizeof(plain) - len, "\"test_tree.c\"");
            at = strchr(at + 1, '"') + 1;
        } else {
            plain[len++] = *at++;
        }
    }
    plain[len] = '\0';
    weft__text_fini(&text);
    return plain;
}

static void assert_has(const char *text, const char *part)
{
    cr_assert_not_null(strstr(text, part), "\n%s\nhas no\n%s", text, part);
}

Test(tree, shows_a_task_its_calls_and_its_sleep)
{
    weft_future *task = weft_spawn(caller);
    weft_test_run(weft_sleep(WEFT_MS(10)));
    assert_has(picture(false),
               "\"tasks\":[{\"id\":1,\"name\":\"caller\",\"state\":\"waiting\",\"spawned_at\":"
               "\"test_tree.c\",\"parent\":0,\"awaits_at\":\"test_tree.c\",\"in_finally\":false,"
               "\"shielded\":false,\"cancel_requested\":0,\"calls\":[{\"name\":\"sleeper\","
               "\"called_at\":\"test_tree.c\",\"awaits_at\":\"test_tree.c\"}],\"waits_for\":"
               "{\"kind\":\"sleep\",\"deadline_ns\":990000000}}],\"cycles\":[]}");
    weft_test_run(task);
    weft_test_loop_end();
}

Test(tree, is_the_same_from_outside)
{
    weft_future *task = weft_spawn(caller);
    weft_test_run(weft_sleep(WEFT_MS(10)));
    char *inside = strdup(strstr(picture(false), "\"moved\""));
    cr_assert_str_eq(strstr(picture(true), "\"moved\""), inside);
    assert_has(picture(true), "\"seen\":\"from outside\"");
    free(inside);
    weft_test_run(task);
    weft_test_loop_end();
}

Test(tree, fails_without_memory_and_leaves_nothing)
{
    weft_future *task = weft_spawn(caller);
    weft_test_run(weft_sleep(WEFT_MS(10)));
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

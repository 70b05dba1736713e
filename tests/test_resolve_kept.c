/* SPDX-License-Identifier: MIT */
/* What a loop keeps of its look-ups, and for how long. */
#include <criterion/criterion.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <weft/resolve.h>
#include <weft/testing.h>
#include <weft/weft.h>

#include "tests/support/loop.h"
#include "tests/support/names.h"
#include "tests/support/net.h"

static void begin(void)
{
    weft_test_loop_begin();
    test_names_begin();
    test_name("example.test", "192.0.2.1");
}

TestSuite(resolve_kept, .init = begin, .timeout = 60);

static int look_up(const char *host)
{
    return weft_test_run(weft_resolve(host, "80"));
}

/* How many look-ups this makes. */
static int asks(const char *host)
{
    int before = atomic_load(&test_names_asked);
    look_up(host);
    return atomic_load(&test_names_asked) - before;
}

static void pass(weft_ns time)
{
    cr_assert_eq(weft_testing_advance(test_loop, time), 0);
}

static void configure(size_t max_names, weft_ns positive, weft_ns negative)
{
    cr_assert_eq(weft_resolver_configure(&(struct weft_resolver_options){
                     .max_names = max_names, .positive_ttl = positive, .negative_ttl = negative}),
                 0);
}

Test(resolve_kept, what_was_found_is_known_at_once_for_ten_seconds)
{
    cr_assert_eq(asks("example.test"), 1);
    pass(WEFT_S(10) - 1);
    weft_future *known = weft_resolve("example.test", "81");
    cr_assert(weft_is_done(known));
    cr_assert_eq(weft_test_ended(known), 0);
    pass(1);
    cr_assert_eq(asks("example.test"), 1);
    weft_test_loop_end();
}

Test(resolve_kept, that_there_is_no_such_name_is_known_for_a_second)
{
    cr_assert_eq(asks("no.such.test"), 1);
    pass(WEFT_S(1) - 1);
    weft_future *known = weft_resolve("no.such.test", "80");
    cr_assert(weft_is_done(known));
    cr_assert_str_eq(weft_message(known), "cannot look up no.such.test: Name or service not known");
    cr_assert_eq(weft_test_ended(known), WEFT_ERESOLVE);
    pass(1);
    cr_assert_eq(asks("no.such.test"), 1);
    weft_test_loop_end();
}

Test(resolve_kept, that_no_answer_came_is_not_kept)
{
    static const int codes[] = {EAI_AGAIN, EAI_FAIL, EAI_MEMORY, EAI_SYSTEM};
    for (size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++) {
        test_name_fails("away.test", codes[i]);
        cr_assert_eq(asks("away.test"), 1);
        cr_assert_eq(asks("away.test"), 1, "%s", gai_strerror(codes[i]));
    }
    test_name("away.test", "192.0.2.2");
    cr_assert_eq(look_up("away.test"), 0);
    weft_test_loop_end();
}

Test(resolve_kept, answers_that_are_firm_are_kept)
{
    static const int codes[] = {EAI_NONAME, EAI_NODATA, EAI_ADDRFAMILY, EAI_SERVICE};
    for (size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++) {
        configure(0, 0, 0);
        test_name_fails("away.test", codes[i]);
        cr_assert_eq(asks("away.test"), 1);
        cr_assert_eq(asks("away.test"), 0, "%s", gai_strerror(codes[i]));
    }
    weft_test_loop_end();
}

Test(resolve_kept, fresh_one_is_asked_for_and_kept)
{
    struct weft_resolve_options fresh = {.flags = WEFT_RESOLVE_FRESH};
    cr_assert_eq(asks("example.test"), 1);
    pass(WEFT_S(5));
    cr_assert_eq(weft_test_run(weft_resolve_with(&fresh, "example.test", "80")), 0);
    cr_assert_eq(atomic_load(&test_names_asked), 2);
    pass(WEFT_S(10) - 1);
    cr_assert_eq(asks("example.test"), 0);
    weft_test_loop_end();
}

Test(resolve_kept, times_are_those_of_the_options)
{
    configure(0, WEFT_S(3), WEFT_S(2));
    cr_assert_eq(asks("example.test"), 1);
    cr_assert_eq(asks("no.such.test"), 1);
    pass(WEFT_S(2) - 1);
    cr_assert_eq(asks("no.such.test"), 0);
    pass(1);
    cr_assert_eq(asks("no.such.test"), 1);
    cr_assert_eq(asks("example.test"), 0);
    pass(WEFT_S(1));
    cr_assert_eq(asks("example.test"), 1);
    weft_test_loop_end();
}

Test(resolve_kept, times_below_zero_keep_nothing)
{
    configure(0, -1, 0);
    cr_assert_eq(asks("example.test"), 1);
    cr_assert_eq(asks("example.test"), 1);
    cr_assert_eq(asks("no.such.test"), 1);
    cr_assert_eq(asks("no.such.test"), 0);
    configure(0, 0, -1);
    cr_assert_eq(asks("example.test"), 1);
    cr_assert_eq(asks("example.test"), 0);
    cr_assert_eq(asks("no.such.test"), 1);
    cr_assert_eq(asks("no.such.test"), 1);
    weft_test_loop_end();
}

Test(resolve_kept, time_without_end_never_ends)
{
    configure(0, WEFT_FOREVER, 0);
    cr_assert_eq(asks("example.test"), 1);
    pass(WEFT_S(1000000));
    cr_assert_eq(asks("example.test"), 0);
    weft_test_loop_end();
}

Test(resolve_kept, oldest_makes_room)
{
    configure(2, 0, WEFT_S(10));
    cr_assert_eq(asks("a.test"), 1);
    cr_assert_eq(asks("b.test"), 1);
    cr_assert_eq(asks("a.test"), 0);
    cr_assert_eq(asks("c.test"), 1);
    cr_assert_eq(asks("b.test"), 0);
    cr_assert_eq(asks("c.test"), 0);
    cr_assert_eq(asks("a.test"), 1);
    cr_assert_eq(asks("c.test"), 0);
    cr_assert_eq(asks("b.test"), 1);
    weft_test_loop_end();
}

Test(resolve_kept, one_in_the_middle_that_is_too_old_goes_and_the_others_stay)
{
    configure(0, WEFT_S(10), WEFT_S(1));
    test_name("other.test", "192.0.2.3");
    cr_assert_eq(asks("example.test"), 1);
    cr_assert_eq(asks("no.such.test"), 1);
    cr_assert_eq(asks("other.test"), 1);
    pass(WEFT_S(1));
    cr_assert_eq(asks("no.such.test"), 1);
    cr_assert_eq(asks("example.test"), 0);
    cr_assert_eq(asks("other.test"), 0);
    weft_test_loop_end();
}

Test(resolve_kept, default_is_room_for_256)
{
    char host[32];
    configure(0, 0, WEFT_S(10));
    for (int i = 0; i < 257; i++) {
        snprintf(host, sizeof(host), "a%d.test", i);
        cr_assert_eq(asks(host), 1);
    }
    cr_assert_eq(asks("a1.test"), 0);
    cr_assert_eq(asks("a256.test"), 0);
    cr_assert_eq(asks("a0.test"), 1);
    weft_test_loop_end();
}

Test(resolve_kept, configuring_forgets_and_null_restores)
{
    configure(0, -1, 0);
    cr_assert_eq(asks("example.test"), 1);
    cr_assert_eq(weft_resolver_configure(NULL), 0);
    cr_assert_eq(asks("example.test"), 1);
    cr_assert_eq(asks("example.test"), 0);
    cr_assert_eq(weft_resolver_configure(NULL), 0);
    cr_assert_eq(asks("example.test"), 1);
    cr_assert_eq(weft_resolver_configure(&(struct weft_resolver_options){.size = 1}), -EINVAL);
    cr_assert_eq(asks("example.test"), 0);
    weft_test_loop_end();
}

/* ---- The error handler, while an answer is told ---- */

struct handler {
    int called;
    weft_future *leaves, *asks; /* owned */
};

static void ask_in_handler(weft_loop *loop, const struct weft_error_report *report, void *arg)
{
    struct handler *handler = arg;
    (void)loop;
    (void)report;
    if (handler->called++)
        return;
    cr_assert_eq(weft_resolver_configure(NULL), 0);
    cr_assert(weft_cancel(handler->leaves));
    handler->asks = weft_resolve("no.such.test", "80");
}

static void check_handler(weft_ns negative_ttl)
{
    struct handler handler = {0};
    weft_loop_set_error_handler(test_loop, ask_in_handler, &handler);
    configure(0, 0, negative_ttl);
    weft_unref(weft_resolve("no.such.test", "80")); /* nobody will look */
    handler.leaves = weft_resolve("no.such.test", "81");
    weft_future *waits = weft_resolve("no.such.test", "82");
    cr_assert_eq(weft_test_run(waits), WEFT_ERESOLVE);
    cr_assert_eq(handler.called, 1);
    cr_assert_eq(weft_test_ended(handler.leaves), -ECANCELED);
    cr_assert_eq(weft_test_run(handler.asks), WEFT_ERESOLVE);
}

Test(resolve_kept, handler_may_ask_leave_and_configure_while_a_kept_answer_is_told)
{
    check_handler(0);
    cr_assert_eq(atomic_load(&test_names_asked), 1);
    weft_test_loop_end();
}

Test(resolve_kept, handler_may_ask_leave_and_configure_while_another_answer_is_told)
{
    check_handler(-1);
    cr_assert_eq(atomic_load(&test_names_asked), 2);
    weft_test_loop_end();
}

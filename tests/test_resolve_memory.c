/* SPDX-License-Identifier: MIT */
/* Looking up names, out of memory at each allocation. */
#include <criterion/criterion.h>
#include <errno.h>
#include <weft/resolve.h>
#include <weft/testing.h>
#include <weft/weft.h>

#include "tests/support/loop.h"
#include "tests/support/names.h"
#include "tests/support/trace.h"

static void begin(void)
{
    weft_test_loop_begin();
    test_names_begin();
    test_name("example.test", "192.0.2.1 2001:db8::1");
}

TestSuite(resolve_memory, .init = begin, .timeout = 60);

/* Without threads each allocation has its turn. */
static void use_pool_by_hand(enum weft_testing_pool how)
{
    weft_pool *pool = weft_testing_pool_new(how);
    cr_assert_eq(weft_loop_set_pool(test_loop, pool), 0);
    weft_pool_unref(pool);
}

static weft_future *limited(weft_ns timeout)
{
    return weft_resolve_with(&(struct weft_resolve_options){.timeout = timeout}, "example.test",
                             "80");
}

static int end(weft_future *future)
{
    return weft_test_run(future);
}

static int of_a_number(void)
{
    return end(weft_resolve("localhost", "80"));
}

static int of_a_name(void)
{
    int status = weft_resolver_configure(NULL);
    return status < 0 ? status : end(limited(WEFT_S(1)));
}

static int of_a_name_that_is_known(void)
{
    return end(weft_resolve("example.test", "80"));
}

static int of_an_address(void)
{
    weft_address address;
    int status = weft_resolver_configure(NULL);
    cr_assert_eq(weft_address_parse("192.0.2.7:80", &address), 0);
    return status < 0 ? status : end(weft_resolve_reverse(&address));
}

static int of_a_name_that_is_not(void)
{
    int status = weft_resolver_configure(NULL);
    if (status < 0)
        return status;
    status = end(weft_resolve("no.such.test", "80"));
    return status == WEFT_ERESOLVE ? 0 : status;
}

Test(resolve_memory, first_one_survives_every_lack_of_memory)
{
    weft_test_every_lack_of_memory(of_a_name);
    weft_test_loop_end();
}

Test(resolve_memory, survives_every_lack_of_memory)
{
    test_name("192.0.2.7", "seven.test");
    use_pool_by_hand(WEFT_TESTING_INLINE);
    cr_assert_eq(end(weft_resolve("example.test", "80")), 0);
    weft_test_every_lack_of_memory(of_a_name);
    weft_test_every_lack_of_memory(of_a_number);
    weft_test_every_lack_of_memory(of_a_name_that_is_known);
    weft_test_every_lack_of_memory(of_an_address);
    weft_test_every_lack_of_memory(of_a_name_that_is_not);
    weft_test_loop_end();
}

/* More limits of time at once than ever before. */
static int of_a_crowd(void)
{
    enum { COUNT = 40 };
    weft_future *futures[COUNT];
    int status = weft_resolver_configure(NULL), count = 0;
    while (status == 0 && count < COUNT) {
        futures[count] = limited(WEFT_S(1));
        if (weft_is_done(futures[count]))
            status = weft_future_status(futures[count]);
        count++;
    }
    while (count > 0) {
        weft_cancel(futures[--count]);
        weft_unref(futures[count]);
    }
    return status;
}

Test(resolve_memory, limits_of_time_survive_every_lack_of_it)
{
    use_pool_by_hand(WEFT_TESTING_STEPPED);
    weft_test_every_lack_of_memory(of_a_crowd);
    weft_test_loop_end();
}

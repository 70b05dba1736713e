/* SPDX-License-Identifier: MIT */
/* Looking up names: who asks, who waits with him, and who leaves. */
#include <criterion/criterion.h>
#include <errno.h>
#include <netdb.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <weft/resolve.h>
#include <weft/testing.h>
#include <weft/weft.h>

#include "core/loop.h"
#include "tests/support/gate.h"
#include "tests/support/heap.h"
#include "tests/support/loop.h"
#include "tests/support/names.h"
#include "tests/support/net.h"
#include "tests/support/pool.h"
#include "tests/support/trace.h"

static void begin(void)
{
    weft_test_loop_begin();
    test_names_begin();
    test_name("example.test", "192.0.2.1 2001:db8::1");
}

TestSuite(resolve, .init = begin, .timeout = 60);

/* What a look-up that is done (and consumed) has found: "192.0.2.1:80 [2001:db8::1]:80", or its
 * message. */
static const char *ended(weft_future *future)
{
    static char text[512];
    weft_value value;
    size_t len = 0;
    cr_assert(weft_is_done(future));
    snprintf(text, sizeof(text), "%s", weft_message(future) ? weft_message(future) : "");
    if (weft_future_take(future, &value) == 0) {
        const weft_addresses *found = value.ptr;
        for (size_t i = 0; i < found->count; i++) {
            char one[WEFT_ADDRESS_TEXT];
            weft_address_format(&found->list[i], one, sizeof(one));
            len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", i ? " " : "", one);
        }
        weft_addresses_free(value.ptr);
    }
    weft_unref(future);
    return text;
}

static const char *found(weft_future *future)
{
    weft_test_run(weft_ref(future));
    return ended(future);
}

static weft_pool *use_stepped_pool(void)
{
    weft_pool *pool = weft_testing_pool_new(WEFT_TESTING_STEPPED);
    cr_assert_eq(weft_loop_set_pool(test_loop, pool), 0);
    weft_pool_unref(pool);
    return pool;
}

static void settle(void)
{
    cr_assert_eq(weft_testing_run_until_blocked(test_loop), 0);
}

/* ---- What is asked ---- */

Test(resolve, numbers_and_localhost_are_answered_at_once)
{
    cr_assert_str_eq(ended(weft_resolve("127.0.0.1", "80")), "127.0.0.1:80");
    cr_assert_str_eq(ended(weft_resolve("::1", "http")), "[::1]:80");
    cr_assert_str_eq(ended(weft_resolve("fe80::1%lo", NULL)), "[fe80::1%lo]:0");
    cr_assert_str_eq(ended(weft_resolve("localhost", "81")), "127.0.0.1:81 [::1]:81");
    cr_assert_str_eq(ended(weft_resolve_with(&(struct weft_resolve_options){.family = AF_INET6},
                                             "localhost", "81")),
                     "[::1]:81");
    cr_assert_eq(atomic_load(&test_names_asked), 0);
    cr_assert_null(weft_loop_pool(test_loop), "there was no job");
    weft_test_loop_end();
}

Test(resolve, number_of_another_family_is_a_failure)
{
    struct weft_resolve_options ipv6 = {.family = AF_INET6};
    weft_future *future = weft_resolve_with(&ipv6, "127.0.0.1", "80");
    cr_assert_eq(weft_future_status(future), WEFT_ERESOLVE);
    cr_assert_str_eq(ended(future), "127.0.0.1 has no address of this family");
    weft_test_loop_end();
}

Test(resolve, name_is_looked_up_by_another_thread)
{
    struct gate gate;
    gate_init(&gate);
    test_names_gate(&gate);
    weft_future *future = weft_resolve("example.test", "80");
    cr_assert(!weft_is_done(future));
    gate_wait_entered(&gate);
    cr_assert(!pthread_equal(atomic_load(&gate.thread), pthread_self()));
    gate_open(&gate);
    cr_assert_str_eq(found(future), "192.0.2.1:80 [2001:db8::1]:80");
    cr_assert_str_eq(test_names_last.host, "example.test");
    cr_assert_eq(test_names_last.family, AF_UNSPEC);
    cr_assert_eq(test_names_last.type, SOCK_STREAM);
    cr_assert_eq(test_names_last.flags, AI_ADDRCONFIG);
    cr_assert(!test_names_last.has_service);
    weft_test_loop_end();
}

Test(resolve, options_are_passed_on)
{
    struct weft_resolve_options options = {.family = AF_INET6, .type = SOCK_DGRAM};
    cr_assert_str_eq(found(weft_resolve_with(&options, "example.test", "domain")),
                     "[2001:db8::1]:53");
    cr_assert_eq(test_names_last.family, AF_INET6);
    cr_assert_eq(test_names_last.type, SOCK_DGRAM);
    weft_test_loop_end();
}

Test(resolve, service_that_not_all_know_is_looked_up_with_the_host)
{
    cr_assert_eq(weft_test_run(weft_resolve("example.test", "no-such-service-here")),
                 WEFT_ERESOLVE);
    cr_assert_str_eq(test_names_last.host, "example.test");
    cr_assert_str_eq(test_names_last.service, "no-such-service-here");
    cr_assert_eq(weft_test_run(weft_resolve("127.0.0.1", "no-such-service-here")), WEFT_ERESOLVE);
    cr_assert_str_eq(test_names_last.host, "127.0.0.1");
    cr_assert_eq(test_names_last.flags, AI_NUMERICHOST);
    weft_test_loop_end();
}

static int with_port(const char *host, const char *service, const struct addrinfo *hints,
                     struct addrinfo **ret)
{
    (void)service;
    return getaddrinfo(host, "70", hints, ret);
}

Test(resolve, port_of_a_service_comes_with_the_answer)
{
    weft__sys.getaddrinfo = with_port;
    cr_assert_str_eq(found(weft_resolve("127.0.0.1", "gopher")), "127.0.0.1:70");
    weft_test_loop_end();
}

Test(resolve, name_that_is_not_there_is_a_failure_with_the_name)
{
    cr_assert_str_eq(found(weft_resolve("no.such.test", "80")),
                     "cannot look up no.such.test: Name or service not known");
    cr_assert_str_eq(found(weft_resolve("no.such.test", "gopher")),
                     "cannot look up no.such.test:gopher: Name or service not known");
    weft_test_loop_end();
}

static int of_no_family(const char *host, const char *service, const struct addrinfo *hints,
                        struct addrinfo **ret)
{
    int code = getaddrinfo("127.0.0.1", service, hints, ret);
    (void)host;
    if (code == 0)
        (*ret)->ai_addr->sa_family = AF_NETLINK;
    return code;
}

Test(resolve, addresses_of_families_that_nobody_knows_are_none)
{
    weft__sys.getaddrinfo = of_no_family;
    cr_assert_str_eq(found(weft_resolve("odd.test", "80")),
                     "cannot look up odd.test: Name or service not known");
    weft_test_loop_end();
}

static int system_failure(const char *host, const char *service, const struct addrinfo *hints,
                          struct addrinfo **ret)
{
    (void)host;
    (void)service;
    (void)hints;
    (void)ret;
    errno = EMFILE;
    return EAI_SYSTEM;
}

Test(resolve, failures_of_the_system_are_told_by_their_errno)
{
    weft__sys.getaddrinfo = system_failure;
    cr_assert_str_eq(found(weft_resolve("odd.test", "80")),
                     "cannot look up odd.test: Too many open files");
    test_names_begin();
    test_name_fails("big.test", EAI_MEMORY);
    cr_assert_eq(weft_test_run(weft_resolve("big.test", "80")), -ENOMEM);
    weft_test_loop_end();
}

Test(resolve, what_makes_no_sense_is_refused)
{
    static const struct weft_resolve_options wrong[] = {
        {.size = 1}, {.family = AF_UNIX}, {.type = SOCK_RAW}, {.timeout = -1}, {.flags = 2},
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
        cr_assert_eq(weft_test_ended(weft_resolve_with(&wrong[i], "a.test", "80")), -EINVAL, "%zu",
                     i);
    cr_assert_eq(weft_test_ended(weft_resolve(NULL, "80")), -EINVAL);
    cr_assert_eq(weft_test_ended(weft_resolve("*", "80")), -EINVAL);
    cr_assert_eq(weft_test_ended(weft_resolve("127.1", "80")), -EINVAL);
    cr_assert_eq(weft_test_ended(weft_resolve("a.test", "65536")), -EINVAL);
    weft_address fd, none = {0};
    cr_assert_eq(weft_address_parse("fd:3", &fd), 0);
    cr_assert_eq(weft_test_ended(weft_resolve_reverse(&fd)), -EINVAL);
    cr_assert_eq(weft_test_ended(weft_resolve_reverse(&none)), -EINVAL);
    weft_test_loop_end();
}

Test(resolve, needs_a_loop_that_goes_on)
{
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    cr_assert_eq(weft_test_ended(weft_resolve("a.test", "80")), -ESHUTDOWN);
    cr_assert_eq(weft_resolver_configure(NULL), -ESHUTDOWN);
    weft_loop_free(test_loop);
    test_loop = NULL;
    cr_assert_eq(weft_test_ended(weft_resolve("a.test", "80")), WEFT_ENOLOOP);
    cr_assert_eq(weft_resolver_configure(NULL), WEFT_ENOLOOP);
    weft_test_loop_end();
}

/* ---- The way back ---- */

static weft_address number(const char *text)
{
    weft_address address;
    cr_assert_eq(weft_address_parse(text, &address), 0);
    return address;
}

Test(resolve, address_has_the_name_of_its_host)
{
    test_name("192.0.2.7", "seven.test");
    test_name("2001:db8::7", "seven6.test");
    weft_address ipv4 = number("192.0.2.7:80"), ipv6 = number("[2001:db8::7]:80");
    cr_assert(weft_test_gives(weft_resolve_reverse(&ipv4), "seven.test"));
    cr_assert(weft_test_gives(weft_resolve_reverse(&ipv6), "seven6.test"));
    weft_address other_port = number("192.0.2.7:81"), unknown = number("192.0.2.8:80");
    cr_assert(weft_test_gives(weft_resolve_reverse(&other_port), "seven.test"));
    cr_assert_eq(atomic_load(&test_names_asked), 2, "a port is no part of the question");
    cr_assert_str_eq(found(weft_resolve_reverse(&unknown)),
                     "cannot look up 192.0.2.8: Name or service not known");
    weft_test_loop_end();
}

/* ---- Several who ask the same ---- */

Test(resolve, who_asks_the_same_waits_for_one_look_up_and_gets_a_copy_with_his_port)
{
    weft_pool *pool = use_stepped_pool();
    weft_future *first = weft_resolve("example.test", "80");
    weft_future *other = weft_resolve("EXAMPLE.test", "https");
    weft_future *third = weft_resolve("example.test", NULL);
    cr_assert_eq(weft_testing_pool_step(pool, 10), 1);
    settle();
    cr_assert_str_eq(ended(first), "192.0.2.1:80 [2001:db8::1]:80");
    cr_assert_str_eq(ended(other), "192.0.2.1:443 [2001:db8::1]:443");
    cr_assert_str_eq(ended(third), "192.0.2.1:0 [2001:db8::1]:0");
    weft_test_loop_end();
}

Test(resolve, other_questions_are_looked_up_apart)
{
    weft_pool *pool = use_stepped_pool();
    weft_future *futures[] = {
        weft_resolve("example.test", "80"),
        weft_resolve("example2.test", "80"),
        weft_resolve("example.test", "gopher"),
        weft_resolve_with(&(struct weft_resolve_options){.family = AF_INET}, "example.test", "80"),
        weft_resolve_with(&(struct weft_resolve_options){.type = SOCK_DGRAM}, "example.test", "80"),
    };
    cr_assert_eq(weft_testing_pool_step(pool, 10), 5);
    settle();
    for (size_t i = 0; i < sizeof(futures) / sizeof(*futures); i++)
        ended(futures[i]);
    weft_test_loop_end();
}

Test(resolve, failure_is_told_to_all_who_wait)
{
    weft_pool *pool = use_stepped_pool();
    weft_future *first = weft_resolve("no.such.test", "80");
    weft_future *other = weft_resolve("no.such.test", "81");
    cr_assert_eq(weft_testing_pool_step(pool, 10), 1);
    settle();
    cr_assert_eq(weft_future_status(first), WEFT_ERESOLVE);
    cr_assert_str_eq(ended(first), "cannot look up no.such.test: Name or service not known");
    cr_assert_str_eq(ended(other), "cannot look up no.such.test: Name or service not known");
    weft_test_loop_end();
}

Test(resolve, full_lane_fails_all_who_wait_and_the_next_one_asks_again)
{
    weft_pool *pool = use_stepped_pool();
    struct weft_lane_options options;
    weft_lane *lane = weft_loop_lane(test_loop, "dns");
    weft_lane_get_options(lane, &options);
    options.max_queued = 1;
    cr_assert_eq(weft_lane_configure(lane, &options), 0);
    weft_future *fits = weft_resolve("a.test", "80");
    weft_future *first = weft_resolve("example.test", "80");
    weft_future *other = weft_resolve("example.test", "81");
    settle();
    cr_assert_eq(weft_future_status(first), -EAGAIN);
    cr_assert_str_eq(ended(first), "the lane is full");
    cr_assert_str_eq(ended(other), "the lane is full");
    cr_assert_eq(weft_testing_pool_step(pool, 10), 1);
    weft_future *again = weft_resolve("example.test", "80");
    cr_assert_eq(weft_testing_pool_step(pool, 10), 1);
    settle();
    cr_assert_str_eq(ended(again), "192.0.2.1:80 [2001:db8::1]:80");
    ended(fits);
    weft_test_loop_end();
}

/* ---- Leaving ---- */

Test(resolve, cancel_of_one_leaves_the_look_up_to_the_others)
{
    weft_pool *pool = use_stepped_pool();
    weft_future *first = weft_resolve("example.test", "80");
    weft_future *other = weft_resolve("example.test", "81");
    cr_assert(weft_cancel_because(first, "tired of it"));
    cr_assert(weft_is_cancelled(first));
    cr_assert_str_eq(ended(first), "tired of it");
    cr_assert_eq(weft_testing_pool_step(pool, 10), 1);
    settle();
    cr_assert_str_eq(ended(other), "192.0.2.1:81 [2001:db8::1]:81");
    weft_test_loop_end();
}

Test(resolve, cancel_of_the_last_one_drops_a_look_up_that_waits)
{
    weft_pool *pool = use_stepped_pool();
    weft_future *first = weft_resolve("example.test", "80");
    weft_future *other = weft_resolve("example.test", "81");
    cr_assert(weft_cancel(other));
    cr_assert_eq(stats_of(pool).queued, 1);
    cr_assert(weft_cancel(first));
    cr_assert_eq(stats_of(pool).queued, 0);
    cr_assert_eq(weft_test_ended(first), -ECANCELED);
    cr_assert_eq(weft_test_ended(other), -ECANCELED);
    settle();
    cr_assert_eq(test_reports.count, 0);
    weft_test_loop_end();
}

Test(resolve, look_up_that_runs_and_was_left_answers_who_asks_next)
{
    struct gate gate;
    gate_init(&gate);
    test_names_gate(&gate);
    weft_future *first = weft_resolve("example.test", "80");
    gate_wait_entered(&gate);
    cr_assert(weft_cancel(first));
    cr_assert_eq(weft_test_ended(first), -ECANCELED);
    weft_future *next = weft_resolve("example.test", "81");
    gate_open(&gate);
    cr_assert_str_eq(found(next), "192.0.2.1:81 [2001:db8::1]:81");
    cr_assert_eq(atomic_load(&test_names_asked), 1);
    weft_test_loop_end();
}

Test(resolve, cancel_that_comes_with_the_answer_leaves_it_for_the_next)
{
    weft_pool *pool = use_stepped_pool();
    weft_future *first = weft_resolve("example.test", "80");
    cr_assert_eq(weft_testing_pool_step(pool, 1), 1);
    weft_test_ticks(1); /* the job is done, and the look-up does not know it yet */
    if (!weft_is_done(first))
        cr_assert(weft_cancel(first));
    settle();
    weft_unref(first);
    cr_assert_str_eq(ended(weft_resolve("example.test", "81")), "192.0.2.1:81 [2001:db8::1]:81");
    weft_test_loop_end();
}

/* ---- Time ---- */

static weft_future *limited(weft_ns timeout)
{
    return weft_resolve_with(&(struct weft_resolve_options){.timeout = timeout}, "example.test",
                             "80");
}

Test(resolve, limit_of_time_counts_from_the_call_with_the_wait_for_a_thread)
{
    weft_pool *pool = use_stepped_pool();
    weft_future *first = limited(WEFT_S(1)), *other = limited(WEFT_S(3));
    cr_assert_eq(weft_testing_advance(test_loop, WEFT_S(1)), 0);
    cr_assert_eq(weft_future_status(first), -ETIMEDOUT);
    cr_assert_str_eq(ended(first), "example.test was not looked up in time");
    cr_assert(!weft_is_done(other));
    cr_assert_eq(stats_of(pool).queued, 1);
    cr_assert_eq(weft_testing_advance(test_loop, WEFT_S(2)), 0);
    cr_assert_eq(weft_test_ended(other), -ETIMEDOUT);
    cr_assert_eq(stats_of(pool).queued, 0, "nobody waits for it any more");
    weft_test_loop_end();
}

Test(resolve, limit_of_time_that_is_kept_is_over_with_the_answer)
{
    weft_pool *pool = use_stepped_pool();
    weft_future *future = limited(WEFT_S(1));
    cr_assert_eq(weft_testing_pool_step(pool, 1), 1);
    cr_assert_eq(weft_testing_advance(test_loop, WEFT_S(5)), 0);
    cr_assert_str_eq(ended(future), "192.0.2.1:80 [2001:db8::1]:80");
    weft_test_loop_end();
}

struct asks_with_a_limit {
    WEFT_FRAME;
    weft_timeout *limit;
};

static WEFT_ASYNC(asks_with_a_limit)
{
    WEFT_BEGIN;
    WEFT_TIMEOUT_ENTER(self->limit, WEFT_S(1));
    WEFT_AWAIT(weft_resolve("example.test", "80"));
    WEFT_FINALLY;
    WEFT_TIMEOUT_EXIT(self->limit);
    WEFT_END;
}

Test(resolve, limit_of_who_asked_first_is_not_that_of_the_others)
{
    weft_pool *pool = use_stepped_pool();
    weft_future *task = weft_spawn(asks_with_a_limit);
    settle();
    weft_future *other = weft_resolve("example.test", "81");
    cr_assert_eq(weft_testing_advance(test_loop, WEFT_S(2)), 0);
    cr_assert_eq(weft_test_ended(task), -ETIMEDOUT);
    cr_assert_eq(weft_testing_pool_step(pool, 10), 1);
    settle();
    cr_assert_str_eq(ended(other), "192.0.2.1:81 [2001:db8::1]:81");
    weft_test_loop_end();
}

/* ---- The end of the loop ---- */

Test(resolve, end_of_the_loop_cancels_who_waits_and_drops_the_look_up)
{
    weft_pool *pool = weft_pool_ref(use_stepped_pool());
    weft_future *first = weft_resolve("example.test", "80");
    weft_future *other = weft_resolve("example.test", "81");
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    cr_assert_eq(stats_of(pool).queued, 0);
    cr_assert_eq(weft_test_ended(first), -ECANCELED);
    cr_assert_eq(weft_test_ended(other), -ECANCELED);
    cr_assert_eq(test_reports.count, 0);
    weft_loop_free(test_loop);
    test_loop = NULL;
    weft_pool_unref(pool);
    weft_test_loop_end();
}

Test(resolve, end_of_the_loop_does_not_wait_for_a_look_up_that_runs)
{
    struct gate gate;
    gate_init(&gate);
    test_names_gate(&gate);
    weft_future *future = weft_resolve("example.test", "80");
    weft_future *left = weft_resolve("left.test", "80");
    gate_wait_entered(&gate);
    gate_wait_entered(&gate);
    cr_assert(weft_cancel(left));
    cr_assert_eq(weft_test_ended(left), -ECANCELED);
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    cr_assert_eq(weft_test_ended(future), -ECANCELED);
    cr_assert_eq(test_reports.count, 0);
    weft_loop_free(test_loop);
    test_loop = NULL;
    gate_open(&gate);
    gate_open(&gate);
    while (weft_test_heap_live() > 0)
        sched_yield();
    weft_test_loop_end();
}

Test(resolve, end_of_the_loop_with_the_answer_on_its_way_leaves_nothing)
{
    weft_pool *pool = use_stepped_pool();
    weft_future *future = weft_resolve("example.test", "80");
    cr_assert_eq(weft_testing_pool_step(pool, 1), 1);
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    cr_assert(weft_is_done(future));
    weft_unref(future);
    weft_test_loop_end();
}

/* ---- Names that nobody can look up ---- */

Test(resolve, two_hundred_dead_names_delay_neither_files_nor_jobs)
{
    enum { NAMES = 200 };
    weft_future *names[NAMES];
    struct gate gate;
    gate_init(&gate);
    test_names_gate(&gate);
    use_pool(&(struct weft_pool_options){.max_threads = 4});
    for (int i = 0; i < NAMES; i++) {
        char host[32];
        snprintf(host, sizeof(host), "dead%d.test", i);
        names[i] = weft_resolve(host, "80");
    }
    gate_wait_entered(&gate);

    cr_assert_eq(weft_test_run(weft_to_thread_fn(NULL, return_nothing, NULL)), 0);
    weft_value text;
    weft_future *reading = weft_path_read_all("/proc/self/comm", 100);
    cr_assert_eq(weft_test_run(weft_ref(reading)), 0);
    cr_assert_eq(weft_future_take(reading, &text), 0);
    weft_bytes_free(text.ptr);
    weft_unref(reading);

    for (int i = 0; i < NAMES; i++) {
        cr_assert(!weft_is_done(names[i]));
        cr_assert(weft_cancel(names[i]));
        cr_assert_eq(weft_test_ended(names[i]), -ECANCELED);
    }
    for (int i = 0; i < NAMES; i++)
        gate_open(&gate);
    while (test_loop->jobs)
        weft_test_turn();
    cr_assert_lt(atomic_load(&test_names_asked), NAMES, "who left took what waited along");
    weft_test_loop_end();
}

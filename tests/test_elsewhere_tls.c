/* SPDX-License-Identifier: MIT */
/* Calls of weft_tls on another thread, and in a forked child. */
#include <criterion/criterion.h>
#include <errno.h>

#include "tests/support/child.h"
#include "tests/support/elsewhere.h"
#include "tests/support/loop.h"
#include "tests/support/tls.h"

TestSuite(elsewhere_tls, .init = test_tls_begin, .timeout = 60);

struct stage {
    weft_tls_context *client, *server;
    struct test_pair pair, plain;
};

#define CALLS(X)                                                                    \
    X(H, weft_tls_client_new, weft_tls_client_new(NULL))                            \
    X(H, weft_tls_server_new, weft_tls_server_new(NULL))                            \
    X(H, weft_tls_reload, weft_tls_reload(s->server))                               \
    X(F, weft_start_tls, weft_start_tls(s->plain.client, s->client, "example.org")) \
    X(Z, weft_tls_info, weft_tls_info(s->pair.client))

CALLS(WEFT_TEST_CALL)
static const struct weft_test_call calls[] = {CALLS(WEFT_TEST_ENTRY)};

static struct stage set_stage(void)
{
    struct stage s = {.client = test_client_context(NULL), .server = test_server_context(NULL)};
    s.pair = test_handshake(s.client, s.server, "example.org");
    cr_assert(test_agreed(&s.pair) &&
              test_talks(&s.pair)); /* nothing is left for a child to read */
    s.plain = test_plain();
    return s;
}

static void clear_stage(struct stage *s)
{
    test_free(&s->pair);
    test_free(&s->plain);
    weft_tls_context_unref(s->client);
    weft_tls_context_unref(s->server);
}

Test(elsewhere_tls, calls_are_refused_named_and_change_nothing)
{
    struct stage s = set_stage();
    weft_test_elsewhere(calls, sizeof(calls) / sizeof(calls[0]), &s);
    cr_assert(test_talks(&s.pair));
    test_shake_hands(&s.plain, s.client, s.server, "example.org");
    cr_assert(test_agreed(&s.plain));
    clear_stage(&s);
    test_tls_end();
}

/* ---- A child that goes on with the loop ---- */

static void go_on(void *arg)
{
    struct stage *s = arg;
    CHILD_EXPECT(weft_after_fork_child(test_loop) == 0);
    CHILD_EXPECT(test_wait_for(weft_tls_reload(s->server)) == WEFT_EFORK);
    struct test_pair pair = test_plain();
    CHILD_EXPECT(test_wait_for(weft_start_tls(pair.server, s->server, NULL)) == WEFT_EFORK);
    test_free(&pair);
    clear_stage(s);
    weft_loop_free(test_loop);
}

Test(elsewhere_tls, a_forked_child_leaves_the_contexts_of_its_parent_alone)
{
    struct stage s = set_stage();
    weft_test_in_child(go_on, &s);
    cr_assert(test_talks(&s.pair));
    clear_stage(&s);
    test_tls_end();
}

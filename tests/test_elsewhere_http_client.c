/* SPDX-License-Identifier: MIT */
/* Calls of weft_http_client on another thread, and in a forked child. */
#include <criterion/criterion.h>
#include <errno.h>

#include "tests/support/child.h"
#include "tests/support/elsewhere.h"
#include "tests/support/http_client.h"
#include "tests/support/loop.h"
#include "tests/support/sanitizer.h"

TestSuite(elsewhere_http_client, .init = test_client_begin, .timeout = 60);

struct stage {
    weft_http_session *session;
    weft_http_response *stream;
    char *buffer;
};

#define CALLS(X)                                                                        \
    X(N, weft_http_session_new, weft_http_session_new(NULL))                            \
    X(F, weft_http_session_close, weft_http_session_close(s->session))                  \
    X(V, weft_http_session_free, weft_http_session_free(s->session))                    \
    X(Z, weft_http_session_get_stats, weft_http_session_get_stats(s->session).requests) \
    X(S, weft_http_session_set_cookie, weft_http_session_set_cookie(s->session, "a=b")) \
    X(Z, weft_http_session_cookies, weft_http_session_cookies(s->session))              \
    X(S, weft_http_session_clear_cookies, weft_http_session_clear_cookies(s->session))  \
    X(F, weft_http_fetch, weft_http_fetch(s->session, "GET", "/hello", NULL))           \
    X(F, weft_http_get, weft_http_get(s->session, "/hello"))                            \
    X(F, weft_http_head, weft_http_head(s->session, "/hello"))                          \
    X(F, weft_http_delete, weft_http_delete(s->session, "/hello"))                      \
    X(F, weft_http_post, weft_http_post(s->session, "/hello", NULL, NULL, 0))           \
    X(F, weft_http_put, weft_http_put(s->session, "/hello", NULL, NULL, 0))             \
    X(F, weft_http_response_read, weft_http_response_read(s->stream, s->buffer, 1))     \
    X(V, weft_http_response_free, weft_http_response_free(s->stream))

CALLS(WEFT_TEST_CALL)
static const struct weft_test_call calls[] = {CALLS(WEFT_TEST_ENTRY)};

static char buffer[16];

static struct stage set_stage(void)
{
    const struct weft_http_fetch_options options = {.flags = WEFT_HTTP_STREAM};
    struct stage s = {.session = test_session, .buffer = buffer};
    s.stream = test_response(weft_http_fetch(test_session, "GET", "/big?len=5", &options));
    cr_assert_not_null(s.stream, "%s", test_message);
    return s;
}

Test(elsewhere_http_client, calls_are_refused_named_and_change_nothing)
{
    struct stage s = set_stage();
    weft_test_elsewhere(calls, sizeof(calls) / sizeof(calls[0]), &s);
    cr_assert_eq(weft_test_run(weft_http_response_read(s.stream, buffer, sizeof(buffer))), 0);
    weft_http_response_free(s.stream);
    test_gets("/hello", "hello");
    test_client_end();
}

/* ---- A child that goes on with the loop ---- */

static void go_on(void *arg)
{
    struct stage *s = arg;
    CHILD_EXPECT(weft_after_fork_child(test_loop) == 0);
    CHILD_EXPECT(test_fails(weft_http_get(s->session, "/hello")) == WEFT_EFORK);
    CHILD_EXPECT(test_fails(weft_http_response_read(s->stream, buffer, 1)) == WEFT_EFORK);
    CHILD_EXPECT(weft_http_session_clear_cookies(s->session) == WEFT_EFORK);
    CHILD_EXPECT(weft_test_run(weft_sleep(WEFT_MS(1))) == 0);
    weft_http_response_free(s->stream);
    weft_http_session_free(s->session);
    weft_loop_free(test_loop);
}

Test(elsewhere_http_client, a_forked_child_leaves_the_connections_of_its_parent_alone)
{
    struct stage s = set_stage();
    weft_test_in_child(go_on, &s);
    cr_assert_eq(weft_test_run(weft_http_response_read(s.stream, buffer, sizeof(buffer))), 0);
    weft_http_response_free(s.stream);
    test_gets("/hello", "hello");
    test_client_end();
}

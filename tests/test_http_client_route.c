/* SPDX-License-Identifier: MIT */
/* How a request gets to its server: names, connections that do not come about, proxies, unix
   sockets. */
#include <criterion/criterion.h>
#include <errno.h>
#include <event2/event.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <weft/listen.h>
#include <weft/testing.h>

#include "core/sys.h"
#include "tests/support/http_client.h"
#include "tests/support/loop.h"

TestSuite(http_client_route, .init = test_client_begin, .timeout = 60);

/* ---- Names ---- */

static atomic_int look_ups;

/* Every name is this machine. */
static int know_all(const char *name, const char *service, const struct addrinfo *hints,
                    struct addrinfo **ret)
{
    (void)name;
    atomic_fetch_add(&look_ups, 1);
    return getaddrinfo("127.0.0.1", service, hints, ret);
}

Test(http_client_route, a_name_is_looked_up_by_weft_and_not_by_libcurl)
{
    const char *port = strrchr(test_base, ':');
    weft__sys.getaddrinfo = know_all;
    test_gets(test_url("http://one.test%s/hello", port), "hello");
    cr_assert_eq(atomic_load(&look_ups), 1);
    test_gets(test_url("http://one.test%s/hello", port), "hello");
    cr_assert_eq(weft_http_session_get_stats(test_session).connections, 1);
    test_gets(test_url("http://two.test%s/hello", port), "hello");
    cr_assert_eq(atomic_load(&look_ups), 2);
    weft__sys.getaddrinfo = getaddrinfo;
    test_client_end();
}

Test(http_client_route, the_host_of_a_redirect_is_looked_up_too)
{
    const char *port = strrchr(test_base, ':');
    weft__sys.getaddrinfo = know_all;
    test_gets(test_url("http://one.test%s/go?code=302&to=http://two.test%s/hello", port, port),
              "hello");
    cr_assert_eq(atomic_load(&look_ups), 2);
    weft__sys.getaddrinfo = getaddrinfo;
    test_client_end();
}

Test(http_client_route, a_name_that_nobody_knows_fails)
{
    cr_assert_eq(weft_testing_fail_call("getaddrinfo", 1, EAI_NONAME), 0);
    cr_assert_eq(test_fails(weft_http_get(test_session, "http://nowhere.test/")), WEFT_ERESOLVE);
    cr_assert(strstr(test_message, "nowhere.test"), "%s", test_message);
    cr_assert_eq(weft_http_session_get_stats(test_session).attempts, 0);
    test_client_end();
}

Test(http_client_route, a_look_up_can_be_cancelled)
{
    weft_pool *pool = weft_testing_pool_new(WEFT_TESTING_STEPPED);
    cr_assert_eq(weft_loop_set_pool(test_loop, pool), 0);
    weft_future *request = weft_http_get(test_session, "http://nowhere.test/");
    cr_assert_eq(weft_testing_run_until_blocked(test_loop), 0);
    cr_assert(!weft_is_done(request));
    weft_cancel(request);
    cr_assert_eq(weft_test_run(request), -ECANCELED);
    const struct weft_http_fetch_options options = {.timeouts.connect = WEFT_S(4)};
    cr_assert_eq(test_fails(weft_http_fetch(test_session, "GET", "http://nowhere.test/", &options)),
                 -ETIMEDOUT);
    cr_assert_eq(weft_now(), WEFT_S(4));
    weft_pool_unref(pool);
    test_client_end();
}

/* ---- Connections that do not come about ---- */

/* A port that answers nobody: its queue is full. */
static int make_deaf(int *ret_port, int fds[3])
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
    cr_assert_eq(listen(listener, 0), 0);
    cr_assert_eq(getsockname(listener, (struct sockaddr *)&address, &len), 0);
    for (int i = 0; i < 3; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void)connect(fds[i], (struct sockaddr *)&address, sizeof(address));
    }
    *ret_port = ntohs(address.sin_port);
    return listener;
}

Test(http_client_route, a_connection_has_a_deadline)
{
    int port, fds[3], listener = make_deaf(&port, fds);
    cr_assert_eq(test_fails(weft_http_get(test_session, test_url("http://127.0.0.1:%d/", port))),
                 -ETIMEDOUT);
    cr_assert_eq(weft_now(), WEFT_S(30));
    cr_assert(strstr(test_message, "no connection to 127.0.0.1"), "%s", test_message);
    const struct weft_http_fetch_options options = {
        .timeouts = {.connect = WEFT_S(2)},
        .retry = {.attempts = 3, .first_delay = WEFT_MS(1), .max_delay = WEFT_MS(1)}};
    cr_assert_eq(test_fails(weft_http_fetch(test_session, "GET",
                                            test_url("http://127.0.0.1:%d/", port), &options)),
                 -ETIMEDOUT);
    cr_assert_geq(weft_now(), WEFT_S(36));
    cr_assert_leq(weft_now(), WEFT_S(36) + WEFT_MS(2));
    cr_assert_eq(weft_http_session_get_stats(test_session).attempts, 4);
    weft_future *request = weft_http_get(test_session, test_url("http://127.0.0.1:%d/", port));
    cr_assert_eq(weft_testing_run_until_blocked(test_loop), 0);
    weft_cancel(request);
    cr_assert_eq(weft_test_run(request), -ECANCELED);
    close(listener);
    for (int i = 0; i < 3; i++)
        close(fds[i]);
    test_client_end();
}

TestSuite(http_client_addresses, .init = test_client_begin_real, .timeout = 60);

static const char *first_address;

/* Every name has two addresses. */
static int know_two(const char *name, const char *service, const struct addrinfo *hints,
                    struct addrinfo **ret)
{
    (void)name;
    struct addrinfo **last = ret;
    int code = getaddrinfo(first_address, service, hints, ret);
    while (code == 0 && *last)
        last = &(*last)->ai_next;
    return code ? code : getaddrinfo("127.0.0.1", service, hints, last);
}

/* At the server's port, and another address: one that answers nobody. */
static int make_deaf_beside(const struct sockaddr *address, socklen_t len, int fds[3])
{
    int listener = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(listener, address, len), 0);
    cr_assert_eq(listen(listener, 0), 0);
    for (int i = 0; i < 3; i++) {
        fds[i] = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void)connect(fds[i], address, len);
    }
    return listener;
}

static void second_answers(const char *first, const struct sockaddr *address, socklen_t len)
{
    const char *port = strrchr(test_base, ':');
    int fds[3], listener = make_deaf_beside(address, len, fds);
    first_address = first;
    weft__sys.getaddrinfo = know_two;
    const struct weft_http_fetch_options options = {.timeouts.connect = WEFT_S(4)};
    weft_http_response *response = test_response(
        weft_http_fetch(test_session, "GET", test_url("http://two.test%s/hello", port), &options));
    cr_assert_not_null(response, "%s: %s", weft_error_name(test_failure), test_message);
    cr_assert_str_eq(weft_http_body(response, NULL), "hello");
    weft_http_response_free(response);
    weft__sys.getaddrinfo = getaddrinfo;
    close(listener);
    for (int i = 0; i < 3; i++)
        close(fds[i]);
    test_client_end();
}

Test(http_client_addresses, the_other_family_is_tried_when_the_first_address_does_not_answer)
{
    const struct sockaddr_in6 address = {.sin6_family = AF_INET6,
                                         .sin6_addr = IN6ADDR_LOOPBACK_INIT,
                                         .sin6_port =
                                             htons((uint16_t)atoi(strrchr(test_base, ':') + 1))};
    second_answers("::1", (const struct sockaddr *)&address, sizeof(address));
}

Test(http_client_addresses, the_next_one_of_its_family_is_tried_in_half_of_the_time)
{
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1),
                                        .sin_port =
                                            htons((uint16_t)atoi(strrchr(test_base, ':') + 1))};
    second_answers("127.0.0.2", (const struct sockaddr *)&address, sizeof(address));
}

Test(http_client_route, the_time_for_all_runs_while_a_request_waits_for_its_turn)
{
    test_client_options((struct weft_http_session_options){.max_requests = 1});
    weft_future *first = weft_http_get(test_session, "/slow?ms=1000000000");
    const struct weft_http_fetch_options options = {.timeouts.total = WEFT_S(2)};
    cr_assert_eq(test_fails(weft_http_fetch(test_session, "GET", "/hello", &options)), -ETIMEDOUT);
    cr_assert_eq(weft_now(), WEFT_S(2));
    weft_cancel(first);
    cr_assert_eq(weft_test_run(first), -ECANCELED);
    test_gets("/hello", "hello");
    test_client_end();
}

Test(http_client_route, a_unix_socket_takes_the_place_of_every_host)
{
    test_client_use_unix((struct weft_http_session_options){0});
    test_gets("http://example.org/hello", "hello");
    test_client_options((struct weft_http_session_options){.unix_socket = "unix:/nowhere/at/all"});
    int status = test_fails(weft_http_get(test_session, "/hello"));
    cr_assert(status == -ENOENT || status == -ECONNREFUSED, "%s", weft_error_name(status));
    test_client_end();
}

/* ---- On a host's base ---- */

struct say_hello {
    WEFT_FRAME;
    weft_stream *stream;
    weft_bytes *head;
};

static WEFT_ASYNC(say_hello)
{
    static const char text[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->head, weft_read_until(self->stream, "\r\n\r\n", 4, 0));
    weft_write(self->stream, text, sizeof(text) - 1);
    WEFT_FINALLY;
    weft_bytes_free(self->head);
    WEFT_END;
}

static void stop_host(weft_future *request, void *base)
{
    (void)request;
    event_base_loopbreak(base);
}

TestSuite(http_client_attached, .timeout = 60);

Test(http_client_attached, an_attached_loop_works_the_same)
{
    struct event_base *base = event_base_new();
    weft_loop *loop = weft_loop_attach(base);
    weft_listener *listener = weft_listen("127.0.0.1:0", say_hello);
    char url[64];
    snprintf(url, sizeof(url), "http://127.0.0.1:%d/", weft_listener_port(listener));
    weft_http_session *session = weft_http_session_new(NULL);
    weft_future *request = weft_http_get(session, url);
    cr_assert_eq(weft_then(weft_ref(request), stop_host, base), 0);
    cr_assert_geq(event_base_dispatch(base), 0);
    cr_assert_eq(weft_future_status(request), 0);
    cr_assert_str_eq(weft_http_body(weft_future_value(request).ptr, NULL), "hello");
    weft_unref(request);
    weft_http_session_free(session);
    weft_listener_free(listener);
    weft_loop_free(loop);
    event_base_free(base);
}

/* SPDX-License-Identifier: MIT */
/* Proxies: SOCKS5 and HTTP, with tunnels; names and passwords; what they refuse. The proxies are
   coroutines of this file, and lead to the server of the other suites whatever is asked for. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <weft/connect.h>
#include <weft/listen.h>
#include <weft/testing.h>

#include "net/http_client/url.h"
#include "tests/support/http_client.h"
#include "tests/support/loop.h"
#include "tests/support/relay.h"
#include "tests/support/trace.h"

TestSuite(http_client_proxy, .init = test_client_begin, .timeout = 60);

/* ---- The proxies ---- */

/* What they are to do, and what they were asked. */
static struct {
    bool wants_password;
    int refuses; /* with this reply of SOCKS, or status of HTTP */
    bool is_mute;
    int count;
    char host[256], user[64], password[64], head[1024];
} proxy;

static weft_listener *listener;
static char address[96];

struct relay {
    WEFT_FRAME;
    weft_stream *stream, *onward;
};

static WEFT_ASYNC(relay)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->onward, weft_connect(test_base + strlen("http://")));
    WEFT_AWAIT(test_relay(self->stream, self->onward));
    WEFT_FINALLY;
    weft_stream_free(self->onward);
    WEFT_END;
}

/* RFC 1928 and 1929. */
struct socks {
    WEFT_FRAME;
    weft_stream *stream;
    unsigned char in[600];
    size_t len;
};

static WEFT_ASYNC(socks)
{
    WEFT_BEGIN;
    proxy.count++;
    if (proxy.is_mute)
        WEFT_AWAIT(weft_sleep(WEFT_S(1000000)));
    WEFT_AWAIT(weft_read_exactly(self->stream, self->in, 2));
    WEFT_AWAIT(weft_read_exactly(self->stream, self->in + 2, self->in[1]));
    if (proxy.wants_password) {
        if (!memchr(self->in + 2, 2, self->in[1])) {
            weft_write(self->stream, "\x05\xff", 2);
            WEFT_RETURN(0);
        }
        weft_write(self->stream, "\x05\x02", 2);
        WEFT_AWAIT(weft_read_exactly(self->stream, self->in, 2));
        WEFT_AWAIT(weft_read_exactly(self->stream, proxy.user, self->in[1]));
        WEFT_AWAIT(weft_read_exactly(self->stream, self->in, 1));
        WEFT_AWAIT(weft_read_exactly(self->stream, proxy.password, self->in[0]));
        weft_write(self->stream, strcmp(proxy.password, "secret") == 0 ? "\x01" : "\x01\x01", 2);
    } else {
        weft_write(self->stream, "\x05", 2);
    }
    WEFT_AWAIT(weft_read_exactly(self->stream, self->in, 5));
    if (self->in[3] == 3) { /* a name */
        self->len = self->in[4];
        WEFT_AWAIT(weft_read_exactly(self->stream, proxy.host, self->len));
        WEFT_AWAIT(weft_read_exactly(self->stream, self->in, 2));
    } else { /* an IPv4 address, of which one byte is there */
        WEFT_AWAIT(weft_read_exactly(self->stream, self->in + 5, 5));
        snprintf(proxy.host, sizeof(proxy.host), "%d.%d.%d.%d", self->in[4], self->in[5],
                 self->in[6], self->in[7]);
    }
    memcpy(self->in, "\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x00", 10);
    self->in[1] = (unsigned char)proxy.refuses;
    weft_write(self->stream, self->in, 10);
    if (!proxy.refuses)
        WEFT_AWAIT(weft_call(relay, .stream = self->stream));
    WEFT_END;
}

/* Only tunnels. */
struct tunnel {
    WEFT_FRAME;
    weft_stream *stream;
    weft_bytes *head;
    char answer[128];
};

static WEFT_ASYNC(tunnel)
{
    WEFT_BEGIN;
    proxy.count++;
    WEFT_AWAIT_INTO(self->head, weft_read_until(self->stream, "\r\n\r\n", 4, 0));
    snprintf(proxy.head, sizeof(proxy.head), "%s", self->head->data);
    snprintf(self->answer, sizeof(self->answer), "HTTP/1.1 %d What\r\nContent-Length: 0\r\n\r\n",
             proxy.refuses);
    weft_write(self->stream, self->answer, strlen(self->answer));
    WEFT_FINALLY;
    weft_bytes_free(self->head);
    WEFT_END;
}

static void use_proxy(const char *format, struct weft_http_session_options options)
{
    snprintf(address, sizeof(address), "%s127.0.0.1:%d", format, weft_listener_port(listener));
    options.proxy = address;
    test_client_options(options);
}

static void begin_socks(const char *format)
{
    listener = weft_listen("127.0.0.1:0", socks);
    cr_assert_not_null(listener);
    use_proxy(format, (struct weft_http_session_options){0});
}

static void end(void)
{
    weft_listener_free(listener);
    test_client_end();
}

/* ---- SOCKS ---- */

Test(http_client_proxy, a_name_is_given_to_socks5h_as_it_is)
{
    begin_socks("socks5h://");
    test_gets("http://only.the.proxy.knows.invalid/hello", "hello");
    cr_assert_str_eq(proxy.host, "only.the.proxy.knows.invalid");
    test_gets("http://only.the.proxy.knows.invalid/hello", "hello");
    cr_assert_eq(proxy.count, 1);
    end();
}

Test(http_client_proxy, socks5_is_given_an_address)
{
    begin_socks("socks5://");
    test_gets("http://localhost/hello", "hello");
    cr_assert_str_eq(proxy.host, "127.0.0.1");
    test_gets("http://127.0.0.2/hello", "hello");
    cr_assert_str_eq(proxy.host, "127.0.0.2");
    snprintf(address, sizeof(address), "socks5://localhost:%d", weft_listener_port(listener));
    test_client_options((struct weft_http_session_options){.proxy = address});
    test_gets("http://localhost/hello", "hello");
    test_gets("http://127.0.0.3/hello", "hello");
    cr_assert_str_eq(proxy.host, "127.0.0.3");
    end();
}

Test(http_client_proxy, a_socks_proxy_is_told_name_and_password)
{
    proxy.wants_password = true;
    begin_socks("socks5h://me:secret@");
    test_gets("http://a.invalid/hello", "hello");
    cr_assert_str_eq(proxy.user, "me");
    cr_assert_str_eq(proxy.password, "secret");
    end();
}

static void is_refused(const char *url, int status, const char *why)
{
    int found = test_fails(weft_http_get(test_session, url));
    cr_assert_eq(found, status, "%s: %s", weft_error_name(found), test_message);
    cr_assert(strstr(test_message, why), "%s", test_message);
    cr_assert_eq(weft_http_session_get_stats(test_session).active, 0);
}

Test(http_client_proxy, what_a_socks_proxy_refuses_fails_and_says_why)
{
    begin_socks("socks5h://");
    proxy.refuses = 5;
    is_refused("http://a.invalid/", WEFT_EHTTP, "a.invalid");
    proxy.refuses = 0;
    proxy.wants_password = true;
    is_refused("http://a.invalid/", WEFT_EHTTP, "uthentic");
    use_proxy("socks5h://me:wrong@", (struct weft_http_session_options){0});
    is_refused("http://a.invalid/", WEFT_EHTTP, "rejected");
    end();
}

Test(http_client_proxy, a_proxy_that_is_not_there_is_named)
{
    begin_socks("socks5h://");
    weft_listener_free(listener);
    listener = NULL;
    is_refused("http://a.invalid/", -ECONNREFUSED, "127.0.0.1");
    test_client_options((struct weft_http_session_options){.proxy = "http://no.proxy.invalid:80"});
    is_refused("http://a.invalid/", WEFT_ERESOLVE, "no.proxy.invalid");
    end();
}

Test(http_client_proxy, a_proxy_that_says_nothing_meets_the_deadline_and_a_cancel)
{
    begin_socks("socks5h://");
    proxy.is_mute = true;
    const struct weft_http_fetch_options options = {.timeouts.connect = WEFT_S(3)};
    cr_assert_eq(test_fails(weft_http_fetch(test_session, "GET", "http://a.invalid/", &options)),
                 -ETIMEDOUT);
    cr_assert_eq(weft_now(), WEFT_S(3));
    weft_future *request = weft_http_get(test_session, "http://a.invalid/");
    cr_assert_eq(weft_testing_run_until_blocked(test_loop), 0);
    weft_cancel(request);
    cr_assert_eq(weft_test_run(request), -ECANCELED);
    cr_assert_eq(weft_http_session_get_stats(test_session).active, 0);
    end();
}

static int get_by_socks(void)
{
    weft_http_response *response =
        test_response(weft_http_get(test_session, "http://a.invalid/hello"));
    int status = response ? 0 : test_failure;
    weft_http_response_free(response);
    return status == 0 ? 0 : -ENOMEM; /* the proxy and the server lack memory, too */
}

Test(http_client_proxy, a_request_by_a_proxy_without_memory_fails)
{
    begin_socks("socks5h://");
    weft_test_every_lack_of_memory(get_by_socks);
    end();
}

/* ---- HTTP ---- */

Test(http_client_proxy, a_tunnel_that_is_refused_fails_and_says_why)
{
    listener = weft_listen("127.0.0.1:0", tunnel);
    use_proxy("http://me:secret@", (struct weft_http_session_options){0});
    proxy.refuses = 407;
    is_refused("https://a.invalid/", WEFT_EHTTP, "407");
    cr_assert(strstr(proxy.head, "CONNECT a.invalid:443 HTTP/1.1\r\n"), "%s", proxy.head);
    cr_assert(strstr(proxy.head, "Proxy-Authorization: Basic bWU6c2VjcmV0\r\n"), "%s", proxy.head);
    proxy.refuses = 502;
    is_refused("https://a.invalid/", WEFT_EHTTP, "502");
    end();
}

static void is_asked(const char *url, const char *text, bool is_there)
{
    weft_http_response *response = test_response(weft_http_get(test_session, url));
    cr_assert_not_null(response, "%s: %s", weft_error_name(test_failure), test_message);
    bool found = strstr(weft_http_body(response, NULL), text);
    cr_assert_eq(found, is_there, "%s", weft_http_body(response, NULL));
    weft_http_response_free(response);
}

Test(http_client_proxy, a_password_goes_to_the_proxy_and_not_to_the_server)
{
    char with_password[96];
    snprintf(with_password, sizeof(with_password), "http://me:secret@%s",
             test_base + strlen("http://"));
    test_client_options((struct weft_http_session_options){.proxy = with_password});
    is_asked("http://a.invalid/echo", "Proxy-Authorization: Basic bWU6c2VjcmV0\n", true);
    is_asked("http://a.invalid/echo", "\nAuthorization", false);
    test_client_options(
        (struct weft_http_session_options){.proxy = with_password, .no_proxy = "*"});
    is_asked("/echo", "Proxy-Authorization", false);
    test_client_end();
}

/* ---- Exceptions ---- */

Test(http_client_proxy, hosts_that_are_excepted_are_asked_without_it)
{
    const char *port = strrchr(test_base, ':');
    test_client_options((struct weft_http_session_options){
        .proxy = "http://127.0.0.1:1", .no_proxy = "example.org, .localhost [::1]"});
    test_gets(test_url("http://localhost%s/hello", port), "hello");
    test_gets(test_url("http://LocalHost%s/hello", port), "hello");
    cr_assert_lt(test_fails(weft_http_get(test_session, "/hello")), 0);
    cr_assert_lt(test_fails(weft_http_get(test_session, "http://notlocalhost/")), 0);
    test_client_end();
}

Test(http_client_proxy, a_list_has_hosts_and_all_below_them)
{
    static const struct {
        const char *url, *list;
        bool is_listed;
    } cases[] = {
        {"http://example.org/", "example.org", true},
        {"http://www.example.org:81/", "a.b,\texample.org", true},
        {"http://www.example.org/", ".EXAMPLE.org", true},
        {"http://www.example.org/", "*", true},
        {"http://myexample.org/", "example.org", false},
        {"http://example.org/", "www.example.org", false},
        {"http://example.org/", "*.org", false},
        {"http://example.org/", "", false},
        {"http://example.org/", " ,, . [] ", false},
        {"http://127.0.0.1/", "127.0.0.1", true},
        {"http://127.0.0.1/", "0.0.1", false},
        {"http://[::1]:80/", "::1", true},
        {"http://[::1]:80/", "[::1]", true},
        {"http://[1::1]/", "::1", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct weft__client_url url;
        cr_assert_eq(weft__client_url_parse(NULL, cases[i].url, &url), 0);
        cr_assert_eq(weft__client_url_is_listed(&url, cases[i].list), cases[i].is_listed, "%s, %s",
                     cases[i].url, cases[i].list);
        weft__client_url_free(&url);
    }
    test_client_end();
}

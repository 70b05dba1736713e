/* SPDX-License-Identifier: MIT */
/* Certificates: whom a session trusts, and what it shows. The server is weft_tls, in the same loop.
   */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <weft/connect.h>
#include <weft/http_client.h>
#include <weft/listen.h>
#include <weft/socket.h>

#include "tests/support/loop.h"
#include "tests/support/relay.h"
#include "tests/support/tls.h"
#include "tests/support/trace.h"

static weft_listener *listener;
static char url[64];

/* What the server says, and that it ends the connection then; NULL: "hello", and no end. */
static struct {
    const char *text;
    bool is_cut; /* the connection ends, but not TLS */
} script;

struct answer {
    WEFT_FRAME;
    weft_stream *stream;
    weft_bytes *head;
};

static WEFT_ASYNC(answer)
{
    static const char text[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    WEFT_BEGIN;
    for (;;) {
        weft_bytes_free(self->head);
        self->head = NULL;
        WEFT_AWAIT_INTO(self->head, weft_read_until(self->stream, "\r\n\r\n", 4, 0));
        if (script.text)
            break;
        weft_write(self->stream, text, sizeof(text) - 1);
    }
    weft_write(self->stream, script.text, strlen(script.text));
    WEFT_AWAIT(weft_sleep(WEFT_MS(1))); /* of virtual time: all is sent before it passes */
    if (script.is_cut)
        cr_assert_eq(shutdown(weft_stream_fd(self->stream), SHUT_RDWR), 0);
    WEFT_FINALLY;
    weft_bytes_free(self->head);
    WEFT_END;
}

static void serve(const struct weft_tls_options *options)
{
    weft_tls_context *context = test_server_context(options);
    listener =
        weft_listen_with(&(struct weft_listen_options){.tls = context}, "127.0.0.1:0", answer);
    cr_assert_not_null(listener);
    weft_tls_context_unref(context);
    snprintf(url, sizeof(url), "https://localhost:%d/", weft_listener_port(listener));
}

static const struct test_cert *make(const char *names, int from_days, int until_days)
{
    return test_make(&(struct test_make){.subject = "server",
                                         .names = names,
                                         .from_days = from_days,
                                         .until_days = until_days,
                                         .issuer = test_ca});
}

static void serve_as(const char *names, int from_days, int until_days)
{
    struct weft_tls_options options = test_serving(make(names, from_days, until_days));
    serve(&options);
}

static void end(void)
{
    weft_listener_free(listener);
    test_tls_end();
}

TestSuite(http_client_tls, .init = test_tls_begin, .timeout = 60);

/* How a request ends; `count` of them one after the other. */
static int get_times(const struct weft_http_session_options *options, int count)
{
    weft_http_session *session = weft_http_session_new(options);
    cr_assert_not_null(session);
    int status = 0;
    for (int i = 0; i < count && status == 0; i++)
        status = test_wait_for(weft_http_get(session, url));
    if (status == 0)
        cr_assert_eq(weft_http_session_get_stats(session).connections, 1);
    weft_http_session_free(session);
    return status;
}

static int get(const struct weft_http_session_options *options)
{
    return get_times(options, 1);
}

static const char *ca_file(void)
{
    return test_file("ca.pem", test_ca->chain);
}

Test(http_client_tls, a_server_is_trusted_by_its_ca)
{
    serve_as("DNS:localhost", 0, 0);
    cr_assert_eq(get_times(&(struct weft_http_session_options){.ca_file = ca_file()}, 3), 0, "%s",
                 test_message);
    end();
}

Test(http_client_tls, a_server_that_nobody_vouches_for_is_refused)
{
    serve_as("DNS:localhost", 0, 0);
    cr_assert_eq(get(NULL), WEFT_ECERT, "%s", test_message);
    end();
}

Test(http_client_tls, a_certificate_for_another_name_is_refused)
{
    serve_as("DNS:example.org", 0, 0);
    cr_assert_eq(get(&(struct weft_http_session_options){.ca_file = ca_file()}), WEFT_ECERT);
    cr_assert(test_says("target host name"));
    end();
}

Test(http_client_tls, a_certificate_that_has_expired_is_refused)
{
    serve_as("DNS:localhost", -10, -5);
    cr_assert_eq(get(&(struct weft_http_session_options){.ca_file = ca_file()}), WEFT_ECERT);
    cr_assert(test_says("expired"));
    end();
}

Test(http_client_tls, a_certificate_that_signs_itself_is_refused)
{
    struct weft_tls_options options =
        test_serving(test_make(&(struct test_make){.subject = "me", .names = "DNS:localhost"}));
    serve(&options);
    cr_assert_eq(get(NULL), WEFT_ECERT);
    cr_assert(test_says("signed"));
    end();
}

Test(http_client_tls, nothing_is_verified_when_that_is_asked_for)
{
    serve_as("DNS:example.org", -10, -5);
    cr_assert_eq(get(&(struct weft_http_session_options){.flags = WEFT_HTTP_INSECURE}), 0, "%s",
                 test_message);
    end();
}

Test(http_client_tls, a_client_shows_its_certificate)
{
    const struct test_cert *server = make("DNS:localhost", 0, 0);
    const struct test_cert *client =
        test_make(&(struct test_make){.subject = "client", .issuer = test_ca});
    struct weft_tls_options options = test_serving(server);
    options.ca = test_ca->chain;
    options.flags = WEFT_TLS_CLIENT_REQUIRED;
    serve(&options);
    struct weft_http_session_options session = {.ca_file = ca_file()};
    cr_assert_lt(get(&session), 0);
    session.tls_cert = test_file("cert.pem", client->chain);
    session.tls_key = test_file("key.pem", client->key);
    cr_assert_eq(get(&session), 0, "%s", test_message);
    session.tls_key = test_file("other.pem", server->key);
    cr_assert_lt(get(&session), 0);
    end();
}

Test(http_client_tls, files_that_cannot_be_used_are_named)
{
    serve_as("DNS:localhost", 0, 0);
    cr_assert_eq(get(&(struct weft_http_session_options){.ca_file = "/nowhere/ca"}), -ENOENT);
    cr_assert(test_says("/nowhere/ca"));
    cr_assert_eq(get(&(struct weft_http_session_options){.ca_file = test_file("bad", "hello")}),
                 WEFT_ETLS);
    struct weft_http_session_options options = {.ca_file = ca_file(), .tls_cert = "/nowhere/cert"};
    cr_assert_eq(get(&options), -ENOENT);
    cr_assert(test_says("/nowhere/cert"));
    options.tls_cert = test_file("bad", "hello");
    cr_assert_eq(get(&options), WEFT_ETLS, "%s", test_message);
    options.tls_cert = "/dev/null";
    cr_assert_eq(get(&options), -EINVAL);
    end();
}

Test(http_client_tls, to_cancel_one_that_waits_for_certificates_cancels_no_other)
{
    serve_as("DNS:localhost", 0, 0);
    struct weft_http_session_options options = {.ca_file = ca_file()};
    weft_http_session *session = weft_http_session_new(&options);
    weft_future *first = weft_http_get(session, url), *second = weft_http_get(session, url);
    weft_cancel(first);
    cr_assert_eq(test_wait_for(first), -ECANCELED);
    cr_assert_eq(test_wait_for(second), 0, "%s", test_message);
    weft_http_session_free(session);
    end();
}

Test(http_client_tls, a_session_may_go_while_certificates_are_loaded)
{
    serve_as("DNS:localhost", 0, 0);
    weft_http_session *session = weft_http_session_new(NULL);
    weft_future *request = weft_http_get(session, url);
    weft_http_session_free(session);
    cr_assert_eq(test_wait_for(request), WEFT_ECLOSED);
    end();
}

/* ---- A server that takes connections and says nothing ---- */

struct silent {
    WEFT_FRAME;
    weft_stream *stream;
};

static WEFT_ASYNC(silent)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_sleep(WEFT_S(1000)));
    WEFT_END;
}

static weft_future *get_within(weft_http_session *session, weft_ns connect)
{
    const struct weft_http_fetch_options options = {.timeouts = {.connect = connect}};
    return weft_http_fetch(session, "GET", url, &options);
}

static void ends_after(weft_future *request, weft_ns time)
{
    cr_assert_eq(test_wait_for(request), -ETIMEDOUT);
    cr_assert(test_says("no connection to localhost"), "%s", test_message);
    cr_assert(weft_now() >= time && weft_now() < time + WEFT_S(1));
}

Test(http_client_tls, who_waits_for_the_connection_of_another_waits_as_long_as_it_said)
{
    listener = weft_listen("127.0.0.1:0", silent);
    snprintf(url, sizeof(url), "https://localhost:%d/", weft_listener_port(listener));
    weft_http_session *session =
        weft_http_session_new(&(struct weft_http_session_options){.ca_file = ca_file()});
    weft_ns begin = weft_now();
    weft_future *first = get_within(session, WEFT_S(10));
    weft_future *second = get_within(session, WEFT_S(3)), *third = get_within(session, WEFT_S(30));
    ends_after(second, begin + WEFT_S(3));
    cr_assert_eq(weft_http_session_get_stats(session).attempts, 1);
    ends_after(first, begin + WEFT_S(10));
    ends_after(third, begin + WEFT_S(30)); /* it has tried, when the first one had failed */
    cr_assert_eq(weft_http_session_get_stats(session).attempts, 2);
    weft_http_session_free(session);
    end();
}

/* ---- The end of the connection is the end of the body ---- */

static int get_cut(const char *text, bool is_cut)
{
    script.text = text;
    script.is_cut = is_cut;
    return get(&(struct weft_http_session_options){.ca_file = ca_file()});
}

Test(http_client_tls, what_is_cut_off_is_told_from_what_has_ended)
{
    serve_as("DNS:localhost", 0, 0);
    cr_assert_eq(get_cut("HTTP/1.1 200 OK\r\n\r\nhel", false), 0, "%s", test_message);
    cr_assert_eq(get_cut("HTTP/1.1 200 OK\r\n\r\nhel", true), WEFT_ETRUNCATED, "%d %s", test_status,
                 test_message);
    cr_assert(test_says("without the goodbye of TLS"));
    cr_assert_eq(get_cut("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", false),
                 WEFT_ETRUNCATED);
    cr_assert_eq(get_cut("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", true), WEFT_ETRUNCATED);
    cr_assert_eq(get_cut("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhel", true), 0, "%s",
                 test_message);
    /* Nobody reads what comes with a redirect: it is followed, here to the last one. */
    cr_assert_eq(get_cut("HTTP/1.1 302 Found\r\nLocation: /on\r\n\r\nhel", true), WEFT_ELIMIT, "%s",
                 test_message);
    cr_assert_eq(
        get_cut("HTTP/1.1 302 Found\r\nLocation: /on\r\nContent-Length: 5\r\n\r\nhel", true),
        WEFT_ELIMIT, "%s", test_message);
    cr_assert_eq(get_cut("", true), WEFT_EOF);
    cr_assert_eq(get_cut("", false), WEFT_EOF);
    end();
}

/* ---- A proxy that makes tunnels ---- */

static struct {
    char target[128];
    int count;
} tunnels;

struct tunnel {
    WEFT_FRAME;
    weft_stream *stream, *onward;
    weft_bytes *head;
};

static WEFT_ASYNC(tunnel)
{
    static const char done[] = "HTTP/1.1 200 Connected\r\nX-Proxy: yes\r\n\r\n";
    char address[160];
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->head, weft_read_until(self->stream, "\r\n\r\n", 4, 0));
    tunnels.count++;
    if (sscanf(self->head->data, "CONNECT %127s", tunnels.target) != 1)
        WEFT_FAIL(WEFT_EPROTO);
    snprintf(address, sizeof(address), "%s", tunnels.target);
    WEFT_AWAIT_INTO(self->onward, weft_connect(address));
    weft_write(self->stream, done, sizeof(done) - 1);
    WEFT_AWAIT(test_relay(self->stream, self->onward));
    WEFT_FINALLY;
    weft_bytes_free(self->head);
    weft_stream_free(self->onward);
    WEFT_END;
}

Test(http_client_tls, a_proxy_makes_a_tunnel)
{
    char proxy[64];
    serve_as("DNS:localhost", 0, 0);
    weft_listener *tunneller = weft_listen("127.0.0.1:0", tunnel);
    snprintf(proxy, sizeof(proxy), "http://127.0.0.1:%d", weft_listener_port(tunneller));
    struct weft_http_session_options options = {.ca_file = ca_file(), .proxy = proxy};
    weft_http_session *session = weft_http_session_new(&options);
    weft_future *request = weft_http_get(session, url);
    cr_assert_eq(test_wait_for(weft_ref(request)), 0, "%s", test_message);
    weft_http_response *response = weft_future_value(request).ptr;
    cr_assert_str_eq(weft_http_body(response, NULL), "hello");
    cr_assert_null(weft_http_header(response, "X-Proxy"));
    weft_unref(request);
    cr_assert_eq(tunnels.count, 1);
    cr_assert_eq(strncmp(tunnels.target, "localhost:", 10), 0, "%s", tunnels.target);
    weft_http_session_free(session);
    weft_listener_free(tunneller);
    end();
}

/* ---- Out of memory ---- */

static const char *memory_ca;

static int get_without_memory(void)
{
    struct weft_http_session_options options = {.ca_file = memory_ca};
    weft_http_session *session = weft_http_session_new(&options);
    int status = session ? test_wait_for(weft_http_get(session, url)) : -ENOMEM;
    weft_http_session_free(session);
    /* The server lacks memory, too. */
    return status == 0 ? 0 : -ENOMEM;
}

Test(http_client_tls, certificates_without_memory_fail_a_request)
{
    serve_as("DNS:localhost", 0, 0);
    memory_ca = ca_file();
    weft_test_every_lack_of_memory(get_without_memory);
    script.text = "HTTP/1.1 200 OK\r\n\r\nhel";
    weft_test_every_lack_of_memory(get_without_memory);
    end();
}

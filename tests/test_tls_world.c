/* SPDX-License-Identifier: MIT */
/* TLS with others: OpenSSL's s_client and s_server, and curl. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <weft/connect.h>
#include <weft/listen.h>
#include <weft/process_stream.h>

#include "tests/support/loop.h"
#include "tests/support/net.h"
#include "tests/support/process.h"
#include "tests/support/tls.h"

TestSuite(tls_world, .init = test_tls_begin_real, .timeout = 120);

static weft_tls_context *context;
static weft_listener *listener;
static weft_process *peer;
static weft_stream *in, *out;

/* ---- Our server, their clients ---- */

/* Answers "hello, LINE" to each line, and to a request of HTTP. */
struct greet {
    WEFT_FRAME;
    weft_stream *stream;
    weft_bytes *line;
    bool is_http;
};

static WEFT_ASYNC(greet)
{
    WEFT_BEGIN;
    for (;;) {
        WEFT_AWAIT_INTO(self->line, weft_read_line(self->stream, 0));
        if (!self->line->len)
            break;
        self->is_http |= !strncmp(self->line->data, "GET ", 4);
        if (!self->is_http) {
            weft_write(self->stream, "hello, ", 7);
            weft_write(self->stream, self->line->data, self->line->len);
        } else if (self->line->data[0] == '\r') {
            weft_write(self->stream, "HTTP/1.0 200 OK\r\n\r\nhello, curl\n", 31);
            break;
        }
        weft_bytes_free(self->line);
        self->line = NULL;
    }
    WEFT_FINALLY;
    weft_bytes_free(self->line);
    WEFT_END;
}

static void serve(const struct weft_tls_options *options)
{
    context = test_server_context(options);
    listener =
        weft_listen_with((&(struct weft_listen_options){.tls = context}), "127.0.0.1:0", greet);
    cr_assert_not_null(listener);
    test_file("ca.pem", test_ca->chain);
}

static char *command_of(const char *format, ...) WEFT_PRINTF(1, 2);
static char *command_of(const char *format, ...)
{
    static char commands[4][2048];
    static unsigned turn;
    char *command = commands[turn++ % 4];
    va_list args;
    va_start(args, format);
    vsnprintf(command, sizeof(commands[0]), format, args);
    va_end(args);
    return command;
}

static bool says(const char *text, const char *part)
{
    if (strstr(text, part))
        return true;
    cr_log_error("\"%s\" does not say \"%s\"\n", text, part);
    return false;
}

static void start_peer(const char *command)
{
    peer = test_start_shell(command_of("exec %s 2>&1", command));
    in = weft_process_take_stdin(peer);
    out = weft_process_take_stdout(peer);
    cr_assert(in && out);
}

/* Wait until the peer prints a line with this in it; false: it ends without. */
static bool prints(const char *text)
{
    char all[4096] = "";
    bool found = false;
    for (bool ended = false; !ended && !found;) {
        int status;
        weft_bytes *line = weft_test_bytes(weft_read_line(out, 0), &status);
        cr_assert_not_null(line);
        found = strstr(line->data, text);
        ended = !line->len;
        snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s", line->data);
        weft_bytes_free(line);
    }
    return found || says(all, text);
}

static void type(const char *text)
{
    cr_assert_eq(weft_write(in, text, strlen(text)), 0);
}

/* The peer has nothing to read any more; wait for its end. */
static void stop_peer(bool kills)
{
    weft_write_eof(in);
    if (kills)
        weft_process_kill(peer);
    while (weft_test_count(weft_fill(out, 0)) > 0) {
        size_t len;
        weft_peek(out, &len);
        weft_consume(out, len);
    }
    test_wait(peer);
    weft_stream_free(in);
    weft_stream_free(out);
    weft_process_free(peer);
}

static void start_s_client(const char *arguments)
{
    start_peer(command_of("openssl s_client -connect 127.0.0.1:%d -CAfile %s -verify_return_error "
                          "-servername example.org %s",
                          weft_listener_port(listener), test_file("ca.pem", test_ca->chain),
                          arguments));
}

/* Run one that prints this, and is answered if it was let in. */
static bool s_client(const char *arguments, const char *text, bool is_let_in)
{
    start_s_client(arguments);
    bool printed = prints(text);
    if (printed && is_let_in) {
        type("you\n");
        printed = prints("hello, you");
    }
    stop_peer(false);
    return printed;
}

/* Why our server has refused the last one. */
static const char *refusal(void)
{
    struct weft_listener_stats stats;
    weft_listener_get_stats(listener, &stats);
    return stats.last_refusal ? stats.last_refusal : "nobody was refused";
}

static void end(void)
{
    weft_listener_free(listener);
    weft_tls_context_unref(context);
    listener = NULL;
    context = NULL;
    test_tls_end();
}

Test(tls_world, s_client_of_each_version_is_answered)
{
    serve(NULL);
    cr_assert(s_client("-tls1_3", "New, TLSv1.3", true));
    cr_assert(s_client("-tls1_2", "New, TLSv1.2", true));
    cr_assert(s_client("-verify_hostname example.org", "Verify return code: 0 (ok)", true));
    end();
}

Test(tls_world, s_client_of_an_old_version_is_refused_with_the_version)
{
    serve(NULL);
    cr_assert(s_client("-tls1_1 -cipher ALL:@SECLEVEL=0", "alert protocol version", false));
    cr_assert(says(refusal(), "the client speaks TLS 1.1"));
    cr_assert(s_client("-tls1 -cipher ALL:@SECLEVEL=0", "alert protocol version", false));
    cr_assert(says(refusal(), "the client speaks TLS 1.0"));
    end();
}

Test(tls_world, what_is_weak_is_not_spoken)
{
    static const char *const weak[] = {
        "AES128-GCM-SHA256:AES256-SHA", /* the certificate's key opens what was recorded */
        "ECDHE-RSA-AES128-SHA:ECDHE-RSA-AES256-SHA384", /* not authenticated */
        "aNULL",
        "eNULL",
    };
    const struct test_cert *rsa = test_make(&(struct test_make){
        .subject = "rsa", .names = "DNS:example.org", .is_rsa = true, .issuer = test_ca});
    struct weft_tls_options options = test_serving(rsa);
    serve(&options);
    for (size_t i = 0; i < sizeof(weak) / sizeof(*weak); i++) {
        const char *arguments = command_of("-tls1_2 -cipher %s:@SECLEVEL=0", weak[i]);
        cr_assert(s_client(arguments, "alert handshake failure", false), "%s", weak[i]);
        cr_assert(says(refusal(), "no shared cipher"));
    }
    cr_assert(s_client("-tls1_2", "ECDHE-RSA-AES", true));
    cr_assert(s_client("-tls1_2", "Compression: NONE", true));
    end();
}

Test(tls_world, s_client_may_change_keys)
{
    serve(NULL);
    start_s_client("-tls1_3");
    static const char *const commands[] = {"K\n", "k\n", "K\n"};
    for (size_t i = 0; i < 3; i++) {
        type(commands[i]);
        cr_assert(prints("KEYUPDATE"));
        type("you\n");
        cr_assert(prints("hello, you"));
    }
    stop_peer(false);
    end();
}

Test(tls_world, s_client_may_not_renegotiate)
{
    serve(NULL);
    start_s_client("-tls1_2");
    type("you\n");
    cr_assert(prints("hello, you"));
    type("R\n");
    cr_assert(prints("RENEGOTIATING"));
    cr_assert(prints("no renegotiation"));
    stop_peer(false);
    end();
}

Test(tls_world, s_client_resumes_with_a_ticket)
{
    serve(NULL);
    const char *session = test_file("session", "");
    cr_assert(s_client(command_of("-sess_out %s", session), "New, TLSv1.3", true));
    const char *resume = command_of("-sess_in %s", session);
    cr_assert(s_client(resume, "Reused, TLSv1.3", true));
    cr_assert_eq(test_wait_for(weft_tls_reload(context)), 0);
    cr_assert(s_client(resume, "New, TLSv1.3", true));
    end();
}

Test(tls_world, s_client_shows_a_certificate_or_is_refused)
{
    serve(&(struct weft_tls_options){.ca = test_ca->chain, .flags = WEFT_TLS_CLIENT_REQUIRED});
    const struct test_cert *mine =
        test_make(&(struct test_make){.subject = "me", .issuer = test_ca});
    cr_assert(s_client("", "certificate required", false));
    cr_assert(says(refusal(), "the client has shown no certificate"));
    const char *with = command_of("-cert %s -key %s", test_file("me", mine->chain),
                                  test_file("me.key", mine->key));
    cr_assert(s_client(with, "New, TLSv1.3", true));
    end();
}

Test(tls_world, s_client_and_alpn)
{
    serve(&(struct weft_tls_options){.alpn = "h2,http/1.1"});
    cr_assert(s_client("-alpn http/1.1,h2", "ALPN protocol: h2", true));
    cr_assert(s_client("-alpn spdy/1", "alert no application protocol", false));
    end();
}

/* What a command prints; its status is in test_status. Good until the next call. */
static const char *run(const char *command)
{
    static char text[65536];
    const struct weft_process_options options = {
        .shell = command, .in = WEFT_STDIO_NULL, .out = WEFT_STDIO_PIPE, .err = WEFT_STDIO_PIPE};
    weft_future *ran = weft_process_run(&options, NULL, 0, 60000);
    cr_assert_eq(weft_test_run(weft_ref(ran)), 0);
    weft_value value;
    cr_assert_eq(weft_future_take(ran, &value), 0);
    weft_unref(ran);
    struct weft_process_output *output = value.ptr;
    snprintf(text, sizeof(text), "%.*s%.*s", (int)output->out_len, output->out,
             (int)output->err_len, output->err);
    test_status = output->status;
    weft_process_output_free(output);
    return text;
}

static const char *curl(const char *arguments)
{
    return run(command_of("curl -sS --max-time 30 --cacert %s --resolve example.org:%d:127.0.0.1 "
                          "--resolve example.com:%d:127.0.0.1 %s:%d/",
                          test_file("ca.pem", test_ca->chain), weft_listener_port(listener),
                          weft_listener_port(listener), arguments, weft_listener_port(listener)));
}

Test(tls_world, curl_gets_an_answer_or_says_why_not)
{
    serve(NULL);
    cr_assert_str_eq(curl("https://example.org"), "hello, curl\n");
    cr_assert_str_eq(curl("--tls-max 1.2 https://127.0.0.1"), "hello, curl\n");
    cr_assert(says(curl("https://example.com"), "no alternative certificate subject name"));
    cr_assert_neq(test_status, 0);
    cr_assert(says(curl("http://example.org"), "curl: "));
    cr_assert(says(refusal(), "is not TLS"));
    end();
}

/* ---- Our own, by the options of who listens and who connects ---- */

Test(tls_world, who_connects_with_a_context_is_answered_by_who_listens_with_one)
{
    char address[32];
    serve(NULL);
    weft_tls_context *client = test_client_context(NULL);
    snprintf(address, sizeof(address), "127.0.0.1:%d", weft_listener_port(listener));
    for (int i = 0; i < 2; i++) {
        weft_value value = {0};
        const struct weft_connect_options options = {.tls = client,
                                                     .server_name = i ? "example.org" : NULL};
        weft_future *connected = weft_connect_with(&options, address);
        cr_assert_eq(test_wait_for(weft_ref(connected)), 0, "%s", test_message);
        cr_assert_eq(weft_future_take(connected, &value), 0);
        weft_unref(connected);
        weft_stream *stream = value.ptr;
        cr_assert_str_eq(weft_tls_info(stream)->server_name, i ? "example.org" : "127.0.0.1");
        cr_assert_eq(weft_write(stream, "you\n", 4), 0);
        cr_assert(weft_test_gives(weft_read_line(stream, 0), "hello, you\n"));
        cr_assert_eq(test_wait_for(weft_close(stream)), 0);
    }
    const struct weft_connect_options options = {.tls = client, .server_name = "example.com"};
    cr_assert_eq(test_wait_for(weft_connect_with(&options, address)), WEFT_ECERT);
    cr_assert(test_says("not for example.com"));
    weft_tls_context_unref(client);
    end();
}

/* ---- Our client, their server ---- */

/* Where the s_server that was started listens. */
static int port_of_peer(void)
{
    int port = 0, status;
    while (!port) {
        weft_bytes *line = weft_test_bytes(weft_read_line(out, 0), &status);
        cr_assert(line && line->len);
        sscanf(line->data, "ACCEPT 127.0.0.1:%d", &port);
        weft_bytes_free(line);
    }
    return port;
}

/* s_server that sends each line back in reverse; returns its port. */
static int start_s_server(const struct test_cert *cert, const char *arguments)
{
    start_peer(command_of("openssl s_server -accept 127.0.0.1:0 -rev -cert %s -key %s %s",
                          test_file("s.pem", cert->chain), test_file("s.key", cert->key),
                          arguments));
    return port_of_peer();
}

/* Connect; NULL: test_status and test_message say why not. */
static weft_stream *connect_to(int port, const char *name)
{
    char address[32];
    weft_value value = {0};
    snprintf(address, sizeof(address), "127.0.0.1:%d", port);
    weft_future *connected = weft_connect(address);
    cr_assert_eq(weft_test_run(weft_ref(connected)), 0);
    cr_assert_eq(weft_future_take(connected, &value), 0);
    weft_unref(connected);
    weft_stream *stream = value.ptr;
    if (test_wait_for(weft_start_tls(stream, context, name)) == 0)
        return stream;
    weft_stream_free(stream);
    return NULL;
}

static bool reverses(weft_stream *stream)
{
    return stream && weft_write(stream, "drow\n", 5) == 0 &&
           weft_test_gives(weft_read_line(stream, 0), "word\n");
}

Test(tls_world, s_server_of_each_version_is_spoken_with)
{
    static const char *const versions[] = {"-tls1_3", "-tls1_2"};
    context = test_client_context(NULL);
    for (size_t i = 0; i < 2; i++) {
        int port = start_s_server(test_server, versions[i]);
        for (int round = 0; round < 3; round++) {
            weft_stream *stream = connect_to(port, "example.org");
            cr_assert(reverses(stream) && reverses(stream), "%s", test_message);
            cr_assert_eq(weft_tls_info(stream)->is_resumed, round > 0);
            cr_assert_eq(test_wait_for(weft_close(stream)), 0);
        }
        stop_peer(true);
        cr_assert_eq(test_wait_for(weft_tls_reload(context)), 0);
    }
    end();
}

Test(tls_world, s_server_may_not_renegotiate)
{
    context = test_client_context(NULL);
    start_peer(
        command_of("stdbuf -oL openssl s_server -tls1_2 -accept 127.0.0.1:0 -cert %s -key %s",
                   test_file("s.pem", test_server->chain), test_file("s.key", test_server->key)));
    weft_stream *stream = connect_to(port_of_peer(), "example.org");
    cr_assert_not_null(stream, "%s", test_message);
    type("hello\n");
    cr_assert(weft_test_gives(weft_read_line(stream, 0), "hello\n"));
    type("r\n");
    cr_assert_eq(test_wait_for(weft_read_line(stream, 0)), WEFT_ETLS);
    cr_assert(test_says("the server has refused")); /* to go on without */
    weft_stream_free(stream);
    stop_peer(true);
    end();
}

Test(tls_world, s_server_of_an_old_version_is_refused_with_the_version)
{
    context = test_client_context(NULL);
    int port = start_s_server(test_server, "-tls1_1 -cipher ALL:@SECLEVEL=0");
    cr_assert_null(connect_to(port, "example.org"));
    cr_assert_eq(test_status, WEFT_ETLS);
    cr_assert(test_says("the server speaks none of the versions from TLS 1.2 to TLS 1.3"));
    stop_peer(true);
    end();
}

Test(tls_world, s_server_with_a_wrong_certificate_is_refused_by_what_is_wrong)
{
    static const struct {
        struct test_make what;
        const char *says;
    } cases[] = {
        {{.subject = "other", .names = "DNS:example.com"},
         "is for example.com, not for example.org"},
        {{.subject = "old", .names = "DNS:example.org", .from_days = -9, .until_days = -2},
         "has expired: it was valid until "},
        {{.subject = "self", .names = "DNS:example.org"}, "is self-signed"},
    };
    context = test_client_context(NULL);
    for (size_t i = 0; i < 3; i++) {
        struct test_make what = cases[i].what;
        what.issuer = i < 2 ? test_ca : NULL;
        int port = start_s_server(test_make(&what), "");
        cr_assert_null(connect_to(port, "example.org"));
        cr_assert_eq(test_status, WEFT_ECERT);
        cr_assert(test_says(cases[i].says) && test_says("TLS with example.org (127.0.0.1:"));
        stop_peer(true);
    }
    end();
}

Test(tls_world, s_server_that_asks_for_a_certificate_gets_it)
{
    char arguments[512];
    struct weft_tls_options options =
        test_serving(test_make(&(struct test_make){.subject = "me", .issuer = test_ca}));
    context = test_client_context(&options);
    snprintf(arguments, sizeof(arguments), "-Verify 1 -verify_return_error -CAfile %s",
             test_file("ca.pem", test_ca->chain));
    int port = start_s_server(test_server, arguments);
    weft_stream *stream = connect_to(port, "example.org");
    cr_assert(reverses(stream), "%s", test_message);
    weft_stream_free(stream);
    stop_peer(true);
    end();
}

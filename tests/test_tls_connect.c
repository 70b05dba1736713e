/* SPDX-License-Identifier: MIT */
/* TLS by the options of those who connect and listen: from a name to a line. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <weft/connect.h>
#include <weft/listen.h>

#include "tests/support/loop.h"
#include "tests/support/names.h"
#include "tests/support/net.h"
#include "tests/support/tls.h"
#include "tests/support/tree.h"

struct greet {
    WEFT_FRAME;
    weft_stream *stream;
};

static WEFT_ASYNC(greet)
{
    WEFT_BEGIN;
    weft_write(self->stream, "hello\n", 6);
    WEFT_AWAIT(weft_drain(self->stream));
    WEFT_END;
}

static weft_tls_context *client, *server;
static weft_listener *listener;
static struct weft_connect_options options;

static void begin(void)
{
    test_tls_begin();
    test_names_begin();
    test_name("example.org", "127.0.0.1");
    test_name("other.test", "127.0.0.1");
    client = test_client_context(NULL);
    server = test_server_context(NULL);
    options.tls = client;
    listener = weft_listen_with(&(struct weft_listen_options){.tls = server}, "127.0.0.1:0", greet);
    cr_assert_not_null(listener);
}

TestSuite(tls_connect, .init = begin, .timeout = 60);

static void end(void)
{
    weft_listener_free(listener);
    weft_tls_context_unref(client);
    weft_tls_context_unref(server);
    test_tls_end();
}

/* To a host at the port of the listener. */
static weft_future *connect_to(const char *host)
{
    char address[64];
    snprintf(address, sizeof(address), "%s:%d", host, weft_listener_port(listener));
    return weft_connect_with(&options, address);
}

static void check_greeting(const char *host)
{
    weft_value value;
    weft_future *connect = connect_to(host);
    cr_assert_eq(test_wait_for(weft_ref(connect)), 0, "%s", test_message);
    cr_assert_eq(weft_future_take(connect, &value), 0);
    weft_unref(connect);
    cr_assert_not_null(weft_tls_info(value.ptr));
    cr_assert(weft_test_gives(weft_read_line(value.ptr, 0), "hello\n"));
    weft_stream_free(value.ptr);
}

Test(tls_connect, name_leads_to_a_server_that_proves_it)
{
    check_greeting("example.org");
    end();
}

Test(tls_connect, number_is_proved_as_well)
{
    check_greeting("127.0.0.1");
    end();
}

Test(tls_connect, name_of_the_options_is_what_is_proved)
{
    options.server_name = "example.org";
    check_greeting("other.test");
    end();
}

Test(tls_connect, server_that_cannot_prove_the_name_is_refused_with_address_and_reason)
{
    char at[64];
    cr_assert_eq(test_wait_for(connect_to("other.test")), WEFT_ECERT);
    snprintf(at, sizeof(at),
             "cannot connect to other.test:%d (127.0.0.1:%d: ", weft_listener_port(listener),
             weft_listener_port(listener));
    cr_assert(test_says(at));
    cr_assert(test_says("the certificate is for example.org, 127.0.0.1, not for other.test"));
    while (weft_listener_connections(listener) > 0)
        weft_test_turn();
    end();
}

/* ---- In the task tree ---- */

struct connects {
    WEFT_FRAME;
    weft_future *connect; /* consumed */
};

static WEFT_ASYNC(connects)
{
    WEFT_BEGIN;
    WEFT_AWAIT(self->connect);
    WEFT_END;
}

/* Of a server that says nothing: the kernel answers for it, and that is all. */
Test(tls_connect, says_that_it_is_securing_and_with_whom)
{
    char expected[128];
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof(at);
    int silent = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(silent, (struct sockaddr *)&at, size), 0);
    cr_assert_eq(listen(silent, 1), 0);
    cr_assert_eq(getsockname(silent, (struct sockaddr *)&at, &size), 0);
    int port = ntohs(at.sin_port);
    snprintf(expected, sizeof(expected), "example.org:%d", port);
    weft_future *task = weft_spawn(connects, .connect = weft_connect_with(&options, expected));
    snprintf(expected, sizeof(expected), "connect example.org:%d, securing, 127.0.0.1:%d", port,
             port);
    char *text = test_tree_text(true);
    while (!strstr(text, expected)) {
        cr_assert_not(weft_is_done(task), "%s", text);
        free(text);
        weft_test_turn();
        text = test_tree_text(true);
    }
    free(text);
    weft_cancel(task);
    cr_assert_eq(weft_test_run(task), -ECANCELED);
    close(silent);
    end();
}

/* SPDX-License-Identifier: MIT */
/* Each allocation of weft fails in turn, on the loop and in jobs. OpenSSL's own do not. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/heap.h"
#include "tests/support/loop.h"
#include "tests/support/net.h"
#include "tests/support/tls.h"
#include "tests/support/trace.h"

TestSuite(tls_memory, .init = test_tls_begin, .timeout = 120);

static weft_tls_context *client, *server;

static void end(void)
{
    weft_tls_context_unref(client);
    weft_tls_context_unref(server);
    test_tls_end();
}

static int make_client(void)
{
    weft_tls_context *context = test_context(weft_tls_client_new(&(struct weft_tls_options){
        .ca = test_ca->chain, .alpn = "h2,http/1.1", .flags = WEFT_TLS_NO_SYSTEM_CA}));
    weft_tls_context_unref(context);
    return test_status;
}

static int make_server(void)
{
    struct weft_tls_options options = test_serving(test_server);
    options.alpn = "h2";
    weft_tls_context *context = test_context(weft_tls_server_new(&options));
    weft_tls_context_unref(context);
    return test_status;
}

Test(tls_memory, a_context_without_memory_leaves_nothing)
{
    weft_test_every_lack_of_memory(make_client);
    weft_test_every_lack_of_memory(make_server);
    end();
}

static int reload(void)
{
    return test_wait_for(weft_tls_reload(server));
}

Test(tls_memory, a_reload_without_memory_leaves_the_context_as_it_was)
{
    client = test_client_context(NULL);
    server = test_server_context(NULL);
    weft_test_every_lack_of_memory(reload);
    struct test_pair pair = test_handshake(client, server, "example.org");
    cr_assert(test_agreed(&pair));
    test_free(&pair);
    end();
}

/* What the scene comes to: a lack of memory on one side is something else on the other. */
static int with(int status, int other)
{
    return status == -ENOMEM || other == 0   ? status
           : other == -ENOMEM || status == 0 ? other
                                             : status;
}

static int open_pair(struct test_pair *pair)
{
    int fds[2];
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    pair->client = weft_stream_new(fds[0]);
    pair->server = weft_stream_new(fds[1]);
    if (!pair->client)
        close(fds[0]);
    if (!pair->server)
        close(fds[1]);
    return pair->client && pair->server ? 0 : -ENOMEM;
}

/* Both ends of a handshake. */
static int shake_hands(struct test_pair *pair, const char *name)
{
    weft_future *accepted = weft_start_tls(pair->server, server, NULL);
    weft_future *connected = weft_start_tls(pair->client, client, name);
    int status = test_wait_for(connected);
    if (status < 0) {
        weft_stream_free(pair->client);
        pair->client = NULL;
    }
    return with(status, test_wait_for(accepted));
}

static int talk(struct test_pair *pair)
{
    char buffer[16];
    int status = weft_write(pair->client, "hello", 5);
    if (status == 0)
        status = test_wait_for(weft_read_exactly(pair->server, buffer, 5));
    if (status == 0 && !weft_tls_info(pair->server))
        status = -ENOMEM;
    return status;
}

/* A handshake, a word, and what was agreed upon. */
static int connect_and_talk(void)
{
    struct test_pair pair = {0};
    int status = open_pair(&pair);
    if (status == 0)
        status = shake_hands(&pair, "example.org");
    if (status == 0)
        status = talk(&pair);
    if (status == 0) {
        status = test_wait_for(weft_close(pair.client));
        pair.client = NULL;
    }
    test_free(&pair);
    return status;
}

Test(tls_memory, a_connection_without_memory_fails_or_works)
{
    client = test_client_context(&(struct weft_tls_options){.flags = WEFT_TLS_NO_RESUMPTION});
    server = test_server_context(NULL);
    weft_test_every_lack_of_memory(connect_and_talk);
    cr_assert_eq(connect_and_talk(), 0);
    end();
}

Test(tls_memory, a_resumed_connection_without_memory_fails_or_works)
{
    client = test_client_context(NULL);
    server = test_server_context(NULL);
    cr_assert_eq(connect_and_talk(), 0);
    weft_test_every_lack_of_memory(connect_and_talk);
    cr_assert_eq(connect_and_talk(), 0);
    end();
}

static int be_refused(void)
{
    struct test_pair pair = {0};
    int status = open_pair(&pair);
    if (status == 0) {
        status = shake_hands(&pair, "example.com");
        cr_assert_lt(status, 0);
    }
    test_free(&pair);
    return status == -ENOMEM ? -ENOMEM : 0;
}

Test(tls_memory, a_refusal_without_memory_is_one_without_a_message)
{
    client = test_client_context(NULL);
    server = test_server_context(NULL);
    weft_test_every_lack_of_memory(be_refused);
    end();
}

/* What came early keeps the only buffer that there is, so that the next one is allocated. */
Test(tls_memory, a_handshake_gets_on_without_memory_to_read_into)
{
    client = test_client_context(NULL);
    server = test_server_context(NULL);
    struct test_pair pair = test_plain();
    weft_future *connected = weft_start_tls(pair.client, client, "example.org");
    weft_test_turn();
    weft_future *accepted = weft_start_tls(pair.server, server, NULL);
    weft_test_heap_fail_at(1);
    cr_assert_eq(test_wait_for(connected), 0);
    cr_assert(weft_test_heap_failed());
    cr_assert_eq(test_wait_for(accepted), 0);
    cr_assert_eq(talk(&pair), 0);
    test_free(&pair);
    end();
}

Test(tls_memory, a_write_without_memory_breaks_the_connection)
{
    static char much[1 << 20];
    client = test_client_context(NULL);
    server = test_server_context(NULL);
    struct test_pair pair = test_handshake(client, server, "example.org");
    cr_assert(test_agreed(&pair));
    weft_test_heap_fail_at(1);
    cr_assert_eq(weft_write(pair.client, much, sizeof(much)), -ENOMEM);
    cr_assert(weft_test_heap_failed());
    cr_assert_eq(weft_write(pair.client, "x", 1), -ENOMEM);
    cr_assert_eq(test_wait_for(weft_drain(pair.client)), -ENOMEM);
    test_free(&pair);
    end();
}

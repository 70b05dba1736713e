/* SPDX-License-Identifier: MIT */
/* Large files that the kernel sends as answers of the HTTP server. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <weft/combine.h>
#include <weft/http_middleware.h>
#include <weft/http_static.h>

#include "tests/support/files.h"
#include "tests/support/http.h"
#include "tests/support/loop.h"

TestSuite(http_sendfile, .init = test_files_begin, .timeout = 60);

enum { LARGE = 3000001 };

static weft_http_server *server;
static char *content;

static struct {
    size_t count;
    int status;
    bool complete;
    uint64_t bytes;
} logged;

static void log_access(const struct weft_http_access *access, void *arg)
{
    (void)arg;
    logged.count++;
    logged.status = access->status;
    logged.complete = access->complete;
    logged.bytes = access->bytes;
}

static void begin(void)
{
    static char root[512];
    snprintf(root, sizeof(root), "%s", test_path("."));
    content = malloc(LARGE + 1);
    for (size_t i = 0; i < LARGE; i++)
        content[i] = (char)('a' + i % 23);
    content[LARGE] = 0;
    test_make("large", content);
    server = test_http_begin(NULL);
    memset(&logged, 0, sizeof(logged));
    weft_http_on_access(server, log_access, NULL);
    weft_http_route(server, "GET /s/...", weft_http_files, .root = root);
}

static void end(void)
{
    weft_http_server_free(server);
    free(content);
    test_files_end();
}

static struct test_client ask(bool deaf)
{
    struct test_client client = test_http_connect();
    client.deaf = deaf;
    test_http_say(&client, "GET /s/large HTTP/1.1\r\nHost: x\r\n\r\n");
    return client;
}

/* Until the kernel has no more room, which is when time can pass. */
static void fill(struct test_client *client)
{
    char some[16];
    while (recv(client->fd, some, sizeof(some), MSG_PEEK) < 0)
        test_http_turn(client);
    test_http_pass(client, WEFT_MS(1));
}

Test(http_sendfile, a_connection_goes_on_behind_a_file_and_the_log_has_its_bytes)
{
    begin();
    struct test_client client = ask(false);
    while (client.len < LARGE || !logged.count)
        test_http_turn(&client);
    cr_assert_str_eq(test_http_body(client.received), content);
    cr_assert_eq(logged.status, 200);
    cr_assert(logged.complete);
    cr_assert_eq(logged.bytes, client.len + strlen("Date: Fri, 20 Nov 2026 11:40:15 GMT\r\n"));
    test_http_say(&client, "GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    cr_assert_str_eq(client.received + client.len - 5, "hello");
    cr_assert_eq(logged.count, 2);
    cr_assert_lt(logged.bytes, 1000);
    test_http_close(&client);
    end();
}

Test(http_sendfile, a_client_that_reads_nothing_is_given_up_after_the_write_timeout)
{
    begin();
    struct test_client client = ask(true);
    fill(&client);
    test_http_pass(&client, WEFT_S(29));
    cr_assert_eq(weft_http_server_stats(server).connections, 1);
    cr_assert_eq(logged.count, 0);
    test_http_pass(&client, WEFT_S(32)); /* what the kernel took at first was progress */
    cr_assert_eq(weft_http_server_stats(server).connections, 0);
    cr_assert_not(logged.complete);
    cr_assert_gt(logged.bytes, 1000, "what the kernel took");
    cr_assert_lt(logged.bytes, LARGE);
    cr_assert_eq(test_reports.count, 0);
    test_http_close(&client);
    end();
}

Test(http_sendfile, a_client_that_reads_slowly_gets_it_all)
{
    begin();
    struct test_client client = ask(true);
    char *piece = malloc(100000);
    size_t got = 0;
    fill(&client);
    while (weft_http_server_stats(server).active) {
        ssize_t more = recv(client.fd, piece, 100000, MSG_DONTWAIT);
        cr_assert_gt(more, 0, "after %zu bytes", got);
        got += (size_t)more;
        test_http_pass(&client, WEFT_S(25));
    }
    client.deaf = false;
    test_http_turn(&client);
    cr_assert_gt(got + client.len, LARGE);
    cr_assert(logged.complete);
    free(piece);
    test_http_close(&client);
    end();
}

Test(http_sendfile, a_client_that_resets_meanwhile_is_nobodys_fault)
{
    begin();
    struct test_client client = ask(true), other;
    fill(&client);
    test_http_close(&client); /* with bytes that it has not read */
    other = test_http_connect();
    while (!logged.count)
        test_http_turn(&other);
    cr_assert_not(logged.complete);
    cr_assert_eq(test_reports.count, 0);
    test_http_close(&other);
    end();
}

Test(http_sendfile, a_server_that_stops_sends_it_to_its_end)
{
    begin();
    struct test_client client = ask(true);
    fill(&client);
    weft_http_server_stop(server);
    client.deaf = false;
    while (!client.ended)
        test_http_turn(&client);
    cr_assert_str_eq(test_http_body(client.received), content);
    test_http_close(&client);
    end();
}

struct impatient {
    WEFT_FRAME;
    weft_http_request *request;
    int status;
};

static int ended;

static WEFT_ASYNC(impatient)
{
    WEFT_BEGIN;
    WEFT_CATCH(self->status,
               weft_wait_for(weft_http_send_file(self->request, test_path("."), "large", NULL),
                             WEFT_S(1)));
    ended = self->status;
    WEFT_FAIL(self->status);
    WEFT_END;
}

Test(http_sendfile, one_that_is_cancelled_in_the_middle_breaks_its_answer_off)
{
    begin();
    weft_http_route(server, "GET /impatient", impatient);
    struct test_client client = test_http_connect();
    client.deaf = true;
    test_http_say(&client, "GET /impatient HTTP/1.1\r\nHost: x\r\n\r\n");
    fill(&client);
    test_http_pass(&client, WEFT_S(2));
    cr_assert_eq(ended, -ETIMEDOUT);
    client.deaf = false;
    while (!client.ended)
        test_http_turn(&client);
    cr_assert_lt(client.len, (size_t)LARGE);
    cr_assert_eq(test_reports.status, -ETIMEDOUT);
    cr_assert_str_eq(test_reports.task, "impatient");
    test_http_close(&client);
    end();
}

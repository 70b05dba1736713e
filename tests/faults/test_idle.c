/* SPDX-License-Identifier: MIT */
/*
 * Ten thousand connections on which nothing happens: what each costs the server is printed, it does
 * nothing while they rest, serves who asks, and has its memory and descriptors back when they are gone.
 * And more connections than there are descriptors.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#ifdef WEFT_TEST_TLS
#include <openssl/ssl.h>
#endif

#include "tests/faults/scene.h"
#include "tests/faults/served.h"

TestSuite(idle, .timeout = 120);

enum { MANY = 10000, MANY_TLS = 1000, BATCH = 250 };
enum { FEWER = 5 }; /* … times, where memory says nothing and everything takes longer */

/* Nothing is ended for being idle. */
static const struct served_options patient = {.http = {.head_timeout = WEFT_FOREVER,
                                                       .idle_timeout = WEFT_FOREVER,
                                                       .max_connections = WEFT_HTTP_NO_LIMIT}};

static int *clients;
static size_t count;

static void begin(struct served *ret, const struct served_options *options)
{
    wire_begin(1);
    *ret = served_start(options);
}

static void end(struct served *served)
{
    served_stop(served);
    wire_end();
    free(clients);
}

/* ---- Measuring ---- */

/* … and each costs at most so much. */
static void assert_costs(const char *what, size_t before, size_t after, size_t most)
{
    size_t each = (after - before) / count;
    printf("%s: %zu connections, %zu bytes of memory each\n", what, count, each);
    if (served_tells_memory())
        cr_assert_leq(each, most);
}

static size_t left_of(const struct served *served, size_t before)
{
    size_t now = served_memory(served);
    return now > before ? now - before : 0;
}

/* A second in which nobody asks for anything: it neither wakes nor computes. */
static void assert_rests(const struct served *served, const char *what)
{
    struct served_effort before = served_effort(served);
    struct pollfd nothing = {.fd = served->control, .events = POLLIN};
    cr_assert_eq(poll(&nothing, 1, 1000), 0);
    struct served_effort after = served_effort(served);
    printf("%s: at rest for a second: woken %zu times, %zu us of CPU\n", what,
           (size_t)(after.sleeps - before.sleeps), (size_t)(after.ran - before.ran) / 1000);
    cr_assert_leq(after.sleeps - before.sleeps, 2);
    cr_assert_leq(after.ran - before.ran, 5000000);
}

/* ---- Connections ---- */

static void open_all(int port, size_t wanted)
{
    count = served_allowance(served_tells_memory() ? wanted : wanted / FEWER);
    clients = realloc(clients, count * sizeof(clients[0]));
    for (size_t i = 0; i < count; i += BATCH)
        served_connect_many(port, clients + i, BATCH < count - i ? BATCH : count - i);
}

static void close_all(void)
{
    for (size_t i = 0; i < count; i++)
        close(clients[i]);
}

/* The same, with a reset. */
static void slam_all(void)
{
    struct linger at_once = {.l_onoff = 1};
    for (size_t i = 0; i < count; i++)
        setsockopt(clients[i], SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    close_all();
}

/* All ask, some at a time, and all are answered. */
static void ask_all(const char *text, bool (*is_answered)(int fd))
{
    for (size_t i = 0; i < count; i += BATCH) {
        size_t until = i + BATCH < count ? i + BATCH : count;
        for (size_t k = i; k < until; k++)
            cr_assert(served_send(clients[k], text));
        for (size_t k = i; k < until; k++)
            cr_assert(is_answered(clients[k]), "client %zu", k);
    }
}

static bool is_echoed(int fd)
{
    char byte;
    return recv(fd, &byte, 1, 0) == 1 && byte == 'x';
}

static void check_many(int port, const char *what, const char *text, bool (*is_answered)(int fd))
{
    struct served served;
    begin(&served, &patient);
    size_t fds = served_fds(&served);
    size_t before = served_memory(&served);
    open_all(port, MANY);
    ask_all(text, is_answered);
    size_t first = served_memory(&served);
    struct served_stats stats = served_stats(&served);
    cr_assert_eq(stats.http + stats.echo, count);
    assert_costs(what, before, first, 2048);
    assert_rests(&served, what);
    int guest = served_connect(port);
    cr_assert(served_send(guest, text) && is_answered(guest));
    ask_all(text, is_answered);
    close(guest);
    close_all();
    served_wait_for_none(&served);
    cr_assert_eq(served_fds(&served), fds);
    printf("%s: %zu KiB are left when all have gone\n", what, left_of(&served, before) / 1024);
    /* The same again takes no more. */
    open_all(port, MANY);
    ask_all(text, is_answered);
    size_t second = served_memory(&served);
    slam_all();
    served_wait_for_none(&served);
    cr_assert_eq(served_stats(&served).reports, 0);
    if (served_tells_memory())
        cr_assert_leq(second, first + (first - before) / 8, "%zu, then %zu", first, second);
    end(&served);
}

Test(idle, keep_alive_connections_cost_memory_only)
{
    check_many(SERVED_HTTP, "HTTP, keep-alive", SERVED_HELLO, served_answers_hello);
}

Test(idle, streams_cost_memory_only)
{
    check_many(SERVED_ECHO, "plain streams", "x", is_echoed);
}

/* ---- TLS ---- */

#ifdef WEFT_TEST_TLS
static bool says_hello(SSL *ssl)
{
    char answer[512];
    int len = (int)strlen(SERVED_HELLO);
    size_t have = 0;
    if (SSL_write(ssl, SERVED_HELLO, len) != len)
        return false;
    do {
        int got = SSL_read(ssl, answer + have, (int)(sizeof(answer) - 1 - have));
        if (got <= 0)
            return false;
        have += (size_t)got;
        answer[have] = 0;
    } while (!strstr(answer, "\r\n\r\nhello"));
    return true;
}

Test(idle, connections_with_tls_cost_memory_only)
{
    struct served served;
    SSL *all[MANY_TLS];
    begin(&served, &patient);
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    size_t before = served_memory(&served);
    open_all(SERVED_TLS, MANY_TLS);
    for (size_t i = 0; i < count; i++) {
        all[i] = SSL_new(context);
        SSL_set_fd(all[i], clients[i]);
        cr_assert_eq(SSL_connect(all[i]), 1);
        cr_assert(says_hello(all[i]));
    }
    assert_costs("HTTPS, keep-alive", before, served_memory(&served), 32768);
    assert_rests(&served, "HTTPS, keep-alive");
    for (size_t i = 0; i < count; i++)
        cr_assert(says_hello(all[i]));
    for (size_t i = 0; i < count; i++)
        SSL_free(all[i]);
    close_all();
    served_wait_for_none(&served);
    SSL_CTX_free(context);
    end(&served);
}
#endif

/* ---- Too few descriptors ---- */

/* Its server closes it without a word. */
static bool is_closed_at_once(int fd)
{
    char byte;
    return recv(fd, &byte, 1, 0) <= 0;
}

Test(idle, without_descriptors_closes_who_comes_and_serves_who_is_there)
{
    enum { COME = 200, LIMIT = 100 };
    struct served served;
    struct served_options options = patient;
    options.most_files = LIMIT;
    begin(&served, &options);
    open_all(SERVED_ECHO, served_tells_memory() ? COME : COME * FEWER);
    size_t in = 0;
    for (size_t i = 0; i < COME; i++) {
        served_send(clients[i], "x");
        in += is_echoed(clients[i]);
    }
    struct served_stats stats = served_stats(&served);
    printf("%d connections, %d descriptors: %zu are served, %zu closed at once, %zu reports\n",
           (int)COME, (int)LIMIT, in, (size_t)stats.dropped, stats.reports);
    cr_assert(in && in < LIMIT);
    cr_assert_eq(stats.echo, in);
    cr_assert_eq(stats.dropped, COME - in);
    cr_assert_eq(stats.last_report, -EMFILE);
    cr_assert(stats.reports && stats.reports < 10, "it is told of, and not for each");
    /* Those that are there go on; one that comes is closed; when one has gone there is room for it. */
    for (size_t i = 0; i < in; i++)
        cr_assert(served_send(clients[i], "x") && is_echoed(clients[i]));
    int guest = served_connect(SERVED_ECHO);
    cr_assert(is_closed_at_once(guest));
    close(guest);
    close_all();
    served_wait_for_none(&served);
    guest = served_connect(SERVED_ECHO);
    cr_assert(served_send(guest, "x") && is_echoed(guest));
    close(guest);
    end(&served);
}

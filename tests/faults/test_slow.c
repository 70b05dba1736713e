/* SPDX-License-Identifier: MIT */
/*
 * A thousand clients that do everything as slowly as they can (slowloris), and others that just ask: those
 * are all served, meanwhile, and the slow ones are all shown out by the deadline that is theirs.
 *
 * A part sends a head a byte at a time, one a body, one its side of a handshake of TLS, and one asks for
 * much and reads nothing.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/faults/scene.h"
#include "tests/faults/served.h"

TestSuite(slow, .timeout = 120);

enum { MANY = 1000, MUCH_EACH = 256 * 1024 };
#define NEAR WEFT_S(2)

#ifdef WEFT_TEST_TLS
enum kind { SLOW_HEAD, SLOW_BODY, SLOW_READER, SLOW_HANDSHAKE, KINDS };
#else
enum kind { SLOW_HEAD, SLOW_BODY, SLOW_READER, KINDS };
#endif

static const char *const beginnings[KINDS] = {
    "GET /hello HTTP/1.1\r\nHost: x\r\nX-Long: ",
    "POST /count HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n",
    "GET /much HTTP/1.1\r\nHost: x\r\n\r\n",
#ifdef WEFT_TEST_TLS
    "\x16\x03\x01\x3f\x01\x01", /* a ClientHello of 16 KB */
#endif
};

static struct client {
    int fd; /* -1: it was shown out */
    enum kind kind;
} clients[MANY];

static unsigned refused[KINDS]; /* with a 408 */
static unsigned gone[KINDS];
static size_t here;

static int port_of(enum kind kind)
{
    return kind <= SLOW_READER ? SERVED_HTTP : SERVED_TLS;
}

static void open_all(void)
{
    int fds[MANY / KINDS + 1];
    for (unsigned kind = 0; kind < KINDS; kind++) {
        size_t many = (MANY + KINDS - 1 - kind) / KINDS;
        served_connect_many(port_of((enum kind)kind), fds, many);
        for (size_t i = 0; i < many; i++) {
            clients[here++] = (struct client){fds[i], (enum kind)kind};
            cr_assert(served_send(fds[i], beginnings[kind]));
            cr_assert_eq(fcntl(fds[i], F_SETFL, O_NONBLOCK), 0);
        }
    }
}

static void show_out(struct client *client)
{
    close(client->fd);
    client->fd = -1;
    gone[client->kind]++;
    here--;
}

/* Who waits for an answer looks whether there is one. */
static void look(struct client *client)
{
    char answer[512];
    ssize_t got = recv(client->fd, answer, sizeof(answer) - 1, 0);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got > 0) {
        answer[got] = 0;
        cr_assert_eq(strncmp(answer, "HTTP/1.1 408 ", 13), 0, "%s", answer);
        cr_assert_not_null(strstr(answer, "Connection: close"));
        refused[client->kind]++;
    }
    show_out(client);
}

/* It reads nothing; that its connection was reset shows all the same. */
static void look_without_reading(struct client *client)
{
    struct pollfd look = {.fd = client->fd};
    if (poll(&look, 1, 0) == 1 && look.revents & (POLLERR | POLLHUP))
        show_out(client);
}

/* Each sends a byte more, as far as it is there. */
static void drip(void)
{
    for (size_t i = 0; i < MANY; i++) {
        struct client *client = &clients[i];
        if (client->fd < 0)
            continue;
        if (client->kind != SLOW_READER)
            send(client->fd, "x", 1, MSG_NOSIGNAL); /* a failure is met by look() */
        if (client->kind == SLOW_READER)
            look_without_reading(client);
        else
            look(client);
    }
}

/* On a connection of its own, and on one that is kept. */
static void be_served(int kept)
{
    int guest = served_connect(SERVED_HTTP);
    cr_assert(served_says_hello(guest));
    close(guest);
    cr_assert(served_says_hello(kept));
}

Test(slow, clients_by_the_thousand_keep_nobody_from_being_served)
{
    size_t served_meanwhile = 0, most = 0;
    const struct served_options options = {.http = {
                                               .head_timeout = NEAR,
                                               .body_timeout = NEAR,
                                               .write_timeout = NEAR,
                                               .linger_timeout = WEFT_MS(100),
                                           }};
    served_allowance(MANY);
    wire_begin(1);
    struct served served = served_start(&options);
    size_t fds = served_fds(&served);
    size_t before = served_memory(&served);
    int kept = served_connect(SERVED_HTTP);
    cr_assert(served_says_hello(kept));
    open_all();
    while (here) {
        drip();
        be_served(kept);
        served_meanwhile += 2;
        size_t now = served_memory(&served);
        most = now > most ? now : most;
    }
    close(kept);
    served_wait_for_none(&served);
    struct served_stats stats = served_stats(&served);
    printf("%d slow clients: %u of %u slow heads and %u of %u slow bodies had a 408\n", (int)MANY,
           refused[SLOW_HEAD], gone[SLOW_HEAD], refused[SLOW_BODY], gone[SLOW_BODY]);
    printf("%u slow readers were reset, %u slow handshakes ended\n", gone[SLOW_READER],
           MANY - gone[SLOW_HEAD] - gone[SLOW_BODY] - gone[SLOW_READER]);
    printf(
        "%zu requests of others were served meanwhile; at most %zu KiB of memory, %zu at the end\n",
        served_meanwhile, (most - before) / 1024, (served_memory(&served) - before) / 1024);
    cr_assert_gt(refused[SLOW_HEAD], 0);
    cr_assert_gt(refused[SLOW_BODY], 0);
    cr_assert_eq(stats.reports, 0);
    cr_assert_eq(served_fds(&served), fds);
    if (served_tells_memory())
        cr_assert_leq(most - before, (size_t)gone[SLOW_READER] * MUCH_EACH);
    served_stop(&served);
    wire_end();
}

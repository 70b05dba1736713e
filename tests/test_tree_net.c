/* SPDX-License-Identifier: MIT */
/* What the task tree says of a wait for the network: what for, at what, with whom. Once for each operation. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <weft/resolve.h>
#include <weft/sendfile.h>
#include <weft/weft.h>

#include "tests/support/dial.h"
#include "tests/support/loop.h"
#include "tests/support/names.h"
#include "tests/support/net.h"
#include "tests/support/server.h"
#include "tests/support/tree.h"
#include "tests/support/udp.h"

TestSuite(tree_net, .init = weft_test_loop_begin, .timeout = 60);

enum { MUCH = 64 << 20 }; /* more than the kernel keeps */

struct awaits {
    WEFT_FRAME;
    weft_future *what; /* consumed */
};

static WEFT_ASYNC(awaits)
{
    WEFT_BEGIN;
    WEFT_AWAIT(self->what);
    WEFT_END;
}

/* Numbers are N: descriptors, ports, and bytes are others in each run. */
static void without_numbers(char *text)
{
    char *to = text;
    for (const char *at = text; *at;) {
        size_t digits = strspn(at, "0123456789");
        bool is_host = strncmp(at, "127.0.0.1", 9) == 0;
        size_t path =
            strncmp(at, "made at ", 8) == 0 ? 8 : 0; /* which is as the compiler was told */
        if (path > 0) {
            to = stpcpy(to, "made at THERE");
            at += path + strcspn(at + path, ",");
        } else if (is_host) {
            to = stpcpy(to, "HOST");
            at += 9;
        } else if (digits > 0) {
            *to++ = 'N';
            at += digits;
        } else {
            *to++ = *at++;
        }
    }
    *to = '\0';
}

/* A task awaits this, consumed; of the tree, the line of what it waits for is this one. */
static weft_future *says(weft_future *what, const char *expected)
{
    weft_future *task = weft_spawn(awaits, .what = what);
    test_tree_settle();
    for (int outside = 0; outside <= 1; outside++) {
        char *text = test_tree_text(outside), *line = strstr(text, "awaits, waiting at HERE\n");
        cr_assert_not_null(line, "%s", text);
        line = strchr(line, '\n') + 1;
        line += strspn(line, " ");
        line[strcspn(line, "\n")] = '\0';
        without_numbers(line);
        cr_expect_str_eq(line, expected, "\n%s\nand not\n%s", line, expected);
        free(text);
    }
    return task;
}

static void give_up(weft_future *task)
{
    weft_cancel(task);
    cr_assert_lt(weft_test_run(task), 0);
}

/* ---- A stream by TCP, and its plain peer ---- */

static int listener, peer;
static weft_stream *stream;

static int listen_plainly(int backlog, char target[32])
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(fd, (struct sockaddr *)&at, size), 0);
    cr_assert_eq(listen(fd, backlog), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&at, &size), 0);
    snprintf(target, 32, "127.0.0.1:%d", ntohs(at.sin_port));
    return fd;
}

static void connect_stream(void)
{
    char target[32];
    weft_value value;
    listener = listen_plainly(8, target);
    weft_future *connecting = weft_connect(target);
    cr_assert_eq(weft_test_run(weft_ref(connecting)), 0);
    cr_assert_eq(weft_future_take(connecting, &value), 0);
    weft_unref(connecting);
    stream = value.ptr;
    peer = accept(listener, NULL, NULL);
    cr_assert_geq(peer, 0);
}

static void disconnect(void)
{
    weft_stream_free(stream);
    close(peer);
    close(listener);
    weft_test_loop_end();
}

static void write_much(void)
{
    char *much = calloc(1, MUCH);
    cr_assert_geq(weft_write(stream, much, MUCH), 0);
    free(much);
}

Test(tree_net, of_a_read)
{
    char buffer[8];
    connect_stream();
    give_up(says(weft_read(stream, buffer, sizeof(buffer)),
                 "read @, fd N: TCP HOST:N -> HOST:N, received N, written N"));
    disconnect();
}

Test(tree_net, of_a_drain)
{
    connect_stream();
    write_much();
    give_up(says(weft_drain(stream),
                 "drain @, to write, fd N: TCP HOST:N -> HOST:N, received N, written N, unsent N"));
    disconnect();
}

Test(tree_net, of_a_close)
{
    connect_stream();
    write_much();
    give_up(says(weft_close(stream), "close @, to write what is left, fd N: TCP HOST:N -> HOST:N, "
                                     "received N, written N, unsent N"));
    close(peer);
    close(listener);
    weft_test_loop_end();
}

Test(tree_net, of_sendfile)
{
    connect_stream();
    char path[] = "/tmp/weft-tree-net-XXXXXX";
    int file = mkostemp(path, O_CLOEXEC);
    unlink(path);
    cr_assert_eq(ftruncate(file, MUCH), 0);
    weft_future *sending = says(
        weft_sendfile(stream, file, 0, 0),
        "sendfile @, to write a file, fd N: TCP HOST:N -> HOST:N, received N, written N, sent N");
    close(peer);
    cr_assert_eq(weft_test_run(sending), 0); /* what was sent counts */
    close(file);
    weft_stream_free(stream);
    close(listener);
    weft_test_loop_end();
}

/* ---- Connecting ---- */

/* Whoever comes when the queue is full is not answered. */
Test(tree_net, of_a_connect)
{
    char target[32];
    int full = listen_plainly(0, target), others[4];
    struct sockaddr_in at;
    socklen_t size = sizeof(at);
    cr_assert_eq(getsockname(full, (struct sockaddr *)&at, &size), 0);
    for (int i = 0; i < 4; i++) {
        others[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        (void)connect(others[i], (struct sockaddr *)&at, size);
    }
    give_up(says(weft_connect(target), "connect HOST:N, trying, attempts N, addresses N"));
    for (int i = 0; i < 4; i++)
        close(others[i]);
    close(full);
    weft_test_loop_end();
}

Test(tree_net, of_a_name_that_is_looked_up)
{
    struct gate gate;
    gate_init(&gate);
    test_names_begin();
    test_names_gate(&gate);
    weft_future *resolving = says(weft_resolve("example.org", "80"), "resolve example.org");
    gate_open(&gate);
    cr_assert_neq(weft_test_run(resolving), 0);
    gate_init(&gate);
    weft_future *connecting =
        says(weft_connect("example.net:80"), "connect example.net:N, resolving");
    gate_open(&gate);
    cr_assert_neq(weft_test_run(connecting), 0);
    weft_test_loop_end();
}

/* By a name the address is told that is tried. */
Test(tree_net, of_a_connect_by_a_name)
{
    test_names_begin();
    test_name("example.org", "192.0.2.1 192.0.2.2");
    test_network_begin();
    weft_future *connecting = weft_connect("example.org:80");
    while (!*test_network_tried())
        weft_test_run(weft_sleep(1));
    give_up(says(connecting, "connect example.org:N, trying, N.N.N.N:N, attempts N, addresses N"));
    test_network_end();
    weft_test_loop_end();
}

/* ---- Listeners, datagrams ---- */

Test(tree_net, of_a_listener_that_drains)
{
    weft_listener *echoes = weft_test_listen("127.0.0.1:0");
    int client = weft_test_client(echoes);
    weft_test_turn_until_open(echoes, 1);
    weft_future *draining = says(
        weft_listener_drain(echoes),
        "listener drain HOST:N @, until its connections have ended, connections N, made at THERE");
    close(client);
    cr_assert_eq(weft_test_run(draining), 0);
    weft_listener_free(echoes);
    weft_test_loop_end();
}

Test(tree_net, of_a_datagram)
{
    weft_test_udp_open_two();
    give_up(says(weft_udp_receive(test_a), "udp receive, to read, fd N: UDP HOST:N"));
    weft_udp *towards = weft_test_udp_towards(&test_b_address);
    give_up(says(weft_udp_receive(towards), "udp receive, to read, fd N: UDP HOST:N -> HOST:N"));
    weft_udp_free(towards);
    weft_test_udp_end();
}

/* SPDX-License-Identifier: MIT */
#include "tests/support/dial.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/sys.h"
#include "net/resolve/address.h"

enum { MAX = 32 };

static struct attempt {
    int fd, peer; /* the library's end, which it may have closed, and ours */
    char address[WEFT__ADDRESS_TEXT];
} attempts[MAX];
static size_t count;

static struct verdict {
    char address[WEFT__ADDRESS_TEXT];
    int error; /* 0: it answers at once */
} verdicts[MAX];
static size_t verdict_count;

static int open_socket(int family, int type, int protocol)
{
    int ends[2];
    char block[256] = {0};
    (void)family;
    (void)protocol;
    cr_assert_lt(count, MAX);
    cr_assert_eq(socketpair(AF_UNIX, type, 0, ends), 0);
    setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &(int){1}, sizeof(int));
    while (send(ends[0], block, sizeof(block), MSG_DONTWAIT) > 0)
        ;
    attempts[count++] = (struct attempt){.fd = ends[0], .peer = ends[1]};
    return ends[0];
}

static void drain(const struct attempt *attempt)
{
    char block[4096];
    while (recv(attempt->peer, block, sizeof(block), MSG_DONTWAIT) > 0)
        ;
}

static struct attempt *attempt_on(int fd)
{
    for (size_t i = count; i > 0; i--) {
        if (attempts[i - 1].fd == fd)
            return &attempts[i - 1];
    }
    return NULL;
}

static int connect_it(int fd, const struct sockaddr *to, socklen_t len)
{
    struct weft__address address;
    struct attempt *attempt = attempt_on(fd);
    cr_assert_not_null(attempt);
    cr_assert_eq(weft__address_set(&address, to, len), 0);
    weft__address_format(&address, attempt->address);
    errno = EINPROGRESS;
    for (size_t i = 0; i < verdict_count; i++) {
        if (strcmp(verdicts[i].address, attempt->address) != 0)
            continue;
        errno = verdicts[i].error;
        if (errno)
            return -1;
        drain(attempt);
        return 0;
    }
    return -1;
}

void test_network_begin(void)
{
    count = verdict_count = 0;
    weft__sys.socket = open_socket;
    weft__sys.connect = connect_it;
}

static void decide(const char *address, int error)
{
    struct verdict *verdict = &verdicts[verdict_count++];
    verdict->error = error;
    snprintf(verdict->address, sizeof(verdict->address), "%s", address);
}

void test_network_refuses(const char *address, int error)
{
    decide(address, error);
}

void test_network_answers(const char *address)
{
    decide(address, 0);
}

const char *test_network_tried(void)
{
    static char text[MAX * WEFT__ADDRESS_TEXT];
    size_t len = 0;
    text[0] = 0;
    for (size_t i = 0; i < count; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", i ? " " : "",
                                attempts[i].address);
    return text;
}

static struct attempt *attempt_at(const char *address)
{
    for (size_t i = count; i > 0; i--) {
        if (!strcmp(attempts[i - 1].address, address))
            return &attempts[i - 1];
    }
    cr_assert(false, "%s was not tried, but %s", address, test_network_tried());
    return NULL;
}

int test_network_connects(const char *address)
{
    struct attempt *attempt = attempt_at(address);
    drain(attempt);
    return attempt->peer;
}

/* What is closed with bytes unread resets the other end. */
void test_network_fails(const char *address)
{
    struct attempt *attempt = attempt_at(address);
    close(attempt->peer);
    attempt->peer = -1;
}

bool test_network_is_closed(const char *address)
{
    struct pollfd peer = {.fd = attempt_at(address)->peer, .events = POLLRDHUP};
    return poll(&peer, 1, 0) == 1 && (peer.revents & (POLLRDHUP | POLLHUP));
}

void test_network_end(void)
{
    for (size_t i = 0; i < count; i++) {
        if (attempts[i].peer >= 0)
            close(attempts[i].peer);
    }
    count = 0;
}

/* SPDX-License-Identifier: MIT */
#include "tests/support/net.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <event2/event.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <weft/time.h>

#include "tests/support/loop.h"

struct weft_test_calls test_calls;
static struct weft__sys real;

static int count_accept4(int fd, struct sockaddr *address, socklen_t *len, int flags)
{
    test_calls.accept4++;
    return real.accept4(fd, address, len, flags);
}

static ssize_t count_recv(int fd, void *buffer, size_t size, int flags)
{
    test_calls.recv++;
    if (size > test_calls.most_read)
        test_calls.most_read = size;
    return real.recv(fd, buffer, size, flags);
}

static ssize_t count_sendmsg(int fd, const struct msghdr *message, int flags)
{
    test_calls.sendmsg++;
    return real.sendmsg(fd, message, flags);
}

static int count_event_add(struct event *event, const struct timeval *timeout)
{
    test_calls.event_add++;
    return real.event_add(event, timeout);
}

void weft_test_count_calls(void)
{
    if (!real.recv) {
        real = weft__sys;
        weft__sys.accept4 = count_accept4;
        weft__sys.recv = count_recv;
        weft__sys.sendmsg = count_sendmsg;
        weft__sys.event_add = count_event_add;
    }
    test_calls = (struct weft_test_calls){0};
}

static void make_pair(int fds[2])
{
    int flags = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
    cr_assert_eq(socketpair(AF_UNIX, flags, 0, fds), 0);
}

static weft_stream *open_stream(int fd)
{
    weft_stream *stream = weft_stream_new(fd);
    cr_assert_not_null(stream, "%s", strerror(errno));
    return stream;
}

weft_stream *weft_test_stream(int *ret_peer)
{
    int fds[2];
    make_pair(fds);
    *ret_peer = fds[1];
    return open_stream(fds[0]);
}

void weft_test_stream_pair(weft_stream *ret[2])
{
    int fds[2];
    make_pair(fds);
    ret[0] = open_stream(fds[0]);
    ret[1] = open_stream(fds[1]);
}

void weft_test_send(int peer, const void *data, size_t len)
{
    cr_assert_eq(send(peer, data, len, MSG_NOSIGNAL), (ssize_t)len);
}

void weft_test_send_text(int peer, const char *text)
{
    weft_test_send(peer, text, strlen(text));
}

long weft_test_receive(int peer, void *buffer, size_t size)
{
    ssize_t got = recv(peer, buffer, size, 0);
    if (got > 0)
        return got;
    if (got == 0)
        return -1;
    return errno == EAGAIN ? 0 : -errno;
}

void weft_test_turn(void)
{
    for (int i = 0; i < 4; i++) {
        event_base_loop(weft_loop_base(test_loop), EVLOOP_ONCE | EVLOOP_NONBLOCK);
        cr_assert_eq(weft_test_run(weft_sleep(0)), 0);
    }
}

int64_t weft_test_count(weft_future *future)
{
    weft_value value = weft_value_i64(0);
    int status = weft_test_run(weft_ref(future));
    if (status == 0)
        status = weft_future_take(future, &value);
    weft_unref(future);
    return status < 0 ? status : value.i64;
}

weft_bytes *weft_test_bytes(weft_future *future, int *ret_status)
{
    weft_value value = weft_value_ptr(NULL);
    *ret_status = weft_test_run(weft_ref(future));
    if (*ret_status == 0)
        *ret_status = weft_future_take(future, &value);
    weft_unref(future);
    return value.ptr;
}

bool weft_test_gives(weft_future *future, const char *text)
{
    int status;
    weft_bytes *bytes = weft_test_bytes(future, &status);
    bool same = status == 0 && bytes->len == strlen(text) &&
                !memcmp(bytes->data, text, bytes->len) && bytes->data[bytes->len] == 0;
    weft_bytes_free(bytes);
    return same;
}

int weft_test_ended(weft_future *future)
{
    int status = weft_future_status(future);
    weft_unref(future);
    return status;
}

/* SPDX-License-Identifier: MIT */
/* The floor of an HTTP request: epoll by hand, one read and one write, nothing allocated. */
#include <sys/epoll.h>

#include "http.h"

enum { MAX_FDS = 65536, MAX_EVENTS = 256 };

static struct http_input *inputs[MAX_FDS]; /* by file descriptor; kept for the next one */

static void watch(int epoll, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

static void accept_all(int epoll, int listener)
{
    int fd;
    while ((fd = server_accept(listener)) >= 0) {
        if (fd >= MAX_FDS || (!inputs[fd] && !(inputs[fd] = malloc(sizeof(*inputs[fd]))))) {
            close(fd);
            continue;
        }
        inputs[fd]->len = 0;
        watch(epoll, fd);
    }
}

static void serve(int fd)
{
    struct http_input *in = inputs[fd];
    ssize_t got = read(fd, in->data + in->len, sizeof(in->data) - in->len);
    if (got <= 0) {
        close(fd);
        return;
    }
    in->len += (size_t)got;
    size_t done = 0, len;
    bool is_slow;
    while ((len = http_request_at(in, done, &is_slow)) > 0) {
        done += len;
        if (write(fd, HTTP_ANSWER, HTTP_ANSWER_LEN) < 0)
            break;
    }
    http_consume(in, done);
}

int main(int argc, char **argv)
{
    int listener = server_listen(server_port(argc, argv)), epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event events[MAX_EVENTS];
    watch(epoll, listener);
    for (;;) {
        int count = epoll_wait(epoll, events, MAX_EVENTS, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.fd == listener)
                accept_all(epoll, listener);
            else
                serve(events[i].data.fd);
        }
    }
}

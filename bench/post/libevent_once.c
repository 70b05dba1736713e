/* SPDX-License-Identifier: MIT */
/*
 * libevent: its own form in one call, event_base_once() with a timeout of zero, one for each post.
 */
#include <event2/event.h>
#include <event2/thread.h>

#include "../common/post.h"

static struct event_base *base;

static void on_posted(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what, (void)arg;
    if (post_ran())
        event_base_loopbreak(base);
}

static void peer_post(void)
{
    struct timeval at_once = {0, 0};
    event_base_once(base, -1, EV_TIMEOUT, on_posted, NULL, &at_once);
}

int main(int argc, char **argv)
{
    post_args(argc, argv);
    evthread_use_pthreads();
    base = event_base_new();
    post_start();
    event_base_loop(base, EVLOOP_NO_EXIT_ON_EMPTY);
    return 0;
}

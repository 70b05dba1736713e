/* SPDX-License-Identifier: MIT */
/*
 * libevent: a list behind a mutex, and event_active() when it was empty.
 */
#include <event2/event.h>
#include <event2/thread.h>

#include "../common/post.h"

struct item {
    struct item *next;
};

static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
static struct item *first, **end = &first;
static struct event_base *base;
static struct event *event;

static void on_posted(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what, (void)arg;
    pthread_mutex_lock(&mu);
    struct item *item = first;
    first = NULL;
    end = &first;
    pthread_mutex_unlock(&mu);
    while (item) {
        struct item *next = item->next;
        free(item);
        if (post_ran())
            event_base_loopbreak(base);
        item = next;
    }
}

static void peer_post(void)
{
    struct item *item = malloc(sizeof(*item));
    if (!item)
        die("malloc");
    item->next = NULL;
    pthread_mutex_lock(&mu);
    int was_empty = first == NULL;
    *end = item;
    end = &item->next;
    pthread_mutex_unlock(&mu);
    if (was_empty)
        event_active(event, EV_READ, 0);
}

int main(int argc, char **argv)
{
    post_args(argc, argv);
    evthread_use_pthreads();
    base = event_base_new();
    event = event_new(base, -1, EV_READ | EV_PERSIST, on_posted, NULL);
    event_add(event, NULL);
    post_start();
    event_base_loop(base, EVLOOP_NO_EXIT_ON_EMPTY);
    return 0;
}

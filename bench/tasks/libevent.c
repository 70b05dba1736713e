/* SPDX-License-Identifier: MIT */
/*
 * libevent has no tasks: a timer event for each, by event_new() and event_add().
 */
#include <event2/event.h>

#include "../common/tasks.h"

struct task {
    struct event *event;
};

static void fire(evutil_socket_t fd, short what, void *arg)
{
    struct task *task = arg;
    (void)fd, (void)what;
    tasks_one_done();
    event_free(task->event);
    free(task);
}

int main(int argc, char **argv)
{
    tasks_args(argc, argv);
    struct event_base *base = event_base_new();
    struct timeval sleep = {tasks.sleep_ms / 1000, tasks.sleep_ms % 1000 * 1000};
    for (long i = 0; i < tasks.count; i++) {
        struct task *task = malloc(sizeof(*task));
        if (!task)
            die("malloc");
        task->event = evtimer_new(base, fire, task);
        event_add(task->event, &sleep);
    }
    return event_base_dispatch(base) < 0;
}

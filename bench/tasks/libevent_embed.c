/* SPDX-License-Identifier: MIT */
/*
 * libevent has no tasks: a struct with an embedded event for each, in a queue of timers of the same
 * duration.
 */
#include <event2/event.h>
#include <event2/event_struct.h>

#include "../common/tasks.h"

struct task {
    struct event event;
};

static void fire(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    tasks_one_done();
    free(arg);
}

int main(int argc, char **argv)
{
    tasks_args(argc, argv);
    struct event_base *base = event_base_new();
    struct timeval sleep = {tasks.sleep_ms / 1000, tasks.sleep_ms % 1000 * 1000};
    const struct timeval *common = event_base_init_common_timeout(base, &sleep);
    for (long i = 0; i < tasks.count; i++) {
        struct task *task = malloc(sizeof(*task));
        if (!task)
            die("malloc");
        event_assign(&task->event, base, -1, 0, fire, task);
        event_add(&task->event, common);
    }
    return event_base_dispatch(base) < 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * libevent and a pool written by hand, as textbooks have it: a list of jobs behind a mutex and a
 * condition variable, and every completion writes its pointer to a pipe that the loop reads.
 */
#include <event2/event.h>
#include <fcntl.h>

#include "../common/offload.h"

struct job {
    struct job *next;
};

static struct job *jobs, *first, **end = &first;
static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t is_queued = PTHREAD_COND_INITIALIZER;
static struct event_base *base;
static int ends[2];

static struct job *take_job(void)
{
    pthread_mutex_lock(&mu);
    while (!first)
        pthread_cond_wait(&is_queued, &mu);
    struct job *job = first;
    first = job->next;
    if (!first)
        end = &first;
    pthread_mutex_unlock(&mu);
    return job;
}

static void *run_worker(void *arg)
{
    for (;;) {
        struct job *job = take_job();
        offload_job();
        if (write(ends[1], &job, sizeof(job)) != sizeof(job))
            die("write");
    }
    return arg;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct job *done[512];
    (void)what, (void)arg;
    ssize_t length = read(fd, done, sizeof(done));
    for (ssize_t i = 0; i < length / (ssize_t)sizeof(*done); i++)
        offload_complete(done[i] - jobs);
}

static void peer_submit(long slot)
{
    struct job *job = &jobs[slot];
    job->next = NULL;
    pthread_mutex_lock(&mu);
    *end = job;
    end = &job->next;
    pthread_mutex_unlock(&mu);
    pthread_cond_signal(&is_queued);
}

static void peer_stop(void)
{
    event_base_loopbreak(base);
}

int main(int argc, char **argv)
{
    offload_args(argc, argv);
    base = event_base_new();
    jobs = allocate((size_t)offload.inflight, sizeof(*jobs));
    if (pipe(ends) < 0)
        die("pipe");
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    struct event *event = event_new(base, ends[0], EV_READ | EV_PERSIST, on_readable, NULL);
    event_add(event, NULL);
    for (int i = 0; i < offload.threads; i++)
        pthread_detach(start_thread(run_worker, NULL));
    offload_start();
    event_base_dispatch(base);
    return 0;
}

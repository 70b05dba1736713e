/* SPDX-License-Identifier: MIT */
/*
 * libevent and a pool written by hand, the tidy form: a list of jobs behind a mutex and a condition
 * variable, a list of completions behind a mutex, and event_active() when that was empty (libevent
 * then writes to an eventfd of its own if the loop sleeps).
 */
#include <event2/event.h>
#include <event2/thread.h>

#include "../common/offload.h"

struct job {
    struct job *next;
};

struct list {
    struct job *first, **end;
};

static struct job *jobs;
static struct list queued = {NULL, &queued.first}, completed = {NULL, &completed.first};
static pthread_mutex_t queued_mu = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t completed_mu = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t is_queued = PTHREAD_COND_INITIALIZER;
static struct event_base *base;
static struct event *event;

static void append(struct list *list, struct job *job)
{
    job->next = NULL;
    *list->end = job;
    list->end = &job->next;
}

static struct job *take_job(void)
{
    pthread_mutex_lock(&queued_mu);
    while (!queued.first)
        pthread_cond_wait(&is_queued, &queued_mu);
    struct job *job = queued.first;
    queued.first = job->next;
    if (!queued.first)
        queued.end = &queued.first;
    pthread_mutex_unlock(&queued_mu);
    return job;
}

static void *run_worker(void *arg)
{
    for (;;) {
        struct job *job = take_job();
        offload_job();
        pthread_mutex_lock(&completed_mu);
        int was_empty = completed.first == NULL;
        append(&completed, job);
        pthread_mutex_unlock(&completed_mu);
        if (was_empty)
            event_active(event, EV_READ, 0);
    }
    return arg;
}

static void on_completed(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what, (void)arg;
    pthread_mutex_lock(&completed_mu);
    struct job *job = completed.first;
    completed = (struct list){NULL, &completed.first};
    pthread_mutex_unlock(&completed_mu);
    while (job) {
        struct job *next = job->next;
        offload_complete(job - jobs);
        job = next;
    }
}

static void peer_submit(long slot)
{
    pthread_mutex_lock(&queued_mu);
    append(&queued, &jobs[slot]);
    pthread_mutex_unlock(&queued_mu);
    pthread_cond_signal(&is_queued);
}

static void peer_stop(void)
{
    event_base_loopbreak(base);
}

int main(int argc, char **argv)
{
    offload_args(argc, argv);
    evthread_use_pthreads();
    base = event_base_new();
    jobs = allocate((size_t)offload.inflight, sizeof(*jobs));
    event = event_new(base, -1, EV_READ | EV_PERSIST, on_completed, NULL);
    event_add(event, NULL);
    for (int i = 0; i < offload.threads; i++)
        pthread_detach(start_thread(run_worker, NULL));
    offload_start();
    event_base_loop(base, EVLOOP_NO_EXIT_ON_EMPTY);
    return 0;
}

/* SPDX-License-Identifier: MIT */
/* libevent's evhttp on one thread. /slow is handed to POOL threads and answered from the loop (a
 * list under a mutex, event_active()); with MODE_=naive, or without a pool, it blocks the loop. */
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/thread.h>
#include <pthread.h>

#include "http.h"

struct job {
    struct job *next;
    struct evhttp_request *request;
};

struct queue {
    pthread_mutex_t mu;
    struct job *first, **last;
};

static struct queue waiting = {PTHREAD_MUTEX_INITIALIZER, NULL, &waiting.first};
static struct queue done = {PTHREAD_MUTEX_INITIALIZER, NULL, &done.first};
static pthread_cond_t some_wait = PTHREAD_COND_INITIALIZER;
static struct event *some_are_done;

/* Returns whether it is the first. */
static bool append_locked(struct queue *queue, struct job *job)
{
    bool is_first = !queue->first;
    job->next = NULL;
    *queue->last = job;
    queue->last = &job->next;
    return is_first;
}

static void answer(struct evhttp_request *request)
{
    struct evbuffer *body = evbuffer_new();
    evbuffer_add_reference(body, HTTP_BODY, HTTP_BODY_LEN, NULL, NULL);
    evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Type", "text/plain");
    evhttp_send_reply(request, 200, "OK", body);
    evbuffer_free(body);
}

static struct job *next_job(void)
{
    pthread_mutex_lock(&waiting.mu);
    while (!waiting.first)
        pthread_cond_wait(&some_wait, &waiting.mu);
    struct job *job = waiting.first;
    waiting.first = job->next;
    if (!waiting.first)
        waiting.last = &waiting.first;
    pthread_mutex_unlock(&waiting.mu);
    return job;
}

static void *work(void *arg)
{
    for (;;) {
        struct job *job = next_job();
        http_block();
        pthread_mutex_lock(&done.mu);
        bool is_first = append_locked(&done, job);
        pthread_mutex_unlock(&done.mu);
        if (is_first)
            event_active(some_are_done, EV_READ, 0);
    }
    return arg;
}

static void on_done(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
    pthread_mutex_lock(&done.mu);
    struct job *job = done.first;
    done.first = NULL;
    done.last = &done.first;
    pthread_mutex_unlock(&done.mu);
    while (job) {
        struct job *next = job->next;
        answer(job->request);
        free(job);
        job = next;
    }
}

static void hand_over(struct evhttp_request *request)
{
    struct job *job = malloc(sizeof(*job));
    job->request = request;
    pthread_mutex_lock(&waiting.mu);
    append_locked(&waiting, job);
    pthread_mutex_unlock(&waiting.mu);
    pthread_cond_signal(&some_wait);
}

static void on_request(struct evhttp_request *request, void *has_pool)
{
    bool is_slow = http_path_is_slow(evhttp_request_get_uri(request));
    if (is_slow && has_pool) {
        hand_over(request);
        return;
    }
    if (is_slow)
        http_block();
    answer(request);
}

int main(int argc, char **argv)
{
    const char *mode = getenv("MODE_");
    int port = server_port(argc, argv), pool = server_pool(argc, argv);
    if (mode && strcmp(mode, "naive") == 0)
        pool = 0;
    if (pool)
        evthread_use_pthreads();
    struct event_base *base = event_base_new();
    struct evhttp *http = evhttp_new(base);
    evhttp_set_gencb(http, on_request, pool ? http : NULL);
    some_are_done = event_new(base, -1, EV_READ | EV_PERSIST, on_done, NULL);
    event_add(some_are_done, NULL);
    for (int i = 0; i < pool; i++) {
        pthread_t thread;
        pthread_create(&thread, NULL, work, NULL);
    }
    if (evhttp_accept_socket(http, server_listen(port)) < 0)
        return 1;
    return event_base_dispatch(base);
}

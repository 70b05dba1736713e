/* SPDX-License-Identifier: MIT */
/*
 * weft's jobs in the caller's memory: nothing is allocated, and `on_free` tells on the loop that
 * the memory is the caller's again, as libuv's after_work does. weft_await.c is what most users
 * write. MODE_=park: the loop does not spin before it sleeps.
 */
#include <weft/weft.h>

#include "../common/offload.h"

static struct weft_job *jobs;
static weft_loop *loop;

static void must(int status, const char *what)
{
    if (status >= 0)
        return;
    fprintf(stderr, "offload: %s: %s\n", what, weft_strerror(status));
    exit(1);
}

static weft_result work(void *arg)
{
    (void)arg;
    offload_job();
    return weft_ok(0);
}

static void on_free(void *arg)
{
    offload_complete((struct weft_job *)arg - jobs);
}

static void peer_submit(long slot)
{
    weft_future *future = weft_job_submit(&jobs[slot], NULL);
    if (weft_is_done(future))
        must(weft_future_status(future), "a job");
    weft_unref(future);
}

static void peer_stop(void)
{
    weft_loop_stop(loop);
}

static void start(void *arg)
{
    (void)arg;
    offload_start();
}

int main(int argc, char **argv)
{
    offload_args(argc, argv);
    unsigned threads = (unsigned)offload.threads;
    struct weft_loop_options loop_options = {.spin = is_set("MODE_", "park") ? -1 : 0};
    struct weft_pool_options options = {.min_threads = threads, .max_threads = threads};
    weft_pool *pool = weft_pool_new(&options);
    loop = weft_loop_new(&loop_options);
    must(loop && pool ? weft_loop_set_pool(loop, pool) : -errno, "a loop with a pool");
    jobs = allocate((size_t)offload.inflight, sizeof(*jobs));
    for (long i = 0; i < offload.inflight; i++)
        weft_job_init(&jobs[i], work, &jobs[i], on_free);
    weft_unref(weft_call_soon(start, NULL));
    must(weft_loop_run(loop), "the run");
    weft_pool_unref(pool);
    weft_loop_free(loop);
    free(jobs);
    return 0;
}

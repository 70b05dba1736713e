/* SPDX-License-Identifier: MIT */
/*
 * weft as most users write it: coroutines that await weft_to_thread(), as many as jobs are
 * outstanding.
 */
#include <weft/weft.h>

#include "../common/offload.h"

struct job {
    char unused;
};

static WEFT_BLOCKING(job)
{
    offload_job();
    return weft_ok(0);
}

struct runner {
    WEFT_FRAME;
    long left;
};

static WEFT_ASYNC(runner)
{
    WEFT_BEGIN;
    while (self->left-- > 0)
        WEFT_AWAIT(weft_to_thread(job));
    WEFT_END;
}

/* Coroutines start their jobs and are told of them by themselves: the driver does neither. */
static void peer_submit(long slot)
{
    (void)slot;
}

static void peer_stop(void)
{
}

static weft_future *start_phase(long total)
{
    long count = offload.inflight < total ? offload.inflight : total;
    weft_future **runners = allocate((size_t)count, sizeof(*runners));
    for (long i = 0; i < count; i++)
        runners[i] = weft_spawn(runner, .left = total / count + (i < total % count));
    weft_future *all = weft_gather_array((size_t)count, runners, WEFT_GATHER_FIRST_ERROR);
    free(runners);
    return all;
}

struct phases {
    WEFT_FRAME;
};

static WEFT_ASYNC(phases)
{
    WEFT_BEGIN;
    WEFT_AWAIT(start_phase(offload_warm_up()));
    offload.start = usage_now();
    WEFT_AWAIT(start_phase(offload.jobs));
    offload_report();
    WEFT_END;
}

int main(int argc, char **argv)
{
    offload_args(argc, argv);
    unsigned threads = (unsigned)offload.threads;
    struct weft_loop_options loop_options = {.spin = is_set("MODE_", "park") ? -1 : 0};
    struct weft_pool_options options = {.min_threads = threads, .max_threads = threads};
    weft_loop *loop = weft_loop_new(&loop_options);
    weft_pool *pool = weft_pool_new(&options);
    int status = loop && pool ? weft_loop_set_pool(loop, pool) : -errno;
    if (status >= 0)
        status = weft_loop_run_until(loop, weft_spawn(phases));
    if (status < 0)
        fprintf(stderr, "offload: %s\n", weft_strerror(status));
    weft_pool_unref(pool);
    weft_loop_free(loop);
    return status < 0;
}

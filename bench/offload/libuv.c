/* SPDX-License-Identifier: MIT */
/*
 * libuv: uv_queue_work(). Its pool is as large as UV_THREADPOOL_SIZE says at the first job.
 */
#include <uv.h>

#include "../common/offload.h"

static uv_work_t *works;

static void work(uv_work_t *request)
{
    (void)request;
    offload_job();
}

static void after_work(uv_work_t *request, int status)
{
    (void)status;
    offload_complete(request - works);
}

static void peer_submit(long slot)
{
    uv_queue_work(uv_default_loop(), &works[slot], work, after_work);
}

static void peer_stop(void)
{
}

int main(int argc, char **argv)
{
    offload_args(argc, argv);
    setenv("UV_THREADPOOL_SIZE", argv[3], 1);
    works = allocate((size_t)offload.inflight, sizeof(*works));
    offload_start();
    return uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}

/* SPDX-License-Identifier: MIT */
/*
 * Asio: a thread_pool for the work, and post back to an io_context of one thread. REACTOR_=1: a
 * descriptor is waited for, as in any real server; without one Asio never opens its epoll, and
 * parks on a condition variable.
 */
#include "../common/offload.h"

#include "../common/asio_reactor.hpp"
#include <asio.hpp>

static asio::io_context io(1);
static asio::thread_pool *pool;

static void peer_submit(long slot)
{
    asio::post(*pool, [slot] {
        offload_job();
        asio::post(io, [slot] { offload_complete(slot); });
    });
}

static void peer_stop(void)
{
    io.stop();
}

int main(int argc, char **argv)
{
    offload_args(argc, argv);
    asio::thread_pool workers(static_cast<std::size_t>(offload.threads));
    pool = &workers;
    auto guard = asio::make_work_guard(io);
    reactor waits(io);
    asio::post(io, [] { offload_start(); });
    io.run();
    workers.join();
    return 0;
}

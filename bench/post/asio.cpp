/* SPDX-License-Identifier: MIT */
/*
 * Asio: asio::post() to an io_context of one thread. REACTOR_=1: a descriptor is waited for, too.
 */
#include "../common/post.h"

#include "../common/asio_reactor.hpp"
#include <asio.hpp>

static asio::io_context io(1);

static void peer_post(void)
{
    asio::post(io, [] {
        if (post_ran())
            io.stop();
    });
}

int main(int argc, char **argv)
{
    post_args(argc, argv);
    auto guard = asio::make_work_guard(io);
    reactor waits(io);
    post_start();
    io.run();
    return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * With REACTOR_=1 in the environment, an io_context waits for a descriptor, as in any real server:
 * making the descriptor is what opens Asio's epoll.
 */
#ifndef BENCH_COMMON_ASIO_REACTOR_HPP
#define BENCH_COMMON_ASIO_REACTOR_HPP

#include "bench.h"

#include <asio.hpp>
#include <optional>
#include <sys/eventfd.h>

class reactor
{
  public:
    explicit reactor(asio::io_context &io)
    {
        if (!getenv("REACTOR_"))
            return;
        descriptor.emplace(io, eventfd(0, EFD_NONBLOCK));
        descriptor->async_wait(asio::posix::stream_descriptor::wait_read, [](auto) {});
    }

  private:
    std::optional<asio::posix::stream_descriptor> descriptor;
};

#endif

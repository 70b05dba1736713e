/* SPDX-License-Identifier: MIT */
/*
 * Asio: expires_after() and async_wait() on steady_timers that are there; cancel(), and the
 * handlers that it calls.
 */
#include "../common/timers.h"

#include <asio.hpp>
#include <deque>

static std::deque<asio::steady_timer> all;

static void insert(long i, uint32_t ms)
{
    auto &timer = all[static_cast<std::size_t>(i)];
    timer.expires_after(std::chrono::milliseconds(ms));
    timer.async_wait([](auto cancelled) {
        if (!cancelled)
            timers_one_fired();
    });
}

int main(int argc, char **argv)
{
    timers_args(argc, argv);
    asio::io_context io(1);
    for (long i = 0; i < timers.count; i++)
        all.emplace_back(io);
    timers_begin();
    for (long i = 0; i < timers.count; i++)
        insert(i, timers.ms[i]);
    timers_inserted();
    for (long i = 0; i < timers.count; i++)
        all[timers.order[i]].cancel();
    io.poll();
    timers_cancelled();
    io.restart();
    for (long i = 0; i < timers.count; i++)
        insert(i, timers.soon[i]);
    timers_wait();
    io.run();
    all.clear();
    return 0;
}

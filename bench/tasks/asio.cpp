/* SPDX-License-Identifier: MIT */
/*
 * Asio. MODE_=timer (default): a steady_timer and its handler for each task; MODE_=coro: a C++20
 * coroutine that awaits one.
 */
#include "../common/tasks.h"

#include <asio.hpp>
#include <memory>

static asio::io_context io(1);

static asio::awaitable<void> sleeper()
{
    asio::steady_timer timer(io, std::chrono::milliseconds(tasks.sleep_ms));
    co_await timer.async_wait(asio::use_awaitable);
    tasks_one_done();
}

static void start_timer()
{
    auto timer =
        std::make_unique<asio::steady_timer>(io, std::chrono::milliseconds(tasks.sleep_ms));
    auto *waiting = timer.get();
    waiting->async_wait([timer = std::move(timer)](auto) { tasks_one_done(); });
}

int main(int argc, char **argv)
{
    tasks_args(argc, argv);
    for (long i = 0; i < tasks.count; i++) {
        if (is_set("MODE_", "coro"))
            asio::co_spawn(io, sleeper(), asio::detached);
        else
            start_timer();
    }
    io.run();
    return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * Asio of that time gathers no array: the coroutines' completion handlers count down, and the last
 * one lets go on.
 */
#include "../common/gather.h"

#include <asio.hpp>

static asio::io_context io(1);

static asio::awaitable<long> child(long number)
{
    co_await asio::post(io, asio::use_awaitable);
    co_return number;
}

/* Returns when all have returned. */
static long run_round()
{
    long sum = 0, left = gather.tasks;
    for (long i = 0; i < gather.tasks; i++)
        asio::co_spawn(io, child(i), [&](std::exception_ptr, long value) {
            sum += value;
            left--;
        });
    io.restart();
    while (left > 0)
        io.run();
    return sum;
}

int main(int argc, char **argv)
{
    gather_args(argc, argv);
    for (long round = 0; round < gather.rounds; round++)
        gather_check(run_round());
    gather_report();
    return 0;
}

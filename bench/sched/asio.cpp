/* SPDX-License-Identifier: MIT */
/*
 * Asio. MODE_=post (default): a handler posts the next one; MODE_=coro: C++20 coroutines that await
 * a post. Calls are made by coroutines always. REACTOR_=1: a descriptor is waited for, too.
 */
#include "../common/sched.h"

#include "../common/asio_reactor.hpp"
#include <asio.hpp>

static asio::io_context io(1);
static long live;

static void end()
{
    if (--live > 0)
        return;
    sched_end();
    io.stop();
}

static void step(long left)
{
    if (left == 0)
        end();
    else
        asio::post(io, [left] { step(left - 1); });
}

static asio::awaitable<void> yields(long left)
{
    while (left-- > 0)
        co_await asio::post(io, asio::use_awaitable);
    end();
}

static asio::awaitable<long> add_one(long to)
{
    co_return to + 1;
}

static asio::awaitable<void> calls()
{
    for (long sum = 0; sum < sched.of_each;)
        sum = co_await add_one(sum);
    end();
}

static asio::awaitable<void> spawns()
{
    for (long sum = 0; sum < sched.of_each;)
        sum = co_await asio::co_spawn(io, add_one(sum), asio::use_awaitable);
    end();
}

int main(int argc, char **argv)
{
    sched_args(argc, argv, "chain STEPS | yield TASKS YIELDS | call CALLS");
    reactor waits(io);
    live = sched.tasks;
    sched_begin();
    for (long i = 0; i < sched.tasks; i++) {
        if (sched_is("call") && is_set("MODE_", "spawn"))
            asio::co_spawn(io, spawns(), asio::detached);
        else if (sched_is("call"))
            asio::co_spawn(io, calls(), asio::detached);
        else if (is_set("MODE_", "coro"))
            asio::co_spawn(io, yields(sched.of_each), asio::detached);
        else
            step(sched.of_each);
    }
    io.run();
    return 0;
}

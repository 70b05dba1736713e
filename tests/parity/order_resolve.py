# SPDX-License-Identifier: MIT
# Who resolves a future runs on; who waited for it comes before what is started afterwards.
import asyncio
import virtual
from virtual import say, steps


async def waiter(future):
    say(f"waiter has {await future}")
    asyncio.create_task(steps("spawned by the waiter", 1))


async def main():
    future = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(waiter(future))
    await asyncio.sleep(0)
    before = asyncio.create_task(steps("spawned before", 2))
    future.set_result("a result")
    after = asyncio.create_task(steps("spawned after", 3))
    say("main runs on")
    await task
    say("main goes on")
    await before
    await after


virtual.run(main())

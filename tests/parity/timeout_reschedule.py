# SPDX-License-Identifier: MIT
# A deadline can be moved, from inside or outside of the block; a limit may also have none at first.
import asyncio
import virtual
from virtual import say, work


async def main():
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(2) as limit:
            say(f"until {limit.when():g}")
            loop.call_later(1, limit.reschedule, 4)
            await work("a", 10)
    except TimeoutError:
        say("the new time is over")
    try:
        async with asyncio.timeout(None) as limit:
            loop.call_later(2, limit.reschedule, 7)
            await work("b", 10)
    except TimeoutError:
        say("the time that was set later is over")
    async with asyncio.timeout_at(loop.time() + 1) as limit:
        limit.reschedule(None)
        await work("c", 5)


virtual.run(main())

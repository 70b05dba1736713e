# SPDX-License-Identifier: MIT
# A limit of time on a part of a coroutine; what comes behind the block is not under it any more.
import asyncio
import virtual
from virtual import say, work


async def main():
    try:
        async with asyncio.timeout(5) as limit:
            await work("in time", 3)
        say(f"expired: {limit.expired()}")
        async with asyncio.timeout(5) as limit:
            await work("too long", 3600)
    except TimeoutError:
        say(f"expired: {limit.expired()}, {asyncio.current_task().cancelling()} asked me")
    await asyncio.sleep(10)
    say("the end")


virtual.run(main())

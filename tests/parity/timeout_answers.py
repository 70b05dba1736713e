# SPDX-License-Identifier: MIT
# A body that swallows the cancel of its limit goes on, and one that fails has failed.
import asyncio
import virtual
from virtual import say, stubborn


async def fails():
    try:
        await asyncio.sleep(10)
    finally:
        raise OSError("clean-up is broken")


async def main():
    async with asyncio.timeout(1) as limit:
        say(await stubborn("a", 10))
        await asyncio.sleep(5)
        say(f"goes on, expired: {limit.expired()}")
    try:
        async with asyncio.timeout(1):
            await fails()
    except OSError as error:
        say(f"caught: {error}")
    say(f"{asyncio.current_task().cancelling()} asked me")


virtual.run(main())

# SPDX-License-Identifier: MIT
# ≠ A task that has swallowed a cancel still has its limits: what was asked for before the block was
#   entered does not count. (So it is in Python since 3.12.)
#
#          | [0] a begins
#          | [1] a swallows a cancel
#          | [1] b begins
#          | [3] b is cancelled
# python   | [3] cancelled
# weft     | [3] timed out
import asyncio
import virtual
from virtual import say, stubborn, work


async def limited():
    await stubborn("a", 10)
    try:
        async with asyncio.timeout(2):
            await work("b", 10)
    except TimeoutError:
        say("timed out")
    except asyncio.CancelledError:
        say("cancelled")


async def main():
    task = asyncio.create_task(limited())
    await asyncio.sleep(1)
    task.cancel()
    await task


virtual.run(main())

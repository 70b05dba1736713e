# SPDX-License-Identifier: MIT
# Without any time the body begins, and its first await that has to wait is cancelled.
import asyncio
import virtual
from virtual import say, work


async def main():
    try:
        async with asyncio.timeout(0):
            await work("a", 10)
    except TimeoutError:
        say("timed out")
    try:
        async with asyncio.timeout(-1):
            say("the body runs")
    except TimeoutError:
        say("not reached: the body did not wait")
    await asyncio.sleep(1)
    say("slept")


virtual.run(main())

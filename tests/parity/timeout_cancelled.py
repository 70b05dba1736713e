# SPDX-License-Identifier: MIT
# Somebody cancels the task inside a block: before the time is over, and after it, while the body
# still cleans up. Either way it is a cancel, and no timeout.
import asyncio
import virtual
from virtual import outcome, say, tidy


async def limited(name, limit):
    try:
        async with asyncio.timeout(limit):
            await tidy(name, 10, 5)
    except TimeoutError:
        say(f"{name} has timed out")


async def main():
    early = asyncio.create_task(limited("a", 3))
    await asyncio.sleep(1)
    early.cancel()
    await asyncio.wait([early])
    say(f"{outcome(early)}, {early.cancelling()} asked")
    late = asyncio.create_task(limited("b", 1))
    await asyncio.sleep(2)
    late.cancel()
    await asyncio.wait([late])
    say(f"{outcome(late)}, {late.cancelling()} asked")


virtual.run(main())

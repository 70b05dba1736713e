# SPDX-License-Identifier: MIT
# Cancelling who waits cancels nothing of what it waits for.
import asyncio
import virtual
from virtual import outcome, say, work


async def waits(a, b):
    try:
        await asyncio.wait([a, b], timeout=10)
    finally:
        say("the wait is over")


async def main():
    a = asyncio.create_task(work("a", 3))
    b = asyncio.create_task(work("b", 4))
    waiter = asyncio.create_task(waits(a, b))
    await asyncio.sleep(1)
    waiter.cancel()
    await asyncio.sleep(1)
    say(f"{outcome(waiter)}, a {outcome(a)}, b {outcome(b)}")
    await asyncio.gather(a, b)


virtual.run(main())

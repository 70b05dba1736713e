# SPDX-License-Identifier: MIT
# Two tasks wait for a third. Cancelling one of them cancels the third, and so ends the other.
import asyncio
import virtual
from virtual import outcome, say, work


async def waiter(name, task):
    try:
        await task
    finally:
        say(f"{name} cleans up")


async def main():
    inner = asyncio.create_task(work("inner", 3600))
    a = asyncio.create_task(waiter("a", inner))
    b = asyncio.create_task(waiter("b", inner))
    await asyncio.sleep(1)
    a.cancel()
    say(f"asked: a {a.cancelling()}, b {b.cancelling()}, inner {inner.cancelling()}")
    await asyncio.sleep(1)
    say(f"{outcome(a)}, {outcome(b)}, {outcome(inner)}")


virtual.run(main())

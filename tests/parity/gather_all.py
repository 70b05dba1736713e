# SPDX-License-Identifier: MIT
# With return_exceptions every end is kept, and the gather waits for all.
import asyncio
import virtual
from virtual import say, work


async def main():
    c = asyncio.create_task(work("c", 5))
    gather = asyncio.gather(work("a", 1, "a is broken"), work("b", 2), c, return_exceptions=True)
    await asyncio.sleep(3)
    c.cancel()
    a, b, c = await gather
    say(f"a: {a}")
    say(f"b: {b}")
    say(f"c is cancelled: {isinstance(c, asyncio.CancelledError)}")


virtual.run(main())

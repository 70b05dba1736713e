# SPDX-License-Identifier: MIT
# Gathers of gathers: a cancel goes down to every task.
import asyncio
import virtual
from virtual import outcome, say, work


async def main():
    first = asyncio.gather(work("a", 1), work("b", 10))
    second = asyncio.gather(work("c", 11))
    both = asyncio.gather(first, second)
    await asyncio.sleep(2)
    both.cancel()
    try:
        await both
    except asyncio.CancelledError:
        say(f"first {outcome(first)}, second {outcome(second)}, both {outcome(both)}")


virtual.run(main())

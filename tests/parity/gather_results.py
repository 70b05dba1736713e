# SPDX-License-Identifier: MIT
# Results come in the order of the arguments, not of the ends. Nothing to gather gives no results, at
# once.
import asyncio
import virtual
from virtual import say, work


async def main():
    results = await asyncio.gather(work("a", 3), work("b", 1), work("c", 2))
    say(", ".join(results))
    results = await asyncio.gather()
    say(f"{len(results)} results")


virtual.run(main())

# SPDX-License-Identifier: MIT
# The first that ends, whichever way, ends the wait; the others go on.
import asyncio
import virtual
from virtual import outcome, say, work


async def main():
    a = asyncio.create_task(work("a", 3))
    b = asyncio.create_task(work("b", 1, "b is broken"))
    c = asyncio.create_task(work("c", 2))
    pending = {a, b, c}
    while pending:
        done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        say(f"{outcome(done.pop())}, {len(pending)} pending")


virtual.run(main())

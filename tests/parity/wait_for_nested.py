# SPDX-License-Identifier: MIT
# Of two limits the shorter one counts, inside or outside.
import asyncio
import virtual
from virtual import say, work


async def main():
    for inner, outer in ((1, 2), (2, 1)):
        try:
            await asyncio.wait_for(asyncio.wait_for(work("a", 10), inner), outer)
        except TimeoutError:
            say(f"inner {inner}, outer {outer}: timed out")


virtual.run(main())

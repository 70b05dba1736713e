# SPDX-License-Identifier: MIT
# A child that is cancelled has not failed: the scope and its other children go on.
import asyncio
import virtual
from virtual import outcome, say, work


async def main():
    async with asyncio.TaskGroup() as group:
        a = group.create_task(work("a", 10))
        b = group.create_task(work("b", 3))
        await asyncio.sleep(1)
        a.cancel()
    say(f"a {outcome(a)}, b {outcome(b)}")


virtual.run(main())

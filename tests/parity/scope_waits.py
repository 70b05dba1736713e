# SPDX-License-Identifier: MIT
# A scope ends when its children have ended; their results are read afterwards.
import asyncio
import virtual
from virtual import outcome, say, work


async def main():
    async with asyncio.TaskGroup() as group:
        a = group.create_task(work("a", 3))
        b = group.create_task(work("b", 1))
        await asyncio.sleep(2)
        say("the body has ended")
    say(f"a {outcome(a)}, b {outcome(b)}")


virtual.run(main())

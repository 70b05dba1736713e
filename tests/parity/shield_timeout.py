# SPDX-License-Identifier: MIT
# A limit on a shield ends the waiting, not the task.
import asyncio
import virtual
from virtual import outcome, say, work


async def main():
    task = asyncio.create_task(work("a", 3))
    try:
        await asyncio.wait_for(asyncio.shield(task), 1)
    except TimeoutError:
        say(f"timed out: {outcome(task)}")
    say(await task)


virtual.run(main())

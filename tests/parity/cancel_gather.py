# SPDX-License-Identifier: MIT
# A task that waits for a gather is cancelled: so are the gather's children that are not done.
import asyncio
import virtual
from virtual import outcome, say, steps, work


async def gathers():
    try:
        await asyncio.gather(work("a", 10), work("b", 1), work("c", 20))
    finally:
        say("the task cleans up")


async def main():
    task = asyncio.create_task(gathers())
    await asyncio.sleep(2)
    task.cancel()
    await steps("tick", 5)
    say(outcome(task))


virtual.run(main())

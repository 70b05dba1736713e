# SPDX-License-Identifier: MIT
# The task is cancelled in the body of its scope: the body first, then the children.
import asyncio
import virtual
from virtual import outcome, say, tidy


async def together():
    async with asyncio.TaskGroup() as group:
        group.create_task(tidy("a", 10, 5))
        try:
            await asyncio.sleep(10)
        finally:
            say("the body cleans up")
            await asyncio.sleep(1)
            say("the body has cleaned up")


async def main():
    task = asyncio.create_task(together())
    await asyncio.sleep(1)
    task.cancel()
    await asyncio.wait([task])
    say(f"{outcome(task)}, {task.cancelling()} asked")


virtual.run(main())

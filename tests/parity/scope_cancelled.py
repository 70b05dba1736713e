# SPDX-License-Identifier: MIT
# The task is cancelled while it waits for its children: they are cancelled, and waited for, however
# often somebody asks.
import asyncio
import virtual
from virtual import outcome, say, tidy


async def together():
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(tidy("a", 10, 5))
            say("the body has ended")
    finally:
        say("the scope is closed")


async def main():
    task = asyncio.create_task(together())
    await asyncio.sleep(1)
    task.cancel()
    await asyncio.sleep(1)
    task.cancel()
    await asyncio.wait([task])
    say(f"{outcome(task)}, {task.cancelling()} asked")


virtual.run(main())

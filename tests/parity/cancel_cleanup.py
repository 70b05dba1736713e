# SPDX-License-Identifier: MIT
# A second cancel interrupts the clean-up that the first one started.
import asyncio
import virtual
from virtual import outcome, say, tidy


async def main():
    task = asyncio.create_task(tidy("a", 10, 5))
    await asyncio.sleep(1)
    task.cancel()
    await asyncio.wait([task])
    say(outcome(task))
    task = asyncio.create_task(tidy("b", 10, 5))
    await asyncio.sleep(1)
    task.cancel()
    await asyncio.sleep(2)
    task.cancel()
    await asyncio.wait([task])
    say(f"{outcome(task)}, {task.cancelling()} asked")


virtual.run(main())

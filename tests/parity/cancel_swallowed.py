# SPDX-License-Identifier: MIT
# A task that catches the cancel and returns is not cancelled: it returned. It may even go on.
import asyncio
import virtual
from virtual import outcome, say, stubborn


async def goes_on():
    await stubborn("the first sleep", 10)
    await stubborn("the second sleep", 10)
    return "done"


async def main():
    task = asyncio.create_task(goes_on())
    await asyncio.sleep(1)
    task.cancel()
    say(await task)
    say(f"{outcome(task)}, cancelled: {task.cancelled()}, {task.cancelling()} asked")


virtual.run(main())

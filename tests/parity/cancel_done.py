# SPDX-License-Identifier: MIT
# What is done cannot be cancelled: the call says so, and nothing changes.
import asyncio
import virtual
from virtual import outcome, say, work


async def main():
    task = asyncio.create_task(work("task"))
    await task
    say(task.cancel())
    say(f"{outcome(task)}, {task.cancelling()} asked")
    task = asyncio.create_task(work("another"))
    task.cancel()
    await asyncio.sleep(1)
    say(task.cancel())
    say(f"{outcome(task)}, {task.cancelling()} asked")


virtual.run(main())

# SPDX-License-Identifier: MIT
# The time is over, but the wait lasts until the task has cleaned up.
import asyncio
import virtual
from virtual import outcome, say, tidy


async def main():
    task = asyncio.create_task(tidy("a", 10, 5))
    try:
        await asyncio.wait_for(task, 1)
    except TimeoutError:
        say("timed out")
    say(f"{outcome(task)}, {asyncio.current_task().cancelling()} asked me")


virtual.run(main())

# SPDX-License-Identifier: MIT
# Who waits with a limit is cancelled: so is the task, and the wait lasts until it has cleaned up.
import asyncio
import virtual
from virtual import outcome, say, tidy


async def waits(task):
    try:
        await asyncio.wait_for(task, 20)
    except asyncio.CancelledError:
        say("the wait is cancelled")
        raise


async def main():
    task = asyncio.create_task(tidy("a", 10, 5))
    waiter = asyncio.create_task(waits(task))
    await asyncio.sleep(1)
    waiter.cancel()
    await asyncio.wait([waiter])
    say(f"{outcome(waiter)}, and a {outcome(task)}")


virtual.run(main())

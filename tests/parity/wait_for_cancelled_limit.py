# SPDX-License-Identifier: MIT
# ≠ Who waits with a limit is cancelled, and the task takes longer than the limit to clean up: it is
#   asked once more when the time is over. The first cancel wins. (So it is in Python since 3.12.)
#
#          | [0] a begins
#          | [1] a cleans up
# python   | [6] a has cleaned up
# python   | [6] the wait is cancelled
# weft     | [2] the wait is cancelled
# python   | [6] cancelled, and a cancelled
# weft     | [2] cancelled, and a cancelled
import asyncio
import virtual
from virtual import outcome, say, tidy


async def waits(task):
    try:
        await asyncio.wait_for(task, 2)
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

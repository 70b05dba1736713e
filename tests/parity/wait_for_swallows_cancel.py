# SPDX-License-Identifier: MIT
# ≠ A task is cancelled in the very moment when what it waits for is done: it gets the result, and the
#   cancel at its next await. Here wait_for swallows the cancel; since Python 3.12 it loses the result.
#
#          | [1] resolved, then cancelled
#          | [1] task has the result
# python   | [2] slept: the cancel is lost
# weft     | [1] cancelled in the next await
import asyncio
import virtual
from virtual import say


async def waiter(future):
    say(f"task has {await asyncio.wait_for(future, 10)}")
    try:
        await asyncio.sleep(1)
        say("slept: the cancel is lost")
    except asyncio.CancelledError:
        say("cancelled in the next await")


async def main():
    future = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(waiter(future))
    await asyncio.sleep(1)
    say("resolved, then cancelled")
    future.set_result("the result")
    task.cancel()
    await task


virtual.run(main())

# SPDX-License-Identifier: MIT
# ≠ A result that was there when the cancel came is delivered, and the request waits for the next
#   await. asyncio loses it: a lock that was taken, a socket that was accepted.
#
#          | [1] resolved, then cancelled
# python   | [1] task gets no result
# weft     | [1] task has a socket
# weft     | [1] task is cancelled in its next await
#          | [1] cancelled
import asyncio
import virtual
from virtual import outcome, say


async def waiter(future):
    try:
        say(f"task has {await future}")
    except asyncio.CancelledError:
        say("task gets no result")
        raise
    try:
        await asyncio.sleep(1)
    except asyncio.CancelledError:
        say("task is cancelled in its next await")
        raise


async def main():
    future = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(waiter(future))
    await asyncio.sleep(1)
    say("resolved, then cancelled")
    future.set_result("a socket")
    task.cancel()
    await asyncio.wait([task])
    say(outcome(task))


virtual.run(main())

# SPDX-License-Identifier: MIT
# ≠ A task is cancelled while it waits for another one, which has its value already: that one returns
#   it, and the cancel comes back to who was asked. asyncio throws the value away.
#
#          | [1] resolved, then cancelled
# weft     | [1] inner has a value
# weft     | [1] outer has what inner returned
#          | [1] outer is cancelled
# python   | [1] inner cancelled, outer cancelled
# weft     | [1] inner returned a value, outer cancelled
import asyncio
import virtual
from virtual import outcome, say


async def inner(future):
    value = await future
    say(f"inner has {value}")
    return value


async def outer(task):
    try:
        await task
        say("outer has what inner returned")
        await asyncio.sleep(1)
    finally:
        say("outer is cancelled")


async def main():
    future = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(inner(future))
    waiter = asyncio.create_task(outer(task))
    await asyncio.sleep(1)
    say("resolved, then cancelled")
    future.set_result("a value")
    waiter.cancel()
    await asyncio.wait([waiter])
    say(f"inner {outcome(task)}, outer {outcome(waiter)}")


virtual.run(main())

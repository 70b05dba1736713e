# SPDX-License-Identifier: MIT
# Who waits for a future is called in the order in which it came, in the next tick, never inline.
import asyncio
import virtual
from virtual import say, say_soon, say_when_done, steps


async def main():
    future = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(steps("tick", 3))
    say_when_done(future, "callback 1")
    say_when_done(future, "callback 2")
    say_soon("asked for before the result")
    future.set_result(None)
    say("there is a result, nobody was called")
    say_soon("asked for after the result")
    say_when_done(future, "callback 3, of a future that is done")
    say("main waits")
    await task


virtual.run(main())

# SPDX-License-Identifier: MIT
# Callbacks and tasks share one queue. What a callback adds runs in the next tick.
import asyncio
import virtual
from virtual import say, say_soon, steps


def nested(loop):
    say("callback 2")
    say_soon("added by callback 2")
    loop.call_soon(say_soon, "added by what was added")


async def main():
    loop = asyncio.get_running_loop()
    say_soon("callback 1")
    task = asyncio.create_task(steps("task", 5))
    loop.call_soon(nested, loop)
    say_soon("callback 3")
    say("main waits")
    await task


virtual.run(main())

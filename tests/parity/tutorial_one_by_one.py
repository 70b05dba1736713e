# SPDX-License-Identifier: MIT
# Without tasks one coroutine is awaited after the other: the times add up.
import asyncio
import virtual
from virtual import say


async def say_after(delay, what):
    await asyncio.sleep(delay)
    say(what)


async def main():
    say("started")
    await say_after(1, "hello")
    await say_after(2, "world")
    say("finished")


virtual.run(main())

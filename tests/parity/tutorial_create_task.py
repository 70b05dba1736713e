# SPDX-License-Identifier: MIT
# Two tasks are made, then awaited: they sleep at the same time.
import asyncio
import virtual
from virtual import say


async def say_after(delay, what):
    await asyncio.sleep(delay)
    say(what)


async def main():
    task1 = asyncio.create_task(say_after(1, "hello"))
    task2 = asyncio.create_task(say_after(2, "world"))
    say("started")
    await task1
    await task2
    say("finished")


virtual.run(main())

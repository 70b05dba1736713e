# SPDX-License-Identifier: MIT
# Tasks that await each other end one tick after the other.
import asyncio
import virtual
from virtual import say, steps


async def deep(level):
    say(f"level {level} begins")
    if level < 3:
        await asyncio.create_task(deep(level + 1))
    say(f"level {level} ends")


async def main():
    task = asyncio.create_task(steps("tick", 8))
    await asyncio.create_task(deep(1))
    say("main goes on")
    await task


virtual.run(main())

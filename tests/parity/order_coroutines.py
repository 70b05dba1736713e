# SPDX-License-Identifier: MIT
# Awaiting a coroutine is a call: it starts at once, returns at once, and costs no tick however deep.
import asyncio
import virtual
from virtual import say, steps


async def deep(level):
    say(f"level {level} begins")
    if level < 3:
        await deep(level + 1)
    else:
        await asyncio.sleep(0)
    say(f"level {level} ends")


async def main():
    task = asyncio.create_task(steps("tick", 3))
    await deep(1)
    await task


virtual.run(main())

# SPDX-License-Identifier: MIT
# Tasks that await each other: the request goes to the innermost, and they end from there outwards,
# a tick each.
import asyncio
import virtual
from virtual import outcome, say, steps


async def level(number):
    say(f"level {number} begins")
    try:
        if number < 3:
            await asyncio.create_task(level(number + 1))
        else:
            await asyncio.sleep(3600)
    finally:
        say(f"level {number} cleans up")


async def main():
    task = asyncio.create_task(level(1))
    await asyncio.sleep(1)
    task.cancel()
    await steps("tick", 5)
    say(outcome(task))


virtual.run(main())

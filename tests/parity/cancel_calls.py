# SPDX-License-Identifier: MIT
# Coroutines that call each other are one task: all of them clean up in one tick, inside out.
import asyncio
import virtual
from virtual import outcome, say, steps


async def level(number):
    say(f"level {number} begins")
    try:
        if number < 3:
            await level(number + 1)
        else:
            await asyncio.sleep(3600)
    finally:
        say(f"level {number} cleans up")


async def main():
    task = asyncio.create_task(level(1))
    await asyncio.sleep(1)
    task.cancel()
    await steps("tick", 3)
    say(outcome(task))


virtual.run(main())

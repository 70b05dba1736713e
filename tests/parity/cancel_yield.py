# SPDX-License-Identifier: MIT
# A task that is between two steps gets the cancel where it let others run.
import asyncio
import virtual
from virtual import outcome, say


async def busy():
    try:
        for i in range(1, 100):
            say(f"busy {i}")
            await asyncio.sleep(0)
    finally:
        say("busy cleans up")


async def main():
    task = asyncio.create_task(busy())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    say("cancelled between two steps")
    await asyncio.sleep(0)
    say(outcome(task))


virtual.run(main())

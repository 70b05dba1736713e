# SPDX-License-Identifier: MIT
# A task that cancels itself runs on to its next await, and gets the cancel there.
import asyncio
import virtual
from virtual import outcome, say


async def suicidal():
    asyncio.current_task().cancel()
    say("runs on")
    try:
        await asyncio.sleep(10)
        say("slept")
    finally:
        say("cleans up")


async def main():
    task = asyncio.create_task(suicidal())
    await asyncio.wait([task])
    say(outcome(task))


virtual.run(main())

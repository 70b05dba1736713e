# SPDX-License-Identifier: MIT
# A clean-up that fails replaces the cancel: the task has failed.
import asyncio
import virtual
from virtual import outcome, say


async def careless():
    try:
        await asyncio.sleep(10)
    finally:
        say("cleans up")
        await asyncio.sleep(1)
        raise OSError("cannot write the last page")


async def main():
    task = asyncio.create_task(careless())
    await asyncio.sleep(1)
    task.cancel()
    try:
        await task
    except OSError as error:
        say(f"caught: {error}")
    say(outcome(task))


virtual.run(main())

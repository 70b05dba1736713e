# SPDX-License-Identifier: MIT
# A cancel may say why; who awaits the task reads it.
import asyncio
import virtual
from virtual import say


async def reads():
    try:
        await asyncio.sleep(10)
    except asyncio.CancelledError as error:
        say(f"cancelled: {error}")
        raise


async def main():
    task = asyncio.create_task(reads())
    await asyncio.sleep(1)
    task.cancel("the client went away")
    try:
        await task
    except asyncio.CancelledError as error:
        say(f"the task was cancelled: {error}")


virtual.run(main())

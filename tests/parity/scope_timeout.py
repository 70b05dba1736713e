# SPDX-License-Identifier: MIT
# A limit of time around a scope cancels its children and waits for them.
import asyncio
import virtual
from virtual import say, tidy


async def together():
    async with asyncio.TaskGroup() as group:
        group.create_task(tidy("a", 10, 2))
        say("the body has ended")


async def main():
    try:
        async with asyncio.timeout(3):
            await together()
    except TimeoutError:
        say(f"timed out, {asyncio.current_task().cancelling()} asked me")


virtual.run(main())

# SPDX-License-Identifier: MIT
# The body fails: the child is cancelled and waited for; the body's failure is one of the scope's.
import asyncio
import virtual
from virtual import say, tidy


async def together():
    async with asyncio.TaskGroup() as group:
        group.create_task(tidy("a", 10, 3))
        await asyncio.sleep(1)
        raise OSError("the body is broken")


async def main():
    try:
        await together()
    except ExceptionGroup as group:
        for error in group.exceptions:
            say(f"failed: {error}")


virtual.run(main())

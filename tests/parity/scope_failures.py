# SPDX-License-Identifier: MIT
# Every failure is kept, in the order in which they came: the first child's, and that of a sibling
# which fails in its clean-up.
import asyncio
import virtual
from virtual import say, work


async def careless():
    try:
        await asyncio.sleep(10)
    finally:
        await asyncio.sleep(1)
        raise OSError("clean-up is broken")


async def main():
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(careless())
            group.create_task(work("b", 1, "b is broken"))
    except ExceptionGroup as errors:
        for error in errors.exceptions:
            say(f"failed: {error}")


virtual.run(main())

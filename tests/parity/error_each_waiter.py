# SPDX-License-Identifier: MIT
# Everybody who waits for a task gets its failure, also who comes later.
import asyncio
import virtual
from virtual import say, work


async def waiter(name, task):
    try:
        await task
    except OSError as error:
        say(f"{name}: {error}")


async def main():
    task = asyncio.create_task(work("task", 1, "it is broken"))
    first = asyncio.create_task(waiter("first", task))
    second = asyncio.create_task(waiter("second", task))
    await asyncio.gather(first, second)
    await waiter("third", task)


virtual.run(main())

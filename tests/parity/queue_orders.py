# SPDX-License-Identifier: MIT
# First in first out, last in first out, or the smallest first.
import asyncio
import virtual
from virtual import say


async def drain(queue):
    for number in 3, 1, 2:
        await queue.put(number)
    numbers = [await queue.get() for _ in range(3)]
    say(f"{numbers[0]}, {numbers[1]}, {numbers[2]}")


async def main():
    await drain(asyncio.Queue())
    await drain(asyncio.LifoQueue())
    await drain(asyncio.PriorityQueue())


virtual.run(main())

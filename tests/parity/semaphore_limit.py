# SPDX-License-Identifier: MIT
# At most two at a time, first come first served.
import asyncio
import virtual
from virtual import say


async def worker(name, semaphore, seconds):
    async with semaphore:
        say(f"{name} works")
        await asyncio.sleep(seconds)
        say(f"{name} is done")


async def main():
    semaphore = asyncio.Semaphore(2)
    await asyncio.gather(worker("a", semaphore, 5),
                         worker("b", semaphore, 1),
                         worker("c", semaphore, 2),
                         worker("d", semaphore, 3))
    say(f"locked: {semaphore.locked()}")


virtual.run(main())

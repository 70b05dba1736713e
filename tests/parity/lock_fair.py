# SPDX-License-Identifier: MIT
# A lock is handed over in the order in which it was asked for, whoever is faster afterwards.
import asyncio
import virtual
from virtual import say


async def holder(name, lock, seconds):
    say(f"{name} wants the lock")
    async with lock:
        say(f"{name} has the lock")
        await asyncio.sleep(seconds)
        say(f"{name} lets go")
    say(f"{name} goes on")


async def main():
    lock = asyncio.Lock()
    a = asyncio.create_task(holder("a", lock, 2))
    b = asyncio.create_task(holder("b", lock, 1))
    await asyncio.sleep(1)
    c = asyncio.create_task(holder("c", lock, 0))
    await asyncio.gather(a, b, c)
    say(f"locked: {lock.locked()}")


virtual.run(main())

# SPDX-License-Identifier: MIT
# A bounded semaphore refuses more than it began with; another one grows.
import asyncio
import virtual
from virtual import say


async def main():
    bounded = asyncio.BoundedSemaphore(1)
    await bounded.acquire()
    bounded.release()
    try:
        bounded.release()
    except ValueError:
        say("released too often")
    other = asyncio.Semaphore(0)
    say(f"locked: {other.locked()}")
    asyncio.get_running_loop().call_later(1, other.release)
    await other.acquire()
    say("somebody else has released it")
    other.release()
    other.release()
    await other.acquire()
    await other.acquire()
    say(f"locked: {other.locked()}")


virtual.run(main())

# SPDX-License-Identifier: MIT
# A task that is cancelled while it waits for a lock has no part in it any more; the next one gets it.
import asyncio
import virtual
from virtual import outcome, say


async def holder(name, lock):
    try:
        async with lock:
            say(f"{name} has the lock")
            await asyncio.sleep(5)
    finally:
        say(f"{name} ends")


async def main():
    lock = asyncio.Lock()
    a = asyncio.create_task(holder("a", lock))
    b = asyncio.create_task(holder("b", lock))
    c = asyncio.create_task(holder("c", lock))
    await asyncio.sleep(1)
    b.cancel()
    await asyncio.sleep(1)
    say(f"b {outcome(b)}")
    a.cancel()
    await asyncio.wait([a, c])
    say(f"a {outcome(a)}, c {outcome(c)}, locked: {lock.locked()}")


virtual.run(main())

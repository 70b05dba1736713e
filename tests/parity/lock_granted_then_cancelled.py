# SPDX-License-Identifier: MIT
# The lock was handed to a task, which is cancelled before it runs: it passes the lock on.
import asyncio
import virtual
from virtual import outcome, say


async def holder(name, lock):
    async with lock:
        say(f"{name} has the lock")
        try:
            await asyncio.sleep(1)
        except asyncio.CancelledError:
            say(f"{name} is cancelled in its next await")
            raise


async def main():
    lock = asyncio.Lock()
    await lock.acquire()
    say("main has the lock")
    a = asyncio.create_task(holder("a", lock))
    b = asyncio.create_task(holder("b", lock))
    await asyncio.sleep(1)
    say("main lets go, then cancels a")
    lock.release()
    a.cancel()
    await asyncio.wait([a, b])
    say(f"a {outcome(a)}, b {outcome(b)}")


virtual.run(main())

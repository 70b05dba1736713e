# SPDX-License-Identifier: MIT
# Who is cancelled while it waits loses its place, and what was released goes to the next.
import asyncio
import virtual
from virtual import outcome, say


async def taker(name, semaphore):
    await semaphore.acquire()
    say(f"{name} has it")


async def main():
    semaphore = asyncio.Semaphore(0)
    a = asyncio.create_task(taker("a", semaphore))
    b = asyncio.create_task(taker("b", semaphore))
    c = asyncio.create_task(taker("c", semaphore))
    await asyncio.sleep(1)
    a.cancel()
    semaphore.release()
    await asyncio.sleep(1)
    say(f"a {outcome(a)}, b {outcome(b)}, c {outcome(c)}")
    semaphore.release()
    await c
    say(f"locked: {semaphore.locked()}")


virtual.run(main())

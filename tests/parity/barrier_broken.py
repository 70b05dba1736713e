# SPDX-License-Identifier: MIT
# Aborted: who waits and who comes later fails, until the barrier is reset. A reset sends away who
# waits.
import asyncio
import virtual
from virtual import say


async def party(name, barrier):
    try:
        await barrier.wait()
        say(f"{name} goes on")
    except asyncio.BrokenBarrierError:
        say(f"{name} is sent away, broken: {barrier.broken}")


async def main():
    barrier = asyncio.Barrier(2)
    a = asyncio.create_task(party("a", barrier))
    await asyncio.sleep(1)
    await barrier.abort()
    await a
    await party("b", barrier)
    await barrier.reset()
    say(f"broken: {barrier.broken}")
    c = asyncio.create_task(party("c", barrier))
    await asyncio.sleep(1)
    await barrier.reset()
    await c
    await asyncio.gather(party("d", barrier), party("e", barrier))


virtual.run(main())

# SPDX-License-Identifier: MIT
# Who is cancelled leaves; the others wait for somebody in its place.
import asyncio
import virtual
from virtual import outcome, say


async def party(name, barrier):
    await barrier.wait()
    say(f"{name} goes on")


async def main():
    barrier = asyncio.Barrier(2)
    a = asyncio.create_task(party("a", barrier))
    await asyncio.sleep(1)
    a.cancel()
    b = asyncio.create_task(party("b", barrier))
    await asyncio.sleep(1)
    say(f"a {outcome(a)}, b {outcome(b)}, {barrier.n_waiting} waits, broken: {barrier.broken}")
    await party("c", barrier)
    await b


virtual.run(main())

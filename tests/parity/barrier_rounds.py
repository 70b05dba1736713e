# SPDX-License-Identifier: MIT
# Tasks wait until all have come, then all go on; each has a number, in the order in which they came.
# The barrier can be used again.
import asyncio
import virtual
from virtual import say


async def runner(name, barrier, seconds):
    for round_number in 1, 2:
        await asyncio.sleep(seconds)
        say(f"{name} has come, {barrier.n_waiting} wait")
        number = await barrier.wait()
        say(f"{name} goes on as number {number} in round {round_number}")


async def main():
    barrier = asyncio.Barrier(3)
    say(f"{barrier.parties} parties")
    await asyncio.gather(runner("a", barrier, 3), runner("b", barrier, 1), runner("c", barrier, 2))


virtual.run(main())

# SPDX-License-Identifier: MIT
# ≠ A party that is cancelled has left at once. In asyncio it is counted until it runs: another one
#   that comes in between goes on all alone.
#
#          | [1] a is cancelled, and b comes
# python   | [1] b goes on as number 1
#          | [2] a cancelled
# python   | [2] b returned nothing
# weft     | [2] b pending
import asyncio
import virtual
from virtual import outcome, say


async def party(name, barrier):
    number = await barrier.wait()
    say(f"{name} goes on as number {number}")


async def main():
    barrier = asyncio.Barrier(2)
    a = asyncio.create_task(party("a", barrier))
    await asyncio.sleep(1)
    b = asyncio.create_task(party("b", barrier))
    a.cancel()
    say("a is cancelled, and b comes")
    await asyncio.sleep(1)
    say(f"a {outcome(a)}")
    say(f"b {outcome(b)}")


virtual.run(main())

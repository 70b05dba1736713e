# SPDX-License-Identifier: MIT
# ≠ The task is cancelled, and a child fails on the way out: the scope tells of the failure, and the
#   cancel comes with the next await. asyncio loses it before 3.13.
#
#          | [0] a begins
#          | [1] a cleans up
#          | [2] caught: clean-up is broken
# python   | [7] slept: the cancel is lost
# weft     | [2] cancelled in the next await
import asyncio
import virtual
from virtual import say


async def careless():
    say("a begins")
    try:
        await asyncio.sleep(10)
    finally:
        say("a cleans up")
        await asyncio.sleep(1)
        raise OSError("clean-up is broken")


async def together():
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(careless())
    except ExceptionGroup as group:
        say(f"caught: {group.exceptions[0]}")
    try:
        await asyncio.sleep(5)
        say("slept: the cancel is lost")
    except asyncio.CancelledError:
        say("cancelled in the next await")
        raise


async def main():
    task = asyncio.create_task(together())
    await asyncio.sleep(1)
    task.cancel()
    await asyncio.wait([task])


virtual.run(main())

# SPDX-License-Identifier: MIT
# A shield keeps the cancel away from what it stands for; who waited is cancelled all the same.
import asyncio
import virtual
from virtual import outcome, say, work


async def waits(inner):
    try:
        await asyncio.shield(inner)
    finally:
        say("the waiting task cleans up")


async def main():
    inner = asyncio.create_task(work("inner", 5))
    task = asyncio.create_task(waits(inner))
    await asyncio.sleep(1)
    task.cancel()
    await asyncio.sleep(1)
    say(f"the waiting task: {outcome(task)}")
    say(f"inner: {outcome(inner)}")
    await inner
    say(f"inner: {outcome(inner)}")


virtual.run(main())

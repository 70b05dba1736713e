# SPDX-License-Identifier: MIT
# Who is cancelled while it waits for a change has the lock again before it goes on, be it late.
import asyncio
import virtual
from virtual import outcome, say


async def waiter(condition):
    async with condition:
        try:
            await condition.wait()
        finally:
            say(f"the waiter goes on, locked: {condition.locked()}")


async def main():
    condition = asyncio.Condition()
    task = asyncio.create_task(waiter(condition))
    await asyncio.sleep(1)
    async with condition:
        task.cancel()
        say("main has the lock, and cancels the waiter")
        await asyncio.sleep(5)
        say("main lets go")
    await asyncio.wait([task])
    say(f"{outcome(task)}, locked: {condition.locked()}")
    try:
        condition.notify()
    except RuntimeError:
        say("only who has the lock may notify")


virtual.run(main())

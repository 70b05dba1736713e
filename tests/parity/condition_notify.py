# SPDX-License-Identifier: MIT
# Tasks wait for a change under a lock; those that are notified go on one after the other, in order.
import asyncio
import virtual
from virtual import say


async def waiter(name, condition):
    async with condition:
        say(f"{name} waits")
        await condition.wait()
        say(f"{name} goes on, locked: {condition.locked()}")


async def main():
    condition = asyncio.Condition()
    tasks = [asyncio.create_task(waiter(name, condition)) for name in "abcd"]
    await asyncio.sleep(1)
    async with condition:
        condition.notify()
        say("one is notified")
    await asyncio.sleep(1)
    async with condition:
        condition.notify(2)
        say("two are notified")
    await asyncio.sleep(1)
    async with condition:
        condition.notify_all()
        say("all are notified")
    await asyncio.gather(*tasks)


virtual.run(main())

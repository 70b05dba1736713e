# SPDX-License-Identifier: MIT
# ≠ A task is notified, and cancelled before it runs: it passes the notification on. asyncio loses it
#   before 3.13, and the next one waits for ever.
#
#          | [1] one is notified, and cancelled
# weft     | [1] b goes on
# python   | [2] a cancelled, b pending
# weft     | [2] a cancelled, b returned nothing
import asyncio
import virtual
from virtual import outcome, say


async def waiter(name, condition):
    async with condition:
        await condition.wait()
        say(f"{name} goes on")


async def main():
    condition = asyncio.Condition()
    a = asyncio.create_task(waiter("a", condition))
    b = asyncio.create_task(waiter("b", condition))
    await asyncio.sleep(1)
    async with condition:
        condition.notify()
    a.cancel()
    say("one is notified, and cancelled")
    await asyncio.sleep(1)
    say(f"a {outcome(a)}, b {outcome(b)}")


virtual.run(main())

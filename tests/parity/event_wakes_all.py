# SPDX-License-Identifier: MIT
# An event that is set wakes all who wait, in the order in which they came, also if it is cleared
# before they run; then they have to wait again.
import asyncio
import virtual
from virtual import say


async def waiter(name, event):
    await event.wait()
    say(f"{name} goes on, set: {event.is_set()}")
    await event.wait()
    say(f"{name} goes on again, set: {event.is_set()}")


async def main():
    event = asyncio.Event()
    a = asyncio.create_task(waiter("a", event))
    b = asyncio.create_task(waiter("b", event))
    await asyncio.sleep(1)
    event.set()
    event.clear()
    say("set and cleared")
    await asyncio.sleep(1)
    event.set()
    event.set()
    say("set twice")
    await asyncio.gather(a, b)
    await event.wait()
    say("no wait for what is set")


virtual.run(main())

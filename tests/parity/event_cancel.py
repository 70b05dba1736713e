# SPDX-License-Identifier: MIT
# One of those who wait is cancelled, another runs out of time; the event does not care.
import asyncio
import virtual
from virtual import outcome, say


async def waiter(name, event):
    try:
        await event.wait()
        say(f"{name} goes on")
    except asyncio.CancelledError:
        say(f"{name} is cancelled")
        raise


async def main():
    event = asyncio.Event()
    a = asyncio.create_task(waiter("a", event))
    b = asyncio.create_task(waiter("b", event))
    await asyncio.sleep(1)
    a.cancel()
    try:
        await asyncio.wait_for(event.wait(), 2)
    except TimeoutError:
        say("timed out")
    event.set()
    await b
    say(f"a {outcome(a)}, b {outcome(b)}")


virtual.run(main())

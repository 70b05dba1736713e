# SPDX-License-Identifier: MIT
# The awaited task is cancelled by somebody else: its waiter sees an error like any other, and nobody
# asked the waiter to stop.
import asyncio
import virtual
from virtual import outcome, say, work


async def waiter(task):
    try:
        await task
    except asyncio.CancelledError:
        say(f"the awaited was cancelled, {asyncio.current_task().cancelling()} asked me")
    await asyncio.sleep(1)
    return "undisturbed"


async def main():
    inner = asyncio.create_task(work("inner", 10))
    outer = asyncio.create_task(waiter(inner))
    await asyncio.sleep(1)
    inner.cancel()
    await outer
    say(f"{outcome(outer)}; inner: {outcome(inner)}")


virtual.run(main())

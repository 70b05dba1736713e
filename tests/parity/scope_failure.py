# SPDX-License-Identifier: MIT
# A child fails: its sibling is cancelled, and the body at its await; all have ended before the scope
# fails, and nobody outside was asked to stop.
import asyncio
import virtual
from virtual import say, tidy, work


async def together():
    async with asyncio.TaskGroup() as group:
        group.create_task(tidy("a", 10, 2))
        group.create_task(work("b", 1, "b is broken"))
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            say("the body is cancelled")
            raise


async def main():
    try:
        await together()
    except ExceptionGroup as group:
        for error in group.exceptions:
            say(f"failed: {error}")
    say(f"{asyncio.current_task().cancelling()} asked me")


virtual.run(main())

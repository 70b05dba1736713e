# SPDX-License-Identifier: MIT
# The task that is waited for is cancelled by somebody else: no timeout, and nobody asked the waiter.
import asyncio
import virtual
from virtual import say, work


async def main():
    task = asyncio.create_task(work("a", 10))
    asyncio.get_running_loop().call_later(1, task.cancel)
    try:
        await asyncio.wait_for(task, 5)
    except asyncio.CancelledError:
        say(f"a was cancelled, {asyncio.current_task().cancelling()} asked me")


virtual.run(main())

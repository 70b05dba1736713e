# SPDX-License-Identifier: MIT
# Who asked takes the request back, and so tells its own cancels from those of others.
import asyncio
import virtual
from virtual import outcome, say


async def counts():
    this = asyncio.current_task()
    try:
        await asyncio.sleep(10)
    except asyncio.CancelledError:
        say(f"{this.cancelling()} asked")
    say(f"{this.uncancel()} left")
    say(f"{this.uncancel()} left")
    say(f"{this.uncancel()} left, never below 0")
    await asyncio.sleep(10)
    return "done"


async def main():
    task = asyncio.create_task(counts())
    await asyncio.sleep(1)
    task.cancel()
    task.cancel()
    say(await task)
    say(f"{outcome(task)}, {task.cancelling()} asked")


virtual.run(main())

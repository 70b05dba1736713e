# SPDX-License-Identifier: MIT
# A cancel ends a sleep at once; the task goes on, and is cancelled, in the tick after the next.
import asyncio
import virtual
from virtual import outcome, say, steps, work


async def main():
    task = asyncio.create_task(work("sleeper", 3600))
    await asyncio.sleep(1)
    ticker = asyncio.create_task(steps("tick", 5))
    await asyncio.sleep(0)
    say(task.cancel())
    say(outcome(task))
    await asyncio.wait([task])
    say(outcome(task))
    await ticker


virtual.run(main())

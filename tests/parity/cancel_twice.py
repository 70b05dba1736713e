# SPDX-License-Identifier: MIT
# Two requests before the first is delivered are one cancellation; the counter says two.
import asyncio
import virtual
from virtual import outcome, say


async def patient():
    for _ in range(2):
        try:
            await asyncio.sleep(10)
            say("slept")
        except asyncio.CancelledError:
            say(f"cancelled, {asyncio.current_task().cancelling()} asked")


async def main():
    task = asyncio.create_task(patient())
    await asyncio.sleep(1)
    say(task.cancel())
    say(task.cancel())
    await task
    say(f"{outcome(task)}, {task.cancelling()} asked")


virtual.run(main())

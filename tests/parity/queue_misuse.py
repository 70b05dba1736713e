# SPDX-License-Identifier: MIT
# Without waiting, full and empty are errors; so is to be done more often than there was work.
import asyncio
import virtual
from virtual import say


async def main():
    queue = asyncio.Queue(maxsize=1)
    queue.put_nowait(1)
    say(f"full: {queue.full()}")
    try:
        queue.put_nowait(2)
    except asyncio.QueueFull:
        say("no room")
    await queue.get()
    try:
        queue.get_nowait()
    except asyncio.QueueEmpty:
        say("nothing there")
    queue.task_done()
    try:
        queue.task_done()
    except ValueError:
        say("done too often")
    await queue.join()
    say("nothing to wait for")


virtual.run(main())

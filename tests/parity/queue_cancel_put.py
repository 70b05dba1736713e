# SPDX-License-Identifier: MIT
# Who is cancelled while it waits for room puts nothing; the next in line does.
import asyncio
import virtual
from virtual import outcome, say


async def putter(queue, number):
    await queue.put(number)
    say(f"put {number}")


async def main():
    queue = asyncio.Queue(maxsize=1)
    queue.put_nowait(0)
    a = asyncio.create_task(putter(queue, 1))
    b = asyncio.create_task(putter(queue, 2))
    await asyncio.sleep(1)
    a.cancel()
    await asyncio.sleep(1)
    say(f"a {outcome(a)}, b {outcome(b)}")
    say(f"got {queue.get_nowait()}")
    await b
    say(f"got {await queue.get()}, empty: {queue.empty()}")


virtual.run(main())

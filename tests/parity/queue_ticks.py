# SPDX-License-Identifier: MIT
# Ticks from a put to the get that waited for it, and from a get to the put that waited for room.
import asyncio
import virtual
from virtual import count_ticks, say


async def get(queue):
    say(f"got {await queue.get()}")


async def put(queue, number):
    await queue.put(number)
    say(f"put {number}")


async def main():
    queue = asyncio.Queue(maxsize=1)
    task = asyncio.create_task(get(queue))
    await asyncio.sleep(1)
    queue.put_nowait(1)
    await count_ticks("get", task)
    queue.put_nowait(2)
    task = asyncio.create_task(put(queue, 3))
    await asyncio.sleep(1)
    await queue.get()
    await count_ticks("put", task)
    task = asyncio.create_task(queue.join())
    await asyncio.sleep(1)
    for _ in range(3):
        queue.task_done()
    await count_ticks("join", task)


virtual.run(main())

# SPDX-License-Identifier: MIT
# A full queue holds its producer back; an empty one its consumer.
import asyncio
import virtual
from virtual import say


async def producer(queue):
    for number in range(1, 5):
        await queue.put(number)
        say(f"put {number}, {queue.qsize()} in the queue")


async def consumer(queue):
    for _ in range(4):
        number = await queue.get()
        say(f"got {number}, {queue.qsize()} in the queue")
        await asyncio.sleep(1)


async def main():
    queue = asyncio.Queue(maxsize=1)
    await asyncio.gather(consumer(queue), producer(queue))
    say(f"empty: {queue.empty()}")


virtual.run(main())

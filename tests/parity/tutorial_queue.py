# SPDX-License-Identifier: MIT
# Three workers share the jobs in a queue; main waits until all of it is dealt with.
import asyncio
import virtual
from virtual import say


async def worker(name, queue):
    while True:
        seconds = await queue.get()
        await asyncio.sleep(seconds)
        queue.task_done()
        say(f"{name} has slept for {seconds} seconds")


async def main():
    queue = asyncio.Queue()
    for seconds in 7, 5, 1, 3, 9:
        queue.put_nowait(seconds)
    tasks = [asyncio.create_task(worker(name, queue)) for name in ("ada", "bob", "cyd")]
    await queue.join()
    say("all is done")
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


virtual.run(main())

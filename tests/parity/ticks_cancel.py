# SPDX-License-Identifier: MIT
# How many ticks it takes from a cancel to the end of the task, by what the task waits for.
import asyncio
import virtual
from virtual import awaits, count_ticks, steps


async def cancelled(what, awaitable):
    task = asyncio.create_task(awaits(awaitable))
    await asyncio.sleep(1)
    task.cancel()
    await count_ticks(what, task)


async def holds(lock):
    await lock.acquire()


async def main():
    future = asyncio.get_running_loop().create_future
    task = asyncio.create_task
    lock, event, semaphore, barrier = (
        asyncio.Lock(), asyncio.Event(), asyncio.Semaphore(0), asyncio.Barrier(2))
    await task(holds(lock))
    await cancelled("sleep", asyncio.sleep(10))
    await cancelled("future", future())
    await cancelled("task", task(awaits(future())))
    await cancelled("task of a task", task(awaits(task(awaits(future())))))
    await cancelled("gather", asyncio.gather(future(), future()))
    await cancelled("gather of tasks", asyncio.gather(awaits(future()), awaits(future())))
    await cancelled("shield", asyncio.shield(future()))
    await cancelled("wait", asyncio.wait([future(), future()]))
    await cancelled("event", event.wait())
    await cancelled("lock", lock.acquire())
    await cancelled("semaphore", semaphore.acquire())
    await cancelled("barrier", barrier.wait())
    task = task(steps("tick", 1))
    await asyncio.sleep(0)
    task.cancel()
    await count_ticks("yield", task)


virtual.run(main())

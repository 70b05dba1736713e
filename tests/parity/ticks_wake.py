# SPDX-License-Identifier: MIT
# How many ticks it takes until a task is done, once what it waits for has happened.
import asyncio
import virtual
from virtual import awaits, count_ticks


async def woken(what, wake, awaitable):
    task = asyncio.create_task(awaits(awaitable))
    await asyncio.sleep(1)
    wake()
    await count_ticks(what, task)


async def main():
    future, second = (asyncio.get_running_loop().create_future() for _ in range(2))
    event, semaphore = asyncio.Event(), asyncio.Semaphore(0)

    def wake():
        future.set_result(None)

    def fail():
        second.set_exception(OSError("broken"))

    task = asyncio.create_task(awaits(future))
    waits = [asyncio.create_task(awaits(awaitable)) for awaitable in (
        future, task, asyncio.gather(future), asyncio.gather(task, future),
        asyncio.shield(future), asyncio.gather(future, second), asyncio.shield(second),
        asyncio.gather(second, second, return_exceptions=True))]
    names = ("future", "task", "gather", "gather of tasks", "shield",
             "failed gather", "failed shield", "failures gathered")
    await asyncio.sleep(1)
    wake()
    fail()
    await asyncio.gather(*(count_ticks(what, task) for what, task in zip(names, waits)))
    await woken("event", event.set, event.wait())
    await woken("semaphore", semaphore.release, semaphore.acquire())


virtual.run(main())

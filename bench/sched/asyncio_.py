# SPDX-License-Identifier: MIT
"""asyncio and uvloop. chain: call_soon(); yield: tasks that await sleep(0); call: a coroutine is awaited
(with MODE_=spawn, as a task)."""
import asyncio
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "common"))
import bench

workload, peer, mode = sys.argv[1:4]
counts = list(map(int, sys.argv[4:]))


async def chain(steps):
    loop = asyncio.get_running_loop()
    finished = loop.create_future()
    left = steps

    def step():
        nonlocal left
        left -= 1
        if left:
            loop.call_soon(step)
        else:
            finished.set_result(None)

    loop.call_soon(step)
    await finished


async def yields(tasks, count):
    async def task():
        for _ in range(count):
            await asyncio.sleep(0)

    await asyncio.gather(*(task() for _ in range(tasks)))


async def add_one(to):
    return to + 1


async def call(count):
    total = 0
    if os.environ.get("MODE_") == "spawn":
        while total < count:
            total = await asyncio.create_task(add_one(total))
    else:
        while total < count:
            total = await add_one(total)


async def main():
    start = bench.usage_now()
    await {"chain": chain, "yield": yields, "call": call}[mode](*counts)
    count = counts[0] * counts[1] if mode == "yield" else counts[0]
    bench.emit_ops(workload, peer, count, start, bench.usage_now())


bench.run(main())

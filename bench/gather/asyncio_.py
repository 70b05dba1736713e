# SPDX-License-Identifier: MIT
"""asyncio and uvloop: asyncio.gather() of coroutines."""
import asyncio
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "common"))
import bench

workload, peer, tasks, rounds = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:5])


async def child(number):
    await asyncio.sleep(0)
    return number


async def main():
    start = bench.usage_now()
    for _ in range(rounds):
        values = await asyncio.gather(*(child(i) for i in range(tasks)))
        assert sum(values) == tasks * (tasks - 1) // 2
    bench.emit_ops(workload, peer, tasks * rounds, start, bench.usage_now())


bench.run(main())

# SPDX-License-Identifier: MIT
"""asyncio and uvloop: a task for each sleep."""
import asyncio
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "common"))
import bench

workload, peer, count, sleep_ms = *sys.argv[1:3], *map(int, sys.argv[3:5])


async def sleeper():
    await asyncio.sleep(sleep_ms / 1000)


async def main():
    kb_before = bench.status_kb("VmHWM")
    start = bench.usage_now()
    tasks = [asyncio.create_task(sleeper()) for _ in range(count)]
    for task in tasks:
        await task
    end = bench.usage_now()
    kb = bench.status_kb("VmHWM")
    bench.emit(workload, peer, "peak_rss", kb / 1024, "MiB")
    bench.emit(workload, peer, "bytes_per_task", (kb - kb_before) * 1024 / count, "B")
    bench.emit(workload, peer, "overhead", (end[0] - start[0]) / 1e6 - sleep_ms, "ms")
    bench.emit(workload, peer, "cpu", (end[1] - start[1]) / 1e6, "ms")


bench.run(main())

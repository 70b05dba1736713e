# SPDX-License-Identifier: MIT
"""asyncio and uvloop: loop.run_in_executor(); DISPATCH=to_thread: asyncio.to_thread()."""
import asyncio
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "common"))
import bench

workload, peer = sys.argv[1:3]
threads, in_flight, jobs, sleep_us = map(int, sys.argv[3:7])


def job():
    if sleep_us:
        time.sleep(sleep_us / 1e6)


async def run_jobs(count, pool):
    loop = asyncio.get_running_loop()
    if os.environ.get("DISPATCH") == "to_thread":
        for _ in range(count):
            await asyncio.to_thread(job)
    else:
        for _ in range(count):
            await loop.run_in_executor(pool, job)


async def phase(total, pool):
    runners = min(in_flight, total)
    shares = (total // runners + (i < total % runners) for i in range(runners))
    await asyncio.gather(*(run_jobs(share, pool) for share in shares))


async def main():
    pool = ThreadPoolExecutor(threads)
    asyncio.get_running_loop().set_default_executor(pool)
    await phase(jobs if sleep_us else max(1, jobs // 10), pool)
    start = bench.usage_now()
    await phase(jobs, pool)
    bench.emit_ops(workload, peer, jobs, start, bench.usage_now())


bench.run(main())

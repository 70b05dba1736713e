# SPDX-License-Identifier: MIT
"""asyncio and uvloop: loop.call_soon_threadsafe() for each post."""
import asyncio
import os
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "common"))
import bench

workload, peer, producers, posts = *sys.argv[1:3], *map(int, sys.argv[3:5])
of_each = posts // producers
total = of_each * producers


async def main():
    loop = asyncio.get_running_loop()
    finished = loop.create_future()
    ran = 0

    def call():
        nonlocal ran
        ran += 1
        if ran == total:
            finished.set_result(None)

    def produce():
        for _ in range(of_each):
            loop.call_soon_threadsafe(call)

    threads = [threading.Thread(target=produce) for _ in range(producers)]
    start = bench.usage_now()
    for thread in threads:
        thread.start()
    await finished
    bench.emit_ops(workload, peer, total, start, bench.usage_now())
    for thread in threads:
        thread.join()


bench.run(main())

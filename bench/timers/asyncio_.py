# SPDX-License-Identifier: MIT
"""asyncio and uvloop: loop.call_later() and TimerHandle.cancel(), then a turn of the loop (asyncio
cancels lazily)."""
import asyncio
import os
import random
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "common"))
import bench

workload, peer, count = *sys.argv[1:3], int(sys.argv[3])


def print_ns(metric, start, end):
    bench.emit(workload, peer, metric, (end - start) / count, "ns")


async def insert_and_cancel(seconds, order):
    loop = asyncio.get_running_loop()

    def call():
        pass

    start = time.monotonic_ns()
    handles = [loop.call_later(delay, call) for delay in seconds]
    inserted = time.monotonic_ns()
    for i in order:
        handles[i].cancel()
    await asyncio.sleep(0)
    cancelled = time.monotonic_ns()
    print_ns("insert", start, inserted)
    print_ns("cancel", inserted, cancelled)
    print_ns("pair", start, cancelled)


async def expire(seconds):
    loop = asyncio.get_running_loop()
    finished = loop.create_future()
    left = count

    def call():
        nonlocal left
        left -= 1
        if not left:
            finished.set_result(None)

    for delay in seconds:
        loop.call_later(delay, call)
    time.sleep(1.1)
    start = time.monotonic_ns()
    await finished
    print_ns("expire", start, time.monotonic_ns())


async def main():
    random.seed(7)
    order = list(range(count))
    random.shuffle(order)
    await insert_and_cancel([1 + random.random() * 3599 for _ in range(count)], order)
    await expire([0.001 + random.random() * 0.999 for _ in range(count)])


bench.run(main())

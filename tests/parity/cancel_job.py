# SPDX-License-Identifier: MIT
# ≠ A cancel lets go of a thread's job in asyncio: the task is over while the job still runs. Here it
#   waits for the job, whose memory is safe so, and gets its result; the request waits for the next
#   await.
#
#          | the job runs
# python   | cancelled: the job still runs
#          | the job ends
# weft     | the job returned 42
# weft     | cancelled in the next await
#          | the end
import asyncio
import threading

running, go = threading.Event(), threading.Event()


def job():
    print("the job runs", flush=True)
    running.set()
    go.wait()
    print("the job ends", flush=True)
    return 42


async def task():
    try:
        print(f"the job returned {await asyncio.to_thread(job)}", flush=True)
    except asyncio.CancelledError:
        print("cancelled: the job still runs", flush=True)
        raise
    try:
        await asyncio.sleep(1)
    except asyncio.CancelledError:
        print("cancelled in the next await", flush=True)


async def main():
    offloads = asyncio.create_task(task())
    await asyncio.sleep(0)
    running.wait()
    offloads.cancel()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    go.set()
    await asyncio.wait([offloads])


asyncio.run(main())
print("the end", flush=True)
